package dispatch

import (
	"testing"
	"time"
)

// owned lets time pass for an owner who ticks at, and after each tick when the
// next is due, but never oftener than every few milliseconds.
func (w *world) owned(at time.Duration, d time.Duration) (next time.Duration) {
	end := w.now + d
	for at <= end {
		w.now = at
		w.tenant.Tick(w.now)
		at = w.now + max(w.tenant.Due(w.now)-w.now, leastTick)
	}
	w.now = end
	return at
}

const leastTick = 5 * ms

// A sign-in that comes a moment before a probe is due is that probe, and on time.
func TestProbesAreNotLate(t *testing.T) {
	s := usual
	s.Wait, s.Threshold = true, 1
	for shift := range 50 {
		w := newWorld(t, s)
		w.attach("connector-1")
		at := w.owned(0, time.Duration(5*shift+1)*ms)
		w.answerAs(w.holder(w.submit()), DirectoryUnreachable)
		next := w.tenant.breaker.next
		if !w.tenant.breaker.open || next <= w.now {
			t.Fatal("the breaker did not open")
		}
		at = w.owned(at, next-w.now-2*ms)
		w.submit()
		for given := len(w.given); len(w.given) == given && w.now < next+s.Probe; {
			at = w.owned(at, ms)
		}
		if late := w.now - next; late > leastTick {
			t.Errorf("%v after the last tick: the probe went %v after it was due", time.Duration(5*shift+1)*ms, late)
		}
	}
}
