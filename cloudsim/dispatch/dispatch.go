// Package dispatch is the connector queue of one tenant: one bounded queue, one
// dispatcher, one table of what is in flight, one breaker. Nothing else in the
// cloud holds a sign-in.
//
// It is arithmetic: the caller passes the time, the random numbers and the
// effects in, and no call blocks, does I/O or starts a goroutine, so that the
// same code runs under a virtual clock. A Tenant is not safe for concurrent
// use; its owner holds a lock around each call, and Effects run under it.
package dispatch

import (
	"math/rand/v2"
	"slices"
	"time"

	"ptabench/observe"
)

// A Policy chooses the connector for a sign-in among those with free credit.
type Policy string

// The policies.
const (
	LeastOutstanding Policy = "least-outstanding" // fewest sign-ins in hand; ties by chance
	Random           Policy = "random"
	RoundRobin       Policy = "round-robin"
	FirstAvailable   Policy = "first-available" // the one attached longest
)

// Settings of a tenant's queue. The owner has checked them.
type Settings struct {
	Policy         Policy
	Handoff        bool          // a lost connector's sign-ins go to another one
	Attempts       int           // connectors a sign-in is given to at most
	Deadline       time.Duration // of a sign-in on this path, from its arrival
	AttemptTimeout time.Duration // after which another connector is tried
	Queue          int           // sign-ins that wait at most
	Threshold      int           // path failures in a row that open the breaker; 0 for never
	Probe          time.Duration // interval of probes by an open breaker
	// Wait keeps sign-ins in the queue while the breaker probes a connector
	// that is there; without it they fail at once, for somebody else to
	// answer.
	Wait bool
}

// Effects is what a Tenant does to the world. Its methods must not block and
// must not call back.
type Effects interface {
	// Give sends a sign-in down one of the connector's request streams, or
	// signals it there, and says which.
	Give(c *Connector, s *SignIn) Via
	// Resolve answers a sign-in; it is out of the tenant's hands.
	Resolve(s *SignIn, r Resolution)
	// Event reports what happened.
	Event(e observe.Event)
}

// A Failure is why the path gave no definite answer. Its value is the AADSTS
// code.
type Failure int

// The failures.
const (
	NoConnector          Failure = 80001 // none is attached
	DeadlineOver         Failure = 80002
	Transient            Failure = 80005 // queue full, connectors lost in a row
	DirectoryUnreachable Failure = 80007
	CannotOpen           Failure = 80010 // the connector could not open the password
)

// A Resolution is how pass-through ended for a sign-in: with the definite
// Result of a connector, or with a Failure of the path.
type Resolution struct {
	Failure   Failure // 0 when the answer is definite
	Result    int32   // wire.Result
	Queued    time.Duration
	Connector time.Duration // in the connector, the directory included
	Directory time.Duration
}

// A SignIn is one request of a user to be let in.
type SignIn struct {
	ID      uint64
	Payload any // the owner's

	Arrived   time.Duration
	Attempt   int    // number of the current attempt, from 1 once given
	Server    string // connector of the last attempt
	probe     bool   // sent by the breaker to see whether the path is back
	deadline  time.Duration
	timeout   time.Duration // of the current attempt
	given     time.Duration // when the current attempt began
	queued    time.Duration // total time in the queue
	state     state
	owner     *Connector
	tried     []*Connector
	pending   links // in Tenant.pending: all that are unanswered, oldest first
	placement links // in Tenant.queue or in owner.inFlight
}

// state is where an unanswered sign-in is.
type state uint8

const (
	idle    state = iota // answered, or not submitted
	queued               // in the queue
	flying               // at its owner
	dropped              // lost with its connector; waits for its deadline
)

// Attempts is the number of connectors that it was given to.
func (s *SignIn) Attempts() int { return s.Attempt }

// A Connector is one session of a connector: it attaches once and detaches
// once.
type Connector struct {
	Name    string
	Payload any // the owner's

	credit   int // sign-ins it takes at once
	status   Status
	attached bool
	// given holds every attempt without an answer, also those taken away
	// since: the connector still works on them, so they use up credit.
	given    map[attempt]flight
	inFlight list // those it still owns, oldest first
	counters *observe.ConnectorCounters
}

// attempt identifies what a connector was given.
type attempt struct {
	id uint64
	n  int
}

// NewConnector describes a session that may be attached.
func NewConnector(name string, credit int, payload any) *Connector {
	return &Connector{Name: name, Payload: payload, credit: credit, status: Fit,
		given: make(map[attempt]flight)}
}

// free reports whether the connector could take one more.
func (c *Connector) free() bool { return len(c.given) < c.credit }

// usable reports whether the connector is fit to be given sign-ins.
func (c *Connector) usable() bool { return c.attached && c.status == Fit }

// returning reports whether the connector will most likely be usable in a moment.
func (c *Connector) returning() bool {
	return c.attached && c.status.Returning && c.status.Directory && !c.status.Draining
}

// answers reports whether the connector would answer what it is given, if only
// that it cannot reach its directory.
func (c *Connector) answers() bool { return c.status.Responses && !c.status.Draining }

// A Tenant is the queue, the in-flight table and the breaker of one tenant.
type Tenant struct {
	name       string
	settings   Settings
	effects    Effects
	random     *rand.Rand
	connectors []*Connector // in order of attachment
	turn       int          // round-robin
	queue      list
	probes     int // in the queue
	pending    list
	breaker    breaker
	counters   observe.TenantCounters
	byName     map[string]*observe.ConnectorCounters
	order      []string // names in order of first attachment
}

// New makes a tenant without connectors.
func New(name string, settings Settings, random *rand.Rand, effects Effects) *Tenant {
	t := &Tenant{name: name, settings: settings, effects: effects, random: random,
		queue: list{of: placement}, pending: list{of: pendings},
		byName: make(map[string]*observe.ConnectorCounters)}
	t.counters.Name = name
	return t
}

// Submit takes a sign-in in. It is answered through Effects.Resolve, which may
// happen before Submit returns.
func (t *Tenant) Submit(now time.Duration, s *SignIn) {
	s.Arrived, s.deadline = now, now+t.settings.Deadline
	if t.queue.len >= t.settings.Queue {
		// Too much load is no sign that the path is down: the breaker stays out
		// of it.
		t.counters.Overflowed++
		t.effects.Resolve(s, Resolution{Failure: Transient})
		return
	}
	t.lookAround(now)
	if t.breaker.open && !t.patient() && !t.probe(now, s) {
		t.effects.Resolve(s, Resolution{Failure: t.breaker.cause})
		return
	}
	t.pending.pushBack(s)
	t.enqueue(now, s)
	t.dispatch(now)
}

// probe makes s a probe if the open breaker wants one.
func (t *Tenant) probe(now time.Duration, s *SignIn) bool {
	// A probe that nobody can take would only wait.
	if !t.breaker.admit(now, slices.ContainsFunc(t.connectors, (*Connector).answers)) {
		return false
	}
	s.probe = true
	if s.state == queued {
		t.probes++
	}
	return true
}

// SetWait changes Settings.Wait.
func (t *Tenant) SetWait(wait bool) { t.settings.Wait = wait }

// patient reports whether sign-ins wait for the outcome of a probe.
func (t *Tenant) patient() bool {
	return t.settings.Wait && slices.ContainsFunc(t.connectors, (*Connector).usable)
}

// enqueue puts s among the waiting, who are in order of deadline: an arrival
// at the back, what was handed off near the front.
func (t *Tenant) enqueue(now time.Duration, s *SignIn) {
	s.state, s.given = queued, now
	t.queue.insert(s)
	if s.probe {
		t.probes++
	}
	t.counters.QueuePeak = max(t.counters.QueuePeak, t.queue.len)
}

// dequeue takes s out of the queue.
func (t *Tenant) dequeue(s *SignIn) {
	t.queue.remove(s)
	if s.probe {
		t.probes--
	}
}

// dispatch gives what waits to whoever has credit.
func (t *Tenant) dispatch(now time.Duration) {
	if t.breaker.open && !t.patient() {
		t.shed(now)
	}
	for s := t.queue.head; s != nil; {
		next := s.placement.next
		if t.breaker.open && !s.probe && !t.probe(now, s) {
			if t.probes == 0 {
				return // they wait for the outcome of a probe
			}
			s = next // that outcome waits behind them: it was handed off
			continue
		}
		c, starved := t.choose(s)
		if starved {
			return // nobody has credit; those behind wait too
		}
		if c != nil {
			t.give(now, c, s)
		}
		s = next
	}
}

func (t *Tenant) give(now time.Duration, c *Connector, s *SignIn) {
	t.dequeue(s)
	s.queued += now - s.given
	s.state, s.given, s.owner, s.Server = flying, now, c, c.Name
	s.timeout = min(now+t.settings.AttemptTimeout, s.deadline)
	s.Attempt++
	s.tried = append(s.tried, c)
	c.given[attempt{s.ID, s.Attempt}] = flight{s, t.send(c, s)}
	c.inFlight.pushBack(s)
	t.counters.Attempts++
	c.counters.Attempts++
	c.counters.InFlightPeak = max(c.counters.InFlightPeak, len(c.given))
}

// Budget is the time left for the current attempt of s.
func (s *SignIn) Budget(now time.Duration) time.Duration { return s.timeout - now }

// An Answer is what a connector says of an attempt.
type Answer struct {
	ID        uint64
	Attempt   int
	Result    int32   // wire.Result
	Failure   Failure // set when Result is a failure of the path
	Resent    bool    // may repeat one that was taken before
	Connector time.Duration
	Directory time.Duration
}

// Answer takes a connector's answer and reports whether the connector had been
// given that attempt. The first definite answer counts, also when it comes
// after the sign-in was taken away.
func (t *Tenant) Answer(now time.Duration, c *Connector, a Answer) (given bool) {
	if c.counters == nil {
		return false // it answers before it was attached
	}
	if !c.attached {
		c.counters.Late++
		return true
	}
	key := attempt{a.ID, a.Attempt}
	f, ok := c.given[key]
	switch {
	case ok:
	case a.Resent:
		c.counters.Late++
		return true
	default:
		c.counters.NotGiven++
		return false
	}
	delete(c.given, key)
	s := f.signIn
	owned := c.owns(key, s)
	if owned {
		c.inFlight.remove(s)
	} else {
		c.counters.Late++
	}
	switch {
	case s.state == idle: // somebody else was first, or the deadline
	case a.Failure == 0:
		t.release(s)
		c.counters.Answered++
		s.Server = c.Name
		t.settle(s)
		t.succeeded(now, s)
		t.effects.Resolve(s, Resolution{Result: a.Result, Queued: s.queued,
			Connector: a.Connector, Directory: a.Directory})
	case owned:
		c.counters.PathFailures++
		if t.settings.Handoff && s.Attempt < t.settings.Attempts && t.anotherFor(s) {
			t.handOff(now, c, s)
			t.effects.Event(observe.Event{Kind: observe.HandedOff, Tenant: t.name,
				Connector: c.Name, Cause: a.Failure.String(), Count: 1})
		} else {
			s.state = dropped // off every list but pending
			t.fail(now, s, a.Failure)
		}
	}
	t.dispatch(now)
	return true
}

// handOff puts a sign-in that its connector no longer owns back into the
// queue.
func (t *Tenant) handOff(now time.Duration, from *Connector, s *SignIn) {
	s.owner = nil
	t.counters.HandedOff++
	from.counters.HandedOff++
	t.enqueue(now, s)
}

// release takes an unanswered sign-in off wherever it waits or flies.
func (t *Tenant) release(s *SignIn) {
	switch {
	case s.state == queued:
		t.dequeue(s)
	case s.state == flying && s.placement.in:
		s.owner.inFlight.remove(s)
	}
	s.state = dropped
}

// settle takes an answered sign-in out of the books.
func (t *Tenant) settle(s *SignIn) {
	if s.pending.in {
		t.pending.remove(s)
	}
	s.state, s.owner, s.tried = idle, nil, nil
}

// fail answers a sign-in with a failure of the path.
func (t *Tenant) fail(now time.Duration, s *SignIn, f Failure) {
	t.settle(s)
	if t.breaker.failed(now, s.given, s.probe, f, t.settings) {
		t.breakerEvent(observe.BreakerOpened, f.String())
	}
	t.shed(now)
	t.effects.Resolve(s, Resolution{Failure: f, Queued: s.queued})
}

// shed answers those who wait for a path that is known to be down.
func (t *Tenant) shed(now time.Duration) {
	if !t.breaker.open || t.patient() && now >= t.breaker.next {
		return
	}
	for s := t.queue.head; s != nil; {
		next := s.placement.next
		if !s.probe {
			t.queue.remove(s)
			t.settle(s)
			t.effects.Resolve(s, Resolution{Failure: t.breaker.cause, Queued: now - s.given + s.queued})
		}
		s = next
	}
}

func (t *Tenant) succeeded(now time.Duration, s *SignIn) {
	switch closed := t.breaker.succeeded(now, s.probe); {
	case closed:
		t.breakerEvent(observe.BreakerClosed, "")
	case s.probe && t.breaker.successes == 1:
		t.breakerEvent(observe.BreakerProbing, "")
	}
}

func (t *Tenant) breakerEvent(kind observe.Kind, cause string) {
	t.effects.Event(observe.Event{Kind: kind, Tenant: t.name, Cause: cause})
}

// String is the word for the failure in events.
func (f Failure) String() string {
	switch f {
	case NoConnector:
		return "no-connector"
	case DeadlineOver:
		return "deadline"
	case DirectoryUnreachable:
		return "directory-unreachable"
	case CannotOpen:
		return "cannot-open"
	}
	return "transient"
}
