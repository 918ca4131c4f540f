package cloudsim

import (
	"math"
	"strings"
	"testing"
	"time"
)

// Everything that is wrong is said at once, by field, and nothing else is
// wrong.
func TestValidate(t *testing.T) {
	good := settings(t)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	pass := func(name string, domains ...string) Tenant {
		return Tenant{Name: name, Domains: domains, Method: PassThrough, Fallback: Off}
	}
	for _, tc := range []struct {
		want   string
		change func(*Config)
	}{
		{`state: ""`, func(c *Config) { c.State = "" }},
		{`listen: "localhost"`, func(c *Config) { c.Listen = "localhost" }},
		{`port: 81: expected one of 443, 80, 8080, 9090, 9091,`, func(c *Config) { c.Ports = map[string]string{"81": "127.0.0.1:0"} }},
		{`port 443: 127.0.0.1: expected host:port`, func(c *Config) { c.Ports = map[string]string{"443": "127.0.0.1"} }},
		{`tenant: none`, func(c *Config) { c.Tenants = nil }},
		{`tenant name: ""`, func(c *Config) { c.Tenants = []Tenant{pass("", "a.test")} }},
		{`tenant name: "a/b"`, func(c *Config) { c.Tenants = []Tenant{pass("a/b", "a.test")} }},
		{`tenant name: "Contoso"`, func(c *Config) { c.Tenants = []Tenant{pass("Contoso", "a.test")} }},
		{`tenant name: "common"`, func(c *Config) { c.Tenants = []Tenant{pass("common", "a.test")} }},
		{`tenant name: "a"`, func(c *Config) { c.Tenants = []Tenant{pass("a", "a.test"), pass("a", "b.test")} }},
		{`tenant a domain: none`, func(c *Config) { c.Tenants = []Tenant{pass("a")} }},
		{`tenant a domain: ""`, func(c *Config) { c.Tenants = []Tenant{pass("a", "")} }},
		{`tenant a domain: "x@y"`, func(c *Config) { c.Tenants = []Tenant{pass("a", "x@y")} }},
		{`tenant b domain: "A.test"`, func(c *Config) { c.Tenants = []Tenant{pass("a", "a.test"), pass("b", "A.test")} }},
		{`tenant contoso method: kerberos`, func(c *Config) { c.Tenants[0].Method = "kerberos" }},
		{`tenant contoso metadata: ""`, func(c *Config) { c.Tenants[0].Method, c.Tenants[0].Fallback = Federation, Off }},
		{`tenant contoso metadata: "http://fs.test/"`, func(c *Config) {
			c.Tenants[0].Method, c.Tenants[0].Fallback, c.Tenants[0].Metadata = Federation, Off, "http://fs.test/"
		}},
		{`tenant contoso metadata: https://fs.test/`, func(c *Config) { c.Tenants[0].Metadata = "https://fs.test/" }},
		{`tenant contoso fallback: manual`, func(c *Config) {
			c.Tenants[0].Method, c.Tenants[0].Fallback, c.Tenants[0].Metadata = Federation, Manual, "https://fs.test/"
		}},
		{`tenant contoso fallback: on`, func(c *Config) { c.Tenants[0].Fallback = "on" }},
		{`dispatch: fastest`, func(c *Config) { c.Queue.Policy = "fastest" }},
		{`attempts: 0`, func(c *Config) { c.Queue.Attempts = 0 }},
		{`queue: -1`, func(c *Config) { c.Queue.Queue = -1 }},
		{`breaker-threshold: -1`, func(c *Config) { c.Queue.Threshold = -1 }},
		{`heartbeat-misses: 0`, func(c *Config) { c.HeartbeatMisses = 0 }},
		{`seal-rollover-count: 0`, func(c *Config) { c.SealRolloverCount = 0 }},
		{`deadline: 0s`, func(c *Config) { c.Queue.Deadline = 0 }},
		{`attempt-timeout: 2h0m0s`, func(c *Config) { c.Queue.AttemptTimeout = 2 * time.Hour }},
		{`breaker-probe: -1s`, func(c *Config) { c.Queue.Probe = -time.Second }},
		{`heartbeat: 1ns`, func(c *Config) { c.Heartbeat = 1 }},
		{`seal-rollover: 0s`, func(c *Config) { c.SealRollover = 0 }},
		{`crl-validity: 999ms`, func(c *Config) { c.CRLValidity = 999 * time.Millisecond }},
		{`connector-limit: 1001`, func(c *Config) { c.ConnectorLimit = 1001 }},
		{`inactive-after: -1s`, func(c *Config) { c.InactiveAfter = -time.Second }},
		{`inactive-after: 241h0m0s`, func(c *Config) { c.InactiveAfter = 241 * time.Hour }},
		{`clock: -1`, func(c *Config) { c.Clock = -1 }},
		{`clock: NaN`, func(c *Config) { c.Clock = math.NaN() }},
		{`clock: 1e+08`, func(c *Config) { c.Clock = 1e8 }},
		{`certificate-lifetime: 1ms`, func(c *Config) { c.CertificateLifetime = time.Millisecond }},
	} {
		cfg := settings(t)
		tc.change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v; expected one mistake, %s", err, tc.want)
		}
	}
	// What other vendors' products are said to do can be configured.
	for _, deadline := range []time.Duration{4 * time.Second, 15 * time.Second} {
		cfg := settings(t)
		cfg.Heartbeat, cfg.HeartbeatMisses, cfg.Queue.Threshold, cfg.Queue.Handoff = 5*time.Minute, 1, 0, false
		cfg.Queue.Deadline, cfg.Queue.AttemptTimeout = deadline, deadline
		if err := cfg.Validate(); err != nil {
			t.Errorf("deadline %v: %v", deadline, err)
		}
		if cfg.beat() > cfg.patience()/2 {
			t.Errorf("a heartbeat every %v is no good to a peer that gives up after %v", cfg.beat(), cfg.patience())
		}
	}
	if err := (&Config{}).Validate(); strings.Count(err.Error(), "\n") < 10 {
		t.Errorf("an empty configuration has only these mistakes: %v", err)
	}
}
