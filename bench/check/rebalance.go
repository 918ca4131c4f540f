package check

import (
	"math"
	"slices"

	"ptabench/results"
	"ptabench/scenarios"
)

// Shares after an undo are looked at over a second, every tenth of one, and
// for at most five minutes.
const (
	sharesBin    = second / 10
	sharesWindow = 10 // bins: a second
	sharesStay   = 10 // bins: how long they must stay as they were
	sharesWithin = 300 * second
)

// A share is as it was within a fifth of it, or within what chance alone does
// to it.
const (
	shareTolerance = 0.2
	shareSigmas    = 3
)

// shares counts what each connector served after an undo.
type shares struct {
	from   int64
	served []uint32 // by bin and connector
	n      int      // connectors
}

func (h *shares) count(s *results.Sample) {
	bin := (s.Done - h.from) / sharesBin
	if s.Done < h.from || (bin+1)*int64(h.n) > int64(len(h.served)) || s.Server == 0 || int(s.Server) > h.n {
		return
	}
	h.served[int(bin)*h.n+int(s.Server)-1]++
}

// watchShares makes room for the shares after each undo, until the next fault
// or the end of the load.
func (w *watches) watchShares(length int64, connectors int) {
	var begins []int64
	for _, one := range w.all {
		if one.on() {
			begins = append(begins, one.Began)
		}
	}
	slices.Sort(begins)
	until := make([]int64, len(w.all))
	for i, one := range w.all {
		until[i] = -1
		if !one.on() || one.UndoneAt == Never || connectors == 0 {
			continue
		}
		end := min(length, one.UndoBegan+sharesWithin)
		if next, _ := slices.BinarySearch(begins, one.UndoBegan+1); next < len(begins) {
			end = min(end, begins[next])
		}
		if bins := (end - one.UndoBegan) / sharesBin; bins >= sharesWindow+sharesStay {
			until[i] = one.UndoBegan + bins*sharesBin - 1
			one.shares = &shares{from: one.UndoBegan, n: connectors, served: make([]uint32, int(bins)*connectors)}
		}
	}
	w.undone = newTimeline(len(w.all), length, func(i int) (from, to int64) {
		if until[i] < 0 {
			return 0, -1
		}
		return w.all[i].UndoBegan, until[i]
	})
}

// rebalanced is how long after the undo the shares became what they were, and
// stayed so; Never when they did not.
func (h *shares) rebalanced(reference []float64) int64 {
	bins := len(h.served) / h.n
	sums := make([]uint64, h.n) // of a second
	add := func(bin int, sign int64) {
		for c := range sums {
			sums[c] += uint64(sign * int64(h.served[bin*h.n+c]))
		}
	}
	for bin := range sharesWindow {
		add(bin, 1)
	}
	since := Never
	for from := 0; ; from++ {
		switch {
		case !asBefore(sums, reference):
			since = Never
		case since == Never:
			since = from
		}
		if since != Never && from-since >= sharesStay {
			return int64(since) * sharesBin
		}
		if from+sharesWindow == bins {
			return Never
		}
		add(from, -1)
		add(from+sharesWindow, 1)
	}
}

// asBefore compares what connectors served with the shares they should have.
func asBefore(served []uint64, reference []float64) bool {
	var all float64
	for _, n := range served {
		all += float64(n)
	}
	if all == 0 {
		return false
	}
	for c, n := range served {
		// What never got anything may get one by chance.
		p := math.Min(math.Max(reference[c], 1/all), 1)
		allowed := math.Max(shareTolerance*reference[c], shareSigmas*math.Sqrt(p*(1-p)/all))
		if math.Abs(float64(n)/all-reference[c]) > allowed {
			return false
		}
	}
	return true
}

// steadyShares are the shares before the first fault.
type steadyShares struct {
	window
	served   []uint64
	all      uint64
	capacity []float64
}

// steadyLeastServed is how many sign-ins shares rest on; where there were
// fewer, the capacities say what to expect.
const steadyLeastServed = 100

func newSteadyShares(in Input) *steadyShares {
	return &steadyShares{window: newWindow(spansOf(in, scenarios.Window{Name: scenarios.Steady})),
		served: make([]uint64, len(in.Header.Connectors)), capacity: capacities(in)}
}

func (h *steadyShares) count(s *results.Sample) {
	if _, _, ok := h.at(s.Due); ok && s.Server > 0 && int(s.Server) <= len(h.served) {
		h.served[s.Server-1]++
		h.all++
	}
}

func (h *steadyShares) reference() []float64 {
	shares := make([]float64, len(h.served))
	capacity := total(h.capacity)
	for i := range shares {
		if h.all >= steadyLeastServed {
			shares[i] = float64(h.served[i]) / float64(h.all)
		} else {
			shares[i] = h.capacity[i] / capacity
		}
	}
	return shares
}
