package check

import (
	"math"
	"math/rand/v2"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// covering runs an experiment many times and wants its interval to enclose the
// truth about as often as it says.
func covering(t *testing.T, name string, truth, least float64, once func(r *rand.Rand) (low, high float64)) {
	t.Helper()
	const runs, seed = 150, 5
	random := rand.New(rand.NewPCG(seed, 1))
	hits, width := 0, 0.0
	for range runs {
		low, high := once(random)
		if low <= truth && truth <= high {
			hits++
		}
		width += high - low
	}
	t.Logf("%s, seed %d: %.1f %% of intervals hold %v, their mean width is %.4g", name, seed, 100*float64(hits)/runs, truth, width/runs)
	if share := float64(hits) / runs; share < least {
		t.Errorf("%s: %.1f %% of intervals hold the truth, expected %.0f %%", name, 100*share, 100*least)
	}
}

// autocorrelated is a series about 0 of standard deviation 1 whose neighbours
// are alike.
func autocorrelated(r *rand.Rand, n int, alike float64) []float64 {
	all := make([]float64, n)
	all[0] = r.NormFloat64()
	for i := 1; i < n; i++ {
		all[i] = alike*all[i-1] + math.Sqrt(1-alike*alike)*r.NormFloat64()
	}
	return all
}

func TestBootstrapCovers(t *testing.T) {
	ratio := func(s []float64) (float64, bool) { return s[0] / s[1], s[1] > 0 }
	for _, c := range []struct {
		name      string
		intervals int
		alike     float64
		least     float64
	}{
		{"independent seconds", 60, 0, .91}, {"few of them", 20, 0, .91}, {"seconds like their neighbours", 120, .3, .89},
	} {
		covering(t, "a share over "+c.name, .2, c.least, func(r *rand.Rand) (float64, float64) {
			part, whole := make([]float64, c.intervals), make([]float64, c.intervals)
			for i, x := range autocorrelated(r, c.intervals, c.alike) {
				whole[i] = 100
				part[i] = math.Max(20+6*x, 0)
			}
			low, high, ok := newBootstrap([][]float64{part, whole}, r.Uint64(), "x").percentile(ratio)
			if !ok {
				t.Fatal("no interval")
			}
			return low, high
		})
	}
}

// Chance makes Jain's index of what is even less than 1, and more so in
// resamples; the interval must hold the truth nonetheless.
func TestJainIntervalCovers(t *testing.T) {
	for name, weights := range map[string][]float64{"even": {1, 1, 1}, "uneven": {3, 2, 1}, "nearly even": {10, 10, 11, 9}} {
		covering(t, "Jain's index, "+name, results.Jain(weights), .91, func(r *rand.Rand) (float64, float64) {
			columns := make([][]float64, len(weights))
			sums := make([]float64, len(weights))
			for range 30 {
				served := make([]float64, len(weights))
				for range 60 {
					at := r.Float64() * total(weights)
					c := 0
					for ; c < len(weights)-1 && at >= weights[c]; c++ {
						at -= weights[c]
					}
					served[c]++
				}
				for c := range columns {
					columns[c] = append(columns[c], served[c])
					sums[c] += served[c]
				}
			}
			low, high, _ := newBootstrap(columns, r.Uint64(), "x").jain(results.Jain(sums))
			return low, high
		})
	}
}

func TestBootstrapIsRepeatable(t *testing.T) {
	columns := [][]float64{{1, 5, 2, 8, 3, 9, 4, 4}, {10, 10, 10, 10, 10, 10, 10, 10}}
	ratio := func(s []float64) (float64, bool) { return s[0] / s[1], true }
	l1, h1, _ := newBootstrap(columns, 7, "a").percentile(ratio)
	l2, h2, _ := newBootstrap(columns, 7, "a").percentile(ratio)
	l3, h3, _ := newBootstrap(columns, 8, "a").percentile(ratio)
	if l1 != l2 || h1 != h2 {
		t.Errorf("one seed, two intervals: %v to %v, %v to %v", l1, h1, l2, h2)
	}
	if l1 == l3 && h1 == h3 {
		t.Errorf("two seeds, one interval: %v to %v", l1, h1)
	}
	if _, _, ok := newBootstrap([][]float64{{5}}, 1, "one").percentile(func(s []float64) (float64, bool) { return s[0], true }); ok {
		t.Error("one interval bounds nothing")
	}
}

func TestStudentAndShares(t *testing.T) {
	for _, c := range []struct{ freedom, want float64 }{{1, 12.706}, {6, 2.4469}, {30, 2.0423}, {255, 1.9693}} {
		if got := student(.025, c.freedom); math.Abs(got-c.want) > 2e-4*c.want {
			t.Errorf("t of %v degrees of freedom: %v, expected %v", c.freedom, got, c.want)
		}
	}
	for _, c := range []struct {
		k, n      uint64
		low, high float64
	}{{0, 100, 0, .03622}, {100, 100, .96378, 1}, {10, 100, .04900, .17622}, {1, 10, .00253, .44502}} {
		if low, high := shareInterval(c.k, c.n); math.Abs(low-c.low) > 1e-5 || math.Abs(high-c.high) > 1e-5 {
			t.Errorf("%d of %d: %v to %v, expected %v to %v", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// Sign-ins that are over the limit together count as one; those that are not
// count as many as they are.
func TestDesignEffect(t *testing.T) {
	const seed = 3
	random := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	n := make([]uint32, 300) // 30 s at 1,000/s
	for i := range n {
		n[i] = 100
	}
	free, sum := 0, 0.0
	const runs = 200
	for range runs {
		over := make([]uint32, len(n))
		for range 300 {
			over[random.IntN(len(over))]++
		}
		e := designEffect(n, over)
		if sum += e; e == 1 {
			free++
		}
	}
	if mean := sum / runs; free < runs*3/4 || mean > 1.1 {
		t.Errorf("independent ones: %d of %d count whole, mean effect %.3f", free, runs, mean)
	}
	for name, c := range map[string]struct {
		stalls   [][2]int // first bin and bins, all over
		from, to float64
	}{
		"one stall of 100 ms": {[][2]int{{50, 1}}, 80, 130},
		"one stall of 1 s":    {[][2]int{{50, 10}}, 700, 1300},
		"ten of 100 ms":       {[][2]int{{5, 1}, {40, 1}, {77, 1}, {103, 1}, {131, 1}, {160, 1}, {199, 1}, {222, 1}, {251, 1}, {290, 1}}, 80, 130},
	} {
		over := make([]uint32, len(n))
		for _, s := range c.stalls {
			for i := range s[1] {
				over[s[0]+i] = 100
			}
		}
		if e := designEffect(n, over); e < c.from || e > c.to {
			t.Errorf("%s: %.0f, expected %.0f to %.0f", name, e, c.from, c.to)
		}
	}
	for _, over := range [][]uint32{make([]uint32, len(n)), n} {
		if e := designEffect(n, over); e != 1 {
			t.Errorf("none or all over: %v", e)
		}
	}
}

// Stalls come a few times a run, and hold everything up while they last. A
// claim that the p99 is within a limit that it is not must be rare, which it is
// not when the sign-ins of a stall count one by one.
func TestClaimsOfStalls(t *testing.T) {
	const runs, seed = 300, 9
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 4))
	wrong, naive := 0, 0
	for range runs {
		n, over := make([]uint32, 600), make([]uint32, 600) // a minute at 1,000/s
		var all, bad uint64
		for i := range n {
			n[i] = 100
			all += 100
		}
		// 1.3 % of time in stalls of 300 ms: the p99 is over the limit.
		for i := range over {
			if random.Float64() < .013/3 {
				for j := i; j < min(i+3, len(over)); j++ {
					over[j] = 100
				}
			}
		}
		for _, o := range over {
			bad += uint64(o)
		}
		e := designEffect(n, over)
		if claim(uint64(float64(all)/e), uint64(math.Round(float64(bad)/e)), .99) == results.Pass && bad > 0 {
			wrong++
		}
		if claim(all, bad, .99) == results.Pass && bad > 0 {
			naive++
		}
	}
	t.Logf("%d of %d runs claimed wrongly, %d had each sign-in counted", wrong, runs, naive)
	if wrong > runs/10 || naive < runs/10 {
		t.Errorf("%d of %d wrong claims, %d when each sign-in counts", wrong, runs, naive)
	}
}

// The percentile of a window, its interval and what it rests on.
func TestPercentileObjective(t *testing.T) {
	w := newWorld(t)
	w.samples = w.samples[:0]
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 4000 {
		due := int64(i) * ms
		w.samples = append(w.samples, results.Sample{Seq: uint32(i), User: uint32(i % 20), Due: due, Sent: due, Outcome: results.OutcomeAccepted,
			Path: results.PathPassThrough, Attempts: 1, Server: 1, Done: due + ms + int64(random.ExpFloat64()*float64(ms))})
		if i >= 2000 && i < 2100 { // a stall
			w.samples[i].Done = 2100*ms + ms
		}
	}
	w.objectives = []string{"p99(response) < 20ms", "p90(response) < 20ms", "p50(response) > 1ms", "p99(response) < 20ms in steady"}
	w.windows = map[scenarios.WindowName][]scenarios.Span{scenarios.Steady: {{From: 0, To: 2 * second}}}
	w.settle()
	r := w.conclude(t)
	for i, want := range []results.Verdict{results.Inconclusive, results.Pass, results.Pass, results.Pass} {
		o := r.Objectives[i]
		t.Logf("%+v %v", o, o.Interval)
		if o.Verdict != want {
			t.Errorf("%s: %s, expected %s", o.Text, o.Verdict, want)
		}
		if o.Interval == nil || o.Value < o.Interval[0] || o.Value > o.Interval[1] || o.Method == "" {
			t.Errorf("%s: %v within %v, by %q", o.Text, o.Value, o.Interval, o.Method)
		}
	}
	if o := r.Objectives[0]; o.Samples != 4000 || o.Limit != float64(20*ms) || o.Window != "whole" {
		t.Errorf("%+v", o)
	}
	if o := r.Objectives[3]; o.Samples != 2000 || o.Window != "steady" {
		t.Errorf("%+v", o)
	}
}
