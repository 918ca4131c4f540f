package load

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"sort"
	"sync/atomic"
	"time"

	"ptabench/scenarios"
)

// A Schedule says when each sign-in of a plan is due. It is arithmetic: no
// clock, no state that shows. Arrival n is due Due(n) after the beginning of
// the plan; Len arrivals are due before its end.
//
// Constant arrivals at rate λ (per second):
//
//	Due(n) = n / λ, rounded down to the nanosecond
//
// Poisson arrivals have independent gaps, exponential with mean 1/λ:
//
//	Due(n) = gap(0) + ... + gap(n)
//
// The gaps are made in chunks, each from a generator seeded with (seed,
// chunk), and the schedule keeps where each chunk begins, 8 bytes for 4,096
// arrivals; so any arrival can be looked up, and memory is flat for all
// purposes. It is safe for concurrent use.
type Schedule struct {
	length  time.Duration
	count   int
	microHz uint64 // constant: rate in sign-ins per million seconds

	mean  float64 // Poisson: mean gap in ns; 0 for constant
	seed  uint64
	bases []float64 // ns at which each chunk begins
	cache [cachedChunks]atomic.Pointer[chunk]
}

const (
	chunkLen     = 4096
	cachedChunks = 8 // more arrivals than there are workers, so that a look-up seldom makes a chunk again

	// maxArrivals is what the sequence number of a sample holds.
	maxArrivals = math.MaxUint32
)

// A chunk is the due times of consecutive arrivals.
type chunk struct {
	index int
	due   [chunkLen]int64 // ns
}

// NewSchedule plans arrivals at a rate per second for a length of time. Equal
// arguments make equal schedules; constant arrivals have no use for the seed.
func NewSchedule(arrivals scenarios.Arrivals, rate float64, length time.Duration, seed uint64) (*Schedule, error) {
	if !(rate >= 1e-6 && rate <= 1e9) {
		return nil, fmt.Errorf("rate %v/s: expected 0.000001 to 1000000000", rate)
	}
	if length <= 0 {
		return nil, fmt.Errorf("length of the load %v: expected more than 0", length)
	}
	if rate*length.Seconds() > 0.99*maxArrivals {
		return nil, fmt.Errorf("%v/s for %v: more than %d arrivals", rate, length, uint64(maxArrivals))
	}
	s := &Schedule{length: length, seed: seed}
	switch arrivals {
	case scenarios.Constant:
		s.microHz = uint64(math.Round(rate * 1e6))
		s.count = sort.Search(maxArrivals, func(n int) bool { return s.Due(n) >= length })
	case scenarios.Poisson:
		s.mean = 1e9 / rate
		s.plan()
	default:
		return nil, fmt.Errorf("arrivals %q: expected %s or %s", arrivals, scenarios.Poisson, scenarios.Constant)
	}
	return s, nil
}

// Len is the number of arrivals due before the end of the plan.
func (s *Schedule) Len() int { return s.count }

// Due is when arrival n is due, counted from the beginning of the plan.
// Poisson arrivals from Len on have no due time of their own: they are due
// never.
func (s *Schedule) Due(n int) time.Duration {
	if s.mean == 0 {
		hi, lo := bits.Mul64(uint64(n), 1e15) // µHz to ns
		ns, _ := bits.Div64(hi, lo, s.microHz)
		return time.Duration(ns)
	}
	if n >= s.count {
		return math.MaxInt64
	}
	return time.Duration(s.chunk(n / chunkLen).due[n%chunkLen])
}

// Before is how many arrivals are due before t.
func (s *Schedule) Before(t time.Duration) int {
	return sort.Search(s.count, func(n int) bool { return s.Due(n) >= t })
}

// plan runs through all gaps once, to know where chunks begin and how many
// arrivals there are.
func (s *Schedule) plan() {
	at, end := 0.0, float64(s.length)
	for {
		rng := s.gaps(len(s.bases))
		s.bases = append(s.bases, at)
		for range chunkLen {
			at += rng.ExpFloat64() * s.mean
			if at >= end {
				return
			}
			s.count++
		}
	}
}

func (s *Schedule) gaps(index int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, 0x6172726976616c73+uint64(index)))
}

// chunk returns a chunk, made again unless it is one of the last in use.
func (s *Schedule) chunk(index int) *chunk {
	slot := &s.cache[index%cachedChunks]
	if c := slot.Load(); c != nil && c.index == index {
		return c
	}
	c := &chunk{index: index}
	at, rng := s.bases[index], s.gaps(index)
	for i := range c.due {
		at += rng.ExpFloat64() * s.mean
		c.due[i] = int64(at)
	}
	slot.Store(c)
	return c
}
