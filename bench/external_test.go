package bench

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ptabench/scenarios"
)

// theirs is somebody's own directory, with a file of users.
func theirs(t *testing.T, users string, mode os.FileMode) *scenarios.Scenario {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	t.Setenv(directoryPassword, "of the account")
	return commandsOf(t, "tenants: [{name: contoso, domains: [corp.example, corp.test], fallback: off}, {name: other, domains: [other.example], fallback: off}]\n"+
		"directory: {kind: external, external: {url: 'ldaps://dc1.corp.example', account: 'cn=reader', base: 'dc=corp', users: '"+file+"', max_rate: 100/s, confirm: me}}\n").scenario
}

// TestExternalRefused: whatever stands between somebody and a load on their own
// directory is said at once.
func TestExternalRefused(t *testing.T) {
	const url, one = "ldaps://dc1.corp.example", "a@corp.example,Secret#1\n"
	for name, c := range map[string]struct {
		users   string
		mode    os.FileMode
		mayLoad string
		change  func(*scenarios.External)
		env     string
		want    []string // one for each mistake
	}{
		"allowed":            {one, 0o600, url, nil, "x", nil},
		"no flag":            {one, 0o600, "", nil, "x", []string{"--i-may-load: missing: expected ldaps://dc1.corp.example"}},
		"another":            {one, 0o600, "ldaps://dc2", nil, "x", []string{"--i-may-load: ldaps://dc2: expected ldaps://dc1.corp.example"}},
		"no password":        {one, 0o600, url, nil, "", []string{directoryPassword + ": not set"}},
		"readable by others": {one, 0o644, url, nil, "x", []string{"directory.external.users: ", "mode 0644 lets others read passwords, expected 0600"}},
		"nobody active":      {"a@corp.example,Secret#1,locked\n", 0o600, url, nil, "x", []string{"expected at least one who is active"}},
		"of another domain":  {one + "b@other.example,Secret#2\nc@corp.test,Secret#3\n", 0o600, url, nil, "x", []string{"users.csv:2: users of other.example: expected users of corp.example, corp.test"}},
		"lines and a domain": {"a@corp.example\nb@other.example,Secret#2\n", 0o600, url, nil, "x", []string{"users.csv:1: 1 fields", "users.csv:2: users of other.example"}},
		"no authority":       {one, 0o600, url, func(e *scenarios.External) { e.CA = e.Users }, "x", []string{"directory.external.ca: ", "expected a certificate in PEM"}},
		"everything": {one + "b@corp.example,\n", 0o640, "ldaps://dc2", func(e *scenarios.External) { e.CA = "/no/such.pem" }, "", []string{
			"--i-may-load: ldaps://dc2", directoryPassword + ": not set", "directory.external.ca: open /no/such.pem", "mode 0640"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := theirs(t, c.users, c.mode)
			t.Setenv(directoryPassword, c.env)
			if c.change != nil {
				c.change(&s.Directory.External)
			}
			err := Refuse(s, c.mayLoad)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("%v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: no word of %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "Secret#") {
				t.Errorf("a password: %v", err)
			}
		})
	}
	s := commandsOf(t, "tenants: [{name: contoso, domains: [contoso.test]}]\n").scenario
	if err := Refuse(s, url); err == nil || !strings.Contains(err.Error(), "expected it only for directory.kind external") {
		t.Errorf("--i-may-load for the embedded directory: %v", err)
	}
	// A scenario with mistakes elsewhere: of what it lacks nothing is asked.
	if err := Lacks(&scenarios.Scenario{}, url); err != nil {
		t.Error(err)
	}
	s = &scenarios.Scenario{Directory: scenarios.Directory{Kind: scenarios.Outside, External: scenarios.External{URL: url}}}
	if err := Lacks(s, ""); err == nil || !strings.Contains(err.Error(), "--i-may-load: missing") {
		t.Errorf("%v", err)
	}
}

// TestExternalTenants: the order of domains in a file of users is its own.
func TestExternalTenants(t *testing.T) {
	s := theirs(t, "c@other.example,x\na@corp.test,x\nb@corp.example,x\n", 0o600)
	s.Population.Spread = scenarios.SpreadEven
	users, err := newPopulation(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := tenantsOf(s, users); !slices.Equal(got, []int{1, 0, 0}) {
		t.Errorf("domains %v are of tenants %v", users.Domains(), got)
	}
}
