package check

import (
	"cmp"
	"slices"
	"sort"

	"ptabench/results"
	"ptabench/scenarios"
)

// A window finds when sign-ins were due within the stretches of a window of
// the load. Its own time runs through them one after the other, from 0.
type window struct {
	spans   []scenarios.Span // in order, apart from each other
	before  []int64          // length of the spans before each
	seconds []int            // seconds begun in them
	length  int64

	// The span or the gap in which the last sign-in was due, which most likely
	// the next one is too.
	from, to int64
	span     int // -1 in a gap
}

// newWindow joins spans that overlap, as those of two faults may.
func newWindow(spans []scenarios.Span) window {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b scenarios.Span) int { return cmp.Compare(a.From, b.From) })
	w := window{span: -1}
	for _, s := range spans {
		if s.To <= s.From {
			continue
		}
		if n := len(w.spans); n > 0 && s.From <= w.spans[n-1].To {
			w.spans[n-1].To = max(w.spans[n-1].To, s.To)
			continue
		}
		w.spans = append(w.spans, s)
	}
	seconds := 0
	for _, s := range w.spans {
		w.before = append(w.before, w.length)
		w.seconds = append(w.seconds, seconds)
		length := int64(s.To - s.From)
		w.length += length
		seconds += int((length + second - 1) / second)
	}
	return w
}

const second = 1_000_000_000 // in nanoseconds

// at is the window's own time of a moment, and the number of the second in
// it; not ok outside the window.
func (w *window) at(due int64) (own int64, inSecond int, ok bool) {
	if due < w.from || due >= w.to {
		w.find(due)
	}
	if w.span < 0 {
		return 0, 0, false
	}
	into := due - w.from
	return w.before[w.span] + into, w.seconds[w.span] + int(into/second), true
}

// find makes the span or the gap around a moment the current one.
func (w *window) find(due int64) {
	next := sort.Search(len(w.spans), func(i int) bool { return int64(w.spans[i].To) > due })
	w.span, w.from, w.to = -1, -1<<63, 1<<63-1
	if next < len(w.spans) {
		if s := w.spans[next]; due >= int64(s.From) {
			w.span, w.from, w.to = next, int64(s.From), int64(s.To)
			return
		}
		w.to = int64(w.spans[next].From)
	}
	if next > 0 {
		w.from = int64(w.spans[next-1].To)
	}
}

// The kinds of time that are measured, in the words of objectives.
var timeKinds = []string{"response", "service", "lag"}

// timesOf are a sign-in's times, in the order of timeKinds.
func timesOf(s *results.Sample) [3]int64 {
	return [...]int64{s.Done - s.Due, s.Done - s.Sent, s.Sent - s.Due}
}
