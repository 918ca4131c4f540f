package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ptabench/observe"
)

// One of three connectors is frozen, and nothing is handed off, as in other
// vendors' products: its sign-ins expire, many at once, but the others answer,
// so the breaker stays closed, whatever its threshold.
func TestFrozenConnectorDoesNotOpenTheBreaker(t *testing.T) {
	for _, threshold := range []int{0, 1, 5} {
		t.Run(fmt.Sprint("threshold=", threshold), func(t *testing.T) {
			s := usual
			s.Policy, s.Handoff, s.Threshold = Random, false, threshold
			s.Deadline, s.AttemptTimeout, s.Queue = 15*time.Second, 15*time.Second, 10_000
			w := newWorld(t, s)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w.tenant.random = rand.New(rand.NewPCG(seed, 1))
			for i := range 3 {
				w.tenant.Attach(w.now, NewConnector(fmt.Sprint("connector-", i+1), 5000, nil))
			}
			frozen := w.tenant.connectors[1]
			for range 30_000 { // 1,000/s for 30 s
				id := w.submit()
				if g := w.holder(id); g.c != frozen {
					w.answerAs(g, 0)
				}
				w.given = w.given[:0]
				w.now += ms
				if w.last%20 == 0 { // the owner is late: many expire in one tick
					w.tenant.Tick(w.now)
				}
			}
			n := w.tenant.Counters()
			if n.Expired < 4000 {
				t.Fatalf("%d sign-ins expired; expected a third of 15,000", n.Expired)
			}
			if opened := w.saw(observe.BreakerOpened); opened != 0 || n.Breaker != "closed" {
				t.Errorf("the breaker opened %d times and is %s; expected it closed", opened, n.Breaker)
			}
		})
	}
}

// When all connectors hang, nothing says that the path works, and the breaker
// opens once enough sign-ins have expired; without a threshold it stays closed.
func TestAllConnectorsHang(t *testing.T) {
	for _, tc := range []struct{ threshold, opened int }{{5, 1}, {0, 0}} {
		s := usual
		s.Threshold = tc.threshold
		w := newWorld(t, s)
		w.attach("connector-1", "connector-2")
		w.answer(w.submit())
		w.now += ms
		for range 10 {
			w.submit()
		}
		w.advance(s.Deadline)
		if got := w.saw(observe.BreakerOpened); got != int64(tc.opened) {
			t.Errorf("threshold %d: the breaker opened %d times; expected %d", tc.threshold, got, tc.opened)
		}
	}
}

// Without a threshold the breaker still opens when nobody is left to ask.
func TestNoThresholdAndNoConnector(t *testing.T) {
	s := usual
	s.Threshold, s.Handoff = 0, false
	w := newWorld(t, s)
	c := w.attach("connector-1")[0]
	for range 20 {
		w.answerAs(w.holder(w.submit()), DirectoryUnreachable)
	}
	if n := w.tenant.Counters(); n.Breaker != "closed" {
		t.Errorf("after 20 failures the breaker is %s; expected it closed", n.Breaker)
	}
	w.tenant.Detach(w.now, c, "reset")
	w.wants(w.submit(), true, NoConnector)
	if n := w.tenant.Counters(); n.Breaker != "open" {
		t.Errorf("without a connector the breaker is %s; expected it open", n.Breaker)
	}
}

// What a connector that fell silent has in hand goes to others at once, but for
// what no other can take; the first answer counts.
func TestMute(t *testing.T) {
	w := newWorld(t, usual)
	silent := w.attach("connector-1")[0]
	var had []uint64
	for range 5 {
		had = append(had, w.submit())
	}
	w.tenant.Mute(w.now, silent, "heartbeat")
	if n := w.tenant.Counters(); n.HandedOff != 0 {
		t.Errorf("%d handed off to nobody", n.HandedOff)
	}
	other := w.attach("connector-2")[0]
	w.tenant.SetStatus(w.now, silent, Status{Directory: true})
	w.tenant.Mute(w.now, silent, "heartbeat")
	if n := w.tenant.Counters(); n.HandedOff != 5 || n.Connectors[0].HandedOff != 5 || w.saw(observe.HandedOff) != 5 {
		t.Errorf("counters %+v; expected 5 handed off", n)
	}
	for _, id := range had {
		if g := w.holder(id); g.c != other || g.attempt != 2 {
			t.Errorf("sign-in %d is at %s, attempt %d; expected connector-2, attempt 2", id, g.c.Name, g.attempt)
		}
	}
	w.answerAs(gift{c: silent, id: had[0], attempt: 1}, 0) // late, and yet first
	w.wants(had[0], true, 0)
	for _, id := range had[1:] {
		w.answer(id)
		w.wants(id, true, 0)
	}
	if n := w.tenant.Counters(); n.Connectors[0].Late != 1 || n.InFlight != 5 {
		t.Errorf("counters %+v; expected one late answer, and 5 that were given twice and not answered twice", n)
	}

	s := usual
	s.Handoff = false
	w = newWorld(t, s)
	silent = w.attach("connector-1", "connector-2")[0]
	for range 4 {
		w.submit()
	}
	w.tenant.Mute(w.now, silent, "heartbeat")
	if n := w.tenant.Counters(); n.HandedOff != 0 || n.Attempts != 4 {
		t.Errorf("counters %+v; expected nothing handed off while that is off", n)
	}
}
