package connector

import (
	"context"
	"errors"
	"sync"

	"ptabench/backoff"
)

// follow serves a session, and after each renewal of the certificate the one
// that succeeds it, until the last of them ends: that one it returns, and why.
//
// A successor is attached beside its predecessor, which goes on until the
// cloud gives the sign-ins to the successor, and then finishes those it has.
func (a *connector) follow(ctx context.Context, s *session) (*session, error) {
	var predecessors sync.WaitGroup
	defer predecessors.Wait()
	a.succession.serves(s.id)
	defer a.succession.serves("")
	current := a.run(ctx, s)
	for {
		select {
		case <-current.done:
			return current.session, current.err
		case <-a.succession.isAside():
			current.retire()
			<-current.done
			return current.session, errAside
		case <-a.renewed:
		}
		if current.session.certificate == a.certificate.Load() {
			continue
		}
		next := a.succeed(ctx, current)
		if next == nil {
			continue // the present one has ended, which is seen above
		}
		old := current
		current = next
		a.succession.serves(next.session.id)
		old.retire()
		predecessors.Go(func() {
			<-old.done
			if !errors.Is(old.err, errDrained) {
				a.log.Warn("session lost while its successor took over", "session", old.session.id, "error", old.err)
			}
		})
	}
}

// A serving is a session that is being served.
type serving struct {
	session *session
	retire  context.CancelFunc // drains it
	done    chan struct{}      // closed at its end
	err     error              // why that was; read after done
}

// run serves a session, and is waited for by who reads done.
func (a *connector) run(ctx context.Context, s *session) *serving {
	ctx, retire := context.WithCancel(ctx)
	v := &serving{session: s, retire: retire, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		defer retire()
		v.err = s.serve(ctx)
	}()
	return v
}

// succeed attaches a successor, by the newest certificate, until that works or
// the present session ends. It returns nil for the latter, unless a successor
// was on its way already and came to stand.
func (a *connector) succeed(running context.Context, present *serving) *serving {
	var wait backoff.Backoff
	ctx, cancel := context.WithCancel(running)
	defer cancel()
	over := make(chan struct{})
	defer func() { cancel(); <-over }()
	go func() { // until this function returns
		defer close(over)
		select {
		case <-present.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		a.refresh()
		s, err := a.attach(ctx, present.session.id)
		if err == nil {
			next := a.run(running, s)
			// It is awaited also when the present one ends meanwhile: who is about
			// to stand does so sooner than anybody who would have to begin.
			select {
			case <-s.standing:
				a.counters.sessions.Add(1)
				a.log.Info("attached by the new certificate", "port", s.port, "session", s.id, "succeeds", present.session.id)
				return next
			case <-next.done:
				err = next.err
			}
		}
		if ctx.Err() == nil {
			a.log.Warn("attaching by the new certificate; the old one still serves", "error", err)
			wait.Wait(ctx)
		}
	}
	return nil
}
