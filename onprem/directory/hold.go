package directory

import (
	"context"
	"time"
)

// watchFrom is how long a bind must have to wait for it to be worth watching
// whether its peer stays.
const watchFrom = time.Second

// wait keeps a bind as long as the faults ask: those of the set it came under,
// and of those that take its place meanwhile. It returns early when the context
// ends or the peer leaves.
func (f *faults) wait(ctx context.Context, s *session, set *faultSet, who who) {
	base := f.base
	if who != user {
		base = 0
	}
	if base == 0 && len(set.all) == 0 {
		return
	}
	var (
		began   = time.Now()
		met     []*bindFault
		counted bool            // as delayed
		holding bool            // counted in held
		left    <-chan struct{} // closed when the peer leaves
	)
	defer func() {
		if holding {
			f.held.Add(-1)
		}
	}()
	for ; ; set = f.now.Load() {
		slow, hang := set.holds(s.source, who, &met)
		if len(met) > 0 && !counted && who == user {
			counted = true
			f.sessions.counts.delayed.Add(1)
		}
		rest := base + slow - time.Since(began)
		if !hang && rest <= 0 {
			return
		}
		if hang && !holding {
			holding = true
			if f.held.Add(1) > maxHeld {
				s.cut()
				return
			}
		}
		if left == nil && (hang || rest >= watchFrom) {
			var stop func()
			left, stop = s.watch()
			defer stop()
		}
		if !s.sleep(ctx, rest, hang, set.changed, left) {
			return
		}
	}
}

// sleep waits for the time that is left, unless the bind hangs. It is false
// when it was for the last time.
func (s *session) sleep(ctx context.Context, rest time.Duration, hang bool, changed, left <-chan struct{}) bool {
	var over <-chan time.Time
	if !hang {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-changed:
		return true
	case <-left:
		s.silent.Store(true)
	case <-ctx.Done():
	}
	return false
}

// watch looks out for the end of the connection while its reader waits and
// does not read: a client that gave up would otherwise be kept until the wait
// is over, and each one after it. The returned channel closes when the peer has
// left. Stop ends the watch, and must be called before the next read.
func (s *session) watch() (left <-chan struct{}, stop func()) {
	gone, done := make(chan struct{}), make(chan struct{})
	if s.raw == nil || !s.setPatience(false) {
		return gone, func() {}
	}
	go func() { // ends by stop, or by the session's end
		defer close(done)
		for n := 1; ; n = s.in.Buffered() + 1 { // past what it sent meanwhile, such as an unbind
			if _, err := s.in.Peek(n); err != nil {
				if ended(err) {
					close(gone)
				}
				return
			}
		}
	}()
	return gone, func() {
		s.setDeadline(time.Unix(1, 0))
		<-done
		s.setDeadline(time.Time{})
	}
}

// setDeadline sets when reading ends, unless the session is stopping: then it
// has ended.
func (s *session) setDeadline(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		_ = s.raw.SetReadDeadline(at) // fails only where the next read will
	}
}
