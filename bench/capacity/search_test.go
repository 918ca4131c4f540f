package capacity

import (
	"math/rand/v2"
	"testing"
	"time"

	"ptabench/results"
	"ptabench/scenarios"
)

var plan = Plan{From: 100, To: 10_000, Precision: 0.1, Trial: 4 * time.Second, Within: 2 * time.Minute}

// search runs a search on a system that answers at once.
func search(p Plan, holds func(rate float64) bool) (s *Search, trials int) {
	s = New(p)
	for {
		rate, length, ok := s.Next()
		if !ok {
			return s, trials
		}
		trials++
		s.Told(holds(rate), length)
	}
}

func TestSearchFindsTheInterval(t *testing.T) {
	for _, limit := range []float64{100, 101, 250, 777, 3000, 9999} {
		s, trials := search(plan, func(rate float64) bool { return rate <= limit })
		held, broken := s.Ends()
		if held > limit || broken <= limit || held == 0 || broken/held > 1+plan.Precision+0.02 {
			t.Errorf("limit %v: %v to %v after %d trials", limit, held, broken, trials)
		}
		if !s.tried[held].full() || !s.tried[broken].full() || trials > 25 {
			t.Errorf("limit %v: the ends were not tried at full length, or it took %d trials", limit, trials)
		}
		if s.Note() != "" || s.CutShort() {
			t.Errorf("limit %v: %s", limit, s.Note())
		}
	}
}

func TestSearchAtTheEnds(t *testing.T) {
	s, _ := search(plan, func(float64) bool { return true })
	if held, broken := s.Ends(); held != plan.To || broken != 0 {
		t.Errorf("everything holds: %v to %v", held, broken)
	}
	s, trials := search(plan, func(float64) bool { return false })
	if held, broken := s.Ends(); held != 0 || broken != plan.From || trials != 2 {
		t.Errorf("nothing holds: %v to %v after %d trials", held, broken, trials)
	}
}

// Near the limit trials come out this way or that; the search ends all the
// same, and its ends are about where they should be.
func TestSearchWithInconsistentTrials(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, trials := search(plan, func(rate float64) bool { return rate*(0.93+0.14*random.Float64()) <= 2000 })
		held, broken := s.Ends()
		if held < 1500 || broken > 2500 || trials > 40 {
			t.Errorf("seed %d: %v to %v after %d trials", seed, held, broken, trials)
		}
	}
}

func TestSearchKeepsToItsTime(t *testing.T) {
	p := plan
	p.Within = 14 * time.Second
	s, _ := search(p, func(rate float64) bool { return rate <= 3000 })
	if s.spent > p.Within {
		t.Errorf("it took %v", s.spent)
	}
	if s.Note() == "" || !s.CutShort() {
		t.Error("nothing is said of an interval that is too wide")
	}
	p.Within = time.Millisecond // one trial is made in any case
	if s, trials := search(p, func(float64) bool { return true }); trials != 1 || s.Note() == "" || !s.CutShort() {
		t.Errorf("%d trials: %q", trials, s.Note())
	}
	if s, trials := search(p, func(float64) bool { return false }); trials != 1 || s.Note() == "" || !s.CutShort() {
		t.Errorf("%d trials, of which none held: %q", trials, s.Note())
	}
}

func TestTally(t *testing.T) {
	const ms = 1_000_000
	answered := func(took int64) results.Sample {
		return results.Sample{Outcome: results.OutcomeAccepted, Path: results.PathFederation, Due: 5 * ms, Sent: 6 * ms, Done: 5*ms + took}
	}
	hundred := func(change func(i int, s *results.Sample)) (all []results.Sample) {
		for i := range 1000 {
			s := answered(int64(i) * ms / 100)
			change(i, &s)
			all = append(all, s)
		}
		return all
	}
	for _, c := range []struct {
		name, objective string
		change          func(i int, s *results.Sample)
		why             string // empty when it holds
	}{
		{"it holds", "p99(response) < 10ms", func(int, *results.Sample) {}, ""},
		{"too slow", "p99(response) < 5ms", func(int, *results.Sample) {}, "p99(response) was 9.90 ms"},
		{"service", "p90(service) < 8.1ms", func(int, *results.Sample) {}, ""},
		{"max", "max(response) < 9ms", func(int, *results.Sample) {}, "max(response) was 9.99 ms"},
		{"lost", "p99(response) < 1s", func(i int, s *results.Sample) {
			if i < 2 {
				s.Outcome = results.OutcomeFailed
			}
		}, "0.2 % were lost"},
		{"one lost of a thousand", "availability > 99.8%", func(i int, s *results.Sample) {
			if i < 1 {
				s.Outcome = results.OutcomeFailed
			}
		}, ""},
		{"failed over", "p99(response) < 1s", func(i int, s *results.Sample) {
			if i%2 == 0 {
				s.Path = results.PathHashSync
			}
		}, "50.0 % were answered by another path"},
		{"not sent", "p99(response) < 1s", func(i int, s *results.Sample) {
			if i%10 == 0 {
				*s = results.Sample{Outcome: results.OutcomeUnsent}
			}
		}, "10.0 % could not be sent"},
	} {
		o, err := scenarios.ParseObjective(c.objective)
		if err != nil {
			t.Fatal(err)
		}
		tally := NewTally(o, 1000, []results.Path{results.PathFederation})
		for _, s := range hundred(c.change) {
			tally.Count(&s)
		}
		got := tally.Result()
		if got.Why != c.why || got.Held != (c.why == "") || got.Planned != 1000 {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestHopeless(t *testing.T) {
	o, err := scenarios.ParseObjective("p99(response) < 5ms")
	if err != nil {
		t.Fatal(err)
	}
	tally := NewTally(o, 1000, nil)
	for i := range 12 {
		if tally.Hopeless() {
			t.Fatalf("after %d slow ones of 10 that may be", i)
		}
		tally.Count(&results.Sample{Outcome: results.OutcomeAccepted, Done: 6_000_000})
	}
	if !tally.Hopeless() {
		t.Error("12 slow ones of 10 that may be, and hope")
	}
}
