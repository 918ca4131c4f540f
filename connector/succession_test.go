package connector

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/connector/updater"
	"ptabench/observe"
	"ptabench/wire"
)

// TestNewVersionDoesNotComeUp has a connector that has just become a new
// version, and cannot attach, go back to the one before.
func TestNewVersionDoesNotComeUp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config, *fakeCloud)
	}{
		{"the cloud is out of its reach", func(_ *Config, c *fakeCloud) { c.block(requestPorts...) }},
		{"its settings are wrong for it", func(cfg *Config, _ *fakeCloud) { cfg.BindPassword = "not that" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, d := newFakeCloud(t), bindtest.NewDirectory(t, users()).Server
			cfg := settings(t, c, d)
			store := updater.NewStore(cfg.State)
			if err := store.LeaveCounters(false, observe.AgentCounters{Answers: 41}); err != nil {
				t.Fatal(err)
			}
			if err := store.Adopt("2.0.0", "aa"); err != nil {
				t.Fatal(err)
			}
			cfg.Version, cfg.UpdateDeadline = "2.0.0", time.Second
			cfg.Handoff = &updater.Handoff{From: "1.0.0", To: "2.0.0", Previous: "/the/version/before", Succeeds: "session"}
			tt.change(&cfg, c)
			r := start(t, cfg)
			var next *updater.Next
			select {
			case err := <-r.ended:
				r.ended <- nil
				if !errors.As(err, &next) {
					t.Fatalf("it ended with %v", err)
				}
			case <-time.After(patience):
				t.Fatal("it goes on")
			}
			if h := &next.Handoff; next.Program != "/the/version/before" || h.Failed == "" || h.From != "1.0.0" || h.To != "2.0.0" || h.Trial {
				t.Errorf("%s, %+v", next.Program, h)
			}
			if !store.Failed("2.0.0") {
				t.Error("it would be tried again")
			}
			if n, err := store.TakeCounters(false); err != nil || n.Answers != 41 {
				t.Errorf("counters left: %+v, %v", n, err)
			}
		})
	}
}

// TestOnTrial has a new version on trial take over from a session, and leave
// what it counted.
func TestOnTrial(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users()).Server
	cfg := settings(t, c, d)
	cfg.Handoff = &updater.Handoff{Trial: true, Succeeds: "the-session-before"}
	cfg.Observe = "256.256.256.256:1" // that of the version before, which has it
	r := start(t, cfg)
	select {
	case ready := <-r.ready:
		if ready.Info[updater.SessionInfo] == "" {
			t.Errorf("its ready line names no session: %+v", ready)
		}
	case <-time.After(patience):
		t.Fatal("it is not ready")
	}
	s := c.session(1)
	if got := s.hello.GetSucceeds(); got != "the-session-before" {
		t.Errorf("it succeeds %q", got)
	}
	s.give(given{id: 1, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_ACCEPTED)
	r.stop()
	select {
	case err := <-r.ended:
		r.ended <- err
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if n, err := updater.NewStore(cfg.State).TakeCounters(true); err != nil || n.Answers != 1 {
		t.Errorf("counters left: %+v, %v", n, err)
	}
}

// TestTurn has a connector step aside for another version and back.
func TestTurn(t *testing.T) {
	var v succession
	if !v.turn(t.Context()) {
		t.Fatal("it is not its turn")
	}
	before := v.isAside()
	done := make(chan error)
	go func() { done <- v.StepAside(t.Context()) }()
	<-before
	back := make(chan bool)
	go func() { back <- v.turn(t.Context()) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
		t.Fatal("it serves while another version does")
	case <-v.isAside():
	}
	v.StepBack()
	if !<-back {
		t.Fatal("it is not its turn again")
	}
}

// stoppedChild is a version on trial that knows whether it was stopped.
type stoppedChild struct {
	updater.Child
	stopped bool
}

func (c *stoppedChild) Stop() { c.stopped = true }

// TestToldToStop: a connector that is told to stop while a new version is to
// take its place ends, and its child with it.
func TestToldToStop(t *testing.T) {
	for _, stop := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if stop {
			cancel()
		}
		a := &connector{cfg: &checked{Config: Config{State: t.TempDir()}}, log: slog.New(slog.DiscardHandler)}
		child := &stoppedChild{}
		a.succession.trial = &updater.Trial{Program: "/the/next/version", Child: child}
		err := a.leave(ctx, nil)
		var next *updater.Next
		if errors.As(err, &next) == stop || child.stopped != stop || stop && err != nil {
			t.Errorf("told to stop: %v; it ends with %v, and its child stopped: %v", stop, err, child.stopped)
		}
	}
}
