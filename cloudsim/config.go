// Package cloudsim is the cloud: it takes sign-ins from users, puts them on the
// connector queue of their tenant, gives them to connectors, and answers with
// what these or, when the path is down, the hash store say.
//
// The ports of the real service are listeners of their own here, behind gates
// that can break them. Whatever can be decided without a network lives in
// package dispatch.
package cloudsim

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/manage"
	"ptabench/cloudsim/rollout"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/state"
	"ptabench/ports"
)

// Method says who checks the passwords of a tenant.
type Method string

// The methods.
const (
	PassThrough Method = "pass-through"
	HashSync    Method = "hash-sync"
	Federation  Method = manage.Federation
)

// Fallback says whether hash sync answers when pass-through fails.
type Fallback string

// The fallback policies. Manual waits for an operator to switch it on.
const (
	Automatic Fallback = "automatic"
	NoneLeft  Fallback = "none-left" // only while no connector is there
	Manual    Fallback = "manual"
	Off       Fallback = "off"
)

// Tenant is one customer of the cloud.
type Tenant struct {
	Name     string
	Domains  []string
	Method   Method
	Fallback Fallback
	// Metadata is where the federation server describes itself, with Federation:
	// an https address, which need not answer before somebody signs in. There,
	// fallback automatic has hash sync answer while it was never read.
	Metadata string
}

// Config is what a simulator needs to start.
type Config struct {
	Name    string
	Version string            // of this program, for the ready line
	State   string            // directory that keeps connectors, certificates and hashes
	Listen  string            // address that every port listens on
	Ports   map[string]string // documented port or word to host:port; the others get free ports
	// KeepPorts has a port that is not configured be the one it was last time,
	// if that is free.
	KeepPorts bool
	Tenants   []Tenant

	Queue               dispatch.Settings // Wait is set per tenant
	Heartbeat           time.Duration
	HeartbeatMisses     int
	SealRollover        time.Duration
	SealRolloverCount   int
	CertificateLifetime time.Duration
	CRLValidity         time.Duration // of a revocation list

	ConnectorLimit int           // connectors of a tenant, active or not; 0 for DefaultConnectorLimit
	OnePerHost     bool          // two connectors of a tenant may not name the same host
	InactiveAfter  time.Duration // without a session or a status report; 0 for two reports missed
	// Clock is how many times as fast documented periods of days pass: those
	// after which an inactive connector is dropped. 0 for 1.
	Clock float64

	// What connectors are told by bootstrap; 0 for the default of each.
	BootstrapInterval, StatusInterval, RenewalPoll, ReconnectMax time.Duration

	MinConnectorVersion string // that connectors should have; empty for any
	RequireMinVersion   bool   // an older one may not start

	// UpdateDir is what is published for connectors (package update), UpdateKey
	// the file with the public key that it is signed by; both or none.
	UpdateDir, UpdateKey string
	// UpdateEvery is how often connectors look for an update, UpdateLease how
	// long one that is at it and not heard of holds up the others of its tenant;
	// 0 for the default of each.
	UpdateEvery, UpdateLease time.Duration

	SignInLog string // file; empty for none

	// Trust are files of certificates (PEM) of authorities that federation servers
	// are believed by, besides those of this host. They are read when they are
	// needed, and may not be there before that.
	Trust []string

	// Lockout says when an account is locked by wrong passwords, whichever way
	// they come; the zero value for never. Administrators are locked anyway.
	Lockout lockout.Rule

	// Clients are programs that people may sign in to, besides signin.Builtin.
	Clients []signin.Client

	// Administrators are NAME@DOMAIN; admin of its first domain for a tenant
	// that has none. Their password is in a file, which is made in State where
	// none is given.
	Administrators            []string
	AdministratorPasswordFile string

	ObserveToken  string // Run makes one when it is empty
	HashSyncToken string // nobody may push hashes when it is empty

	limits       limits        // usualLimits but in tests
	signInLimits signin.Limits // the usual ones where they are 0
}

// The words for ports that the real service has no number for.
const (
	hashSyncPort = "hashsync"
	observePort  = "observe"
)

// The documented ports.
var (
	requestPorts  = ports.Requests()
	responsePorts = ports.Responses()
)

const (
	signInPort       = ports.SignIn
	revocationPort   = ports.Revocation
	bootstrapPort    = ports.Bootstrap
	registrationPort = ports.Registration
	fastPort         = ports.Fast
	renewalPort      = ports.Renewal
)

// Ports are all the ports of the simulator.
func Ports() []string {
	return append(ports.Cloud(), hashSyncPort, observePort)
}

// Validate reports everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field string, value any, expected string) {
		errs = append(errs, fmt.Errorf("%s: %v: expected %s", field, value, expected))
	}
	if c.State == "" {
		bad("state", `""`, "a directory")
	}
	if net.ParseIP(c.Listen) == nil {
		bad("listen", strconv.Quote(c.Listen), "an IP address")
	}
	for port, addr := range c.Ports {
		if !slices.Contains(Ports(), port) {
			bad("port", port, "one of "+strings.Join(Ports(), ", "))
		}
		if _, err := net.ResolveTCPAddr("tcp", addr); err != nil {
			bad("port "+port, addr, "host:port")
		}
	}
	if len(c.Tenants) == 0 {
		bad("tenant", "none", "at least one")
	}
	names, domains := make(map[string]bool), make(map[string]bool)
	for _, t := range c.Tenants {
		if !authority.TenantName(t.Name) || anyTenant(t.Name) || reserved(t.Name) || names[t.Name] {
			bad("tenant name", strconv.Quote(t.Name), "a name of its own, of up to 64 of a-z, 0-9, . and -, first and last no sign, not common, organizations or update")
		}
		names[t.Name] = true
		if len(t.Domains) == 0 {
			bad("tenant "+t.Name+" domain", "none", "at least one")
		}
		for _, d := range t.Domains {
			if d == "" || strings.ContainsAny(d, "@/ \t\r\n\x00") || domains[strings.ToLower(d)] {
				bad("tenant "+t.Name+" domain", strconv.Quote(d), "a domain that no other tenant has")
			}
			domains[strings.ToLower(d)] = true
		}
		t.validateMethod(bad)
		if !slices.Contains([]Fallback{Automatic, NoneLeft, Manual, Off}, t.Fallback) {
			bad("tenant "+t.Name+" fallback", t.Fallback, "automatic, none-left, manual or off")
		}
	}
	switch c.Queue.Policy {
	case dispatch.LeastOutstanding, dispatch.Random, dispatch.RoundRobin, dispatch.FirstAvailable:
	default:
		bad("dispatch", c.Queue.Policy, "least-outstanding, random, round-robin or first-available")
	}
	for _, n := range []struct {
		field    string
		value    int
		min, max int
	}{
		{"attempts", c.Queue.Attempts, 1, 100},
		{"queue", c.Queue.Queue, 1, 10_000_000},
		{"breaker-threshold", c.Queue.Threshold, 0, 1_000_000},
		{"heartbeat-misses", c.HeartbeatMisses, 1, 1000},
		{"seal-rollover-count", c.SealRolloverCount, 1, 1 << 30},
	} {
		if n.value < n.min || n.value > n.max {
			bad(n.field, n.value, fmt.Sprintf("%d to %d", n.min, n.max))
		}
	}
	if n := c.ConnectorLimit; n < 0 || n > state.MaxConnectors {
		bad("connector-limit", n, fmt.Sprintf("1 to %d", state.MaxConnectors))
	}
	if d := c.InactiveAfter; d < 0 || d > dropAfter {
		bad("inactive-after", d, fmt.Sprintf("more than 0s, up to %v", dropAfter))
	}
	if !(c.Clock >= 0 && c.Clock <= maxClock) { // nor not a number
		bad("clock", c.Clock, fmt.Sprintf("more than 0, up to %d", maxClock))
	}
	for _, d := range []struct {
		field    string
		value    time.Duration
		min, max time.Duration
	}{
		{"deadline", c.Queue.Deadline, time.Millisecond, time.Hour},
		{"attempt-timeout", c.Queue.AttemptTimeout, time.Millisecond, time.Hour},
		{"breaker-probe", c.Queue.Probe, time.Millisecond, time.Hour},
		{"heartbeat", c.Heartbeat, time.Millisecond, time.Hour},
		{"seal-rollover", c.SealRollover, time.Millisecond, 24 * time.Hour},
		{"certificate-lifetime", c.CertificateLifetime, time.Second, 20 * 365 * 24 * time.Hour},
		{"crl-validity", c.CRLValidity, time.Second, 365 * 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			bad(d.field, d.value, fmt.Sprintf("%v to %v", d.min, d.max))
		}
	}
	if err := c.Lockout.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("lockout: %w", err))
	}
	c.validateBootstrap(bad)
	c.validateAdministrators(bad)
	c.validateClients(bad)
	c.validateUpdate(bad)
	return errors.Join(errs...)
}

// patience is how long a peer may be silent.
func (c *Config) patience() time.Duration { return c.Heartbeat * time.Duration(c.HeartbeatMisses) }

// beat is how often this side is heard: at least twice within the patience of
// the other, who would otherwise give up a peer that is merely not early.
func (c *Config) beat() time.Duration { return min(c.Heartbeat, max(c.patience()/2, time.Millisecond)) }

// anyTenant reports whether an address names no tenant: the user's domain does.
func anyTenant(name string) bool { return name == "common" || name == "organizations" }

// reserved reports whether an address of that name is something else's than a
// tenant's.
func reserved(name string) bool { return "/"+name+"/" == rollout.Path }
