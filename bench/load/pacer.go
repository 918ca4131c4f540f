package load

import (
	"context"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// lateness is how long after the end of the plan an arrival may still be sent:
// more than a timer is late, less than a stall.
const lateness = 250 * time.Millisecond

// A pacer releases arrival n of a schedule at start + Due(n), never earlier.
// vegeta calls it from one goroutine, and counts the time of its attack from
// an instant that it keeps to itself; so the pacer waits itself, by the clock
// that stamps sign-ins, and asks vegeta to wait for nothing.
type pacer struct {
	schedule *Schedule
	start    time.Time
	end      time.Duration // counted from start: nothing is released after it
	ctx      context.Context
	alarm    *alarm

	// released is how many arrivals went to a worker, to be read when the
	// attack is over.
	released int
}

var _ vegeta.Pacer = (*pacer)(nil)

// newPacer makes a pacer whose owner closes its alarm.
func newPacer(ctx context.Context, s *Schedule, start time.Time) (*pacer, error) {
	alarm, err := newAlarm(ctx)
	if err != nil {
		return nil, err
	}
	return &pacer{schedule: s, start: start, end: s.length + lateness, ctx: ctx, alarm: alarm}, nil
}

// Pace waits until the next arrival is due. It stops the attack when all
// arrivals are released, or when the plan ended while no worker was free: what
// is then left is unsent.
func (p *pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	p.released = int(hits)
	if p.released >= p.schedule.Len() {
		return 0, true
	}
	due := p.schedule.Due(p.released)
	for {
		now := time.Since(p.start)
		switch {
		case now > p.end || p.ctx.Err() != nil:
			return 0, true
		case now >= due:
			return 0, false
		}
		p.alarm.wait(due - now)
	}
}

// Rate is for vegeta's own plots; nothing here makes any.
func (p *pacer) Rate(time.Duration) float64 {
	return float64(p.schedule.Len()) / p.schedule.length.Seconds()
}
