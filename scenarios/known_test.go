package scenarios

import (
	"errors"
	"strings"
	"testing"
)

// broken is what TestMistakesHideNoOthers breaks in several places at once.
const broken = `format: 1
name: broken
population: {users: 100, states: {disabled: 10%}, spread: even}
directory: {kind: embedded, servers: 2}
federation: {servers: 2}
cloud: {deadline: 5s}
tenants:
  - {name: contoso, domains: [contoso.test], fallback: off}
  - {name: fabrikam, domains: [fabrikam.test], method: federation}
connectors: {count: 3, overrides: [{name: connector-1}]}
load: {rate: 100/s, duration: 20s, mix: {right: 90%, disabled: 10%}}
faults:
  - crash(connector-1) at 3s for 2s
  - freeze(adfs-1) at 8s for 2s
objectives:
  - failed == 0 of fabrikam
  - p99(response) < 1s in steady
`

// TestMistakesHideNoOthers: each mistake is told, once and in the order of the
// lines, whatever others there are elsewhere, and nothing follows from another.
func TestMistakesHideNoOthers(t *testing.T) {
	if _, err := Parse("x.yaml", []byte(broken), nil); err != nil {
		t.Fatalf("the document to break is broken:\n%v", err)
	}
	for _, c := range []struct {
		name  string
		pairs []string
		want  string // the lines that say where and what, one per mistake
	}{
		{"a tenant and an objective", []string{"fallback: off", "fallback: of", "of fabrikam", "of nobody"}, `
8:56: tenants[0].fallback: of: expected automatic, none-left, manual or off; did you mean off?
16:20: objectives[0]: nobody: expected a tenant that the load signs in to: contoso or fabrikam`},
		{"a tenant's name and an objective", []string{"name: fabrikam", "name: Fabrikam", "steady", "recoverd"}, `
9:12: tenants[1].name: Fabrikam: expected a name of lower-case letters, digits and dashes that begins with a letter
17:27: objectives[1]: recoverd: expected a window: whole, warmup, steady, during, after or recovered; did you mean recovered?`},
		{"the spread and an objective", []string{"spread: even", "spread: ever", "of fabrikam", "of nobody"}, `
3:59: population.spread: ever: expected first, even, or zipf and an exponent up to 8, such as zipf 1.1
16:20: objectives[0]: nobody: expected a tenant that the load signs in to: contoso or fabrikam`},
		{"a tenant and the window of an objective", []string{"of fabrikam", "of nobody in during(crash-2)"}, `
16:20: objectives[0]: nobody: expected a tenant that the load signs in to: contoso or fabrikam
16:37: objectives[0]: crash-2: expected a fault of this scenario; did you mean crash-1?`},
		{"how many connectors, and a fault of a federation server", []string{"count: 3", "count: 99", "adfs-1", "adfs-5", "connector-1}]", "directory}]"}, `
10:21: connectors.count: 99: expected a whole number from 0 to 40
10:44: connectors.overrides[0].name: directory: expected a connector such as connector-1
14:12: faults[1].target: adfs-5: expected directory, directory-1 to directory-2, cloudsim, adfs-1 to adfs-2, adfs, balancer, checker or all: federation.servers is 2`},
		{"federation servers, and faults of others", []string{"servers: 2}\ncloud", "servers: 99}\ncloud", "adfs-1", "adfs-5", "connector-1) at", "connector-4) at"}, `
5:23: federation.servers: 99: expected a whole number from 1 to 16
13:11: faults[0].target: connector-4: expected connector-1 to connector-3, connectors, directory, directory-1 to directory-2, cloudsim, adfs, balancer, checker or all: connectors.count is 3`},
		{"a method, and faults of who depends on it or not", []string{"method: federation", "method: federate", "connector-1) at", "directory-3) at"}, `
9:56: tenants[1].method: federate: expected pass-through, hash-sync or federation
13:11: faults[0].target: directory-3: expected connector-1 to connector-3, connectors, directory, directory-1 to directory-2, cloudsim, checker or all: directory.servers is 2`},
		{"users and the mix", []string{"users: 100,", "users: 0,", "right: 90%", "right: 80%"}, `
3:21: population.users: 0: expected a whole number from 1 to 999999
11:41: load.mix: adds up to 90%: expected 100%`},
		{"a spread, the states and the mix", []string{"disabled: 10%}, spread: even", "disabled: 101%}, spread: ever", "disabled: 10%}}", "locked: 10%}}"}, `
3:45: population.states.disabled: 101%: expected a share from 0% to 100%
3:60: population.spread: ever: expected first, even, or zipf and an exponent up to 8, such as zipf 1.1`},
		{"a spread and a share of nobody", []string{"spread: even", "spread: ever", "disabled: 10%}}", "locked: 10%}}"}, `
3:59: population.spread: ever: expected first, even, or zipf and an exponent up to 8, such as zipf 1.1
11:62: load.mix.locked: 10%: expected 0%, or users who are locked: population.states gives that to none`},
		{"one share and another", []string{"right: 90%", "right: 90", "disabled: 10%}}", "locked: 10%}}"}, `
11:49: load.mix.right: 90: expected a share from 0% to 100%
11:61: load.mix.locked: 10%: expected 0%, or users who are locked: population.states gives that to none`},
		{"a fault's target, the warm-up and windows", []string{"connector-1) at 3s", "connector-4) at 0s", "duration: 20s", "duration: 20s, warmup: x"}, `
11:44: load.warmup: x: expected a duration from 0s to 10m
13:11: faults[0].target: connector-4: expected connector-1 to connector-3, connectors, directory, directory-1 to directory-2, cloudsim, adfs-1 to adfs-2, adfs, balancer, checker or all: connectors.count is 3
17:27: objectives[1]: steady: expected a window that is not empty: crash-1 begins at 0s`},
		{"when a fault comes, and too few sign-ins in the whole load", []string{"at 3s", "at x", "p99(response) < 1s in steady", "p99.99(response) < 1s"}, `
13:27: faults[0].at: x: expected a duration from 0s to 24h
17:5: objectives[1]: about 2,000 sign-ins in the load: expected at least 29,956, which a claim about p99.99 takes with none over the limit`},
		{"the interval of hash sync, and a fault of its agent", []string{"fallback: off", "fallback: manual", "cloud:", "hash_sync: {interval: x}\ncloud:", "connector-1) at", "hashsync) at"}, `
6:23: hash_sync.interval: x: expected a duration from 100ms to 24h`},
		{"a tenant, and hashes of somebody's own directory", []string{"name: contoso,", "name: Contoso,", "fallback: off", "fallback: manual", "kind: embedded", "kind: slapd", "cloud:", "hash_sync: {interval: x}\ncloud:"}, `
6:12: hash_sync: given for directory.kind slapd: expected it only for embedded or samba: OpenLDAP keeps no hash that the cloud could use, so its role pushes those of the users that it made
6:23: hash_sync.interval: x: expected a duration from 100ms to 24h
9:12: tenants[0].name: Contoso: expected a name of lower-case letters, digits and dashes that begins with a letter`},
		{"connectors of tenants, a domain and the preset", []string{"fallback: off}", "fallback: off, connectors: 9}", "fabrikam.test", "fabrikam", "cloud: {deadline: 5s}", "preset: okta\ntime_scale: x\ncloud: {deadline: 5s, heartbeat: 1s}"}, `
7:13: time_scale: x: expected a whole number from 1 to 1000
8:19: cloud.deadline: 5s: expected 4s, as preset okta has it, or no such line, or another preset
10:56: tenants[0].fallback: off: expected none-left, as preset okta has it, or no such line, or another preset
10:73: tenants[0].connectors: 9: expected 3, or no such line: those of connectors.count that no other tenant takes
11:32: tenants[1].domains[0]: fabrikam: expected a domain in lower case, such as contoso.test`},
		{"a tenant without connectors, an objective and a federation server", []string{"method: federation", "fallback: off", "of fabrikam", "of nobody", "adfs-1", "hashsync", "cloud:", "hash_sync: {}\ncloud:"}, `
10:5: tenants[1].connectors: missing: expected at least 1: its users sign in by pass-through
15:12: faults[1].target: hashsync: expected connector-1 to connector-3, connectors, directory, directory-1 to directory-2, cloudsim, checker or all: no tenant that the load signs in to needs hashes
17:20: objectives[0]: nobody: expected a tenant that the load signs in to: contoso or fabrikam`},
		{"what is not for a kind, with mistakes of its own", []string{"servers: 2}\nfed", "servers: 2, external: {url: x}}\nfed"}, `
4:51: directory.external: given for kind embedded: expected it only with directory.kind external
4:57: directory.external.url: x: expected an address such as ldaps://dc1.corp.example:636`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(strings.NewReplacer(c.pairs...).Replace(broken)), nil)
			var all Mistakes
			if !errors.As(err, &all) {
				t.Fatalf("%v, want Mistakes", err)
			}
			var got strings.Builder
			for _, m := range all {
				first, _, _ := strings.Cut(m.Error(), "\n")
				got.WriteString("\n" + strings.TrimPrefix(first, "x.yaml:"))
			}
			if got.String() != c.want {
				t.Errorf("got:%s\nwant:%s", got.String(), c.want)
			}
		})
	}
}
