package dispatch

import (
	"time"

	"ptabench/observe"
)

// Due is when Tick has something to do at the soonest, whatever is submitted
// until then: that is due later, or waits for a probe whose time is known.
func (t *Tenant) Due(now time.Duration) time.Duration {
	if t.breaker.open && t.queue.len > 0 {
		return now // they wait for probes, which time lets through
	}
	due := now + min(t.settings.Deadline, t.settings.AttemptTimeout, t.settings.Probe)
	if t.breaker.open && t.breaker.next > now { // before then a sign-in would wait for it
		due = min(due, t.breaker.next)
	}
	if s := t.pending.head; s != nil {
		due = min(due, s.deadline)
	}
	if t.settings.Handoff {
		for _, c := range t.connectors {
			if s := c.inFlight.head; s != nil {
				due = min(due, s.timeout)
			}
		}
	}
	return due
}

// Tick answers what is past its deadline and hands off what is past its
// attempt's. The owner calls it when it is Due.
func (t *Tenant) Tick(now time.Duration) {
	for s := t.pending.head; s != nil && s.deadline <= now; s = t.pending.head {
		overload := s.state == queued && s.Attempt == 0 && !s.probe
		if s.state == queued {
			s.queued += now - s.given
		}
		t.release(s)
		t.counters.Expired++
		if overload { // as with a full queue, no sign that the path is down
			t.settle(s)
			t.effects.Resolve(s, Resolution{Failure: DeadlineOver, Queued: s.queued})
			continue
		}
		f := DeadlineOver
		if len(t.connectors) == 0 {
			f = NoConnector
		}
		t.fail(now, s, f)
	}
	if t.settings.Handoff {
		for _, c := range t.connectors {
			t.timeOut(now, c)
		}
	}
	t.dispatch(now)
}

// timeOut offers the sign-ins that a connector has had for too long to the
// others. Its answer still counts if it comes first.
func (t *Tenant) timeOut(now time.Duration, c *Connector) {
	var n int64
	for s := c.inFlight.head; s != nil && s.timeout <= now; s = c.inFlight.head {
		c.inFlight.remove(s)
		if s.Attempt < t.settings.Attempts && t.anotherFor(s) {
			n++
			t.handOff(now, c, s)
			continue
		}
		s.timeout = s.deadline // nobody else to ask: let it finish
		c.inFlight.insertByTimeout(s)
		if s.timeout <= now {
			break // its deadline; the next tick answers it
		}
	}
	if n > 0 {
		t.effects.Event(observe.Event{Kind: observe.AttemptTimedOut, Tenant: t.name,
			Connector: c.Name, Count: n})
	}
}
