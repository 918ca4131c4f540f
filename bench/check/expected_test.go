package check

import (
	"strings"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// expectingWorld has a fault from 1 s to 2 s, settled at 1.5 s, whose row ends
// at 3 s; connector-1 gives nothing from 1.2 s to 2 s, one sign-in is lost.
func expectingWorld(t *testing.T, lines []string, seen []Seen) *world {
	t.Helper()
	w := newWorld(t)
	for i := range w.samples {
		s := &w.samples[i]
		if s.Due >= 1200*ms && s.Due < 2*second {
			s.Server = 2
		}
	}
	lost := 0
	for i := range w.samples {
		s := &w.samples[i]
		if lost < 1 && s.Due > 1100*ms {
			s.Outcome, s.Path, s.Code, s.Server, s.Attempts, s.Judgement, s.Error = results.OutcomeUnknown, results.PathNone, 0, 0, 0, results.NotJudged, results.ErrorRefused
			lost++
		}
	}
	w.settle()
	f := Fault{Name: "row", Kind: scenarios.Block, Target: "connector-1", Text: "block(connector-1, ports=9350, mode=drop) at 1s for 1s", Tier: "kernel",
		Began: second, InjectedAt: second, SettledAt: 1500 * ms, UndoBegan: 2 * second, UndoneAt: 2 * second, RowEnd: 3 * second,
		Injections: 1, Healed: true, Shows: "the effect", Seen: seen}
	for _, line := range lines {
		e, err := scenarios.ParseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Expect = append(f.Expect, e)
	}
	w.faults = []Fault{f}
	return w
}

func TestExpectedAndObserved(t *testing.T) {
	samples := Seen{FromSamples: true}
	for _, c := range []struct {
		line     string
		seen     Seen
		observed string
		verdict  results.Verdict
	}{
		{"lost == 1", samples, "1", results.Pass},
		{"lost == 0", samples, "1", results.Fail},
		{"lost == 0 in settled", samples, "0", results.Pass},
		{"lost == 0 in after", samples, "0", results.Pass},
		{"share(connector-1) == 0%", samples, "0.0 %", results.Pass},
		{"share(connector-2) == 100%", samples, "100.0 %", results.Pass},
		{"share(connector-1) > 0% in row", samples, "", results.Pass},
		{"share(hash_sync) == 0%", samples, "0.0 %", results.Pass},
		{"share(pass_through) < 100%", samples, "100.0 %", results.Fail},
		{"share(connector-9) < 100%", samples, "not known: there is no connector-9", results.Inconclusive},
		{"availability == 100% in settled", samples, "100.0 %", results.Pass},
		{"handed_off == 0", samples, "", results.Pass},
		{"serving(connectors) == 2", Seen{Known: true, Value: 3}, "3", results.Fail},
		{"newcomer == waits", Seen{Known: true, Word: "waits"}, "waits", results.Pass},
		{"newcomer == waits", Seen{Known: true, Word: "serves"}, "serves", results.Fail},
		{"newcomer == waits", Seen{Why: "no token"}, "not known: no token", results.Inconclusive},
		{"says(newcomer) ~ port 80", Seen{Known: true, Word: "one\ntwo: port 80 is\nthree"}, "two: port 80 is", results.Pass},
		{"says(newcomer) ~ port 80", Seen{Known: true, Word: "one"}, "it does not say that", results.Fail},
	} {
		w := expectingWorld(t, []string{c.line}, []Seen{c.seen})
		r := w.conclude(t)
		e := r.Faults[0].Expected
		if len(e) != 1 || e[0].Verdict != c.verdict || c.observed != "" && e[0].Observed != c.observed || e[0].Text != c.line || r.Faults[0].Shows != "the effect" {
			t.Errorf("%s: %+v; want %s %q", c.line, e, c.verdict, c.observed)
		}
	}
}

// A difference fails the run, and what could not be seen leaves it undecided.
func TestExpectationsJudge(t *testing.T) {
	for _, c := range []struct {
		name    string
		seen    Seen
		on      bool
		verdict results.Verdict
		reason  string
	}{
		{"as expected", Seen{Known: true, Word: "waits"}, true, results.Pass, ""},
		{"otherwise", Seen{Known: true, Word: "serves"}, true, results.Fail, "row: expected newcomer == waits; observed: serves."},
		{"unseen", Seen{Why: "no token"}, true, results.Inconclusive, "row: expected newcomer == waits; observed: not known: no token."},
		{"not injected", Seen{Known: true, Word: "waits"}, false, results.Fail, "The fault row was not injected"},
	} {
		w := expectingWorld(t, []string{"newcomer == waits"}, []Seen{c.seen})
		if !c.on {
			w.faults[0].InjectedAt, w.faults[0].UndoneAt, w.faults[0].Healed = Never, Never, false
		}
		r := w.conclude(t)
		reasons := strings.Join(r.Reasons, "\n")
		if r.Verdict != c.verdict || !strings.Contains(reasons, c.reason) {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, r.Verdict, reasons, c.verdict, c.reason)
		}
	}
}
