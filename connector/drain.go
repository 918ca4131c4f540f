package connector

import (
	"context"
	"time"
)

// How long a connector that is told to stop may take: until everything in hand
// is answered and acknowledged, and then until the cloud has closed its side.
const (
	drainTime = 5 * time.Second
	closeTime = 500 * time.Millisecond
	// tellTime is how long the cloud may take to hear that it is to give no
	// more.
	tellTime = 250 * time.Millisecond
)

// drain ends the session in good order once ctx ends: it tells the cloud to
// give no more, finishes what it has, and leaves. It goes on listening for a
// moment at least, for what the cloud gave before it was told.
func (s *session) drain(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
		return
	}
	close(s.draining)
	s.a.log.Info("draining", "in_flight", s.inFlight.Load())
	deadline := time.After(drainTime)
	told := time.After(min(s.interval, tellTime))
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	heard := false
	for !heard || s.accepting.Load() > 0 || s.inFlight.Load() > 0 || !s.out.empty() {
		select {
		case <-poll.C:
			continue
		case <-told:
			heard = true
			continue
		case <-s.ctx.Done():
			return
		case <-deadline:
			s.a.log.Warn("drained not in time", "in_flight", s.inFlight.Load(), "limit", drainTime.String())
		}
		break
	}
	close(s.finish)
	select {
	case <-s.ctx.Done(): // the cloud closed its side
	case <-time.After(closeTime):
	}
	s.cancel(errDrained)
}
