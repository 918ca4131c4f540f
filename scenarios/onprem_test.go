package scenarios

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// onPrem is a scenario for the fields of what lives on premises.
const onPrem = `format: 1
name: on-prem
directory: {}
tenants:
  - {name: contoso, domains: [contoso.test], fallback: off}
load: {rate: 100/s, duration: 20s, mix: {right: 100%}}
faults: []
`

func TestDirectoriesAndAgents(t *testing.T) {
	with := func(pairs ...string) *Scenario {
		t.Helper()
		s := parse(t, strings.NewReplacer(pairs...).Replace(onPrem))
		roundTrip(t, s)
		return s
	}
	s := with()
	if s.Directory != (Directory{Kind: Embedded, Servers: 1, Order: Ordered}) || s.HashSync.On() || s.Federates() ||
		!slices.Equal(s.DirectoryNames(), []string{"directory"}) || s.ADFSNames() != nil {
		t.Errorf("%+v, %v, %v", s.Directory, s.DirectoryNames(), s.ADFSNames())
	}
	if strings.Contains(string(s.YAML()), "federation") {
		t.Errorf("federation servers of nobody:\n%s", s.YAML())
	}
	s = with("directory: {}", "directory: {kind: slapd, servers: 3, order: balanced}")
	if !slices.Equal(s.DirectoryNames(), []string{"directory-1", "directory-2", "directory-3"}) || s.Directory.Order != Balanced {
		t.Errorf("%+v, %v", s.Directory, s.DirectoryNames())
	}
	for text, want := range map[string]SyncAgent{
		"hash_sync: {}":                         {Interval: 120 * second, StandingInterval: 1800 * second, Batch: 1000},
		"hash_sync:":                            {Interval: 120 * second, StandingInterval: 1800 * second, Batch: 1000},
		"hash_sync: {interval: 2s, batch: 100}": {Interval: 2 * second, StandingInterval: 1800 * second, Batch: 100},
	} {
		if s := with("directory: {}", text, "fallback: off", "fallback: manual"); s.HashSync != want || !s.HashSync.On() {
			t.Errorf("%s: %+v", text, s.HashSync)
		}
	}
	if s = with("directory: {}", "federation: {servers: 3}", "fallback: off", "method: federation"); s.Federation.Servers != 3 {
		t.Errorf("%+v", s.Federation)
	}
	// A file for several methods has the sections of all.
	for pairs, want := range map[[2]string][]string{
		{"fallback: off", "fallback: off"}:                                                  {"hash_sync", "federation"},
		{"fallback: off", "method: hash-sync"}:                                              {"federation"},
		{"fallback: off", "method: federation"}:                                             {"hash_sync"},
		{"}\nload", "}\n  - {name: other, domains: [other.test], method: hash-sync}\nload"}: {"hash_sync", "federation"}, // nobody signs in there
	} {
		s := parse(t, strings.NewReplacer("directory: {}", "hash_sync: {}\nfederation: {servers: 3}", pairs[0], pairs[1]).Replace(onPrem))
		if !slices.Equal(s.Unused, want) || s.HashSync.On() == slices.Contains(want, "hash_sync") || (s.Federation.Servers == 0) != slices.Contains(want, "federation") {
			t.Errorf("%v: unused are %q, expected %q; %+v, %+v", pairs, s.Unused, want, s.HashSync, s.Federation)
		}
	}
	s = with("fallback: off", "method: federation")
	if !s.Federates() || !slices.Equal(s.ADFSNames(), []string{"adfs-1", "adfs-2"}) || s.Tenants[0].Fallback != FallbackOff || s.Tenants[0].NeedsHashes() {
		t.Errorf("%+v, %v", s.Tenants, s.ADFSNames())
	}
	s = with("directory: {}", "directory: {kind: external, external: {url: 'ldaps://dc1.corp.example:636', ca: ca.pem, account: 'cn=reader,dc=corp,dc=example',"+
		" base: 'dc=corp,dc=example', users: users.csv, max_rate: 100/s, confirm: the owner of the domain}}")
	if e := s.Directory.External; e.URL == "" || e.CA == "" || e.Account == "" || e.Base == "" || e.Users == "" || e.MaxRate != 100 || e.Confirm == "" || s.DirectoryNames() != nil {
		t.Errorf("%+v, %v", e, s.DirectoryNames())
	}
	// Where nobody says how far a capacity is looked for, it is as far as allowed.
	for limit, from := range map[string]Rate{"20/s": 20, "200/s": 50} {
		s = with("directory: {}", "directory: {kind: external, external: {url: 'ldaps://dc1', account: cn=a, base: dc=b, users: u, confirm: c, max_rate: "+limit+"}}",
			"100/s", "20/s",
			"faults: []", "capacity: {objective: p99(response) < 1s}")
		if c := s.Capacity; c.From != from || c.To != s.Directory.External.MaxRate {
			t.Errorf("max_rate %s: %+v", limit, c)
		}
	}
}

func TestDirectoriesAndAgentsRefused(t *testing.T) {
	const external = "directory: {kind: external, external: {url: 'ldaps://dc1', account: cn=a, base: dc=b, users: u, confirm: c, max_rate: 200/s}}"
	for _, c := range []struct {
		pairs []string
		want  []string // one for each mistake
	}{
		{[]string{"directory: {}", "directory: {kind: slapd, delay: 1s}"}, []string{"directory.delay: 1s: expected 0s"}},
		{[]string{"directory: {}", "directory: {kind: openldap}"}, []string{"directory.kind: openldap: expected embedded, slapd, samba or external"}},
		{[]string{"directory: {}", "directory: {servers: 9}"}, []string{"directory.servers: 9: expected a whole number from 1 to 8"}},
		{[]string{"directory: {}", "directory: {kind: slapd}\nnetwork: namespaces"}, []string{"directory.kind: slapd: expected embedded with network namespaces"}},
		{[]string{"directory: {}", "directory: {kind: slapd}\nhash_sync: {}"}, []string{"hash_sync: given for directory.kind slapd"}},
		{[]string{"directory: {}", "directory: {external: {url: 'ldaps://dc1'}}"}, []string{"directory.external: given for kind embedded"}},
		{[]string{"directory: {}", "directory: {kind: external, servers: 2, external: {url: 'http://dc1', account: reader@corp.example}}"}, []string{"directory.external.url: http://dc1: expected an address such as ldaps://",
			"directory.external.account: reader@corp.example: expected a distinguished name such as cn=reader", "external.base: missing", "external.users: missing", "external.confirm: missing",
			"external.max_rate: missing", "directory.servers: 2: expected 1"}},
		{[]string{"directory: {}", "directory: {kind: external, servers: 2}"}, []string{"external.url: missing", "external.account: missing", "external.base: missing",
			"external.users: missing", "external.confirm: missing", "external.max_rate: missing", "directory.servers: 2: expected 1"}},
		{[]string{"directory: {}", external, "100/s", "201/s"}, []string{"load.rate: 201/s: expected at most 200/s"}},
		{[]string{"directory: {}", external, "100/s", "200/s", "faults: []", "capacity: {objective: p99(response) < 1s, from: 200/s, to: 201/s}"}, []string{"capacity.to: 201/s: expected at most 200/s"}},
		{[]string{"directory: {}", external, "100/s", "201/s", "faults: []", "capacity: {objective: p99(response) < 1s, from: 300/s}"}, []string{"load.rate: 201/s: expected at most 200/s", "capacity.from: 300/s: expected at most 200/s"}},
		{[]string{"directory: {}", strings.Replace(external, "200/s", "0.5/s", 1), "100/s", "0.5/s", "faults: []", "capacity: {objective: p99(response) < 1s}"}, []string{"capacity.from: 1/s: expected at most 30/m"}},
		{[]string{"directory: {}", external, "fallback: off", "fallback: automatic"}, []string{"tenants[0].fallback: automatic: expected pass-through with fallback off"}},
		{[]string{"directory: {}", external + "\nhash_sync: {}\npopulation: {states: {locked: 1%}}"}, []string{"hash_sync: given for an external directory", "population.states: given for an external"}},
		{[]string{"directory: {}", "hash_sync: {}\nfederation: {servers: 2}", "fallback: off", "method: federate"}, []string{"tenants[0].method: federate"}},
		{[]string{"fallback: off", "method: federation, fallback: automatic"}, []string{"tenants[0].fallback: automatic: expected off, or no such line"}},

		{[]string{"faults: []", "faults: [crash(directory-1) at 1s for 1s]"}, []string{"directory-1: expected connector-1 to connector-3, connectors, directory, cloudsim, checker or all: directory.servers is 1"}},
		{[]string{"faults: []", "faults: [crash(adfs-1) at 1s for 1s]"}, []string{"no tenant's method is federation"}},
		{[]string{"faults: []", "faults: [crash(balancer) at 1s for 1s, freeze(hashsync) at 3s for 1s]"}, []string{"no tenant's method is federation", "there is no section hash_sync"}},
		{[]string{"fallback: off", "method: federation", "faults: []", "faults: [crash(adfs-3) at 1s for 1s]"}, []string{"adfs-3: expected connector-1 to connector-3, connectors, directory, cloudsim, adfs-1 to adfs-2, adfs, balancer, checker or all: federation.servers is 2"}},
		{[]string{"directory: {}", "directory: {servers: 2}", "faults: []", "faults: [hanging-directory(directory-3) at 1s for 1s]"}, []string{"directory-3: expected directory or directory-1 to directory-2: directory.servers is 2"}},
		{[]string{"directory: {}", external, "faults: []", "faults: [crash(directory) at 1s for 1s]"}, []string{"directory.kind is external, and nothing of it is touched"}},
		{[]string{"directory: {}", "directory: {kind: slapd}", "faults: []",
			"faults: [slow-directory(delay=1s) at 1s for 1s, 'block(connector-1, ports=ldaps, mode=stall) at 3s for 1s', 'block(connector-1, ports=ldaps, mode=drop) at 5s for 1s', 'limit-cpu(directory, cpu=10%) at 7s for 1s', freeze(directory) at 9s for 1s]"},
			[]string{"slow-directory: expected directory.kind embedded, whose binds", "block: expected directory.kind embedded, whose ports have gates", "limit-cpu: expected directory.kind embedded, which is one process"}},
		{[]string{"directory: {}", "hash_sync: {}", "fallback: off", "fallback: manual", "faults: []", "faults: [missing-hashes(share=1%) at 1s for 1s]"}, []string{"missing-hashes: expected no section hash_sync beside it"}},
		// Conflicts between a group and one of it.
		{[]string{"directory: {}", "directory: {servers: 2}", "faults: []",
			"faults: [crash(directory) at 1s for 3s, freeze(directory-2) at 2s for 1s, hanging-directory(directory-1) at 6s for 2s, hanging-directory(directory-2) at 6s for 2s]"},
			[]string{"faults[1].at: 2s: expected more than 4s, when crash-1 ends: both act on directory-2"}},
		{[]string{"fallback: off", "method: federation", "faults: []",
			"faults: ['slow-adfs(delay=1s) at 1s for 3s', crash(adfs-2) at 2s for 1s, 'block(adfs-1, ports=https, mode=stall) at 6s for 3s', freeze(adfs-2) at 7s for 1s]"},
			[]string{"faults[1].at: 2s: expected more than 4s, when slow-adfs-1 ends: adfs holds what slow-adfs sets"}},
	} {
		_, err := Parse("x.yaml", []byte(strings.NewReplacer(c.pairs...).Replace(onPrem)), nil)
		var all Mistakes
		if !errors.As(err, &all) || len(all) != len(c.want) {
			t.Errorf("%v:\n%v\nwant %d mistakes", c.pairs, err, len(c.want))
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v:\n%v\nwant %s", c.pairs, err, want)
			}
		}
	}
}
