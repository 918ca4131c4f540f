package scenarios

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is said about testdata/bad.yaml to testdata/bad.txt, and the schema to testdata/schema.json")

// All mistakes of a document are reported at once, in its order, each with its
// line and a caret.
func TestMistakesOfADocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "bad.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("bad.yaml", text, []string{"cloud.hnadoff=off", "faults[4].for=2", "tenants[9].name=x"})
	var all Mistakes
	if !errors.As(err, &all) {
		t.Fatalf("%v, want mistakes", err)
	}
	var said strings.Builder // without the limit of Mistakes.Error
	for _, m := range all {
		said.WriteString(m.Error() + "\n")
	}
	golden := filepath.Join("testdata", "bad.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(said.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile(golden)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if got := said.String(); got != string(want) {
		t.Errorf("what is said about bad.yaml differs from %s (go test -update writes it):\n%s", golden, got)
	}
}

// base is a right document for tests to break.
const base = `format: 1
name: base
population:
  users: 100
  states: {disabled: 10%}
tenants:
  - name: contoso
    domains: [contoso.test]
    fallback: off
load:
  rate: 100/s
  duration: 20s
  mix: {right: 80%, wrong: 10%, disabled: 10%}
connectors: {count: 3}
faults: []
objectives: []
`

func TestMistakes(t *testing.T) {
	if _, err := Parse("base.yaml", []byte(base), nil); err != nil {
		t.Fatalf("the document to break is broken:\n%v", err)
	}
	for _, c := range []struct {
		name     string
		old, new string // in base; the whole of it when old is empty
		want     string // the lines that say where and what, one per mistake
	}{
		{"nothing", "", "", `
1:1: format: missing: expected a whole number: 1
1:1: name: missing: expected a name of lower-case letters, digits and dashes that begins with a letter
1:1: tenants: missing: expected a list, each a mapping of name, domains, method, fallback or connectors
1:1: load: missing: expected a mapping of rate, arrivals, warmup, duration, recovery, mix, connections, pool, scope or timeout`},
		{"only text", "", "quickstart", `
1:1: quickstart: expected a mapping of format, name, description, seed, preset, time_scale, network, population, directory, hash_sync, federation, cloud, tenants, connectors, load, faults, stop_when, vary, capacity or objectives`},
		{"only a list", "", "- format: 1\n", `
1:1: a list: expected a mapping of format, name, description, seed, preset, time_scale, network, population, directory, hash_sync, federation, cloud, tenants, connectors, load, faults, stop_when, vary, capacity or objectives`},
		{"open bracket", "faults: []", "faults: [", `
15:9: sequence end token ']' not found: expected YAML`},
		{"tab for indentation", "\n  rate:", "\n\trate:", `
11:1: found character '	' that cannot start any token: expected YAML`},
		{"not UTF-8", "name: base", "name: b\xffse", `
2:8: byte 0xff: expected text in UTF-8 without control characters`},
		{"control character", "name: base", "name: b\x1b[31mse", `
2:8: byte 0x1b: expected text in UTF-8 without control characters`},
		{"anchor and alias", "format: 1", "seed: &n 1\nformat: *n", `
1:7: an anchor or alias: expected every value written out: anchors, aliases and merge keys are not read
2:9: an anchor or alias: expected every value written out: anchors, aliases and merge keys are not read`},
		{"merge key", "  users: 100", "  <<: {users: 100}", `
4:3: a merge key: expected every value written out: anchors, aliases and merge keys are not read`},
		{"tag", "users: 100", "users: !!int 100", `
4:10: a tag: expected a value without a tag`},
		{"second document", "objectives: []", "---\nformat: 1", `
16:1: a second document: expected one document`},
		{"newer format", "format: 1", "format: 2", `
1:9: format: 2: expected a whole number: 1`},
		{"unknown field", "rate: 100/s", "rates: 100/s", `
10:1: load.rate: missing: expected a rate from 0.1/s to 100000/s
11:3: load.rates: unknown field: expected another word; did you mean rate?`},
		{"field of another place", "rate: 100/s", "rate: 100/s\n  users: 5", `
12:3: load.users: unknown field: expected rate, arrivals, warmup, duration, recovery, mix, connections, pool, scope or timeout`},
		{"given twice", "users: 100", "users: 100\n  users: 200", `
5:3: population.users: given twice: expected it once: it is on line 4 too`},
		{"too many users", "users: 100", "users: 1000000", `
4:10: population.users: 1000000: expected a whole number from 1 to 999999`},
		{"overflow", "users: 100", "users: 99999999999999999999", `
4:10: population.users: 99999999999999999999: expected a whole number from 1 to 999999`},
		{"number as text", "users: 100", "users: '100'", `
4:10: population.users: text "100": expected a whole number from 1 to 999999`},
		{"octal", "users: 100", "users: 0100", `
4:10: population.users: 0100: expected a whole number from 1 to 999999`},
		{"nothing for a number", "users: 100", "users:", `
4:9: population.users: nothing: expected a whole number from 1 to 999999`},
		{"more states than users", "{disabled: 10%}", "{disabled: 99.6%, locked: 0.1%}", `
5:11: population.states: expected no more states than 100 users can have, at least one each`},
		{"states over 100%", "{disabled: 10%}", "{disabled: 60%, locked: 50%}", `
5:11: population.states: adds up to 110%: expected at most 100%; the rest of the users are active`},
		{"active is no state to give", "{disabled: 10%}", "{disabled: 10%, active: 90%}", `
5:27: population.states.active: unknown word: expected disabled, locked, expired, must-change or account-expired`},
		{"a share without %", "{disabled: 10%}", "{disabled: 0.1}", `
5:22: population.states.disabled: 0.1: expected a share from 0% to 100%`},
		{"nobody is active", "{disabled: 10%}", "{disabled: 100%}", `
13:16: load.mix.right: 80%: expected 0%, or users who are active: population.states gives that to none
13:28: load.mix.wrong: 10%: expected 0%, or users who are active: population.states gives that to none`},
		{"nobody is in the state", "wrong: 10%,", "wrong: 5%, locked: 5%,", `
13:40: load.mix.locked: 5%: expected 0%, or users who are locked: population.states gives that to none`},
		{"mix short of 100%", "right: 80%", "right: 70.5%", `
13:8: load.mix: adds up to 90.5%: expected 100%`},
		{"mix empty", "mix: {right: 80%, wrong: 10%, disabled: 10%}", "mix: {}", `
13:8: load.mix: an empty mapping: expected at least one`},
		{"unknown intent", "wrong: 10%", "wrnog: 10%", `
13:21: load.mix.wrnog: unknown word: expected another word; did you mean wrong?`},
		{"negative rate", "rate: 100/s", "rate: -100/s", `
11:9: load.rate: -100/s: expected a rate from 0.1/s to 100000/s`},
		{"more sign-ins than numbers", "rate: 100/s\n  duration: 20s", "rate: 100000/s\n  duration: 24h", `
12:13: load.duration: 8640200000 sign-ins: expected at most 4200000000 in a run, warm-up included`},
		{"tenant names", "name: contoso\n", "name: Contoso\n", `
7:11: tenants[0].name: Contoso: expected a name of lower-case letters, digits and dashes that begins with a letter`},
		{"no tenant", "tenants:\n  - name: contoso\n    domains: [contoso.test]\n    fallback: off", "tenants: []", `
6:10: tenants: an empty list: expected at least one`},
		{"tenants alike", "load:", "  - name: contoso\n    domains: [contoso.test, fabrikam.test, fabrikam.test]\nload:", `
10:11: tenants[1].name: contoso: expected a name of its own: tenants[0] has it
11:15: tenants[1].domains[0]: contoso.test: expected a domain of one tenant, once: it is tenants[0].domains[0] too
11:44: tenants[1].domains[2]: fabrikam.test: expected a domain of one tenant, once: it is tenants[1].domains[1] too`},
		{"domain", "[contoso.test]", "[contoso]", `
8:15: tenants[0].domains[0]: contoso: expected a domain in lower case, such as contoso.test`},
		{"false is no fallback", "fallback: off", "fallback: false", `
9:15: tenants[0].fallback: false: expected automatic, none-left, manual or off`},
		{"pass-through without connectors", "count: 3", "count: 0", `
14:21: connectors.count: 0: expected at least 1: tenants[0] signs in by pass-through`},
		{"too many connectors", "count: 3", "count: 41", `
14:21: connectors.count: 41: expected a whole number from 0 to 40`},
		{"fault of nobody", "faults: []", "faults: [crash(connector-4) at 6s for 3s]", `
15:16: faults[0].target: connector-4: expected connector-1 to connector-3, connectors, directory, cloudsim, checker or all: connectors.count is 3`},
		{"fault too long", "faults: []", "faults: [crash(connector-1) at 15s for 6s]", `
15:40: faults[0].for: 6s: expected at most 5s: from 15s, the load lasts until 20s`},
		{"fault too late", "faults: []", "faults: [crash(connector-1) at 20s for 6s]", `
15:32: faults[0].at: 20s: expected less than 20s, when the load ends`},
		{"fault line", "faults: []", "faults: ['crash(connector-1) at 5s fro 6s']", `
15:36: faults[0]: fro: expected for and a duration, such as for 3s`},
		{"what is said of a fault with a mistake", "faults: []\nobjectives: []", "faults:\n  - crash(connector-1) at 3s\n  - crash(connector-2) at 3s as mine\n  - freeze(connector-3, cpu=no) at 3s for 1s\n  - freeze(connector-3) after crash-1 for 1s\nobjectives: [failed == 0 in during(crash-1), lost(mine) == 0, lost(freeze-1) == 0, lost(crsh-1) == 0]", `
16:29: faults[0]: nothing: expected for and a duration, such as for 3s
17:30: faults[1]: as: expected for and a duration, such as for 3s
18:29: faults[2].cpu: no: expected a share from 1% to 10000%
20:89: objectives[3]: crsh-1: expected a fault of this scenario; did you mean crash-1?`},
		{"what is said of a fault of no kind", "faults: []\nobjectives: []", "faults:\n  - crsh(connector-1) at 3s for 3s\n  - crash(connector-2) after crash-2 for 1s\nobjectives: [failed == 0 in during(crash-2), lost(mine) == 0]", `
16:5: faults[0].kind: crsh: expected another word; did you mean crash?
18:51: objectives[1]: mine: expected a fault of this scenario`},
		{"all of a fault's line", "faults: []", "faults:\n  - nemesis(kinds=crash,degrade, budget=99) at 1 for 2s every 5s\n  - degrade(connector-1, loss=x, cpu=5%) at 5s for 1s every y until 9s", `
16:25: faults[0].kinds: degrade: expected crash, freeze, stop, power-loss, block or slow-directory
16:41: faults[0].budget: 99: expected a whole number from 1 to 40
16:48: faults[0].at: 1: expected a duration from 0s to 24h
16:63: faults[0].every: 5s: expected it not for nemesis, which goes on for as long as it lasts
17:5: faults[1].ports: missing: expected the ports, such as requests, responses or 9350
17:31: faults[1].loss: x: expected a share from 0.01% to 100%
17:38: faults[1].cpu: given for degrade: expected it only for limit-cpu
17:61: faults[1].every: y: expected a duration from 1ms to 24h`},
		{"too few sign-ins", "faults: []\nobjectives: []", "faults: [crash(connector-1) at 5s for 1200ms]\nobjectives:\n  - p99.99(response) < 1s in during(crash-1)\n  - p99.99(response) == 1s in during(crash-1)\n  - p97.5(response) < 1s in during(crash-1)\n  - p97(response) < 1s in during(crash-1)\n  - p95(lag) > 1s\n  - p99.9(lag) < 1s", `
17:30: objectives[0]: about 120 sign-ins in during(crash-1): expected at least 29,956, which a claim about p99.99 takes with none over the limit
22:5: objectives[5]: about 2,000 sign-ins in the load: expected at least 2,995, which a claim about p99.9 takes with none over the limit`},
		{"fault without for", "faults: []", "faults:\n  - kind: crash\n    target: connector-1\n    at: 3s", `
16:5: faults[0].for: missing: expected a duration from 1ms to 24h`},
		{"block without mode", "faults: []", "faults:\n  - {kind: block, target: connector-1, at: 3s, for: 3s, ports: [responses]}", `
16:5: faults[0].mode: missing: expected refuse, reset, stall, drop or reject`},
		{"delay for a crash", "faults: []", "faults:\n  - {kind: crash, target: connector-1, at: 3s, for: 3s, delay: 1s}", `
16:64: faults[0].delay: given for crash: expected it only for degrade, slow-directory or slow-adfs`},
		{"same names", "faults: []", "faults:\n  - crash(connector-1) at 3s for 3s as a\n  - crash(connector-2) at 3s for 3s as a", `
17:40: faults[1].name: a: expected a name of its own: faults[0] has it`},
		{"same default name", "faults: []", "faults:\n  - {name: crash-2, kind: crash, target: connector-1, at: 3s, for: 3s}\n  - crash(connector-2) at 3s for 3s", `
17:5: faults[1].name: crash-2: expected a name of its own: faults[0] has it`},
		{"undo each other", "faults: []", "faults:\n  - freeze(connectors) at 6s for 3s\n  - crash(connector-2) at 3s for 3s", `
16:27: faults[0].at: 6s: expected more than 6s, when crash-1 ends: both act on connector-2, and one would undo the other`},
		{"undo each other's ports", "faults: []", "faults:\n  - block(connectors, ports=responses, mode=stall) at 3s for 3s\n  - block(connector-2, ports=443,10105, mode=reset) at 4s for 1s", `
17:56: faults[1].at: 4s: expected more than 6s, when block-1 ends: both act on port 10105 of connector-2, and one would undo the other`},
		{"objective without its fault", "objectives: []", "objectives: [lost(crash-1) == 0]", `
16:19: objectives[0]: crash-1: expected a fault of this scenario, and it has none`},
		{"fault at no time", "faults: []", "faults:\n  - {kind: crash, target: connector-1, for: 3s}", `
16:5: faults[0].at: missing: expected a duration from 0s to 24h, or after or with the name of a fault`},
		{"after and with", "faults: []", "faults:\n  - {kind: crash, target: connector-1, after: a, with: b, for: 3s}", `
16:56: faults[0].with: b: expected after or with, one of them`},
		{"after nothing", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s as first\n  - crash(connector-2) after frist + 1s for 3s", `
17:30: faults[1].after: frist: expected another fault of this scenario; did you mean first?`},
		{"after itself", "faults: []", "faults:\n  - crash(connector-1) after crash-1 for 1s", `
16:30: faults[0].after: crash-1: expected a fault that does not itself wait for this one`},
		{"in a circle", "faults: []", "faults:\n  - crash(connector-1) after b for 1s as a\n  - crash(connector-2) with c for 1s as b\n  - crash(connector-3) after a for 1s as c", `
18:30: faults[2].after: a: expected a fault that does not itself wait for this one`},
		{"after the end", "faults: []", "faults:\n  - crash(connector-1) at 10s for 5s\n  - crash(connector-2) after crash-1 + 5s for 1s\n  - crash(connector-3) with crash-1 + 4s for 7s", `
17:30: faults[1].after: crash-1, which is 20s: expected less than 20s, when the load ends
18:46: faults[2].for: 7s: expected at most 6s: from 14s, the load lasts until 20s`},
		{"repetitions", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s every 5s until 21s\n  - crash(connector-2) at 1s for 3s every 2s", `
16:52: faults[0].until: 21s: expected at most 20s, when the load ends
17:43: faults[1].every: 2s: expected more than 3s, which each repetition lasts`},
		{"repetitions after something", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s every 5s\n  - freeze(connector-3) after crash-1 + 1s for 1s every 2s until 2s", `
17:66: faults[1].until: 2s: expected more than 18s, when the first begins`},
		{"too many repetitions", "faults: []", "faults:\n  - {kind: crash, target: connector-1, at: 0s, for: 1ms, every: 1100us, name: a}\n  - freeze(connector-2) at 0s for 1ms every 5ms", `
17:45: faults[1].every: 5ms: expected no more than 20000 faults in a run, repetitions counted`},
		{"repetition of the same name", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s every 5s as a\n  - crash(connector-2) at 1s for 1s as a-2", `
16:49: faults[0].name: a: expected another name: one of its repetitions is a-2, and so is faults[1]`},
		{"repetitions undo", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s every 5s as a\n  - freeze(connector-1) at 10s for 4s", `
16:27: faults[0].at: 1s, which is 11s: expected more than 14s, when freeze-1 ends: both act on connector-1, and one would undo the other`},
		{"undone after another", "faults: []", "faults:\n  - crash(connector-1) at 1s for 1s\n  - freeze(all) after crash-1 for 1s", `
17:23: faults[1].after: crash-1, which is 2s: expected more than 2s, when crash-1 ends: both act on connector-1, and one would undo the other`},
		{"a gate without its holder", "faults: []", "faults:\n  - block(connector-1, ports=443, mode=stall) at 1s for 3s\n  - crash(cloudsim) at 2s for 1s", `
17:24: faults[1].at: 2s: expected more than 4s, when block-1 ends: cloudsim holds what block sets, and crash takes that away or keeps it from being undone`},
		{"only nobody", "faults: []", "faults:\n  - refusing-directory(only=connector-4) at 1s for 3s", `
16:29: faults[0].only: connector-4: expected connector-1 to connector-3: connectors.count is 3`},
		{"nemesis for one", "connectors: {count: 3}\nfaults: []", "connectors: {count: 1}\nfaults:\n  - nemesis() at 1s for 9s", `
16:5: faults[0].kind: nemesis: expected at least 2 connectors for it: connectors.count is 1`},
		{"nemesis too large", "faults: []", "faults:\n  - nemesis(budget=4) at 1s for 9s", `
16:20: faults[0].budget: 4: expected at most 3: connectors.count is 3`},
		{"nemesis without room", "faults: []", "faults:\n  - nemesis(kinds=crash) at 1s for 9s\n  - freeze(connectors) at 1s for 9s", `
16:36: faults[0].for: 9s: expected a time when it can break something beside the other faults, within its budget`},
		{"nobody's hash is stale", "faults: []", "faults:\n  - stale-hashes(age=1h) at 1s for 9s", `
16:22: faults[0].age: 1h: expected an age within which somebody changed their password: population.password_changes is 0/s`},
		{"nobody has an old password", "wrong: 10%,", "wrong: 5%, old: 5%,", `
13:37: load.mix.old: 5%: expected 0%, or users who changed their password: population.password_changes is 0/s, which is none within 24h`},
		{"overrides", "connectors: {count: 3}", "connectors:\n  count: 2\n  overrides:\n    - {name: connector-3}\n    - {name: connector-2, concurrency: 5}\n    - {name: connector-2}\n    - {name: directory}", `
17:14: connectors.overrides[0].name: connector-3: expected connector-1 to connector-2: connectors.count is 2
19:14: connectors.overrides[2].name: connector-2: expected a connector once: connectors.overrides[1] is about it
20:14: connectors.overrides[3].name: directory: expected connector-1 to connector-2: connectors.count is 2`},
		{"windows", "objectives: []", "stop_when: [share(failed) > 50]\nobjectives:\n  - failed == 0 in during(crush-1)\n  - failed == 0 in recovered\n  - time_to_detect(crash-1) < 1s in steady\n  - sent > 0 in warmpu", `
16:29: stop_when[0]: 50: expected a percentage such as 1%, or a number with a point such as 0.95, for share(failed)
18:27: objectives[0]: crush-1: expected a fault of this scenario, and it has none
19:20: objectives[1]: recovered: expected a window that is not empty: there is no fault
20:34: objectives[2]: a window: expected the end of the line: time_to_detect(crash-1) is about the time of crash-1 already
21:17: objectives[3]: warmpu: expected a window: whole, warmup, steady, during, after or recovered; did you mean warmup?`},
		{"empty windows", "faults: []\nobjectives: []", "faults:\n  - crash(connector-1) at 0s for 18s\n  - freeze(connector-2) at 18s for 2s as last\nobjectives:\n  - failed == 0 in steady\n  - failed == 0 in after(crash-1)\n  - failed == 0 in after(last)\n  - failed == 0 in recovered\n  - failed == 0 in during(last)", `
19:20: objectives[0]: steady: expected a window that is not empty: crash-1 begins at 0s
20:20: objectives[1]: after(crash-1): expected a window that is not empty: when crash-1 ends another fault begins, or the load ends
21:20: objectives[2]: after(last): expected a window that is not empty: when last ends another fault begins, or the load ends
22:20: objectives[3]: recovered: expected a window that is not empty: load.recovery, which is 2s, lasts until after the end of the load`},
		{"no warm-up", "duration: 20s\n  mix: {right: 80%, wrong: 10%, disabled: 10%}\nconnectors: {count: 3}\nfaults: []\nobjectives: []", "duration: 20s\n  mix: {right: 90%, wrong: 10%}\n  warmup: 0\nobjectives: [sent > 0 in warmup]", `
15:26: objectives[0]: warmup: expected a window that is not empty: load.warmup is 0s`},
		{"preset contradicted", "format: 1", "format: 1\npreset: entra\ncloud: {deadline: 10s, dispatch: random, heartbeat: 250ms, handoff: on}", `
3:19: cloud.deadline: 10s: expected 15s, as preset entra has it, or no such line, or another preset
3:53: cloud.heartbeat: 250ms: expected 10s, as preset entra has it, or no such line
3:69: cloud.handoff: on: expected off, as preset entra has it, or no such line, or another preset
11:15: tenants[0].fallback: off: expected manual, as preset entra has it, or no such line, or another preset`},
		{"preset unknown", "format: 1", "format: 1\npreset: entre\ntime_scale: 1001", `
2:9: preset: entre: expected default, entra, okta or pingone; did you mean entra?
3:13: time_scale: 1001: expected a whole number from 1 to 1000`},
		{"heartbeat beside a time scale", "format: 1", "format: 1\ntime_scale: 10\ncloud: {heartbeat: 1s}", `
3:20: cloud.heartbeat: 1s: expected 250ms, as preset default has it, or 25ms, which time_scale 10 makes of it, or no such line`},
		{"objective is a mapping", "objectives: []", "objectives:\n  - failed: 0", `
17:5: objectives[0]: a mapping: expected an objective such as failed == 0, or p99(response) < 200ms in steady`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(base, c.old, c.new, 1)
			if c.old == "" {
				text = c.new
			} else if !strings.Contains(base, c.old) {
				t.Fatalf("%q is not in the document to break", c.old)
			}
			_, err := Parse("x.yaml", []byte(text), nil)
			var got strings.Builder
			var all Mistakes
			if err != nil && !errors.As(err, &all) {
				t.Fatalf("%T %v, want Mistakes", err, err)
			}
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

func TestDocumentsHaveLimits(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"size":               {strings.Repeat("#\n", MaxSize/2) + "#", "x.yaml: 1048577 bytes: expected at most 1048576 bytes"},
		"brackets":           {strings.Repeat("[", MaxSize/8), "x.yaml:1:33: expected at most 32 levels of nesting"},
		"braces":             {strings.Repeat("{a: ", MaxSize/32), "x.yaml:1:129: expected at most 32 levels of nesting"},
		"lists":              {strings.Repeat("- ", MaxSize/16), "x.yaml:1:65: expected at most 32 levels of nesting"},
		"tokens":             {strings.Repeat("a: b\n", 10_000), "x.yaml:6667:4: expected at most 20000 words and signs"},
		"items":              {"format: 1\nobjectives: [" + strings.Repeat("sent > 0,", 501) + "]", "x.yaml:2:13: objectives: 501 items: expected at most 500"},
		"a line with no end": {"name: " + strings.Repeat("x", 10000) + "\n", "x.yaml:1:7: name: " + strings.Repeat("x", 60) + "…: expected a name"},
	} {
		_, err := Parse("x.yaml", []byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v, want %s", name, err, c.want)
		}
		if err != nil && len(err.Error()) > 5000 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func TestManyMistakesAreCut(t *testing.T) {
	_, err := Parse("x.yaml", []byte(base+strings.Repeat("nothing: 1\n", 1000)), nil)
	if err == nil || !strings.HasSuffix(err.Error(), "\n… and 950 more mistakes") {
		t.Errorf("%.2000v", err)
	}
}

// The excerpt of a long line is its part around the mistake.
func TestExcerptOfALongLine(t *testing.T) {
	line := strings.Repeat("a", 500) + "!" + strings.Repeat("b", 500)
	shown, caret := excerpt(line, 501)
	if at := strings.IndexRune(shown, '!'); len([]rune(shown)) > excerptWidth+2 || len([]rune(shown[:at])) != len(caret) {
		t.Errorf("%s\n%s^", shown, caret)
	}
	shown, caret = excerpt("\té\x1bx", 4)
	if shown != "\té\ufffdx" || caret != "\t  " {
		t.Errorf("%q %q", shown, caret)
	}
}
