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
	Preset      Preset      `yaml:"preset" default:"default" doc:"whose documented behaviour the cloud reproduces: default (default), which is ours, entra, okta, pingone; sets dispatch, detection, deadline, handoff and fallback"`
	TimeScale   int         `yaml:"time_scale" default:"1" min:"1" max:"1000" doc:"the preset's heartbeats, by which the cloud notices a silent connector, run this many times as fast, but none below 10ms; deadlines, attempt timeouts and what users feel are not scaled, and times to detect must be multiplied by it; every table says so; 1 by default"`
	Network     Network     `yaml:"network" default:"loopback" doc:"loopback (default): free ports; namespaces: the real port numbers, and a network namespace for each connector"`
	Population  Population  `yaml:"population" doc:"who the users are"`
	Directory   Directory   `yaml:"directory" doc:"which directory is used, and how it behaves"`
	HashSync    SyncAgent   `yaml:"hash_sync,omitempty" doc:"the agent that reads changed accounts from the directory and syncs their hashes to the cloud; without this section embedded and slapd push those of the users as they are at first, and of samba an agent reads them all the same"`
	Federation  Federation  `yaml:"federation,omitempty" doc:"the federation servers, where a tenant signs in by federation"`
	Cloud       Cloud       `yaml:"cloud" doc:"settings of the cloud simulator"`
	Tenants     []Tenant    `yaml:"tenants" need:"yes" doc:"customers of the cloud; the load signs in to the first one, or to all (see population.spread)"`
	Connectors  Connectors  `yaml:"connectors" doc:"how many connectors to run, and how"`
	Load        Load        `yaml:"load" need:"yes" doc:"which sign-ins arrive, and when"`
	Faults      []Fault     `yaml:"faults,omitempty" doc:"what to break; each a mapping, or one line such as: crash(connector-1) at 6s for 3s"`
	StopWhen    []Limit     `yaml:"stop_when,omitempty" doc:"what ends a run early, aborted and healed; one comparison a line, such as: share(failed) > 50% for 5s"`
	Vary        []string    `yaml:"vary,omitempty" is:"text" doc:"what 'ptabench matrix' varies when it is not told, such as preset=default,entra; a line for each field"`
	Capacity    Capacity    `yaml:"capacity,omitempty" doc:"looks for the highest rate at which an objective holds, after the load and on the same system"`
	Objectives  []Objective `yaml:"objectives,omitempty" doc:"what must hold for the verdict pass, one comparison a line, such as: failed == 0"`
	// Unused are the sections that no tenant's method makes use of: nothing of them
	// is started, and they are not in the scenario as it is run.
	Unused []string `yaml:"-"`
}

// Population says who the users are. Their domain is that of the first tenant,
// unless they are spread over all.
type Population struct {
	Users int `yaml:"users" default:"10000" min:"1" max:"999999" doc:"number of users; 10000 by default"`
	// Events make hash sync wrong on purpose.
	Events map[EventKind]Rate `yaml:"events,omitempty" min:"0/s" max:"1000/s" doc:"what happens to users while the load goes on, in every directory but an external one, each kind at random at its rate: change-password, disable, enable, lock, unlock, expire, must-change, account-expire, account-renew"`
	// Spread is what has the load sign in to several tenants.
	Spread Spread `yaml:"spread" is:"spread" default:"first" doc:"which domains users have: first (default), all that of the first tenant; even, or zipf and an exponent such as zipf 1.1: those of all tenants, in order, and then the load signs in to all of them"`
	// PasswordChanges is what makes a hash store that lags behind wrong.
	PasswordChanges Rate                       `yaml:"password_changes" default:"0/s" min:"0/s" max:"1000/s" doc:"users who changed their password, per time before the run, such as 500/h: what stale-hashes leaves out and the intent old makes use of; 0/s by default"`
	States          map[population.State]Share `yaml:"states,omitempty" min:"0%" max:"100%" doc:"share of users in each state other than active: disabled, locked, expired, must-change, account-expired"`
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
	BreakerThreshold    int      `yaml:"breaker_threshold" default:"5" min:"0" max:"10000" doc:"path failures in a row that open a tenant's breaker, 0 for any number; it opens in any case when no connector is left; 5 by default"`
	BreakerProbe        Duration `yaml:"breaker_probe" default:"250ms" min:"1ms" max:"5m" doc:"interval at which an open breaker tries pass-through with a real sign-in; 250ms by default"`
	SealRollover        Duration `yaml:"seal_rollover" default:"10m" min:"1s" max:"24h" doc:"age at which the sealing context of a connector session is replaced; 10m by default"`
	SealRolloverCount   int      `yaml:"seal_rollover_count" default:"1000000" min:"1" max:"1000000000" doc:"passwords after which it is replaced; 1000000 by default"`
	CertificateLifetime Duration `yaml:"certificate_lifetime" default:"4320h" min:"1s" max:"87600h" doc:"lifetime of connector certificates; 4320h by default, which is 180 days"`

	RevocationListValidity Duration `yaml:"revocation_list_validity" default:"24h" min:"2s" max:"8760h" doc:"validity of a revocation list, which is made anew at half of it; 24h by default"`
	BootstrapInterval      Duration `yaml:"bootstrap_interval" default:"10m" min:"10ms" max:"168h" doc:"how often connectors ask where the cloud listens, by 8080 or 443; 10m by default"`
	StatusInterval         Duration `yaml:"status_interval" default:"10m" min:"10ms" max:"168h" doc:"how often connectors report, by 443 or 8080; 10m by default"`
	RenewalPoll            Duration `yaml:"renewal_poll" default:"6h" min:"10ms" max:"168h" doc:"how often connectors see whether their certificate needs renewal; 6h by default, and earlier when it is due before that"`
	InactiveAfter          Duration `yaml:"inactive_after" default:"20m" min:"10ms" max:"8760h" doc:"time without a session or a report after which a connector counts as inactive; 20m by default"`
	Clock                  int      `yaml:"clock" default:"1" min:"1" max:"10000000" doc:"how many times as fast documented periods of days pass, such as the 10 days until an inactive connector is dropped; 1 by default"`
	ConnectorLimit         int      `yaml:"connector_limit" default:"40" min:"1" max:"1000" doc:"connectors a tenant may have, active or not; 40 by default"`
	SeveralPerHost         Switch   `yaml:"several_per_host" default:"off" doc:"whether a tenant may have several connectors that name the same host; off by default"`
	Lockout                string   `yaml:"lockout" is:"lockout" default:"off" doc:"smart lockout, when wrong passwords lock an account: on, as documented, which is 10/60s; FAILURES/DURATION, the duration growing with each failure that follows; or off (default), so that a load that means to give wrong passwords finds no account locked"`
	UpdateEvery            Duration `yaml:"update_every" default:"1h" min:"100ms" max:"168h" doc:"how often connectors look for an update; 1h by default"`
}

// Tenant is one customer of the cloud.
type Tenant struct {
	Name     string   `yaml:"name" need:"yes" is:"name" doc:"lower-case letters, digits and dashes; part of its addresses"`
	Domains  []string `yaml:"domains" need:"yes" is:"domain" doc:"domains of its user names, such as contoso.test"`
	Method   Method   `yaml:"method" default:"pass-through" doc:"who checks passwords: pass-through (default), hash-sync or federation"`
	Fallback Fallback `yaml:"fallback" default:"automatic" doc:"whether hash sync answers when pass-through fails: automatic (default), none-left (only while no connector is there), manual, off; off with federation, where nobody else can answer"`

	Connectors int `yaml:"connectors,omitempty" min:"0" max:"40" doc:"how many of connectors.count are this tenant's; none when not given, but for the first tenant, which has those that no other takes, and the lowest numbers"`
}

// Connectors says how many connectors to run and how.
type Connectors struct {
	Count       int      `yaml:"count" default:"3" min:"0" max:"40" doc:"number of connectors, named connector-1 and so on; 3 by default, 40 is what a tenant may have"`
	Concurrency int      `yaml:"concurrency" default:"200" min:"1" max:"10000" doc:"sign-ins each takes at once; 200 by default"`
	Pool        int      `yaml:"pool" default:"0" min:"0" max:"1000" doc:"connections each keeps to the directory, by LDAPS, one bind at a time on each; 0 (default): as many as it needs, up to its concurrency"`
	Processors  int      `yaml:"processors" default:"0" min:"0" max:"1024" doc:"processors each may use at once; 0 (default): its share of this machine's, at least one"`
	BindTimeout Duration `yaml:"bind_timeout" default:"900ms" min:"1ms" max:"5m" doc:"how long a connector waits for the directory; 900ms by default"`

	ConnectTimeout Duration `yaml:"connect_timeout" default:"2s" min:"10ms" max:"1h" doc:"how long an attempt to connect may take, to a port of the cloud or to the directory; 2s by default"`
	RenewBefore    Duration `yaml:"renew_before" default:"720h" min:"1ms" max:"87600h" doc:"how long before it expires a certificate is renewed; one of a short life, when less than a third of that is left; 720h by default"`
	Revocation     OnNoList `yaml:"revocation" default:"hard" doc:"when the revocation list of the cloud's certificates has run out: hard (default), refuse new connections; soft, warn and go on; off, check no list at all"`

	Command   []string   `yaml:"command,omitempty" is:"text" doc:"program and first arguments that start a connector, instead of this program's own; the flags of 'ptabench connector' follow"`
	Overrides []Override `yaml:"overrides,omitempty" doc:"what is different for one connector"`
}

// Override is what is different for one connector.
type Override struct {
	Name           string   `yaml:"name" need:"yes" is:"name" doc:"the connector, such as connector-2"`
	Concurrency    int      `yaml:"concurrency,omitempty" min:"1" max:"10000" doc:"sign-ins it takes at once; as connectors.concurrency when not given"`
	DirectoryDelay Duration `yaml:"directory_delay,omitempty" min:"0s" max:"10s" doc:"added to the directory's answer to its binds, as if its directory server were slower; none when not given"`
	ResponsePort   int      `yaml:"response_port,omitempty" min:"10100" max:"10120" doc:"the port that it answers on if it can; any of the range when not given"`
	SignallingPort int      `yaml:"signalling_port,omitempty" min:"5671" max:"9352" doc:"the signalling port that it tries first, 9352 or 5671; 9352 when not given"`
}

// Load says which sign-ins arrive and when. Arrivals are open-loop: a late
// answer never delays the next.
type Load struct {
	Rate        Rate             `yaml:"rate" need:"yes" min:"0.1/s" max:"100000/s" doc:"sign-ins per second, such as 1000/s"`
	Arrivals    Arrivals         `yaml:"arrivals" default:"poisson" doc:"poisson (default) or constant"`
	Warmup      Duration         `yaml:"warmup" default:"2s" min:"0s" max:"10m" doc:"load before time 0, measured but left out of the figures; 2s by default"`
	Duration    Duration         `yaml:"duration" need:"yes" min:"100ms" max:"24h" doc:"load from time 0; faults are placed in it"`
	Recovery    Duration         `yaml:"recovery" default:"2s" min:"0s" max:"1h" doc:"how long after the last fault the window recovered begins; 2s by default"`
	Mix         map[Intent]Share `yaml:"mix" need:"yes" min:"0%" max:"100%" doc:"share of each kind of sign-in: right, wrong, old (the password before the last), disabled, locked, expired, must-change, account-expired, unknown; must add up to 100%"`
	Connections Connections      `yaml:"connections" default:"pooled" doc:"pooled (default): opened before the first arrival and kept; per-sign-in: a new TLS connection for each"`
	Pool        int              `yaml:"pool,omitempty" min:"1" max:"10000" doc:"connections opened for pooled; when not given, enough for a quarter of a second of arrivals, 64 to 1024; each of several tenants has its own, by its share of the users and at least 16, or the number given when that is less"`
	Scope       string           `yaml:"scope" is:"scope" default:"https://graph.microsoft.com/.default" doc:"what clients ask for; one with openid gets an id token beside the access token, which costs the cloud a second signature; https://graph.microsoft.com/.default by default"`
	Timeout     Duration         `yaml:"timeout" default:"10s" min:"10ms" max:"10m" doc:"how long a client waits for its answer, then counts it unknown; 10s by default, and 5s more than cloud.deadline where that is not shorter"`
}

// A Fault is something broken on purpose, for a while. Its String is a line
// that ParseFault reads back. Which fields a kind needs is in kinds.
type Fault struct {
	Name   string    `yaml:"name,omitempty" is:"name" doc:"how results and objectives call it; when not given, its kind and a number, such as crash-1"`
	Kind   FaultKind `yaml:"kind" need:"yes" doc:"crash, freeze, stop, power-loss, limit-cpu, limit-memory, block, degrade, slow-directory, refusing-directory, hanging-directory, crowded-directory, slow-adfs, refusing-adfs, hanging-adfs, stale-hashes, missing-hashes, revoke, add-connector, publish-update, nemesis"`
	Target string    `yaml:"target,omitempty" is:"target" doc:"connector-1 (by name), connectors (all of them), directory, cloudsim, adfs-1 (by name), adfs (all federation servers), balancer, hashsync, all (of these); checker, one of those who check the first tenant's passwords (connector-1, adfs-1, or with hash sync the directory); where there are several, directory-1 is one directory server and directory means all of them; hash-store, newcomer (the connector that add-connector adds); when not given, the only one there is for the kind, and connectors for nemesis"`

	At    Duration `yaml:"at" min:"0s" max:"24h" doc:"when, counted from the end of the warm-up; from there with after or with, and then it may be left out"`
	After string   `yaml:"after,omitempty" is:"name" doc:"the fault whose end at counts from"`
	With  string   `yaml:"with,omitempty" is:"name" doc:"the fault whose beginning at counts from"`
	For   Duration `yaml:"for" need:"yes" min:"1ms" max:"24h" doc:"how long until it is undone"`
	Every Duration `yaml:"every,omitempty" min:"1ms" max:"24h" doc:"repeat it, from beginning to beginning"`
	Until Duration `yaml:"until,omitempty" min:"1ms" max:"24h" doc:"with every: no repetition begins at or after this time; the end of the load when not given; one that the load would not outlast is left out"`

	Shows  string        `yaml:"shows,omitempty" is:"text" doc:"for people: the effect that is expected, in words"`
	Expect []Expectation `yaml:"expect,omitempty" doc:"what must be seen of it, one comparison a line, such as: serving(connector-1) == 0; the run fails on any difference"`
	Settle Duration      `yaml:"settle,omitempty" min:"1ms" max:"24h" doc:"with expect: how long after its beginning the phase settled begins, in which effects are looked for that take a while to set in; half of its time when not given"`

	Ports       []string    `yaml:"ports,omitempty" is:"port" doc:"for block and degrade: documented port numbers, ranges such as 10100-10120, the words requests and responses; ldaps, the directory's; https, that of federation servers. With the target adfs-1 or directory-1 it is that server whose port is blocked, for all"`
	Mode        BlockMode   `yaml:"mode,omitempty" doc:"for block: refuse, reset, stall; in the kernel: drop, reject"`
	Direction   Direction   `yaml:"direction,omitempty" doc:"for block with stall or drop, and degrade: both (default), out (what the connector sends), in (what it is sent)"`
	By          Means       `yaml:"by,omitempty" doc:"for degrade with loss: kernel (default) drops packets; gate, without privilege, holds data for the time that TCP takes to send it again; for block with drop or reject: kernel (default), or either, which takes the gate's stall or refuse where the kernel's packet filter is not to be had, and says so"`
	Delay       Duration    `yaml:"delay,omitempty" min:"1ms" max:"1m" doc:"for slow-directory: added to each bind; for slow-adfs: to each sign-in; for degrade: to what passes, each way"`
	Jitter      Duration    `yaml:"jitter,omitempty" min:"1ms" max:"1m" doc:"for degrade: the delay varies evenly by up to this much, more or less; nothing overtakes what was sent before it, so dense traffic is delayed by nearly the sum"`
	Bandwidth   BitRate     `yaml:"bandwidth,omitempty" min:"1kbit/s" max:"100Gbit/s" doc:"for degrade: bits per second of each connection and direction, such as 10Mbit/s"`
	Loss        Share       `yaml:"loss,omitempty" min:"0.01%" max:"100%" doc:"for degrade: share of packets lost"`
	CPU         Share       `yaml:"cpu,omitempty" min:"1%" max:"10000%" doc:"for limit-cpu: of one processor"`
	Memory      Bytes       `yaml:"memory,omitempty" min:"4MiB" max:"1TiB" doc:"for limit-memory: what the process may hold; beyond it the kernel kills it"`
	Only        string      `yaml:"only,omitempty" is:"name" doc:"for faults of the directory: the one connector that notices"`
	Connections int         `yaml:"connections,omitempty" min:"1" max:"100000" doc:"for crowded-directory: how many it serves; it closes the rest"`
	Age         Duration    `yaml:"age,omitempty" min:"1s" max:"8760h" doc:"for stale-hashes: how old the store is"`
	Share       Share       `yaml:"share,omitempty" min:"0.01%" max:"100%" doc:"for missing-hashes: of the users"`
	Kinds       []FaultKind `yaml:"kinds,omitempty" is:"nemesis" doc:"for nemesis: what it may do, of crash, freeze, stop, power-loss, block and slow-directory; crash, freeze and block when not given"`
	Budget      int         `yaml:"budget,omitempty" min:"1" max:"40" doc:"for nemesis: connectors that are broken at the same time, at most, those counted that crash, freeze, stop, power-loss, block and faults of the directory with only break, which it leaves alone; of another nemesis it takes no notice; 1 when not given"`
	Seed        uint64      `yaml:"seed,omitempty" doc:"for nemesis: of its choices; the scenario's when not given"`
	Register    Switch      `yaml:"register,omitempty" doc:"for block: connectors of the target that have ended by themselves, as when their certificate expired, are registered again and started at its end; off when not given"`
	Host        string      `yaml:"host,omitempty" is:"name" doc:"for add-connector: the connector on whose host it says it is; on one of its own when not given"`
	Version     string      `yaml:"version,omitempty" is:"version" doc:"for publish-update: of what is published, such as 1.2.3; the next minor one when not given, and for flaw older 0.0.1"`
	Flaw        UpdateFlaw  `yaml:"flaw,omitempty" doc:"for publish-update: what is wrong with it: tampered, truncated, forged, expired, foreign, older, broken (it ends at once), mute (it never attaches); nothing when not given"`

	// Group is the name of the fault as the scenario has it, for one of the
	// faults that every or nemesis makes of it.
	Group string `yaml:"-"`
}

// An Objective is a comparison that must hold, such as failed == 0 or
// p99(response) < 200ms. See ParseObjective for the grammar.
type Objective struct {
	Metric string  // without blanks: p99(response), failed, jain(connectors) ...
	Op     string  // ==, !=, <, <=, >, >=
	Value  float64 // in nanoseconds for times, as a ratio for shares, per second for rates
	Unit   Unit
	Window Window
	Tenant string // whose sign-ins alone are meant; empty for all
	Text   string // as written
}

// A Window is a part of the load, by when sign-ins were due. The zero value is
// the whole load.
type Window struct {
	Name  WindowName
	Fault string // for During and After
}

// WindowName says which part of the load a window is.
type WindowName string

// The windows.
const (
	Whole     WindowName = ""          // all of the load after the warm-up
	Warmup    WindowName = "warmup"    // before time 0
	Steady    WindowName = "steady"    // until the first fault
	During    WindowName = "during"    // while a fault is on
	After     WindowName = "after"     // from the end of a fault to the next fault
	Recovered WindowName = "recovered" // from load.recovery after the end of the last fault
)

// A Span is a stretch of the load, from From until just before To, counted
// from time 0.
type Span struct{ From, To Duration }

// A Limit ends a run early when it has been crossed for some time, seen second
// by second.
type Limit struct {
	Metric string // share(failed), p99(response), p99(lag), unsent, rate(answered)
	Op     string
	Value  float64
	Unit   Unit
	For    Duration // 1s when not given
	Text   string   // as written
}
