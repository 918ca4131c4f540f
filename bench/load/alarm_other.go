//go:build !linux

package load

import (
	"context"
	"time"
)

// An alarm wakes one goroutine at an instant.
type alarm struct {
	ctx   context.Context
	timer *time.Timer
}

// newAlarm makes an alarm that also wakes, for good, when the context ends.
func newAlarm(ctx context.Context) (*alarm, error) {
	return &alarm{ctx: ctx, timer: time.NewTimer(0)}, nil
}

// wait returns after d or when the context has ended, and perhaps sooner.
func (a *alarm) wait(d time.Duration) {
	a.timer.Reset(d)
	select {
	case <-a.timer.C:
	case <-a.ctx.Done():
	}
}

func (a *alarm) close() { a.timer.Stop() }
