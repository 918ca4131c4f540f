package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// withFaults is the base scenario with other faults and a longer load.
func withFaults(t *testing.T, sets []string, lines ...string) *Scenario {
	t.Helper()
	text := strings.Replace(base, "faults: []", "faults:\n  - "+strings.Join(lines, "\n  - "), 1)
	return parse(t, text, append([]string{"load.duration=10m"}, sets...)...)
}

func schedule(s *Scenario) []string {
	var all []string
	for _, f := range s.Schedule() {
		line := f.Name + ": " + f.String()
		if f.Group != "" {
			line = f.Group + "/" + line
		}
		all = append(all, line)
	}
	return all
}

func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct{ faults, want []string }{
		"as it is": {
			[]string{"crash(connector-1) at 5s for 1s"},
			[]string{"crash-1: crash(connector-1) at 5s for 1s"},
		},
		"in order of time": {
			[]string{"crash(connector-1) at 5s for 1s", "freeze(connector-2) at 1s for 1s"},
			[]string{"freeze-1: freeze(connector-2) at 1s for 1s", "crash-1: crash(connector-1) at 5s for 1s"},
		},
		"one after the other": {
			[]string{"freeze(connector-1) after b + 500ms for 2s as c", "crash(connector-1) at 5s for 1s as a", "stop(connector-1) after a + 1s for 2s as b", "crash(connector-2) with b for 1s", "crash(connector-3) with c + 1s for 1s"},
			[]string{
				"a: crash(connector-1) at 5s for 1s as a",
				"b: stop(connector-1) at 7s for 2s as b",
				"crash-2: crash(connector-2) at 7s for 1s",
				"c: freeze(connector-1) at 9.5s for 2s as c",
				"crash-3: crash(connector-3) at 10.5s for 1s",
			},
		},
		"again and again": {
			[]string{"crash(connector-1) at 3s for 1s every 10s until 23s", "stop(connector-2) after crash-1 + 1s for 1s"},
			[]string{
				"crash-1/crash-1-1: crash(connector-1) at 3s for 1s as crash-1-1",
				"crash-1/crash-1-2: crash(connector-1) at 13s for 1s as crash-1-2",
				"stop-1: stop(connector-2) at 15s for 1s",
			},
		},
		"until the load ends, and not over its end": {
			[]string{"crash(connector-1) at 1s for 3m every 299s as a"},
			[]string{
				"a/a-1: crash(connector-1) at 1s for 3m as a-1",
				"a/a-2: crash(connector-1) at 5m for 3m as a-2",
			},
		},
		"no time for a second": {
			[]string{"crash(connector-1) at 1s for 3m every 8m as a"},
			[]string{"a/a-1: crash(connector-1) at 1s for 3m as a-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withFaults(t, nil, c.faults...)
			if got := schedule(s); !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			roundTrip(t, s)
			if again := parse(t, string(s.YAML())); !reflect.DeepEqual(again.Schedule(), s.Schedule()) {
				t.Errorf("as resolved: %v", again.Schedule())
			}
		})
	}
}

// A scenario that no Parse has seen does not crash the schedule.
func TestScheduleOfAnything(t *testing.T) {
	s := &Scenario{Faults: []Fault{
		{Kind: Crash, Target: "connector-1", After: "nothing", For: second},
		{Kind: Crash, Target: "connector-1", Name: "a", With: "a", For: second},
		{Kind: Nemesis, Target: AllConnectors, For: 10 * second},
		{Kind: Crash, Target: "connector-1", At: second, For: second},
	}}
	if got := s.Schedule(); len(got) != 1 || got[0].At != second {
		t.Errorf("%v", got)
	}
}

const all6 = "nemesis(kinds=crash,freeze,stop,power-loss,block,slow-directory, budget=%d, seed=%d) at 5s for 5m"

func TestNemesis(t *testing.T) {
	for _, count := range []int{2, 3, 5} {
		for budget := 1; budget <= count; budget++ {
			for seed := range uint64(5) {
				line := fmt.Sprintf(all6, budget, seed)
				t.Run(fmt.Sprintf("%d connectors, %s", count, line), func(t *testing.T) {
					s := withFaults(t, []string{fmt.Sprintf("connectors.count=%d", count)}, line)
					checkNemesis(t, s, s.Faults[0], s.Schedule(), budget)
				})
			}
		}
	}
}

// checkNemesis looks at what a nemesis of five minutes and of all its kinds has
// made.
func checkNemesis(t *testing.T, s *Scenario, nemesis Fault, got []Fault, budget int) {
	t.Helper()
	if least := 30 * budget; len(got) < least || len(got) > 110*budget {
		t.Errorf("%d faults, want at least %d", len(got), least)
	}
	kinds := map[FaultKind]int{}
	modes := map[BlockMode]int{}
	victims := map[string][]Fault{}
	for i, f := range got {
		kinds[f.Kind]++
		if f.Mode != "" {
			modes[f.Mode]++
		}
		if f.At < nemesis.At || f.End() > nemesis.End() {
			t.Errorf("%s is outside", f)
		}
		if f.For < second || f.For > 5*second {
			t.Errorf("%s lasts %s", f, f.For)
		}
		if f.Name != fmt.Sprintf("nemesis-1-%d", i+1) || f.Group != "nemesis-1" {
			t.Errorf("%s: name %s of group %s", f, f.Name, f.Group)
		}
		victim := f.Target
		if f.Kind == SlowDirectory {
			victim = f.Only
		}
		if n := connectorNumber(victim); n < 1 || n > s.Connectors.Count {
			t.Errorf("%s is about no connector", f)
		}
		victims[victim] = append(victims[victim], f)
		if read, err := ParseFault(f.String()); err != nil || read.String() != f.String() {
			t.Errorf("%s is read as %s, %v", f, read, err)
		}
		broken := 0 // when f begins, connectors that are or have hardly recovered
		for _, other := range got {
			if other.At <= f.At && f.At < other.End()+nemesisPause {
				broken++
			}
		}
		if broken > budget {
			t.Errorf("%d connectors are broken when %s begins, want at most %d", broken, f, budget)
		}
	}
	for name, all := range victims {
		for i := 1; i < len(all); i++ {
			if all[i].At < all[i-1].End()+nemesisPause {
				t.Errorf("%s has no pause between %s and %s", name, all[i-1], all[i])
			}
		}
	}
	for _, kind := range nemesisKinds {
		if kinds[kind] < len(got)/10 {
			t.Errorf("%d of kind %s in %d", kinds[kind], kind, len(got))
		}
	}
	if modes[Refuse] == 0 || modes[Reset] == 0 || modes[Stall] == 0 || len(victims) != s.Connectors.Count {
		t.Errorf("modes %v, %d connectors", modes, len(victims))
	}
}

func TestNemesisHasASeed(t *testing.T) {
	lines := func(sets []string, faults ...string) string {
		return strings.Join(schedule(withFaults(t, sets, faults...)), "\n")
	}
	own := "nemesis(seed=7) at 5s for 5m"
	if lines(nil, own) != lines([]string{"seed=9"}, own) {
		t.Error("a seed of its own: the scenario's matters")
	}
	if lines(nil, own) == lines(nil, "nemesis(seed=8) at 5s for 5m") {
		t.Error("another seed of its own makes no difference")
	}
	first := lines(nil, "nemesis() at 5s for 5m")
	if again := lines(nil, "nemesis() at 5s for 5m"); again != first {
		t.Error("the same seed, another schedule")
	}
	if first == lines([]string{"seed=9"}, "nemesis() at 5s for 5m") {
		t.Error("the scenario's seed makes no difference")
	}
	s := withFaults(t, nil, "nemesis(kinds=freeze) at 5s for 2m", "nemesis(kinds=freeze) at 205s for 2m")
	lasting := map[string][]Duration{}
	for _, f := range s.Schedule() {
		lasting[f.Group] = append(lasting[f.Group], f.For)
	}
	if len(lasting) != 2 || slices.Equal(lasting["nemesis-1"], lasting["nemesis-2"]) {
		t.Errorf("two of them are alike: %v", lasting)
	}
	// What one seed makes stays what it is: results name it.
	if got, want := schedule(withFaults(t, nil, own))[0], "nemesis-1/nemesis-1-1: crash(connector-3) at 5s for 1.715s as nemesis-1-1"; got != want {
		t.Errorf("seed 7 begins with\n%s\nwant\n%s", got, want)
	}
}

// A nemesis keeps out of the way of other faults, and of another nemesis.
func TestNemesisBesideOthers(t *testing.T) {
	s := withFaults(t, nil,
		"nemesis(kinds=crash,block,slow-directory, budget=2) at 5s for 5m",
		"crash(connectors) at 30s for 10s",
		"freeze(cloudsim) at 1m for 10s",
		"crash(directory) at 2m for 10s",
		"slow-directory(delay=5ms) at 3m for 30s",
		"nemesis(kinds=freeze) at 5s for 5m",
	)
	groups := map[string]int{}
	for _, f := range s.Schedule() {
		groups[f.Group]++
	}
	if groups["nemesis-1"] < 40 || groups["nemesis-2"] < 15 {
		t.Errorf("%v", groups) // Parse has said that none collides
	}
}

// What other faults break counts against the budget of a nemesis, and what they
// break it leaves alone; what they slow down, and what another nemesis breaks,
// it does not see.
func TestNemesisCountsOthers(t *testing.T) {
	for budget, during := range map[int]bool{1: false, 2: true} {
		s := withFaults(t, nil,
			fmt.Sprintf("nemesis(kinds=crash,block,slow-directory, budget=%d) at 5s for 5m as wild", budget),
			"block(connector-1, ports=ldaps, mode=refuse) at 1m for 1m as blocked",
			"refusing-directory(only=connector-1) at 3m for 1m as refusing",
			"degrade(connectors, ports=requests, delay=5ms) at 1s for 5m",
		)
		var explicit []Fault
		beside, apart := 0, 0
		all := s.Schedule()
		for _, f := range all {
			if f.Name == "blocked" || f.Name == "refusing" {
				explicit = append(explicit, f)
			}
		}
		for _, f := range all {
			if f.Group != "wild" {
				continue
			}
			if !slices.ContainsFunc(explicit, f.overlaps) {
				apart++
				continue
			}
			beside++
			if f.Target == "connector-1" || f.Only == "connector-1" {
				t.Errorf("budget %d: %s breaks what is broken", budget, f)
			}
			for _, other := range all {
				if other.Group == "wild" && other.Name != f.Name && other.overlaps(f) && slices.ContainsFunc(explicit, func(e Fault) bool {
					return e.At < min(f.End(), other.End()) && e.End() > max(f.At, other.At)
				}) {
					t.Errorf("budget %d: %s and %s beside a third", budget, f, other)
				}
			}
		}
		if beside > 0 != during || apart < 10 {
			t.Errorf("budget %d: %d faults beside others, %d apart", budget, beside, apart)
		}
	}
}

func BenchmarkSchedule(b *testing.B) {
	s := &Scenario{Seed: 1, Connectors: Connectors{Count: 5}, Load: Load{Duration: 3600 * second}}
	for _, line := range []string{"nemesis(budget=2) at 5s for 50m as a", "slow-directory(delay=5ms) at 1s for 1s every 10s as b"} {
		f, err := ParseFault(line)
		if err != nil {
			b.Fatal(err)
		}
		s.Faults = append(s.Faults, f)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Schedule()) < 1000 {
			b.Fatal("too few faults")
		}
	}
}
