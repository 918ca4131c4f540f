package dispatch

import (
	"slices"
	"time"

	"ptabench/observe"
)

// Attach adds a session. The tenant's breaker probes it at once.
func (t *Tenant) Attach(now time.Duration, c *Connector) {
	stats := t.byName[c.Name]
	if stats == nil {
		stats = &observe.ConnectorCounters{Name: c.Name}
		t.byName[c.Name] = stats
		t.order = append(t.order, c.Name)
	}
	stats.Attached, stats.Credit = true, c.credit
	stats.Sessions++
	c.counters, c.attached = stats, true
	t.connectors = append(t.connectors, c)
	t.effects.Event(observe.Event{Kind: observe.ConnectorAttached, Tenant: t.name, Connector: c.Name})
	t.breaker.hint(now)
	t.dispatch(now)
}

// Detach removes a session whose connection is lost or ended, for the cause
// given. What it had in hand goes to others, or is dropped when handoff is
// off.
func (t *Tenant) Detach(now time.Duration, c *Connector, cause string) {
	if !c.attached {
		return
	}
	c.attached = false
	t.connectors = slices.DeleteFunc(t.connectors, func(o *Connector) bool { return o == c })
	c.counters.Attached = slices.ContainsFunc(t.connectors, func(o *Connector) bool { return o.Name == c.Name })
	t.effects.Event(observe.Event{Kind: observe.ConnectorLost, Tenant: t.name, Connector: c.Name, Cause: cause})
	clear(c.given)

	var handedOff, lost int64
	for s := c.inFlight.head; s != nil; s = c.inFlight.head {
		c.inFlight.remove(s)
		switch {
		case !t.settings.Handoff:
			lost++
			s.state, s.owner = dropped, nil
		case len(t.connectors) == 0:
			s.state = dropped
			t.fail(now, s, NoConnector)
		case s.Attempt >= t.settings.Attempts:
			s.state = dropped
			t.fail(now, s, Transient)
		default:
			handedOff++
			t.handOff(now, c, s)
		}
	}
	if handedOff > 0 {
		t.effects.Event(observe.Event{Kind: observe.HandedOff, Tenant: t.name, Connector: c.Name,
			Cause: cause, Count: handedOff})
	}
	if lost > 0 {
		t.effects.Event(observe.Event{Kind: observe.Dropped, Tenant: t.name, Connector: c.Name,
			Cause: cause, Count: lost})
	}
	t.lookAround(now)
	t.dispatch(now)
}

// A Status is what a session is fit for. The zero value is not fit for
// anything, Fit is.
type Status struct {
	Directory bool // it reaches its directory
	Responses bool // it can return answers
	Draining  bool // it finishes what it has and takes nothing more
	// Returning says that it cannot return answers for a moment, as between one
	// response port and the next. It is given nothing, but if nobody else is
	// there, sign-ins wait for it.
	Returning bool
}

// Fit is the status of a session that can do its work.
var Fit = Status{Directory: true, Responses: true}

// SetStatus notes what a connector says of itself, or what the owner sees.
func (t *Tenant) SetStatus(now time.Duration, c *Connector, s Status) {
	if !c.attached { // it will attach with it
		c.status = s
		return
	}
	if c.status == s {
		return
	}
	cause := "fit"
	switch {
	case s.Draining:
		cause = "draining"
	case !s.Responses:
		cause = "responses-lost"
	case !s.Directory:
		cause = "directory-unreachable"
	case !c.status.Directory:
		cause = "directory-reachable"
	}
	moment := c.status
	moment.Returning = s.Returning
	c.status = s
	if moment != s { // else it was said what it is not fit for
		t.effects.Event(observe.Event{Kind: observe.ConnectorStatus, Tenant: t.name, Connector: c.Name, Cause: cause})
	}
	if c.usable() {
		t.breaker.hint(now)
	}
	t.lookAround(now)
	t.dispatch(now)
}

// Mute offers all that a connector has in hand to the others, which would
// happen at the end of each attempt: nothing has been heard of it for so long
// that no answer is to be expected. Its answers still count if they come first.
func (t *Tenant) Mute(now time.Duration, c *Connector, cause string) {
	if !c.attached || !t.settings.Handoff {
		return
	}
	var n int64
	for s := c.inFlight.head; s != nil; {
		next := s.placement.next
		if s.Attempt < t.settings.Attempts && t.anotherFor(s) {
			n++
			c.inFlight.remove(s)
			t.handOff(now, c, s)
		}
		s = next
	}
	if n > 0 {
		t.effects.Event(observe.Event{Kind: observe.HandedOff, Tenant: t.name, Connector: c.Name, Cause: cause, Count: n})
	}
	t.dispatch(now)
}

// lookAround opens the breaker when nobody is left to ask, and answers those
// who wait: the path is known to be down, so nobody waits for it.
func (t *Tenant) lookAround(now time.Duration) {
	if slices.ContainsFunc(t.connectors, func(c *Connector) bool { return c.usable() || c.returning() }) {
		return
	}
	cause := NoConnector
	if len(t.connectors) > 0 && !slices.ContainsFunc(t.connectors, func(c *Connector) bool { return c.status.Directory }) {
		cause = DirectoryUnreachable
	}
	if t.breaker.open {
		t.breaker.cause = cause
	} else if t.breaker.trip(now, cause) {
		t.breaker.next = now + t.settings.Probe
		t.breakerEvent(observe.BreakerOpened, cause.String())
	}
	t.shed(now)
}

// choose picks the connector for s among those with free credit: usable ones
// that have not had it, else, when there are none of these at all, any usable
// one. A probe may go to a connector that cannot reach its directory, which is
// how its return is noticed when it does not say so. starved means that nobody
// could take any sign-in.
func (t *Tenant) choose(s *SignIn) (c *Connector, starved bool) {
	fit := (*Connector).usable
	if s.probe && !slices.ContainsFunc(t.connectors, fit) {
		fit = (*Connector).answers
	}
	again := !slices.ContainsFunc(t.connectors, func(c *Connector) bool {
		return fit(c) && !slices.Contains(s.tried, c)
	})
	starved = true
	n := len(t.connectors)
	start, ties := 0, 0
	if t.settings.Policy == RoundRobin {
		start = t.turn
	}
	for i := range n {
		o := t.connectors[(start+i)%n]
		if !fit(o) || !o.free() {
			continue
		}
		starved = false
		if !again && slices.Contains(s.tried, o) {
			continue
		}
		switch t.settings.Policy {
		case Random:
			if ties++; t.random.IntN(ties) == 0 { // each as likely as the others
				c = o
			}
		case LeastOutstanding:
			switch {
			case c == nil || len(o.given) < len(c.given):
				c, ties = o, 1
			case len(o.given) == len(c.given):
				if ties++; t.random.IntN(ties) == 0 { // ties fall evenly
					c = o
				}
			}
		case RoundRobin:
			t.turn = (start + i + 1) % n
			return o, false
		default:
			return o, false
		}
	}
	return c, starved
}

// anotherFor reports whether a usable connector has not had s yet.
func (t *Tenant) anotherFor(s *SignIn) bool {
	return slices.ContainsFunc(t.connectors, func(c *Connector) bool {
		return c.usable() && !slices.Contains(s.tried, c)
	})
}

// Closed reports whether the breaker lets everybody pass.
func (t *Tenant) Closed() bool { return !t.breaker.open }

// Counters is what was counted so far. The owner adds what it answers itself.
func (t *Tenant) Counters() observe.TenantCounters {
	n := t.counters
	n.Queued, n.Breaker = t.queue.len, t.breaker.String()
	n.Connectors = make([]observe.ConnectorCounters, 0, len(t.order))
	for _, name := range t.order {
		stats := *t.byName[name]
		stats.InFlight = 0
		for _, c := range t.connectors {
			if c.Name == name {
				stats.InFlight += len(c.given)
			}
		}
		n.InFlight += stats.InFlight
		n.Connectors = append(n.Connectors, stats)
	}
	return n
}
