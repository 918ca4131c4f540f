package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ptabench/observe"
)

const ms = time.Millisecond

var usual = Settings{Policy: LeastOutstanding, Handoff: true, Attempts: 3, Deadline: 5 * time.Second,
	AttemptTimeout: time.Second, Queue: 100, Threshold: 5, Probe: 250 * ms}

// world is a tenant and everything it did.
type world struct {
	t        *testing.T
	tenant   *Tenant
	now      time.Duration
	last     uint64
	given    []gift // in order
	resolved map[uint64]Resolution
	events   []observe.Event

	// How the owner sends: by which stream, as which there, or by signals.
	stream  uint32
	place   uint64
	signals bool
}

type gift struct {
	c       *Connector
	id      uint64
	attempt int
	via     Via
}

func newWorld(t *testing.T, s Settings) *world {
	w := &world{t: t, resolved: make(map[uint64]Resolution)}
	w.tenant = New("contoso", s, rand.New(rand.NewPCG(1, 2)), w)
	return w
}

func (w *world) Give(c *Connector, s *SignIn) Via {
	via := Via{Stream: w.stream}
	if !w.signals {
		w.place++
		via.Place = w.place
	}
	w.given = append(w.given, gift{c, s.ID, s.Attempt, via})
	return via
}

func (w *world) Resolve(s *SignIn, r Resolution) {
	if _, twice := w.resolved[s.ID]; twice {
		w.t.Errorf("sign-in %d was answered twice", s.ID)
	}
	w.resolved[s.ID] = r
}

func (w *world) Event(e observe.Event) { w.events = append(w.events, e) }

func (w *world) attach(names ...string) (cs []*Connector) {
	for _, name := range names {
		c := NewConnector(name, 10, nil)
		w.tenant.Attach(w.now, c)
		cs = append(cs, c)
	}
	return cs
}

func (w *world) submit() uint64 {
	w.last++
	w.tenant.Submit(w.now, &SignIn{ID: w.last})
	return w.last
}

// holder is who has sign-in id at present, by what was given.
func (w *world) holder(id uint64) gift {
	w.t.Helper()
	for _, g := range slices.Backward(w.given) {
		if g.id == id {
			return g
		}
	}
	w.t.Fatalf("sign-in %d was given to nobody", id)
	return gift{}
}

func (w *world) answer(id uint64) { w.answerAs(w.holder(id), 0) }

func (w *world) answerAs(g gift, f Failure) {
	w.t.Helper()
	if !w.tenant.Answer(w.now, g.c, Answer{ID: g.id, Attempt: g.attempt, Failure: f}) {
		w.t.Errorf("the answer of %s to %d, attempt %d, was not taken", g.c.Name, g.id, g.attempt)
	}
}

// advance lets time pass. Whoever calls Tick when it is due misses nothing: just
// before, there is nothing to do.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	if due := w.tenant.Due(w.now); due > w.now {
		given, resolved, events := len(w.given), len(w.resolved), len(w.events)
		w.tenant.Tick(min(w.now+d, due-1))
		if len(w.given) != given || len(w.resolved) != resolved || len(w.events) != events {
			w.t.Errorf("at %v a tick was due after %v, and one before that had something to do", w.now, due-w.now)
		}
	}
	w.now += d
	w.tenant.Tick(w.now)
}

// wants checks how a sign-in ended: open, or with this failure.
func (w *world) wants(id uint64, answered bool, f Failure) {
	w.t.Helper()
	r, ok := w.resolved[id]
	if ok != answered || r.Failure != f {
		w.t.Errorf("sign-in %d: answered %v with failure %d; want %v with %d", id, ok, r.Failure, answered, f)
	}
}

func (w *world) saw(kind observe.Kind) (n int64) {
	for _, e := range w.events {
		if e.Kind == kind {
			n += max(e.Count, 1)
		}
	}
	return n
}

func TestAnsweredByTheConnectorThatHasIt(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("connector-1")
	id := w.submit()
	w.now += 3 * ms
	w.answer(id)
	w.wants(id, true, 0)
	if n := w.tenant.Counters(); n.Attempts != 1 || n.Connectors[0].Answered != 1 || w.tenant.pending.len != 0 {
		t.Errorf("counters %+v, pending %d", n, w.tenant.pending.len)
	}
}

func TestAnAnswerToWhatWasNotGivenIsRefused(t *testing.T) {
	w := newWorld(t, usual)
	cs := w.attach("connector-1", "connector-2")
	id := w.submit()
	other := cs[0]
	if w.holder(id).c == other {
		other = cs[1]
	}
	for _, a := range []Answer{{ID: id, Attempt: 1}, {ID: id, Attempt: 2}, {ID: 99, Attempt: 1}} {
		if w.tenant.Answer(w.now, other, a) {
			t.Errorf("answer %+v of a connector that was not asked was taken", a)
		}
	}
	w.wants(id, false, 0)
	w.answer(id)
	w.wants(id, true, 0)
}

func TestALostConnectorsSignInsAreHandedOff(t *testing.T) {
	for _, handoff := range []bool{true, false} {
		t.Run(fmt.Sprintf("handoff %v", handoff), func(t *testing.T) {
			s := usual
			s.Handoff = handoff
			w := newWorld(t, s)
			w.attach("connector-1", "connector-2")
			var ids []uint64
			for range 6 {
				ids = append(ids, w.submit())
			}
			victim := w.holder(ids[0]).c
			var theirs []uint64
			for _, id := range ids {
				if w.holder(id).c == victim {
					theirs = append(theirs, id)
				}
			}
			if len(theirs) != 3 {
				t.Fatalf("%d of 6 sign-ins at one of two connectors; want 3", len(theirs))
			}
			w.tenant.Detach(w.now, victim, "reset")
			for _, id := range theirs {
				if moved := w.holder(id).c != victim; moved != handoff {
					t.Errorf("sign-in %d moved: %v", id, moved)
				}
			}
			if handoff {
				for _, id := range ids {
					w.answer(id)
					w.wants(id, true, 0)
				}
			} else {
				w.advance(s.Deadline)
				for _, id := range theirs {
					w.wants(id, true, DeadlineOver)
				}
				if n := w.saw(observe.Dropped); n != 3 {
					t.Errorf("%d dropped by the events; want 3", n)
				}
			}
		})
	}
}

func TestNoMoreAttemptsThanSet(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("a", "b", "c", "d", "e")
	id := w.submit()
	for range usual.Attempts {
		w.wants(id, false, 0)
		w.tenant.Detach(w.now, w.holder(id).c, "reset")
	}
	w.wants(id, true, Transient)
	if g := w.holder(id); g.attempt != usual.Attempts {
		t.Errorf("given %d times; want %d", g.attempt, usual.Attempts)
	}
}

func TestASlowConnectorsSignInIsOfferedToAnotherAndTheFirstAnswerCounts(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("connector-1", "connector-2")
	id := w.submit()
	first := w.holder(id)
	w.advance(usual.AttemptTimeout - 1)
	if w.holder(id) != first {
		t.Fatal("handed off before its attempt timed out")
	}
	w.advance(1)
	second := w.holder(id)
	if second.c == first.c || second.attempt != 2 {
		t.Fatalf("after the timeout it is at %s, attempt %d", second.c.Name, second.attempt)
	}
	w.answerAs(first, 0) // late, and yet the first
	w.wants(id, true, 0)
	w.answerAs(second, 0)
	n := w.tenant.Counters()
	if late := n.Connectors[0].Late + n.Connectors[1].Late; late != 2 || n.InFlight != 0 {
		t.Errorf("%d late answers, %d in flight; want 2, 0", late, n.InFlight)
	}
}

func TestASoleSlowConnectorKeepsItsSignIn(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("connector-1")
	id := w.submit()
	w.advance(3 * usual.AttemptTimeout)
	if len(w.given) != 1 {
		t.Errorf("given %d times; want once", len(w.given))
	}
	w.answer(id)
	w.wants(id, true, 0)
}

func TestUnansweredAttemptsUseUpCredit(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("dead", "alive")
	for range 100 { // dead never answers, alive always does
		id := w.submit()
		for w.holder(id).c.Name == "dead" {
			w.advance(usual.AttemptTimeout)
		}
		w.answer(id)
	}
	if n := w.tenant.Counters().Connectors[0]; n.Attempts > 10 {
		t.Errorf("a connector that never answers was given %d sign-ins with a credit of 10", n.Attempts)
	}
}

func TestDeadlines(t *testing.T) {
	s := usual
	s.Threshold = 1000
	w := newWorld(t, s)
	c := NewConnector("connector-1", 1, nil)
	w.tenant.Attach(0, c)
	flying, waiting := w.submit(), w.submit()
	w.advance(s.Deadline - 1)
	w.wants(waiting, false, 0)
	w.advance(1)
	w.wants(flying, true, DeadlineOver)
	w.wants(waiting, true, DeadlineOver)
	if n := w.tenant.Counters(); n.Expired != 2 || n.Queued != 0 {
		t.Errorf("expired %d, queued %d", n.Expired, n.Queued)
	}
}

func TestExpiryInTheQueueIsOverloadAndDoesNotOpenTheBreaker(t *testing.T) {
	w := newWorld(t, usual)
	w.tenant.Attach(0, NewConnector("connector-1", 1, nil))
	flying := w.submit()
	var waiting []uint64
	for range 3 * usual.Threshold {
		waiting = append(waiting, w.submit())
	}
	w.now = usual.Deadline - 1
	w.answer(flying)     // the first of those who wait takes its place,
	w.answer(waiting[0]) // and so on
	w.advance(1)
	w.wants(waiting[5], true, DeadlineOver)
	if b := w.tenant.Counters().Breaker; b != "closed" {
		t.Errorf("breaker %s", b)
	}
}

func TestAttachesAsUnfitAsItSaidBefore(t *testing.T) {
	w := newWorld(t, usual)
	c := NewConnector("connector-1", 10, nil)
	w.tenant.SetStatus(0, c, Status{Responses: true})
	w.tenant.Attach(0, c)
	w.wants(w.submit(), true, DirectoryUnreachable)
	if len(w.given) != 0 {
		t.Errorf("%d given to a connector that cannot reach its directory", len(w.given))
	}
}

func TestAFullQueueRefusesAndDoesNotOpenTheBreaker(t *testing.T) {
	w := newWorld(t, usual)
	w.tenant.Attach(0, NewConnector("connector-1", 1, nil))
	for range 1 + usual.Queue {
		w.submit()
	}
	for range 2 * usual.Threshold {
		w.wants(w.submit(), true, Transient)
	}
	if b := w.tenant.Counters().Breaker; b != "closed" {
		t.Errorf("breaker %s", b)
	}
}

func TestWithoutConnectorsNobodyWaits(t *testing.T) {
	w := newWorld(t, usual)
	w.wants(w.submit(), true, NoConnector)

	c := w.attach("connector-1")[0]
	w.now += ms
	inFlight := w.submit() // a probe
	w.wants(inFlight, false, 0)
	w.tenant.Detach(w.now, c, "reset")
	w.wants(inFlight, true, NoConnector)
	w.wants(w.submit(), true, NoConnector)
}

func TestTheBreakerOpensProbesAndCloses(t *testing.T) {
	w := newWorld(t, usual)
	cs := w.attach("connector-1", "connector-2")
	for range 2 { // each try reaches both connectors before it fails
		id := w.submit()
		w.answerAs(w.holder(id), DirectoryUnreachable)
		w.answerAs(w.holder(id), DirectoryUnreachable)
		w.wants(id, true, DirectoryUnreachable)
	}
	for _, c := range cs {
		w.tenant.SetStatus(w.now, c, Status{Responses: true})
	}
	if b := w.tenant.Counters().Breaker; b != "open" {
		t.Fatalf("breaker %s while no connector reaches the directory", b)
	}
	w.wants(w.submit(), true, DirectoryUnreachable)

	w.advance(usual.Probe)
	probe := w.submit()
	w.wants(probe, false, 0) // a real sign-in is sent to see
	w.wants(w.submit(), true, DirectoryUnreachable)
	w.answerAs(w.holder(probe), DirectoryUnreachable)
	w.wants(probe, true, DirectoryUnreachable)
	w.wants(w.submit(), true, DirectoryUnreachable) // not before the next interval

	w.tenant.SetStatus(w.now, cs[0], Fit)
	for range closeAfter {
		id := w.submit()
		w.wants(id, false, 0)
		w.answer(id)
		w.wants(id, true, 0)
	}
	if b := w.tenant.Counters().Breaker; b != "closed" {
		t.Errorf("breaker %s after %d answered probes", b, closeAfter)
	}
	for _, kind := range []observe.Kind{observe.BreakerOpened, observe.BreakerProbing, observe.BreakerClosed} {
		if w.saw(kind) == 0 {
			t.Errorf("no event %s", kind)
		}
	}
}

func TestWithoutFallbackSignInsWaitForTheProbe(t *testing.T) {
	s := usual
	s.Wait = true
	w := newWorld(t, s)
	w.wants(w.submit(), true, NoConnector)
	w.attach("connector-1")
	var ids []uint64
	for range 20 {
		ids = append(ids, w.submit())
	}
	if len(w.given) != 1 {
		t.Fatalf("%d given while the first probe is out; want 1", len(w.given))
	}
	for answered := 0; answered < len(w.given); answered++ {
		w.answer(w.given[answered].id)
	}
	for _, id := range ids {
		w.wants(id, true, 0)
	}
}

func TestWithoutFallbackAFailedProbeReleasesThoseWhoWait(t *testing.T) {
	s := usual
	s.Wait = true
	w := newWorld(t, s)
	w.submit()
	w.attach("connector-1")
	probe, waits := w.submit(), w.submit()
	w.answerAs(w.holder(probe), DirectoryUnreachable)
	w.wants(probe, true, DirectoryUnreachable)
	w.wants(waits, true, DirectoryUnreachable)
}

func TestPoliciesShareAsTheySay(t *testing.T) {
	for _, test := range []struct {
		policy Policy
		check  func(shares []uint64) bool
	}{
		{LeastOutstanding, func(n []uint64) bool { return slices.Min(n) > 900 }},
		{Random, func(n []uint64) bool { return slices.Min(n) > 900 && slices.Max(n) < 1100 }},
		{RoundRobin, func(n []uint64) bool { return slices.Equal(n, []uint64{1000, 1000, 1000}) }},
		{FirstAvailable, func(n []uint64) bool { return slices.Equal(n, []uint64{3000, 0, 0}) }},
	} {
		t.Run(string(test.policy), func(t *testing.T) {
			s := usual
			s.Policy = test.policy
			w := newWorld(t, s)
			w.attach("a", "b", "c")
			for range 3000 {
				w.answer(w.submit())
			}
			var shares []uint64
			for _, c := range w.tenant.Counters().Connectors {
				shares = append(shares, c.Attempts)
			}
			if !test.check(shares) {
				t.Errorf("shares of 3000 idle-time sign-ins: %v", shares)
			}
		})
	}
}

func TestLeastOutstandingPrefersTheIdle(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("a", "b", "c")
	for range 9 {
		w.submit()
	}
	for _, c := range w.tenant.Counters().Connectors {
		if c.InFlight != 3 {
			t.Errorf("%s has %d in flight of 9 over three; want 3", c.Name, c.InFlight)
		}
	}
}

func TestADrainingConnectorGetsNothingAndFinishes(t *testing.T) {
	w := newWorld(t, usual)
	w.attach("a", "b")
	id := w.submit()
	going := w.holder(id).c
	w.tenant.SetStatus(w.now, going, Status{Directory: true, Responses: true, Draining: true})
	for range 5 {
		if w.holder(w.submit()).c == going {
			t.Fatal("a draining connector was given a sign-in")
		}
	}
	w.answer(id)
	w.wants(id, true, 0)
}
