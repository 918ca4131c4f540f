package check

import (
	"math"
	"math/bits"
	"sort"

	"ptabench/results"
)

// A timing holds the times of one kind of a window's sign-ins: all in a
// histogram, and by bin, roughly, because the sign-ins of one stall are not
// independent, which only shows over time. What nobody answered is among the
// slowest, however soon that was known: an error is no fast answer.
type timing struct {
	all    *results.Histogram
	width  int64    // of a bin
	n      []uint32 // by bin
	grid   []uint32 // by bin and class
	limits []*limit
}

// A limit counts the times on the wrong side of an objective's limit.
type limit struct {
	at     int64
	strict bool     // a time equal to the limit is over it
	over   []uint32 // by bin
	total  uint64
}

func newTiming(length int64) *timing {
	t := &timing{all: results.NewHistogram(), width: max(binWidth, (length+maxBins-1)/maxBins)}
	n := int(length/t.width) + 1
	t.n, t.grid = make([]uint32, n), make([]uint32, n*classes)
	return t
}

func (t *timing) wantLimit(at int64, strict bool) *limit {
	l := &limit{at: at, strict: strict, over: make([]uint32, len(t.n))}
	t.limits = append(t.limits, l)
	return l
}

// count takes in a time at a moment of the window's own time.
func (t *timing) count(own, v int64, answered bool) {
	bin := int(own / t.width)
	t.n[bin]++
	if answered {
		t.all.Record(v)
	} else {
		t.all.RecordUnanswered()
		v = math.MaxInt64
	}
	t.grid[bin*classes+class(v)]++
	for _, l := range t.limits {
		if v > l.at || l.strict && v == l.at {
			l.total++
			l.over[bin]++
		}
	}
}

// at is the time within which a share of all was answered, from 0 to 1;
// infinite when fewer were.
func (t *timing) at(q float64) float64 {
	if v, ok := t.all.Within(100 * q); ok {
		return float64(v)
	}
	return math.Inf(1)
}

// classes is the number of classes of times: four to each doubling, from 16 µs
// to hours; all below 4 µs are one.
const classes = 124

func class(v int64) int {
	u := uint64(max(v, 0)) >> 12
	if u < 4 {
		return int(u)
	}
	l := bits.Len64(u)
	return min((l-2)*4+int(u>>(l-3)&3), classes-1)
}

// beyond is, by bin, the number of times that are about the share of all that
// lies beyond the q-quantile.
func (t *timing) beyond(q float64) []uint32 {
	var sums [classes]uint64
	for i, n := range t.grid {
		sums[i%classes] += uint64(n)
	}
	want := (1 - q) * float64(t.all.Count())
	from, tail := classes, 0.0
	for from > 0 && tail < want {
		from--
		tail += float64(sums[from])
	}
	// The class that passes the share may be the greater part of all.
	if from < classes && tail-float64(sums[from]) > 0 && tail-want > want-(tail-float64(sums[from])) {
		from++
	}
	over := make([]uint32, len(t.n))
	for bin := range over {
		for _, n := range t.grid[bin*classes+from : (bin+1)*classes] {
			over[bin] += n
		}
	}
	return over
}

// interval bounds the q-quantile with 95 % confidence, by order statistics of
// as many times as are independent. Capped says that these are too few for the
// upper bound, which is the greatest time that was seen.
func (t *timing) interval(q float64) (low, high float64, capped, ok bool) {
	n := t.all.Count()
	if _, _, ok := results.QuantileRanks(n, q, 1-doubt); !ok {
		return 0, 0, false, false
	}
	independent := max(uint64(float64(n)/designEffect(t.n, t.beyond(q))), 1)
	lower, upper, enough := results.QuantileRanks(independent, q, 1-doubt)
	at := func(rank uint64) float64 { return t.at(float64(rank) / float64(independent)) }
	if enough {
		return at(lower), at(upper), false, true
	}
	lower = uint64(sort.Search(int(independent), func(k int) bool { return results.AtMost(uint64(k), independent, q) > doubt/2 }))
	return at(lower), t.at(1), true, true
}
