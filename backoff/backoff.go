// Package backoff says how long to wait before trying again what failed: the
// cloud and the directory are redialled by the same rule.
package backoff

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"
)

// The bounds of every wait.
const (
	Min = 100 * time.Millisecond
	Max = time.Second
)

// A Backoff grows a jittered wait with each attempt. The waits are drawn from
// [100, 200) ms, then [200, 400) ms, [400, 800) ms, and [500, 1000) ms from
// then on: never below Min, so that a refusing peer is not hammered, never
// above Max, so that recovery is not measured in minutes, and spread, so that
// those who lost the same peer do not return in step. The zero value is ready
// for use. It is not safe for concurrent use.
type Backoff struct {
	// Rand yields numbers in [0, 1); math/rand when nil.
	Rand func() float64
	// Longest is the longest wait, Max when 0; it is at least Min.
	Longest time.Duration
	tries   int
}

// Next is how long to wait now; the one after will be longer.
func (b *Backoff) Next() time.Duration {
	random := b.Rand
	if random == nil {
		random = rand.Float64
	}
	longest := cmp.Or(b.Longest, Max)
	ceiling := longest
	if next := 2 * Min << b.tries; next < longest {
		ceiling = next
		b.tries++
	}
	floor := max(ceiling/2, Min)
	ceiling = max(ceiling, floor)
	return floor + time.Duration(random()*float64(ceiling-floor))
}

// Spread waits for a moment shorter than Min, evenly drawn: before the first
// attempt after a loss that others may have suffered at the same instant. It
// reports false when the context ended first.
func Spread(ctx context.Context) bool { return Sleep(ctx, rand.N(Min)) }

// Reset begins again with the shortest wait, after a success.
func (b *Backoff) Reset() { b.tries = 0 }

// Wait waits as long as Next says. It reports false when the context ended
// first.
func (b *Backoff) Wait(ctx context.Context) bool {
	return Sleep(ctx, b.Next())
}

// Sleep reports whether a time has passed before the context ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
