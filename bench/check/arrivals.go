package check

import (
	"fmt"
	"math"
	"slices"

	"ptabench/results"
)

// Arrivals are off the plan when in some second so much more or less was sent
// than was due, as a share, a few sign-ins aside.
const (
	arrivalsShare = 0.1
	arrivalsFew   = 3
	lateWidth     = 4 // times the lateness allowed is a bin, so that few sign-ins cross into the next
)

// arrivals counts, by tenth of a second, the sign-ins that were due and those
// that were sent.
type arrivals struct {
	due, sent []uint32
}

// maxTenths bounds them: a day.
const maxTenths = 24 * 60 * 60 * 10

func (a *arrivals) count(s *results.Sample) {
	add := func(list *[]uint32, at int64) {
		i := at / (second / 10)
		if at < 0 || i >= maxTenths {
			return
		}
		for int(i) >= len(*list) {
			*list = append(*list, 0)
		}
		(*list)[i]++
	}
	add(&a.due, s.Due)
	if s.Outcome != results.OutcomeUnsent {
		add(&a.sent, s.Sent)
	}
}

// gate compares what was sent with what was due: second by second, and in how
// unevenly it came. The index of dispersion, variance by mean, of the counts
// of a Poisson process is 1, with a standard error of √(2/(k-1)) over k tenths
// of a second; that of a constant one is near 0. What was sent may differ in
// it from the plan's own index by three standard errors, which for either
// process is what chance allows to the first. One tenth in a hundred, where
// the two differ most, is left out, as the gate of the lag leaves out one
// sign-in in a hundred: it would see a single pause otherwise.
//
// Lateness, in nanoseconds, is what the gate of the lag allows. It moves
// sign-ins from one tenth or second into the next, so it widens both.
func (a *arrivals) gate(length, lateness int64) results.Gate {
	g := results.Gate{Name: "arrivals", Unit: "ratio", Limit: math.Max(arrivalsShare, float64(lateness)/second), Holds: true}
	g.Text = fmt.Sprintf("in every second, what was sent is within %s of what was due, and comes no more or less unevenly", results.Percent(g.Limit))
	k := int(min(length/(second/10), int64(len(a.due))))
	due, sent := a.due[:k], make([]uint32, k)
	copy(sent, a.sent)
	for from := 0; from+10 <= k; from += 10 {
		var d, s float64
		for i := from; i < from+10; i++ {
			d, s = d+float64(due[i]), s+float64(sent[i])
		}
		off := math.Max(math.Abs(s-d)-arrivalsFew, 0) / math.Max(d, 1)
		if off > g.Value {
			g.Value = off
			if off > g.Limit {
				g.Holds = false
				g.Reason = fmt.Sprintf("In second %d of the load %s sign-ins were sent and %s were due.", from/10+1, results.Count(uint64(s)), results.Count(uint64(d)))
			}
		}
	}
	wide := max(int(lateWidth*lateness/(second/10)), 1)
	if !g.Holds || k/wide < 20 {
		return g
	}
	due, sent = alike(inBins(due, wide), inBins(sent, wide))
	planned, did := dispersion(due), dispersion(sent)
	if allowed := 3 * math.Sqrt(2/float64(len(due)-1)); math.Abs(did-planned) > allowed {
		g.Value, g.Limit, g.Unit, g.Holds = math.Abs(did-planned), allowed, "index", false
		how := "more"
		if did < planned {
			how = "less"
		}
		g.Reason = fmt.Sprintf("Sign-ins were sent %s unevenly than planned: their index of dispersion over %s is %.2f and should be %.2f ± %.2f.", how, results.Duration(int64(wide)*second/10), did, planned, allowed)
	}
	return g
}

// inBins adds up whole bins of so many counts.
func inBins(counts []uint32, wide int) []uint32 {
	bins := make([]uint32, len(counts)/wide)
	for i := range bins {
		for _, n := range counts[i*wide : (i+1)*wide] {
			bins[i] += n
		}
	}
	return bins
}

// alike leaves out one in a hundred tenths, those that differ most.
func alike(due, sent []uint32) (d, s []uint32) {
	differ := func(i int) int { return max(int(due[i])-int(sent[i]), int(sent[i])-int(due[i])) }
	order := make([]int, len(due))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return differ(a) - differ(b) })
	for _, i := range order[:len(order)-(len(order)+99)/100] {
		d, s = append(d, due[i]), append(s, sent[i])
	}
	return d, s
}

// dispersion is the index of dispersion of counts: their variance by their
// mean.
func dispersion(counts []uint32) float64 {
	var sum, squares float64
	for _, c := range counts {
		sum += float64(c)
	}
	mean := sum / float64(len(counts))
	if mean == 0 {
		return 0
	}
	for _, c := range counts {
		squares += (float64(c) - mean) * (float64(c) - mean)
	}
	return squares / float64(len(counts)-1) / mean
}
