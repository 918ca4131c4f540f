package load

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"ptabench/scenarios"
)

func schedule(t testing.TB, a scenarios.Arrivals, rate float64, length time.Duration, seed uint64) *Schedule {
	t.Helper()
	s, err := NewSchedule(a, rate, length, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConstantSpacingIsExact(t *testing.T) {
	for _, c := range []struct {
		rate   float64
		length time.Duration
		n      int
		due    time.Duration
		count  int
	}{
		{1000, 30 * time.Second, 29_999, 29_999 * time.Millisecond, 30_000},
		{3000, time.Minute, 3, time.Millisecond, 180_000},
		{3000, time.Minute, 1, 333_333, 180_000},
		{0.5, 10 * time.Second, 4, 8 * time.Second, 5},
		{1.5, time.Hour, 5399, 3599_333_333_333, 5400},
		{7, 24 * time.Hour, 7 * 86_399, 86_399 * time.Second, 7 * 86_400},
		{1, time.Millisecond, 0, 0, 1},
	} {
		s := schedule(t, scenarios.Constant, c.rate, c.length, 1)
		if s.Len() != c.count {
			t.Errorf("%v/s for %v: %d arrivals, want %d", c.rate, c.length, s.Len(), c.count)
		}
		if got := s.Due(c.n); got != c.due {
			t.Errorf("%v/s: arrival %d due %v, want %v", c.rate, c.n, got, c.due)
		}
	}
}

// The count of a Poisson process has variance equal to its mean, and its gaps
// a standard deviation equal to theirs. Bounds are five standard deviations.
func TestPoissonMeanAndVariance(t *testing.T) {
	const rate, seconds, seed = 1000, 200, 7
	t.Logf("seed %d", seed)
	s := schedule(t, scenarios.Poisson, rate, seconds*time.Second, seed)

	n := float64(s.Len())
	if off := math.Abs(n - rate*seconds); off > 5*math.Sqrt(rate*seconds) {
		t.Errorf("%v arrivals, %v off the mean of %d", n, off, rate*seconds)
	}
	var last, sum, squares float64
	perSecond := make([]float64, seconds)
	for i := range s.Len() {
		due := s.Due(i)
		if float64(due) < last {
			t.Fatalf("arrival %d due %v, before the one before it", i, due)
		}
		gap := float64(due) - last
		last = float64(due)
		sum += gap
		squares += gap * gap
		perSecond[due/time.Second]++
	}
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	if ratio := deviation / mean; math.Abs(ratio-1) > 5/math.Sqrt(n)*2 {
		t.Errorf("standard deviation of gaps over their mean: %v, want 1", ratio)
	}
	var dispersion float64
	for _, c := range perSecond {
		dispersion += (c - n/seconds) * (c - n/seconds)
	}
	dispersion /= n / seconds * (seconds - 1)
	if math.Abs(dispersion-1) > 5*math.Sqrt(2.0/seconds) {
		t.Errorf("variance of arrivals a second over their mean: %v, want 1", dispersion)
	}
}

func TestPoissonIsAFunctionOfItsSeed(t *testing.T) {
	make := func(seed uint64) *Schedule { return schedule(t, scenarios.Poisson, 5000, 20*time.Second, seed) }
	a, b, other := make(3), make(3), make(4)
	if a.Len() != b.Len() {
		t.Fatalf("equal seeds planned %d and %d arrivals", a.Len(), b.Len())
	}
	want := []time.Duration{}
	for n := range a.Len() {
		want = append(want, a.Due(n))
	}
	// In any order, with the chunks coming and going.
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, n := range rand.New(rand.NewPCG(seed, 0)).Perm(b.Len())[:2000] {
		if b.Due(n) != want[n] {
			t.Fatalf("arrival %d due %v, then %v", n, want[n], b.Due(n))
		}
	}
	if other.Due(0) == a.Due(0) && other.Due(1) == a.Due(1) {
		t.Error("another seed made the same arrivals")
	}
	if due := a.Due(a.Len()); due < 20*time.Second {
		t.Errorf("an arrival past the last is due %v, within the plan", due)
	}
	for _, at := range []time.Duration{0, 1, 7 * time.Second, 20 * time.Second, time.Hour} {
		before := a.Before(at)
		if before > 0 && want[before-1] >= at || before < len(want) && want[before] < at {
			t.Errorf("%d arrivals before %v", before, at)
		}
	}
}

func TestImpossibleSchedulesAreRefused(t *testing.T) {
	for _, c := range []struct {
		a      scenarios.Arrivals
		rate   float64
		length time.Duration
	}{
		{scenarios.Poisson, 0, time.Second}, {scenarios.Poisson, -1, time.Second},
		{scenarios.Constant, math.NaN(), time.Second}, {scenarios.Constant, math.Inf(1), time.Second},
		{scenarios.Constant, 1, 0}, {scenarios.Poisson, 1e6, 2 * time.Hour}, {"burst", 1, time.Second},
	} {
		if _, err := NewSchedule(c.a, c.rate, c.length, 1); err == nil {
			t.Errorf("%s at %v/s for %v was planned", c.a, c.rate, c.length)
		}
	}
}

func BenchmarkDue(b *testing.B) {
	for _, a := range []scenarios.Arrivals{scenarios.Poisson, scenarios.Constant} {
		b.Run(string(a), func(b *testing.B) {
			s := schedule(b, a, 10_000, 100*time.Second, 1)
			n := 0
			for b.Loop() {
				s.Due(n)
				if n++; n == s.Len() {
					n = 0
				}
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		schedule(b, scenarios.Poisson, 10_000, 100*time.Second, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/arrival")
}
