package capacity

import (
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// Among 2,000 sign-ins of 1 ms, two that nobody answered are few enough to lose,
// and too many for a percentile of more than all but them.
func TestTrialWithoutAnswers(t *testing.T) {
	for text, want := range map[string]results.Trial{
		"p99(response) < 20ms":    {Held: true, Value: 1e6},
		"p99.95(response) < 20ms": {Value: results.Unseen, Why: "0.1 % had no answer, which counts as slower than any limit"},
		"p99(response) < 1us":     {Value: 1e6, Why: "p99(response) was 1.00 ms"},
		"max(response) < 20ms":    {Held: true, Value: 1e6},
	} {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		tally := NewTally(o, 2000, []results.Path{results.PathPassThrough})
		for i := range 2000 {
			s := results.Sample{Done: 1e6, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough}
			if i%1000 == 500 {
				s.Outcome, s.Path, s.Done = results.OutcomeFailed, results.PathNone, 1e5
			}
			tally.Count(&s)
		}
		if got := tally.Result(); got.Held != want.Held || got.Value != want.Value || got.Why != want.Why || got.Lost != 2 {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// What held with hardly any sign-ins is said to be just that.
func TestFew(t *testing.T) {
	trials := []results.Trial{
		{Rate: 100, Held: true, Planned: 96}, {Rate: 168, Held: true, Planned: 150}, {Rate: 168, Held: true, Planned: 336},
		{Rate: 200, Planned: 400},
	}
	for _, c := range []struct {
		objective string
		held      float64
		want      string
	}{
		{"p99(response) < 200ms", 100, "A trial at 100/s is of 96 sign-ins; a claim about p99(response) takes 299."},
		{"p99(response) < 200ms", 168, ""}, // the longest counts
		{"p90(response) < 200ms", 100, ""},
		{"mean(response) < 200ms", 100, ""},
		{"p99(response) < 200ms", 0, ""}, // none held
	} {
		o, err := scenarios.ParseObjective(c.objective)
		if err != nil {
			t.Fatal(err)
		}
		if got := Few(o, c.held, trials); got != c.want {
			t.Errorf("%s at %v: %q, want %q", c.objective, c.held, got, c.want)
		}
	}
}
