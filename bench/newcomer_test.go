package bench

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/scenarios"
)

// TestLifeOfConnectors: what a scenario says of a connector's life reaches the
// command lines.
func TestLifeOfConnectors(t *testing.T) {
	c := commandsFor(scenarios.Loopback)
	second := scenarios.Duration(time.Second)
	c.scenario.Cloud = scenarios.Cloud{CertificateLifetime: 27 * second, RevocationListValidity: 8 * second, BootstrapInterval: second,
		StatusInterval: 2 * second, RenewalPoll: 3 * second, InactiveAfter: 4 * second, Clock: 1000, ConnectorLimit: 5}
	c.scenario.Connectors.ConnectTimeout, c.scenario.Connectors.RenewBefore = second/2, 9*second
	c.scenario.Connectors.Revocation = scenarios.SoftFail
	c.scenario.Connectors.Overrides = []scenarios.Override{{Name: "connector-2", ResponsePort: 10110, SignallingPort: 5671}}
	cloud, connector := c.cloud(nil).Command, c.connector(2, whereabouts{}, "").Command
	for _, f := range []struct {
		command    []string
		flag, want string
	}{
		{cloud, "--certificate-lifetime", "27s"}, {cloud, "--crl-validity", "8s"}, {cloud, "--bootstrap-interval", "1s"},
		{cloud, "--status-interval", "2s"}, {cloud, "--renew-poll", "3s"}, {cloud, "--inactive-after", "4s"},
		{cloud, "--clock", "1000"}, {cloud, "--connector-limit", "5"},
		{connector, "--connect-timeout", "500ms"}, {connector, "--renew-before", "9s"}, {connector, "--revocation", "soft"},
		{connector, "--response-port", "10110"}, {connector, "--signalling-port", "5671"},
	} {
		if got := flagsOf(f.command, f.flag); !slices.Equal(got, []string{f.want}) {
			t.Errorf("%s is %q; want %q", f.flag, got, f.want)
		}
	}
	if first := c.connector(1, whereabouts{}, "").Command; flagsOf(first, "--response-port") != nil || flagsOf(first, "--signalling-port") != nil {
		t.Errorf("a connector without preferences is told %q", first)
	}
	for several, want := range map[scenarios.Switch]string{false: "--several-per-host=false", true: "--several-per-host=true"} {
		if c.scenario.Cloud.SeveralPerHost = several; perConnectorSources && !slices.Contains(c.cloud(nil).Command, want) {
			t.Errorf("several per host: %v: %q", several, c.cloud(nil).Command)
		}
	}
}

// TestNewcomer: it is a connector like the others, on a host and in a tenant of
// its own.
func TestNewcomer(t *testing.T) {
	c := commandsFor(scenarios.Loopback)
	spec := c.newcomer(5, "newcomers", "connector-2", whereabouts{}, "token")
	for _, f := range []struct{ flag, want string }{
		{"--name", "newcomer"}, {"--tenant", "newcomers"}, {"--state", filepath.Join("run", "state", "newcomer")},
		{"--source", "127.0.0.16"}, {"--host-name", "127.0.0.13"},
	} {
		if got := flagsOf(spec.Command, f.flag); perConnectorSources && !slices.Equal(got, []string{f.want}) {
			t.Errorf("%s is %q; want %q", f.flag, got, f.want)
		}
	}
	if spec.Name != "newcomer" || !strings.HasSuffix(spec.LogFile, "newcomer.log") || !slices.Contains(spec.Env, "PTABENCH_REGISTRATION_TOKEN=token") {
		t.Errorf("%+v", spec)
	}
	if got := flagsOf(c.newcomer(5, "newcomers", "", whereabouts{}, "token").Command, "--host-name"); got != nil {
		t.Errorf("one on a host of its own says it is on %q", got)
	}

	if got := flagsOf(c.cloud(nil).Command, "--tenant"); len(got) != 1 {
		t.Errorf("nobody expects newcomers, and the tenants are %q", got)
	}
	c.scenario.Tenants = append(c.scenario.Tenants, scenarios.Tenant{Name: "newcomers", Domains: []string{"b.test"}})
	c.scenario.Faults = []scenarios.Fault{{Kind: scenarios.AddConnector}}
	if got := flagsOf(c.cloud(nil).Command, "--tenant"); len(got) != 3 || !strings.HasPrefix(got[2], "name=newcomers-apart,") {
		t.Errorf("the tenants are %q", got)
	}
}

// TestAnotherToken: a connector that is started again is given the token that
// it has by then.
func TestAnotherToken(t *testing.T) {
	c := commandsFor(scenarios.Loopback)
	spec := c.connector(1, whereabouts{}, "first")
	if got := spec.EnvAgain(); got != nil {
		t.Errorf("without tokens: %q", got)
	}
	var all tokens
	c.token = all.of
	all.set("connector-1", "second")
	if got := spec.EnvAgain(); !slices.Equal(got, []string{"PTABENCH_REGISTRATION_TOKEN=second"}) {
		t.Errorf("%q", got)
	}
}
