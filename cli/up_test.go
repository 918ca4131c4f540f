package cli

import (
	"io"
	"strings"
	"testing"

	"ptabench/bench"
	"ptabench/population"
	"ptabench/scenarios"
)

// TestUpSettings: each shipped way to stand a system up is a scenario that can
// be, whatever quickstart breaks and falls back to.
func TestUpSettings(t *testing.T) {
	name, text, err := scenarios.Open("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"", "pass-through", "hash-sync", "federation"} {
		for _, directory := range []string{"", "embedded", "slapd", "samba"} {
			f := upFlags{method: method, directory: directory, sets: []string{"population.users=20"}}
			s, err := scenarios.Parse(name, text, texts(f.settings()))
			if err != nil {
				t.Errorf("--method %q --directory %q: %v", method, directory, err)
				continue
			}
			if method != "" && string(s.Tenants[0].Method) != method || directory != "" && string(s.Directory.Kind) != directory {
				t.Errorf("--method %q --directory %q: by %s on %s", method, directory, s.Tenants[0].Method, s.Directory.Kind)
			}
			if s.Population.Users != 20 || len(s.Faults) > 0 {
				t.Errorf("%d users and %d faults, expected 20 and none", s.Population.Users, len(s.Faults))
			}
		}
	}
}

// TestUpErrors: a mistake names the flag that was written, not the field that it
// stands for.
func TestUpErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string // line of the error
	}{
		{[]string{"--method", "kerberos"}, "ptabench: --method: kerberos: expected pass-through, hash-sync or federation"},
		{[]string{"--directory", "slpad"}, "ptabench: --directory: slpad: expected embedded, slapd, samba or external; did you mean slapd?"},
		{[]string{"--set", "cloud.lockout=maybe"}, "ptabench: --set cloud.lockout=maybe, column 15: cloud.lockout: maybe: expected"},
		{[]string{"--set", "cloud"}, "ptabench: --set cloud, column 1: expected a field"},
		{[]string{"--client", "web"}, `ptabench: --client "web": expected ID=REDIRECT`},
		{[]string{"--client", "web=http://app.example/"}, `ptabench: --client web: "http://app.example/": expected an https address`},
		{[]string{"--client-secret-file", "web=none"}, `ptabench: --client-secret-file "web=none": expected ID=FILE, the ID of a --client`},
	} {
		var said strings.Builder
		code := mainWith(t.Context(), runner{}, append([]string{"up"}, tc.args...), nil, io.Discard, &said)
		if code != exitUsage || !strings.HasPrefix(said.String(), tc.want) {
			t.Errorf("%q: exit %d: %s; expected %s", tc.args, code, said.String(), tc.want)
		}
	}
}

// TestUpSays names somebody for each tenant, and the flags of the cloud are those
// that were given.
func TestUpSays(t *testing.T) {
	const two = "{name: contoso, domains: [contoso.test]}, {name: fabrikam, domains: [fabrikam.test], method: hash-sync}"
	for spread, want := range map[string][]string{
		"even":  {"user000001@contoso.test", "user000002@fabrikam.test"},
		"first": {"user000001@contoso.test", "nobody of fabrikam"},
	} {
		s, err := scenarios.Parse("two", []byte("format: 1\nname: two\npopulation: {users: 20, spread: "+spread+", states: {disabled: 10%}}\ntenants: ["+two+"]\nload: {rate: 1/s, duration: 1s, mix: {right: 100%}}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		users, err := population.New(population.Spec{Users: 20, Domain: "contoso.test", Spread: s.PopulationSpread(),
			Shares: map[population.State]float64{population.Disabled: 0.1}})
		if err != nil {
			t.Fatal(err)
		}
		said := standing(s, bench.Standing{Users: users, AdministratorPassword: "state/password"})
		for _, text := range append(want, users.Password(0)+"  active", "  disabled", "admin@contoso.test, admin@fabrikam.test, password in state/password") {
			if !strings.Contains(said, text) {
				t.Errorf("spread %s: no %q in\n%s", spread, text, said)
			}
		}
	}
	s := &scenarios.Scenario{Directory: scenarios.Directory{External: scenarios.External{Users: "users.csv"}}}
	if said := standing(s, bench.Standing{}); !strings.Contains(said, "users of users.csv") {
		t.Error(said)
	}
}

// TestUpFarewell: a system that nothing is broken of has nothing to undo.
func TestUpFarewell(t *testing.T) {
	for _, said := range []string{ofUp.first(), ofUp.second()} {
		if strings.Contains(said, "undo") || strings.Contains(said, "heal") || !strings.Contains(said, "ending the processes") {
			t.Error(said)
		}
	}
}
