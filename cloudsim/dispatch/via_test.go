package dispatch

import (
	"testing"
	"time"
)

// A signal counts as given: it takes credit and an attempt's time. What is not
// accepted in that time goes to another connector.
func TestSignalNotAccepted(t *testing.T) {
	w := newWorld(t, usual)
	w.signals = true
	silent := NewConnector("connector-1", 2, nil)
	w.tenant.Attach(w.now, silent)
	first, second, third := w.submit(), w.submit(), w.submit()
	if len(w.given) != 2 || w.tenant.queue.len != 1 {
		t.Fatalf("%d signalled, %d queued; expected 2 by credit, 1 queued", len(w.given), w.tenant.queue.len)
	}
	w.advance(usual.AttemptTimeout / 2)
	other := w.attach("connector-2")[0]
	w.advance(usual.AttemptTimeout / 2)
	for _, id := range []uint64{first, second} {
		if g := w.holder(id); g.c != other || g.attempt != 2 {
			t.Errorf("sign-in %d is at %s, attempt %d; expected connector-2, attempt 2", id, g.c.Name, g.attempt)
		}
	}
	if silent.free() {
		t.Error("a connector that accepts nothing is given more")
	}
	// Too late: it gets nothing, and is as free as before.
	for _, id := range []uint64{first, second} {
		if s, known := w.tenant.Accept(w.now, silent, id, 1, Via{Place: 1}); s != nil || !known {
			t.Errorf("accepting sign-in %d late: %v, known %v; expected nothing, known", id, s, known)
		}
	}
	if len(silent.given) != 0 {
		t.Errorf("%d attempts use up its credit; expected none", len(silent.given))
	}
	for _, id := range []uint64{first, second, third} {
		w.answer(id)
		w.wants(id, true, 0)
	}
	if n := w.tenant.Counters(); n.Connectors[0].Signalled != 2 || n.Connectors[0].Accepted != 0 || n.Connectors[0].Pushed != 0 {
		t.Errorf("counters %+v; expected 2 signalled and none accepted", n.Connectors[0])
	}
}

func TestAccept(t *testing.T) {
	w := newWorld(t, usual)
	w.signals, w.stream = true, 7
	c := w.attach("connector-1")[0]
	id := w.submit()
	for _, tc := range []struct {
		name   string
		id     uint64
		n      int
		stream uint32
		is     bool
	}{
		{"another stream", id, 1, 8, false},
		{"another attempt", id, 2, 7, false},
		{"another sign-in", id + 1, 1, 7, false},
		{"the signal", id, 1, 7, true},
		{"once more", id, 1, 7, false},
	} {
		s, known := w.tenant.Accept(w.now, c, tc.id, tc.n, Via{tc.stream, 1})
		if known != tc.is || (s != nil) != tc.is {
			t.Errorf("%s: %v, known %v; expected %v", tc.name, s, known, tc.is)
		}
	}
	w.answer(id)
	w.wants(id, true, 0)
	if s, known := w.tenant.Accept(w.now, c, id, 1, Via{7, 2}); s != nil || known {
		t.Errorf("accepting what was answered: %v, %v", s, known)
	}
	if n := w.tenant.Counters().Connectors[0]; n.Signalled != 1 || n.Accepted != 1 || n.Attempts != 1 {
		t.Errorf("counters %+v; expected 1 attempt, signalled and accepted", n)
	}
}

// What a stream that ended did not bring comes by the next one, in order and as
// the same attempt; what had come does not come twice.
func TestLostStream(t *testing.T) {
	w := newWorld(t, usual)
	w.stream = 1
	c := w.attach("connector-1")[0]
	var ids []uint64
	for range 4 {
		ids = append(ids, w.submit())
	}
	w.signals = true
	ids = append(ids, w.submit())
	w.stream, w.signals = 2, false
	before := len(w.given)
	w.tenant.Lost(w.now, c, 1, AnyPlace) // the owner sees that it broke
	if n := len(w.given) - before; n != 1 || w.given[before].id != ids[4] {
		t.Fatalf("given again: %+v; expected only what was not accepted", w.given[before:])
	}
	w.tenant.Lost(w.now, c, 1, 2) // the connector says what it has
	again := w.given[before+1:]
	if len(again) != 2 || again[0].id != ids[2] || again[1].id != ids[3] || again[0].attempt != 1 {
		t.Fatalf("given again: %+v; expected the last two pushed, as attempt 1", again)
	}
	w.tenant.Lost(w.now, c, 1, 0) // once more changes only what is still there
	if n := len(w.given) - before; n != 5 {
		t.Errorf("%d given again; expected 5", n)
	}
	for _, id := range ids {
		w.answer(id)
		w.wants(id, true, 0)
	}
	if len(c.given) != 0 {
		t.Errorf("%d attempts use up credit; expected none", len(c.given))
	}
}

// A sign-in that was taken away before it arrived uses up no credit.
func TestLostStreamFreesCredit(t *testing.T) {
	w := newWorld(t, usual)
	w.stream = 1
	slow := w.attach("connector-1")[0]
	ids := []uint64{w.submit(), w.submit()}
	w.attach("connector-2")
	w.advance(usual.AttemptTimeout + time.Millisecond)
	if len(slow.given) != 2 || slow.inFlight.len != 0 {
		t.Fatalf("%d given, %d in flight; expected 2 that were handed off", len(slow.given), slow.inFlight.len)
	}
	w.tenant.Lost(w.now, slow, 1, 1)
	if len(slow.given) != 1 {
		t.Errorf("%d attempts use up credit; expected 1, which arrived", len(slow.given))
	}
	for _, id := range ids {
		w.answer(id)
		w.wants(id, true, 0)
	}
}

// Between two response ports, the sign-ins of a tenant with one connector wait
// for it. With another connector they do not, and not for long.
func TestReturning(t *testing.T) {
	w := newWorld(t, usual)
	c := w.attach("connector-1")[0]
	between := Status{Directory: true, Returning: true}
	w.tenant.SetStatus(w.now, c, between)
	id := w.submit()
	if len(w.given) != 0 || len(w.resolved) != 0 {
		t.Fatalf("given %+v, answered %v; expected the sign-in to wait", w.given, w.resolved)
	}
	w.tenant.SetStatus(w.now, c, Fit)
	w.answer(id)
	w.wants(id, true, 0)

	w.tenant.SetStatus(w.now, c, between)
	waits := w.submit()
	other := w.attach("connector-2")[0]
	if g := w.holder(waits); g.c != other {
		t.Errorf("the sign-in is at %s; expected connector-2", g.c.Name)
	}
	w.answer(waits)
	w.tenant.Detach(w.now, other, "reset")
	waits = w.submit()
	w.tenant.SetStatus(w.now, c, Status{Directory: true}) // it was no moment
	w.wants(waits, true, NoConnector)
	if n := w.saw("connector-status"); n != 3 {
		t.Errorf("%d events; expected responses-lost, fit, responses-lost", n)
	}
}
