package capacity

import (
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

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
