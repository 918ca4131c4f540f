package scenarios

import (
	"errors"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"ptabench/population"
)

// parse reads a document that must be right.
func parse(t *testing.T, text string, sets ...string) *Scenario {
	t.Helper()
	s, err := Parse("x.yaml", []byte(text), sets)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// roundTrip writes a scenario and reads it back.
func roundTrip(t *testing.T, s *Scenario) {
	t.Helper()
	text := s.YAML()
	again, err := Parse("resolved.yaml", text, nil)
	if err != nil {
		t.Fatalf("as resolved:\n%s\n%v", text, err)
	}
	if !reflect.DeepEqual(again, s) {
		t.Fatalf("as resolved:\n%s\n got %+v\nwant %+v", text, again, s)
	}
	if string(again.YAML()) != string(text) {
		t.Errorf("written again:\n%s\nwant:\n%s", again.YAML(), text)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	got := parse(t, `
format: 1
name: least
tenants: [{name: contoso, domains: [contoso.test]}]
load: {rate: 1500/s, duration: 1m, mix: {right: 100%}}
population:
faults:
`)
	want := &Scenario{
		Format: 1, Name: "least", Seed: 1, Preset: PresetDefault, TimeScale: 1, Network: Loopback,
		Population: Population{Users: 10_000, Spread: SpreadFirst},
		Cloud: Cloud{
			Dispatch: LeastOutstanding, Handoff: true, Attempts: 3, Deadline: 5 * second, AttemptTimeout: second,
			Heartbeat: second / 4, HeartbeatMisses: 3, Queue: 10_000, BreakerThreshold: 5, BreakerProbe: second / 4,
			SealRollover: 600 * second, SealRolloverCount: 1_000_000, CertificateLifetime: 180 * 24 * 3600 * second,
			RevocationListValidity: 24 * 3600 * second, BootstrapInterval: 600 * second, StatusInterval: 600 * second,
			RenewalPoll: 6 * 3600 * second, InactiveAfter: 20 * 60 * second, Clock: 1, ConnectorLimit: 40,
			UpdateEvery: 3600 * second, Lockout: "off",
		},
		Directory: Directory{Kind: Embedded, Servers: 1, Order: Ordered},
		Tenants:   []Tenant{{Name: "contoso", Domains: []string{"contoso.test"}, Method: PassThrough, Fallback: FallbackAutomatic}},
		Connectors: Connectors{Count: 3, Concurrency: 200, BindTimeout: 900 * Duration(time.Millisecond),
			ConnectTimeout: 2 * second, RenewBefore: 30 * 24 * 3600 * second, Revocation: HardFail},
		Load: Load{
			Rate: 1500, Arrivals: Poisson, Warmup: 2 * second, Duration: 60 * second, Recovery: 2 * second, Mix: map[Intent]Share{IntentRight: 1},
			Connections: Pooled, Pool: 375, Scope: "https://graph.microsoft.com/.default", Timeout: 10 * second,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	roundTrip(t, got)
}

// Every field is given, none as by default.
const everything = `---
format: 1
name: every-thing
description: "two\nlines: # and \"signs\" \u00e9"
seed: 18446744073709551615
preset: okta
time_scale: 7
network: namespaces
population: {users: 500, spread: zipf 1.1, password_changes: 5/h, states: {disabled: 1%, locked: 2%, expired: 3.5%, must-change: 4%, account-expired: 5%}}
directory: {servers: 2, order: balanced, delay: 1.5ms}
cloud:
  dispatch: first-available
  handoff: off
  attempts: 1
  deadline: 4s
  attempt_timeout: 4s
  heartbeat: 120s
  heartbeat_misses: 1
  queue: 7
  breaker_threshold: 0
  breaker_probe: 1s
  seal_rollover: 1h
  seal_rollover_count: 8
  certificate_lifetime: 90s
  revocation_list_validity: 9s
  bootstrap_interval: 1s
  status_interval: 2s
  renewal_poll: 3s
  inactive_after: 4s
  clock: 1000
  connector_limit: 5
  several_per_host: on
  lockout: 5/30s
  update_every: 90m
tenants:
  - {name: contoso, domains: [contoso.test, sub.contoso.test], method: pass-through, fallback: none-left}
  - {name: f-2, domains: [fabrikam.test], method: hash-sync}
connectors: {count: 2, concurrency: 3, pool: 4, processors: 2, bind_timeout: 5ms, connect_timeout: 1s, renew_before: 20s, revocation: soft, command: [./agent, "true", -v, "a b", ""],
  overrides: [{name: connector-2, concurrency: 20, directory_delay: 30ms, response_port: 10120, signalling_port: 5671}, {name: connector-1}]}
load:
  rate: 30/m
  arrivals: constant
  warmup: 0
  duration: 10m
  recovery: 5s
  mix: {right: 20%, old: 10%, wrong: 10%, disabled: 10%, locked: 10%, expired: 10%, must-change: 10%, account-expired: 10%, unknown: 10%}
  connections: per-sign-in
  pool: 65
  scope: openid profile
  timeout: 3s
faults:
  - stop(connector-2) at 0s for 1ms
  - {kind: block, target: connectors, ports: responses, mode: reset, at: 1m, for: 2m}
  - {kind: block, target: connector-1, ports: "requests, 443", mode: refuse, at: 4m, for: 1s}
  - {kind: block, target: connector-1, ports: 9350, mode: stall, at: 5m, for: 1s, name: one}
  - {kind: slow-directory, delay: 20ms, only: connector-2, at: 5m, for: 1m}
  - {kind: power-loss, target: connector-2, with: one, for: 1s}
  - {kind: degrade, target: connectors, ports: [ldaps], direction: in, by: gate, delay: 5ms, jitter: 1ms, bandwidth: 64kbit/s, loss: 1%, after: one, at: 2s, for: 1s}
  - {kind: limit-cpu, target: cloudsim, cpu: 20%, after: slow-directory-1, for: 10s, every: 11s, until: 6m30s}
  - {kind: limit-memory, target: directory, memory: 64MiB, after: limit-cpu-1, at: 10s, for: 10s}
  - stale-hashes(age=24h) after limit-memory-1 + 1s for 10s
  - {kind: nemesis, kinds: "crash, slow-directory", budget: 2, seed: 9, after: stale-hashes-1, for: 20s}
vary: ["seed=1,2"]
capacity: {objective: "p99(response) < 200ms", from: 100/s, to: 900/s, trial: 3s, precision: 5%, within: 50s}
stop_when:
  - share(failed) > 50% for 5s
  - p99(lag) >= 1s
objectives:
  - jain(connectors) >= 95%
  - "time_to_recover(one) < 1s"
  - lost(limit-cpu-1) == 0
  - failed == 0 of f-2 in during(nemesis-1)
`

func TestEverythingIsRead(t *testing.T) {
	s := parse(t, everything)
	roundTrip(t, s)
	// Nothing is left at zero or at its default, but the format.
	var compareFields func(path string, v reflect.Value)
	compareFields = func(path string, v reflect.Value) {
		for _, f := range structOf(v.Type()).fields {
			value := v.Field(f.index)
			full := join(path, f.name)
			switch {
			case slices.Contains([]string{"directory.kind", "directory.external", "hash_sync", "federation", "population.events"}, full):
				// TestDirectoriesAndAgents has them: they exclude faults or methods that are here.
			case value.Kind() == reflect.Struct:
				compareFields(full, value)
			case value.IsZero() && !slices.Contains([]string{"load.warmup", "cloud.handoff", "cloud.breaker_threshold"}, full):
				t.Errorf("%s is not given", full)
			case f.fill != "":
				standard := reflect.New(value.Type()).Elem()
				setPlain(standard, f.fill)
				if value.Interface() == standard.Interface() {
					t.Errorf("%s has its default", full)
				}
			}
		}
	}
	compareFields("", reflect.ValueOf(s).Elem())

	if want := "two\nlines: # and \"signs\" é"; s.Description != want {
		t.Errorf("description %q, want %q", s.Description, want)
	}
	if s.Population.States[population.PasswordExpired] != 0.035 {
		t.Errorf("states %v", s.Population.States)
	}
	var lines []string
	for _, f := range s.Faults {
		lines = append(lines, f.Name+": "+f.String())
	}
	if want := []string{
		"stop-1: stop(connector-2) at 0s for 1ms",
		"block-1: block(connectors, ports=10100-10120, mode=reset) at 1m for 2m",
		"block-2: block(connector-1, ports=9350,9352,5671,443, mode=refuse) at 4m for 1s",
		"one: block(connector-1, ports=9350, mode=stall) at 5m for 1s as one",
		"slow-directory-1: slow-directory(directory, delay=20ms, only=connector-2) at 5m for 1m",
		"power-loss-1: power-loss(connector-2) with one for 1s",
		"degrade-1: degrade(connectors, ports=ldaps, direction=in, by=gate, delay=5ms, jitter=1ms, bandwidth=64kbit/s, loss=1%) after one + 2s for 1s",
		"limit-cpu-1: limit-cpu(cloudsim, cpu=20%) after slow-directory-1 for 10s every 11s until 6m30s",
		"limit-memory-1: limit-memory(directory, memory=64MiB) after limit-cpu-1 + 10s for 10s",
		"stale-hashes-1: stale-hashes(hash-store, age=24h) after limit-memory-1 + 1s for 10s",
		"nemesis-1: nemesis(connectors, kinds=crash,slow-directory, budget=2, seed=9) after stale-hashes-1 for 20s",
	}; !slices.Equal(lines, want) {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// Any text that is allowed as a description comes back as it was.
func TestTextsReadBack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	alphabet := []rune("abc ABC019 \n\t'\"\\:#-?,[]{}&*!|>%@`~=.é世🙂\u2028\u00a0")
	s := parse(t, base)
	for _, text := range []string{"null", "~", "true", "off", "1", "0x10", "1e3", "- a", "a: b", "a #b", "|", ">-", "'", "\"", "---", "...", " a ", "a\n\nb\n"} {
		s.Description = text
		roundTrip(t, s)
	}
	for range 300 {
		text := make([]rune, random.IntN(12))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		if s.Description = string(text); rules["text"].allowed(s.Description) {
			roundTrip(t, s)
		}
	}
}

func TestLineEndsAndByteOrderMark(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll(everything, "\n", "\r\n")
	if got := parse(t, text); !reflect.DeepEqual(got, parse(t, everything)) {
		t.Errorf("with CR LF: %+v", got)
	}
	_, err := Parse("x.yaml", []byte(strings.ReplaceAll(base, "\n", "\r\n")+"x: 1"), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "x.yaml:17:1: x: unknown field") {
		t.Errorf("%v", err)
	}
}

// The tags are the reference, so each field has them, and they agree.
func TestTags(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[Scenario](), reflect.TypeFor[Population](), reflect.TypeFor[Directory](), reflect.TypeFor[Cloud](),
		reflect.TypeFor[Tenant](), reflect.TypeFor[Connectors](), reflect.TypeFor[Override](), reflect.TypeFor[Load](), reflect.TypeFor[Fault](),
		reflect.TypeFor[Suite](), reflect.TypeFor[SuiteRun](),
	} {
		for _, f := range structOf(typ).fields {
			where := typ.Name() + "." + f.name
			if f.name == "" || f.name != strings.ToLower(f.name) || strings.Contains(f.name, "-") {
				t.Errorf("%s: want a name in lower case with underscores", where)
			}
			if f.doc == "" || unicode.IsUpper([]rune(f.doc)[0]) || strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s: doc %q: want a line that begins in lower case and ends without a full stop", where, f.doc)
			}
			if f.fill != "" && !strings.Contains(f.doc, f.fill+" by default") && !strings.Contains(f.doc, f.fill+" (default)") {
				t.Errorf("%s: doc %q does not say that %s is the default", where, f.doc, f.fill)
			}
			if f.need && f.fill != "" {
				t.Errorf("%s: needed, and has a default", where)
			}
			leaf := f.typ
			if leaf.Kind() == reflect.Slice || leaf.Kind() == reflect.Map {
				leaf = leaf.Elem()
			}
			bounded := leaf.Kind() == reflect.Int || leaf.Kind() == reflect.Int64 || leaf.Kind() == reflect.Float64
			if bounded != (f.min != "" && f.max != "") {
				t.Errorf("%s: bounds %q and %q", where, f.min, f.max)
			}
			if _, known := rules[f.rule]; leaf.Kind() == reflect.String && wordsOf(leaf) == nil && !known && f.rule != "port" {
				t.Errorf("%s: no rule for its text", where)
			}
			for _, words := range [][]string{f.words(leaf), mapWords(f.typ)} {
				for _, word := range words {
					if !strings.Contains(f.doc, word) {
						t.Errorf("%s: doc %q does not mention %s", where, f.doc, word)
					}
				}
			}
			for _, text := range []string{f.fill, f.min, f.max} {
				if v := reflect.New(leaf).Elem(); text != "" && f.setText(v, text) != "" {
					t.Errorf("%s: its tags say %s: %s", where, text, f.setText(v, text))
				}
			}
		}
	}
}

func mapWords(t reflect.Type) []string {
	if t.Kind() == reflect.Map {
		return wordsOf(t.Key())
	}
	return nil
}

// The example in the package's documentation is right.
func TestDocumentedExample(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "scenario.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(file.Doc.Text()) {
		if text, ok := strings.CutPrefix(line, "\t"); ok {
			example.WriteString(text)
		}
	}
	s := parse(t, example.String())
	if len(s.Faults) != 2 || len(s.Objectives) != 2 {
		t.Errorf("%+v of\n%s", s, example.String())
	}
	roundTrip(t, s)
}

func TestOverrides(t *testing.T) {
	text := base + "# the end"
	text = strings.Replace(text, "faults: []", "faults:\n  - crash(connector-1) at 3s for 3s\n  - block(connector-2, ports=requests, mode=stall) at 3s for 3s as quiet", 1)
	for _, c := range []struct {
		sets  []string
		check func(*Scenario) bool
	}{
		{[]string{"cloud.handoff=off"}, func(s *Scenario) bool { return !bool(s.Cloud.Handoff) }},
		{[]string{"tenants[0].fallback=off"}, func(s *Scenario) bool { return s.Tenants[0].Fallback == FallbackOff }},
		{[]string{"load.rate=3000/s"}, func(s *Scenario) bool { return s.Load.Rate == 3000 && s.Load.Pool == 750 }},
		{[]string{"faults[0].for=2s"}, func(s *Scenario) bool { return s.Faults[0].For == 2*second && s.Faults[0].Target == "connector-1" }},
		{[]string{"faults[1].mode=reset"}, func(s *Scenario) bool {
			return s.Faults[1].Mode == Reset && len(s.Faults[1].Ports) == 3 && s.Faults[1].Name == "quiet"
		}},
		{[]string{"faults[1].ports=443"}, func(s *Scenario) bool { return slices.Equal(s.Faults[1].Ports, []string{"443"}) }},
		{[]string{"faults=[]"}, func(s *Scenario) bool { return s.Faults == nil }},
		{[]string{"faults[2]=freeze(directory) at 1s for 1s"}, func(s *Scenario) bool { return len(s.Faults) == 3 && s.Faults[2].Kind == Freeze }},
		{[]string{"faults[0]={kind: stop, target: connectors, at: 1s, for: 1s}"}, func(s *Scenario) bool { return s.Faults[0].Kind == Stop }},
		{[]string{"objectives[0]=lost(quiet) == 0", "objectives[1]=sent > 10"}, func(s *Scenario) bool { return len(s.Objectives) == 2 && s.Objectives[0].Fault() == "quiet" }},
		{[]string{"load.mix={right: 100%}"}, func(s *Scenario) bool { return len(s.Load.Mix) == 1 }},
		{[]string{"load.mix.right=70%", "load.mix.unknown=10%"}, func(s *Scenario) bool { return s.Load.Mix[IntentUnknown] == 0.1 }},
		{[]string{"population.states.must-change=5%"}, func(s *Scenario) bool { return s.Population.States[population.MustChange] == 0.05 }},
		{[]string{"directory.delay=20ms"}, func(s *Scenario) bool { return s.Directory.Delay == second/50 }},
		{[]string{"seed=1", "seed=7"}, func(s *Scenario) bool { return s.Seed == 7 }},
		{[]string{"description=a = b"}, func(s *Scenario) bool { return s.Description == "a = b" }},
		{[]string{"tenants[0].domains[1]=fabrikam.test"}, func(s *Scenario) bool { return len(s.Tenants[0].Domains) == 2 }},
	} {
		s, err := Parse("x.yaml", []byte(text), c.sets)
		if err != nil {
			t.Errorf("%v: %v", c.sets, err)
			continue
		}
		if !c.check(s) {
			t.Errorf("%v has no effect:\n%s", c.sets, s.YAML())
		}
		roundTrip(t, s)
	}
}

func TestOverridesRefused(t *testing.T) {
	text := strings.Replace(base, "faults: []", "faults: [crash(connector-1) at 3s for 3s]", 1)
	for _, c := range []struct{ set, want string }{
		{"cloud.hnadoff=off", "--set cloud.hnadoff=off, column 7: cloud.hnadoff: unknown field: expected another word; did you mean handoff?\n      | cloud.hnadoff=off\n      |       ^"},
		{"cloud.handoff=of", "--set cloud.handoff=of, column 15: cloud.handoff: of: expected on or off\n      | cloud.handoff=of\n      |               ^"},
		{"nothing", "--set nothing, column 1: expected a field, = and its value, such as cloud.handoff=off"},
		{"", `--set "", column 1: expected a field, = and its value`},
		{"=3", "--set =3, column 1: expected the name of a field"},
		{"seed=", "--set seed=, column 6: seed: nothing: expected a whole number"},
		{"cloud.=3", "--set cloud.=3, column 7: expected the name of a field"},
		{".cloud=3", "--set .cloud=3, column 1: expected the name of a field"},
		{"[0]=3", "--set [0]=3, column 1: expected a field and an index, such as tenants[0]"},
		{"tenants[0=3", "--set tenants[0=3, column 8: expected a field and an index, such as tenants[0]"},
		{"tenants[-1].name=x", "--set tenants[-1].name=x, column 9: expected an index such as 0"},
		{"tenants[0]name=x", "--set tenants[0]name=x, column 11: expected a dot, an index or ="},
		{"tenants.name=x", "--set tenants.name=x, column 9: tenants.name: expected an index, such as tenants[0]"},
		{"tenants[2].name=x", "--set tenants[2].name=x, column 8: tenants[2]: index 2: expected 0 to 1, the last of which appends"},
		{"cloud[0]=x", "--set cloud[0]=x, column 1: cloud: a list: expected a mapping of dispatch"},
		{"load[0]=x", "--set load[0]=x, column 5: load[0]: a mapping: expected a list to index"},
		{"seed.x=3", "--set seed.x=3, column 1: seed: a mapping: expected a whole number"},
		{"name.x=3", "--set name.x=3, column 6: name.x: base: expected a mapping to set x in"},
		{"load.mix=[", "--set load.mix=[, column 10: sequence end token ']' not found: expected YAML"},
		{"load.rate=é/s", "--set load.rate=é/s, column 11: load.rate: é/s: expected a rate"},
		{"connectors.count=0", "--set connectors.count=0, column 18: connectors.count: 0: expected at least 1"},
		{"faults[0].for=18s", "--set faults[0].for=18s, column 15: faults[0].for: 18s: expected at most 17s: from 3s, the load lasts until 20s"},
		{"faults[0]=crash(connector-9) at 1s for 1s", "--set faults[0]=crash(connector-9) at 1s for 1s, column 17: faults[0].target: connector-9: expected connector-1 to connector-3, connectors"},
		{"load.duration=5s", "x.yaml:15:39: faults[0].for: 3s: expected at most 2s: from 3s, the load lasts until 5s"},
	} {
		_, err := Parse("x.yaml", []byte(text), []string{c.set})
		var all Mistakes
		if !errors.As(err, &all) || len(all) == 0 || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.set, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(base, "cloud.handoff=off")
	f.Add(everything, "faults[0].for=2s")
	f.Add("", "")
	bad, err := os.ReadFile(filepath.Join("testdata", "bad.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(bad), "tenants[0].name=x")
	for _, s := range List() {
		text, _ := Shipped(s.Name)
		f.Add(string(text), "population={users: 7}")
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		s, err := Parse("x.yaml", []byte(text), []string{set})
		if err == nil {
			roundTrip(t, s)
			return
		}
		var all Mistakes
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("%T %v, want Mistakes", err, err)
		}
		for _, m := range all {
			if m.Expected == "" || m.File == "" {
				t.Errorf("%+v says too little", m)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text, err := Shipped("quickstart")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("quickstart.yaml", text, nil); err != nil {
			b.Fatal(err)
		}
	}
}
