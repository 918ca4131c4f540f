package cloudsim

import (
	"context"
	"testing"

	"ptabench/cloudsim/dispatch"
)

// A connector serves while one session takes over from another one.
func TestFitnessWhileSucceeding(t *testing.T) {
	draining := dispatch.Fit
	draining.Draining = true
	after := func(s, before *session) *session {
		s.before.Store(before)
		return s
	}
	for _, c := range []struct {
		name              string
		s                 *session
		attached, serving bool
	}{
		{"attached and fit", &session{attached: true, status: dispatch.Fit}, true, true},
		{"attached and draining", &session{attached: true, status: draining}, true, false},
		{"not attached yet", &session{}, false, false},
		{"not attached yet, the one before serves", after(&session{}, &session{attached: true, status: dispatch.Fit}), true, true},
		{"not attached yet, the one before drains", after(&session{}, &session{attached: true, status: draining}), true, false},
		{"not attached yet, the one before has ended", after(&session{}, &session{status: dispatch.Fit}), false, false},
		{"attached, the one before drains", after(&session{attached: true, status: dispatch.Fit}, &session{attached: true, status: draining}), true, true},
	} {
		if attached, serving := c.s.fitness(); attached != c.attached || serving != c.serving {
			t.Errorf("%s: attached %v, serving %v; want %v, %v", c.name, attached, serving, c.attached, c.serving)
		}
	}
}

// A session that has ended is kept by none of those that come after it.
func TestPredecessorsAreLetGo(t *testing.T) {
	peer := peerIdentity{tenant: "contoso", name: "connector-1", id: "1"}
	srv := &server{sessions: make(map[string]*session), current: make(map[string]*session)}
	begin := func(id, succeeds string) *session {
		s := &session{id: id, peer: peer}
		s.done, s.ended = context.WithCancelCause(t.Context())
		srv.enter(s, succeeds)
		return s
	}
	first := begin("a", "")
	second := begin("b", "a")
	first.retired.Store(true) // the second stands
	third := begin("c", "b")
	if second.before.Load() != first || third.before.Load() != second {
		t.Fatal("they do not succeed each other")
	}
	srv.leave(second)
	if third.before.Load() != nil {
		t.Error("the last one keeps the second, which has ended")
	}
	if srv.leave(third); len(srv.current) != 0 {
		t.Error("one that has ended is the connector's session")
	}
	fourth := begin("d", "a")
	if fourth.before.Load() != nil {
		t.Error("it succeeds one that was succeeded before")
	}
}

// TestSecondTryToSucceed has a connector try again to take over from its
// session, while the first try is still there and does not stand.
func TestSecondTryToSucceed(t *testing.T) {
	srv := &server{sessions: make(map[string]*session), current: make(map[string]*session)}
	begin := func(id, succeeds string) *session {
		s := &session{id: id, peer: peerIdentity{tenant: "contoso", name: "connector-1", id: "1"}}
		ctx, cancel := context.WithCancelCause(t.Context())
		s.done, s.ended = ctx, cancel
		srv.enter(s, succeeds)
		return s
	}
	serving := begin("a", "")
	try := begin("b", "a")
	again := begin("c", "a")
	if serving.done.Err() != nil {
		t.Error("the session that serves was ended by a second try to succeed it")
	}
	if try.done.Err() == nil {
		t.Error("the first try goes on beside the second")
	}
	if again.before.Load() != serving {
		t.Error("the second try does not succeed the session that serves")
	}
}
