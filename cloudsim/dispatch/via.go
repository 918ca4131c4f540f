package dispatch

import "time"

// A Via is how an attempt is on its way to a connector. A sign-in is either
// pushed, or signalled: then the connector is only told that it waits, and is
// sent it when it accepts it. Both count as given from the beginning, so that
// credit and the time limit of an attempt hold for what a connector never
// accepts, too.
type Via struct {
	Stream uint32 // of the owner's streams, which it numbers
	// Place is the sign-in's among those sent down that stream, from 1; 0 while
	// it is signalled and not accepted.
	Place uint64
}

// AnyPlace is further than any stream has come.
const AnyPlace = ^uint64(0)

// flight is an attempt that a connector was given.
type flight struct {
	signIn *SignIn
	via    Via
}

// owns reports whether an attempt is still the connector's to answer, and was
// not taken away or answered since.
func (c *Connector) owns(key attempt, s *SignIn) bool {
	return s.state == flying && s.owner == c && s.Attempt == key.n
}

// Accept is a connector asking for an attempt that was signalled on a stream.
// It returns the sign-in, which the owner now sends by via, or nil when it was
// taken away meanwhile: then the connector never has it, and its credit is
// free again. known is false for what no signal on that stream named.
func (t *Tenant) Accept(now time.Duration, c *Connector, id uint64, n int, via Via) (s *SignIn, known bool) {
	key := attempt{id, n}
	f, ok := c.given[key]
	if !ok || f.via.Stream != via.Stream || f.via.Place != 0 {
		return nil, false
	}
	if !c.owns(key, f.signIn) {
		delete(c.given, key)
		t.dispatch(now)
		return nil, true
	}
	f.via = via
	c.given[key] = f
	c.counters.Accepted++
	return f.signIn, true
}

// Lost is a stream that has ended while its session goes on. Of what was to
// come by it, all beyond the first received, and all that was not accepted, has
// not reached the connector: it is given once more, as part of the same attempt
// and by another stream, unless it was taken away, which frees its credit.
// Until the connector has said how much it received, the owner knows AnyPlace.
func (t *Tenant) Lost(now time.Duration, c *Connector, stream uint32, received uint64) {
	if !c.attached {
		return
	}
	missing := func(v Via) bool { return v.Stream == stream && (v.Place == 0 || v.Place > received) }
	for s := c.inFlight.head; s != nil; s = s.placement.next { // oldest first
		key := attempt{s.ID, s.Attempt}
		if f := c.given[key]; missing(f.via) {
			c.given[key] = flight{s, t.send(c, s)}
		}
	}
	for key, f := range c.given {
		if missing(f.via) && !c.owns(key, f.signIn) {
			delete(c.given, key)
		}
	}
	t.dispatch(now)
}

// send has the owner send or signal a sign-in, and counts which it was.
func (t *Tenant) send(c *Connector, s *SignIn) Via {
	via := t.effects.Give(c, s)
	if via.Place == 0 {
		c.counters.Signalled++
	} else {
		c.counters.Pushed++
	}
	return via
}
