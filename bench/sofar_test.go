package bench

import (
	"testing"
	"time"

	"ptabench/bench/fault"
	"ptabench/results"
)

// A fault that is on has lasted until now and is not healed, by which every
// view tells it from one that is over.
func TestFaultSoFar(t *testing.T) {
	for name, c := range map[string]struct {
		rec      fault.Record
		at       time.Duration
		duration time.Duration
		healed   bool
	}{
		"on":       {fault.Record{InjectedAt: 2 * time.Second, UndoneAt: fault.Never}, 2 * time.Second, 3 * time.Second, false},
		"over":     {fault.Record{InjectedAt: 2 * time.Second, UndoneAt: 4 * time.Second, Healed: true}, 2 * time.Second, 2 * time.Second, true},
		"not done": {fault.Record{InjectedAt: fault.Never, UndoneAt: fault.Never}, fault.Never, 0, false},
	} {
		f := faultSoFar(c.rec, 5*time.Second)
		if f.At != int64(c.at) || f.Duration != int64(c.duration) || f.Healed != c.healed || f.Detect != results.Unseen {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
