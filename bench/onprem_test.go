package bench

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/scenarios"
)

// commandsOf are those of a scenario written down.
func commandsOf(t *testing.T, lines string) *commands {
	t.Helper()
	text := "format: 1\nname: x\nload: {rate: 100/s, duration: 20s, mix: {right: 100%}}\n" + lines
	s, err := scenarios.Parse("x.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &commands{program: []string{"ptabench"}, scenario: s, dir: dir, secrets: newSecrets(s), meeting: &meeting{kind: s.Network}}
}

const federatedTenant = "tenants: [{name: contoso, domains: [contoso.test], method: federation}]\n"

// TestFederationServers: the cloud is told of the balancer before any of them
// listens, and of nothing that changes when one is started again.
func TestFederationServers(t *testing.T) {
	c := commandsOf(t, federatedTenant+"federation: {servers: 2}\n")
	balancer := observe.Ready{Name: "balancer", Ports: map[string]string{"https": "127.0.0.1:4001", "observe": "127.0.0.1:4002"}}
	cloud := observe.Ready{Ports: map[string]string{"443": "127.0.0.1:443", "hashsync": "127.0.0.1:4003"}}
	command := c.cloud(&balancer).Command
	if got := flagsOf(command, "--tenant"); !slices.Equal(got, []string{"name=contoso,domain=contoso.test,method=federation,fallback=off,metadata=https://127.0.0.1:4001" + metadataPath}) {
		t.Errorf("tenant %q", got)
	}
	if got := flagsOf(command, "--trust"); !slices.Equal(got, []string{c.state("adfs-farm") + "/ca.pem"}) {
		t.Errorf("trust %q", got)
	}
	if got := flagsOf(c.directory(0, roleDirectory, cloud).Command, "--hash-sync-url"); got != nil {
		t.Errorf("hashes of federated users are pushed to %q", got)
	}

	w := whereabouts{urls: []string{"ldaps://a:1", "ldaps://b:2"}, ca: "ca.pem", account: "cn=service", base: "dc=test", dialect: "ppolicy"}
	spec := c.adfs("adfs-2", balancer, cloud, w)
	last := observe.Ready{Name: "adfs-2", Ports: map[string]string{"https": "127.0.0.1:4004", "observe": "127.0.0.1:4005"}}
	for _, command := range [][]string{spec.Command, spec.Again(last), spec.Again(last)} {
		for flag, want := range map[string][]string{
			"--name": {"adfs-2"}, "--farm": {c.state("adfs-farm")}, "--public": {"127.0.0.1:4001"},
			"--directory": {"ldaps://a:1", "ldaps://b:2"}, "--directory-ca": {"ca.pem"}, "--directory-order": {"ordered"}, "--directory-dialect": {"ppolicy"},
			"--bind-dn": {"cn=service"}, "--base-dn": {"dc=test"}, "--relying-party": {"https://127.0.0.1:443/contoso/v2.0"},
		} {
			if got := flagsOf(command, flag); !slices.Equal(got, want) {
				t.Errorf("%s is %q; want %q", flag, got, want)
			}
		}
	}
	if got := flagsOf(spec.Again(last), "--listen"); !slices.Equal(got, []string{"127.0.0.1:4004"}) || flagsOf(spec.Command, "--listen") != nil {
		t.Errorf("listens at %q when it is started again", got)
	}
	known := []observe.Ready{}
	one := c.balancer(func() []observe.Ready { return known })
	known = append(known, last)
	if got := flagsOf(one.Again(balancer), "--backend"); !slices.Equal(got, []string{"adfs-2=127.0.0.1:4004"}) || flagsOf(one.Command, "--backend") != nil {
		t.Errorf("started again, the balancer is told of %q", got)
	}
	if got := flagsOf(one.Again(balancer), "--listen"); !slices.Equal(got, []string{"127.0.0.1:4001"}) {
		t.Errorf("started again, the balancer listens at %q", got)
	}
	// No secret is to be seen on a command line.
	for _, spec := range [][]string{spec.Command, one.Command, spec.Again(last), one.Again(balancer)} {
		for _, word := range spec {
			if strings.Contains(word, c.secrets.directory) || strings.Contains(word, c.secrets.observe) {
				t.Errorf("a secret in %q", spec)
			}
		}
	}
}

// TestDirectoryServers: each has a state and books of its own, one of them
// pushes hashes, and connectors know all of them.
func TestDirectoryServers(t *testing.T) {
	c := commandsOf(t, "tenants: [{name: contoso, domains: [contoso.test]}]\ndirectory: {servers: 2, order: balanced, delay: 5ms}\n")
	cloud := observe.Ready{Ports: map[string]string{"443": "127.0.0.1:443", "hashsync": "127.0.0.1:4003"}}
	for i, name := range c.scenario.DirectoryNames() {
		command := c.directory(i, name, cloud).Command
		if got := flagsOf(command, "--state"); !slices.Equal(got, []string{c.state(name)}) {
			t.Errorf("%s: state %q", name, got)
		}
		if got, want := flagsOf(command, "--bind-log"), "binds-"+name[len("directory-"):]+".csv"; len(got) != 1 || filepath.Base(got[0]) != want {
			t.Errorf("%s: bind log %q, want %s", name, got, want)
		}
		if pushes := flagsOf(command, "--hash-sync-url") != nil; pushes != (i == 0) {
			t.Errorf("%s pushes hashes: %v", name, pushes)
		}
	}
	servers := []observe.Ready{
		{Name: "directory-1", Ports: map[string]string{"ldaps": "127.0.0.1:1"}, CAPEM: "one\n", Info: map[string]string{"service_dn": "cn=s", "base_dn": "dc=t", "dialect": "attributes"}},
		{Name: "directory-2", Ports: map[string]string{"ldaps": "127.0.0.1:2"}, CAPEM: "two", Info: map[string]string{}},
	}
	w, err := c.whereabouts(servers)
	if err != nil {
		t.Fatal(err)
	}
	command := c.connector(1, w, "").Command
	if got := flagsOf(command, "--directory"); !slices.Equal(got, []string{"ldaps://127.0.0.1:1", "ldaps://127.0.0.1:2"}) {
		t.Errorf("directories %q", got)
	}
	if got := flagsOf(command, "--directory-order"); !slices.Equal(got, []string{"balanced"}) {
		t.Errorf("order %q", got)
	}
	if text, err := os.ReadFile(flagsOf(command, "--directory-ca")[0]); err != nil || string(text) != "one\ntwo\n" {
		t.Errorf("authorities %q, %v", text, err)
	}
	// Another implementation of a connector need not know of what is new.
	w, err = c.whereabouts(servers[:1])
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range c.connector(1, w, "").Command {
		if word == "--directory-order" || word == "--directory-dialect" {
			t.Errorf("one embedded directory needs no %s", word)
		}
	}
}

// TestOtherDirectories: of a kind that is not ours nothing is asked that it
// cannot do, and somebody's own is only named.
func TestOtherDirectories(t *testing.T) {
	cloud := observe.Ready{Ports: map[string]string{"443": "127.0.0.1:443", "hashsync": "127.0.0.1:4003"}}
	c := commandsOf(t, "tenants: [{name: contoso, domains: [contoso.test]}]\ndirectory: {kind: slapd}\n")
	spec := c.directory(0, roleDirectory, cloud)
	if got := flagsOf(spec.Command, "--kind"); !slices.Equal(got, []string{"slapd"}) || flagsOf(spec.Command, "--delay") != nil || flagsOf(spec.Command, "--bind-log") != nil || spec.Started != nil {
		t.Errorf("slapd: %q", spec.Command)
	}
	w, err := c.whereabouts([]observe.Ready{{Name: "directory", Ports: map[string]string{"ldaps": "127.0.0.1:1"}, Info: map[string]string{"dialect": "ppolicy"}}})
	if got := flagsOf(c.connector(1, w, "").Command, "--directory-dialect"); err != nil || !slices.Equal(got, []string{"ppolicy"}) {
		t.Errorf("dialect %q, %v", got, err)
	}

	t.Setenv(directoryPassword, "of somebody's own")
	c = commandsOf(t, "tenants: [{name: contoso, domains: [contoso.test], fallback: off}]\ndirectory: {kind: external, external: {url: 'ldaps://dc1.corp.example', "+
		"account: cn=reader, base: 'dc=corp', users: users.csv, max_rate: 100/s, confirm: me}}\n")
	if w, err = c.whereabouts(nil); err != nil {
		t.Fatal(err)
	}
	connector := c.connector(1, w, "")
	if got := flagsOf(connector.Command, "--directory"); !slices.Equal(got, []string{"ldaps://dc1.corp.example"}) || flagsOf(connector.Command, "--directory-ca") != nil {
		t.Errorf("%q", connector.Command)
	}
	if !slices.Contains(connector.Env, directoryPassword+"=of somebody's own") {
		t.Error("the account's password is not passed on")
	}
}
