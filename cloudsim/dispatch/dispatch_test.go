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
}

type gift struct {
	c       *Connector
	id      uint64
	attempt int
}

func newWorld(t *testing.T, s Settings) *world {
	w := &world{t: t, resolved: make(map[uint64]Resolution)}
	w.tenant = New("contoso", s, rand.New(rand.NewPCG(1, 2)), w)
	return w
}

func (w *world) Give(c *Connector, s *SignIn) {
	w.given = append(w.given, gift{c, s.ID, s.Attempt})
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

func (w *world) advance(d time.Duration) {
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

// TestRandomWalk drives a tenant through random events and checks what must
// hold after each: every sign-in is answered once, in time, and the books
// balance.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := usual
		s.Handoff, s.Wait = r.IntN(4) > 0, r.IntN(2) == 0
		s.Policy = []Policy{LeastOutstanding, Random, RoundRobin, FirstAvailable}[r.IntN(4)]
		s.Queue, s.Attempts = 1+r.IntN(30), 1+r.IntN(4)
		w := newWorld(t, s)
		var sessions []*Connector
		arrived := make(map[uint64]time.Duration)
		for range 2000 {
			switch r.IntN(12) {
			case 0:
				if len(sessions) < 5 {
					c := NewConnector(fmt.Sprintf("connector-%d", r.IntN(4)), 1+r.IntN(8), nil)
					sessions = append(sessions, c)
					w.tenant.Attach(w.now, c)
				}
			case 1:
				if len(sessions) > 0 && r.IntN(3) == 0 {
					i := r.IntN(len(sessions))
					w.tenant.Detach(w.now, sessions[i], "reset")
					sessions = slices.Delete(sessions, i, i+1)
				}
			case 2:
				if len(sessions) > 0 {
					w.tenant.SetStatus(w.now, sessions[r.IntN(len(sessions))],
						Status{Directory: r.IntN(3) > 0, Responses: r.IntN(5) > 0, Draining: r.IntN(6) == 0})
				}
			case 3, 4, 5, 6:
				arrived[w.submit()] = w.now
			case 7, 8, 9:
				if len(w.given) > 0 {
					g := w.given[len(w.given)-1-r.IntN(min(len(w.given), 20))]
					var f Failure
					if r.IntN(5) == 0 {
						f = DirectoryUnreachable
					}
					w.tenant.Answer(w.now, g.c, Answer{ID: g.id, Attempt: g.attempt, Failure: f})
				}
			default:
				w.advance(time.Duration(r.IntN(300)) * ms)
			}
			checkBooks(t, w, seed)
			for id, at := range arrived {
				if _, ok := w.resolved[id]; ok {
					delete(arrived, id)
				} else if w.now > at+s.Deadline+300*ms {
					t.Fatalf("seed %d: sign-in %d waits since %v at %v", seed, id, at, w.now)
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		w.advance(s.Deadline)
		if len(w.resolved) != int(w.last) || w.tenant.pending.len != 0 || w.tenant.queue.len != 0 {
			t.Fatalf("seed %d: %d of %d answered, %d pending, %d queued after the deadline",
				seed, len(w.resolved), w.last, w.tenant.pending.len, w.tenant.queue.len)
		}
	}
}

func checkBooks(t *testing.T, w *world, seed uint64) {
	t.Helper()
	inFlight := 0
	for _, c := range w.tenant.connectors {
		inFlight += c.inFlight.len
		if len(c.given) > c.credit {
			t.Errorf("seed %d: %s has %d in hand with a credit of %d", seed, c.Name, len(c.given), c.credit)
		}
	}
	lost := 0
	for s := w.tenant.pending.head; s != nil; s = s.pending.next {
		if s.state == dropped {
			lost++
		}
	}
	if w.tenant.pending.len != inFlight+w.tenant.queue.len+lost {
		t.Errorf("seed %d: %d pending, but %d in flight, %d queued, %d dropped",
			seed, w.tenant.pending.len, inFlight, w.tenant.queue.len, lost)
	}
}

type discard struct{ last *SignIn }

func (d *discard) Give(_ *Connector, s *SignIn) { d.last = s }
func (*discard) Resolve(*SignIn, Resolution)    {}
func (*discard) Event(observe.Event)            {}

func BenchmarkSubmitAndAnswer(b *testing.B) {
	for _, connectors := range []int{3, 40} {
		b.Run(fmt.Sprintf("connectors=%d", connectors), func(b *testing.B) {
			d := &discard{}
			tenant := New("contoso", usual, rand.New(rand.NewPCG(1, 2)), d)
			for i := range connectors {
				tenant.Attach(0, NewConnector(fmt.Sprintf("connector-%d", i+1), 200, nil))
			}
			b.ReportAllocs()
			for i := range b.N {
				tenant.Submit(0, &SignIn{ID: uint64(i)})
				tenant.Answer(0, d.last.owner, Answer{ID: uint64(i), Attempt: 1})
			}
		})
	}
}

// A peer may open its response stream with answers in the same breath, before
// it is attached.
func TestAnswerBeforeAttach(t *testing.T) {
	w := newWorld(t, usual)
	if w.tenant.Answer(w.now, NewConnector("connector-1", 10, nil), Answer{ID: 1, Attempt: 1}) {
		t.Error("an answer of a connector that was never attached was taken")
	}
}

// Those that wait for the outcome of a probe must not stand before it when it
// is handed off.
func TestProbeHandedOffPassesThoseThatWait(t *testing.T) {
	s := usual
	s.Wait, s.Policy, s.Threshold = true, FirstAvailable, 1
	w := newWorld(t, s)
	cs := w.attach("connector-1", "connector-2", "connector-3")
	older, failing := w.submit(), w.submit()
	for range 3 { // each connector fails it once
		w.answerAs(w.holder(failing), DirectoryUnreachable)
	}
	w.wants(failing, true, DirectoryUnreachable) // which opens the breaker
	w.advance(usual.Probe)
	w.now++
	probe := w.submit()
	if g := w.holder(probe); g.c != cs[0] {
		t.Fatalf("the probe went to %s", g.c.Name)
	}
	w.tenant.Detach(w.now, cs[0], "lost") // had both: older comes first
	if g := w.holder(probe); g.c == cs[0] {
		t.Fatal("the probe waits behind those that wait for it")
	}
	for range closeAfter {
		for _, g := range w.given {
			if _, done := w.resolved[g.id]; !done && w.holder(g.id) == g {
				w.answerAs(g, 0)
			}
		}
	}
	w.wants(older, true, 0)
	w.wants(probe, true, 0)
}
