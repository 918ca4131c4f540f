package connector

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

var errSilent = errors.New("the cloud is silent")

// started is what a pulse counts from, for a clock that is never set.
var started = time.Now()

// A pulse is when a peer was last heard. Any message counts.
type pulse struct{ last atomic.Int64 } // since started, in ns

// beat notes that the peer was heard now, and returns how long it had been
// silent.
func (p *pulse) beat() time.Duration {
	now := int64(time.Since(started))
	return time.Duration(now - p.last.Swap(now))
}

// watch calls lost once the peer has been silent for longer than limit. A watch
// that itself wakes up late says nothing of the peer: this process was paused,
// and what the peer sent meanwhile has yet to be read.
func (p *pulse) watch(ctx context.Context, limit time.Duration, lost func(error)) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	due := time.Since(started) + limit
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Since(started)
		if now-due > limit/2 {
			p.beat()
		}
		silent := now - time.Duration(p.last.Load())
		if silent > limit {
			lost(errSilent)
			return
		}
		next := limit - max(silent, 0) + time.Millisecond
		due = now + next
		timer.Reset(next)
	}
}
