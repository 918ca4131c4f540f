package cli

import (
	"strings"
	"testing"

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
			s, err := scenarios.Parse(name, text, f.settings())
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
	f := upFlags{method: "kerberos"}
	if _, err := scenarios.Parse(name, text, f.settings()); err == nil || !strings.Contains(err.Error(), "kerberos") {
		t.Errorf("--method kerberos: %v, expected an error that names it", err)
	}
}
