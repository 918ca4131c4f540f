// Package scenarios holds what a run is asked to do: the shipped scenarios,
// and the reading, checking and printing of anybody's own.
//
// A scenario is a YAML document. Parse reports every mistake in it at once,
// each with its line, column and an excerpt, and returns a Scenario only when
// there is none; nothing downstream validates again. A small one:
//
//	format: 1
//	name: two-faults
//	tenants:
//	  - name: contoso
//	    domains: [contoso.test]
//	load:
//	  rate: 500/s
//	  duration: 20s
//	  mix: {right: 95%, wrong: 5%}
//	faults:
//	  - crash(connector-1) at 3s for 2s
//	  - name: silent
//	    kind: block
//	    target: connector-2
//	    ports: requests
//	    mode: stall
//	    at: 8s
//	    for: 5s
//	objectives:
//	  - failed == 0
//	  - time_to_failover(silent) < 2s
package scenarios

import (
	"ptabench/population"
)

// Format is the version of the scenario format that this program reads.
const Format = 1

// A Scenario says which system to build, how to load it, what to break, and
// what must hold.
//
// The tags of its fields are the reference for users, the validator and the
// JSON schema at once: yaml names the field, doc describes it, need:"yes" is a
// field without which there is no scenario, default fills in what is absent,
// min and max bound it (in the field's own text form), and is names a rule of
// rules for texts.
type Scenario struct {
	Format      int         `yaml:"format" need:"yes" min:"1" max:"1" doc:"version of the scenario format; 1"`
	Name        string      `yaml:"name" need:"yes" is:"name" doc:"a short name in lower case, used for the run directory"`
	Description string      `yaml:"description,omitempty" is:"text" doc:"what the scenario shows, for people; its first sentence is listed"`
	Seed        uint64      `yaml:"seed" default:"1" doc:"everything random derives from it: users, arrivals, choices; 1 by default"`
	Population  Population  `yaml:"population" doc:"who the users are"`
	Directory   Directory   `yaml:"directory" doc:"how the test directory behaves"`
	Cloud       Cloud       `yaml:"cloud" doc:"settings of the cloud simulator"`
	Tenants     []Tenant    `yaml:"tenants" need:"yes" doc:"customers of the cloud; the load signs in to the first one"`
	Connectors  Connectors  `yaml:"connectors" doc:"how many connectors to run, and how"`
	Load        Load        `yaml:"load" need:"yes" doc:"which sign-ins arrive, and when"`
	Faults      []Fault     `yaml:"faults,omitempty" doc:"what to break; each a mapping, or one line such as: crash(connector-1) at 6s for 3s"`
	Objectives  []Objective `yaml:"objectives,omitempty" doc:"what must hold for the verdict pass, one comparison a line, such as: failed == 0"`
}

// Population says who the users are. The domain is that of the first tenant.
type Population struct {
	Users  int                        `yaml:"users" default:"10000" min:"1" max:"999999" doc:"number of users; 10000 by default"`
	States map[population.State]Share `yaml:"states,omitempty" min:"0%" max:"100%" doc:"share of users in each state other than active: disabled, locked, expired, must-change, account-expired"`
}

// Directory says how the test directory behaves.
type Directory struct {
	Delay Duration `yaml:"delay" default:"0s" min:"0s" max:"10s" doc:"added to the answer of every user bind; 0s by default"`
}

// Cloud holds the settings of the cloud simulator.
type Cloud struct {
	Dispatch            Dispatch `yaml:"dispatch" default:"least-outstanding" doc:"which connector gets a sign-in: least-outstanding (default), random, round-robin, first-available"`
	Handoff             Switch   `yaml:"handoff" default:"on" doc:"whether the sign-ins of a lost connector go to another one: on (default) or off"`
	Attempts            int      `yaml:"attempts" default:"3" min:"1" max:"10" doc:"connectors a sign-in is given to at most; 3 by default"`
	Deadline            Duration `yaml:"deadline" default:"5s" min:"10ms" max:"5m" doc:"how long a sign-in may take on the pass-through path; 5s by default"`
	AttemptTimeout      Duration `yaml:"attempt_timeout" default:"1s" min:"10ms" max:"5m" doc:"how long one connector may take before another is tried; 1s by default"`
	Heartbeat           Duration `yaml:"heartbeat" default:"250ms" min:"10ms" max:"5m" doc:"interval of heartbeats on connector streams, both ways; 250ms by default"`
	HeartbeatMisses     int      `yaml:"heartbeat_misses" default:"3" min:"1" max:"100" doc:"silent intervals after which a connector is given up; 3 by default"`
	Queue               int      `yaml:"queue" default:"10000" min:"1" max:"1000000" doc:"sign-ins a tenant's queue holds at most; 10000 by default"`
	BreakerThreshold    int      `yaml:"breaker_threshold" default:"5" min:"1" max:"10000" doc:"path failures in a row that open a tenant's breaker; 5 by default"`
	BreakerProbe        Duration `yaml:"breaker_probe" default:"250ms" min:"1ms" max:"5m" doc:"interval at which an open breaker tries pass-through with a real sign-in; 250ms by default"`
	SealRollover        Duration `yaml:"seal_rollover" default:"10m" min:"1s" max:"24h" doc:"age at which the sealing context of a connector session is replaced; 10m by default"`
	SealRolloverCount   int      `yaml:"seal_rollover_count" default:"1000000" min:"1" max:"1000000000" doc:"passwords after which it is replaced; 1000000 by default"`
	CertificateLifetime Duration `yaml:"certificate_lifetime" default:"4320h" min:"1s" max:"87600h" doc:"lifetime of connector certificates; 4320h by default, which is 180 days"`
}

// Tenant is one customer of the cloud.
type Tenant struct {
	Name     string   `yaml:"name" need:"yes" is:"name" doc:"lower-case letters, digits and dashes; part of its addresses"`
	Domains  []string `yaml:"domains" need:"yes" is:"domain" doc:"domains of its user names, such as contoso.test"`
	Method   Method   `yaml:"method" default:"pass-through" doc:"who checks passwords: pass-through (default) or hash-sync"`
	Fallback Fallback `yaml:"fallback" default:"automatic" doc:"whether hash sync answers when pass-through fails: automatic (default), manual, off"`
}

// Connectors says how many connectors to run and how.
type Connectors struct {
	Count       int      `yaml:"count" default:"3" min:"0" max:"40" doc:"number of connectors, named connector-1 and so on; 3 by default, 40 is what a tenant may have"`
	Concurrency int      `yaml:"concurrency" default:"200" min:"1" max:"10000" doc:"sign-ins each takes at once; 200 by default"`
	Pool        int      `yaml:"pool" default:"0" min:"0" max:"1000" doc:"connections each keeps to the directory, by LDAPS, one bind at a time on each; 0 (default): as many as it needs, up to its concurrency"`
	Processors  int      `yaml:"processors" default:"0" min:"0" max:"1024" doc:"processors each may use at once; 0 (default): its share of this machine's, at least one"`
	BindTimeout Duration `yaml:"bind_timeout" default:"900ms" min:"1ms" max:"5m" doc:"how long a connector waits for the directory; 900ms by default"`
	Command     []string `yaml:"command,omitempty" is:"text" doc:"program and first arguments that start a connector, instead of this program's own; the flags of 'ptabench connector' follow"`
}

// Load says which sign-ins arrive and when. Arrivals are open-loop: a late
// answer never delays the next.
type Load struct {
	Rate        Rate             `yaml:"rate" need:"yes" min:"0.1/s" max:"100000/s" doc:"sign-ins per second, such as 1000/s"`
	Arrivals    Arrivals         `yaml:"arrivals" default:"poisson" doc:"poisson (default) or constant"`
	Warmup      Duration         `yaml:"warmup" default:"2s" min:"0s" max:"10m" doc:"load before time 0, measured but left out of the figures; 2s by default"`
	Duration    Duration         `yaml:"duration" need:"yes" min:"100ms" max:"24h" doc:"load from time 0; faults are placed in it"`
	Mix         map[Intent]Share `yaml:"mix" need:"yes" min:"0%" max:"100%" doc:"share of each kind of sign-in: right, wrong, disabled, locked, expired, must-change, account-expired, unknown; must add up to 100%"`
	Connections Connections      `yaml:"connections" default:"pooled" doc:"pooled (default): opened before the first arrival and kept; per-sign-in: a new TLS connection for each"`
	Pool        int              `yaml:"pool,omitempty" min:"1" max:"10000" doc:"connections opened for pooled; when not given, enough for a quarter of a second of arrivals, 64 to 1024"`
	Scope       string           `yaml:"scope" is:"scope" default:"https://graph.microsoft.com/.default" doc:"what clients ask for; one with openid gets an id token beside the access token, which costs the cloud a second signature; https://graph.microsoft.com/.default by default"`
	Timeout     Duration         `yaml:"timeout" default:"10s" min:"10ms" max:"10m" doc:"how long a client waits for its answer, then counts it unknown; 10s by default"`
}

// A Fault is something broken on purpose, for a while. Its String is a line
// that ParseFault reads back. Which fields a kind needs is in kinds.
type Fault struct {
	Name   string    `yaml:"name,omitempty" is:"name" doc:"how results and objectives call it; when not given, its kind and a number, such as crash-1"`
	Kind   FaultKind `yaml:"kind" need:"yes" doc:"crash, freeze, stop, block, slow-directory"`
	Target string    `yaml:"target,omitempty" is:"target" doc:"connector-1 (by name), connectors (all), directory"`
	At     Duration  `yaml:"at" need:"yes" min:"0s" max:"24h" doc:"when, counted from the end of the warm-up"`
	For    Duration  `yaml:"for" need:"yes" min:"1ms" max:"24h" doc:"how long until it is undone"`
	Ports  []string  `yaml:"ports,omitempty" is:"port" doc:"for block: documented port numbers, ranges such as 10100-10120, or the words requests and responses"`
	Mode   BlockMode `yaml:"mode,omitempty" doc:"for block: refuse, reset or stall"`
	Delay  Duration  `yaml:"delay,omitempty" min:"1ms" max:"1m" doc:"for slow-directory: added to each bind"`
}

// An Objective is a comparison that must hold, such as failed == 0 or
// p99(response) < 200ms. See ParseObjective for the grammar.
type Objective struct {
	Metric string  // without blanks: p99(response), failed, jain(connectors) ...
	Op     string  // ==, !=, <, <=, >, >=
	Value  float64 // in nanoseconds for times, as a ratio for shares, per second for rates
	Unit   Unit
	Text   string // as written
}
