package check

import (
	"fmt"
	"math"
	"slices"

	"ptabench/results"
	"ptabench/scenarios"
)

// Steadiness is judged on the means of the response over tenths of a second,
// in batches of five.
const (
	steadyBin   = second / 10
	steadyBatch = 5
	steadyLeast = 5 * second // what the window must hold at least
)

// What is cut off matters when its median is this far from the rest's, and by
// a real share of the smallest response time in an objective: a window is not
// unsteady for one slow moment in it, nor for what no objective would notice.
const (
	steadyShare = 0.1
	steadyTime  = 100_000 // nanoseconds
)

// A steadiness collects the means of the window steady.
type steadiness struct {
	window
	bins []mean
}

type mean struct {
	sum int64
	n   uint32
}

func newSteadiness(spans []scenarios.Span) *steadiness {
	s := &steadiness{window: newWindow(spans)}
	s.bins = make([]mean, min(s.length/steadyBin, maxTenths))
	return s
}

func (s *steadiness) count(o *results.Sample) {
	if o.Outcome == results.OutcomeUnsent {
		return
	}
	if own, _, ok := s.at(o.Due); ok && own/steadyBin < int64(len(s.bins)) {
		b := &s.bins[own/steadyBin]
		b.sum += o.Done - o.Due
		b.n++
	}
}

// gate looks for a beginning that is unlike the rest, by MSER-5: the part to
// cut off is that without which the mean of what is left is known best. When
// that is half of the window or more, it never became steady. (White, "An
// effective truncation heuristic for bias reduction in simulation output",
// Simulation 69, 1997; White, Cobb, Spratt, 2000, for batches of five.) Less
// than allowed, in nanoseconds, is no difference.
func (s *steadiness) gate(allowed float64) results.Gate {
	g := results.Gate{Name: "steady", Unit: "ns", Limit: float64(s.length) / 2, Holds: true,
		Text: "the response is steady from within the first half of the window steady on (MSER-5)"}
	if s.length < steadyLeast {
		g.Reason = fmt.Sprintf("Not measured: the window steady lasts %s, and it takes %s.", results.Duration(s.length), results.Duration(steadyLeast))
		return g
	}
	var means, starts []float64
	for i, b := range s.bins {
		if b.n > 0 {
			means = append(means, float64(b.sum)/float64(b.n))
			starts = append(starts, float64(int64(i)*steadyBin))
		}
	}
	var batches []float64
	for i := 0; i+steadyBatch <= len(means); i += steadyBatch {
		batches = append(batches, total(means[i:i+steadyBatch])/steadyBatch)
	}
	if len(batches) < 2*steadyBatch {
		g.Reason = "Not measured: too few tenths of a second of the window steady had sign-ins."
		return g
	}
	cut := truncation(batches) * steadyBatch
	g.Value = starts[cut]
	if g.Value < g.Limit {
		return g
	}
	before, after := median(means[:cut]), median(means[cut:])
	if math.Abs(before-after) > max(steadyShare*after, steadyTime, allowed) {
		g.Holds = false
		g.Reason = fmt.Sprintf("The load was not steady before the first fault: the response was %s until %s of %s, and %s afterwards (medians of means over 100 ms).",
			results.Duration(int64(before)), results.Duration(int64(g.Value)), results.Duration(s.length), results.Duration(int64(after)))
	}
	return g
}

// truncation is how many values to cut off the beginning, for the smallest
// Σ(x-mean)²/(n-d)² of those that are left; at least five are, for of fewer it
// is small by chance.
func truncation(values []float64) (cut int) {
	best := math.Inf(1)
	var sum, squares float64
	// Times of nanoseconds squared would lose digits; differences do not.
	origin := median(values)
	for d := len(values) - 1; d >= 0; d-- {
		x := values[d] - origin
		sum, squares = sum+x, squares+x*x
		n := float64(len(values) - d)
		if n < steadyBatch {
			continue
		}
		if at := (squares - sum*sum/n) / (n * n); at <= best {
			best, cut = at, d
		}
	}
	return cut
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}
