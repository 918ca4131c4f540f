package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/glauth/ldap"
)

// maxSessions bounds the connections that are open at once. One more is closed
// as soon as it is accepted.
const maxSessions = 8192

// sessions are the open ones of all listeners. Glauth's server does not keep
// track of its connections, so that nobody else could end them.
type sessions struct {
	counts *counts
	faults *faults // nil in a directory that can have none

	mu       sync.Mutex
	open     map[*session]struct{}
	number   uint64 // of the last one
	stopping bool
	ended    sync.WaitGroup
}

func newSessions(c *counts) *sessions {
	return &sessions{counts: c, open: make(map[*session]struct{})}
}

// add is false when the session is one too many, in itself or by a fault.
func (s *sessions) add(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || len(s.open) >= maxSessions {
		return false
	}
	if s.faults != nil && !s.faults.admit(one.source, s.open) {
		return false
	}
	s.number++
	one.number = s.number
	s.open[one] = struct{}{}
	s.ended.Add(1)
	s.counts.accepted.Add(1)
	s.counts.open.Add(1)
	return true
}

func (s *sessions) remove(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
	s.counts.open.Add(-1)
	s.ended.Done()
}

// stop lets every session answer the request it is at and ends it, within the
// bound; those that take longer are cut off.
func (s *sessions) stop(bound time.Duration) (cut int) {
	all := s.stopAll()
	for _, one := range all {
		one.stop()
	}
	ended := make(chan struct{})
	go func() { // ends with the last session, which is waited for below
		s.ended.Wait()
		close(ended)
	}()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-ended:
		return 0
	case <-timer.C:
	}
	s.mu.Lock()
	cut = len(s.open)
	for one := range s.open {
		_ = one.raw.Close() // its reads and writes fail, and its goroutine ends
	}
	s.mu.Unlock()
	<-ended
	return cut
}

func (s *sessions) stopAll() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	all := make([]*session, 0, len(s.open))
	for one := range s.open {
		all = append(all, one)
	}
	return all
}

// A listener accepts sessions for one server of glauth's. LDAP and LDAPS have
// a server each, because one server cannot end two listeners.
type listener struct {
	net.Listener
	config   *tls.Config // nil without TLS
	accounts *accounts
	sessions *sessions
	log      *slog.Logger
	ended    chan struct{} // closed when Accept has given its last answer
}

// Accept rides out errors that pass, such as too many open files, at which
// glauth's server would accept no more for ever.
func (l *listener) Accept() (net.Conn, error) {
	const least, most = 5 * time.Millisecond, time.Second
	wait := least
	for {
		raw, err := l.Listener.Accept()
		switch {
		case err == nil:
			wait = least
			one := newSession(raw, l.config, l.accounts.tree, l.accounts.counts, l.log, l.sessions.remove)
			one.binds = l.accounts.binds
			if l.sessions.add(one) {
				return one, nil
			}
			_ = raw.Close()
		case errors.Is(err, net.ErrClosed):
			close(l.ended)
			return nil, err
		default:
			l.log.Warn("accepting a connection", "error", err)
			select {
			case <-time.After(wait):
			case <-l.accounts.stop.Done():
			}
			wait = min(2*wait, most)
		}
	}
}

// serve runs glauth's server on the listener until the context ends.
func (l *listener) serve(ctx context.Context) {
	server := ldap.NewServer()
	server.BindFunc("", l.accounts)
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) }) // has no error to return
	<-ctx.Done()
	_ = l.Close()
	<-l.ended // so that the server holds no connection that it would leave unserved
	server.Close()
	served.Wait()
}
