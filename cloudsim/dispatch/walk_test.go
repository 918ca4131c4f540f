package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ptabench/observe"
)

// TestRandomWalk drives a tenant through random events and checks what must
// hold after each: every sign-in is answered once, in time, and the books
// balance.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := usual
		s.Handoff, s.Wait = r.IntN(4) > 0, r.IntN(2) == 0
		s.Policy = []Policy{LeastOutstanding, Random, RoundRobin, FirstAvailable}[r.IntN(4)]
		s.Queue, s.Attempts, s.Threshold = 1+r.IntN(30), 1+r.IntN(4), r.IntN(7)
		w := newWorld(t, s)
		var sessions []*Connector
		arrived := make(map[uint64]time.Duration)
		for range 2000 {
			w.signals = r.IntN(3) == 0
			switch r.IntN(15) {
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
						Status{Directory: r.IntN(3) > 0, Responses: r.IntN(5) > 0, Draining: r.IntN(6) == 0, Returning: r.IntN(6) == 0})
				}
			case 12:
				if len(sessions) > 0 {
					w.tenant.Mute(w.now, sessions[r.IntN(len(sessions))], "heartbeat")
				}
			case 13:
				if len(w.given) > 0 {
					w.place++
					g := w.given[len(w.given)-1-r.IntN(min(len(w.given), 20))]
					w.tenant.Accept(w.now, g.c, g.id, g.attempt, Via{g.via.Stream, w.place})
				}
			case 14:
				if len(sessions) > 0 && r.IntN(3) == 0 {
					lose(t, w, sessions[r.IntN(len(sessions))], r)
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

// lose ends the stream that everybody is sent sign-ins by at present, for one
// of them, somewhere in the middle of what came last.
func lose(t *testing.T, w *world, c *Connector, r *rand.Rand) {
	t.Helper()
	lost, received := w.stream, AnyPlace
	if r.IntN(2) == 0 {
		received = w.place - min(w.place, uint64(r.IntN(10)))
	}
	w.stream++
	w.tenant.Lost(w.now, c, lost, received)
	for key, f := range c.given {
		if f.via.Stream == lost && (f.via.Place == 0 || f.via.Place > received) {
			t.Errorf("%s has attempt %v on a stream that was lost at %d: %+v", c.Name, key, received, f.via)
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

func (d *discard) Give(_ *Connector, s *SignIn) Via {
	d.last = s
	return Via{Place: 1}
}
func (*discard) Resolve(*SignIn, Resolution) {}
func (*discard) Event(observe.Event)         {}

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
