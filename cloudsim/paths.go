package cloudsim

import (
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/dispatch"
	"ptabench/observe"
	"ptabench/wire"
)

// The paths by which a session is given sign-ins, in the words of events.
const (
	fastPath       = "fast"
	signallingPath = "signalling"
)

// join adds a stream to a session.
func (srv *server) join(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage], peer peerIdentity, join *wire.Join) error {
	s := srv.session(join.GetSession())
	if s == nil || s.peer.id != peer.id || s.protocol < protocol {
		srv.denied("unknown-session", 1)
		return status.Errorf(codes.NotFound, "session %.80q: this connector has none of that name that can be joined", join.GetSession())
	}
	r, err := s.newStream(stream, peer.port)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return r.serve()
}

// path is the word for how the session is given sign-ins, empty for not at
// all.
func (s *session) path() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fast != nil:
		return fastPath
	case s.signals != nil:
		return signallingPath
	}
	return ""
}

// of is where the session keeps the stream of r's path.
func (s *session) of(r *requestStream) **requestStream {
	if r.fast {
		return &s.fast
	}
	return &s.signals
}

// use gives sign-ins by a stream from now on, in place of any other of its
// path.
func (s *session) use(r *requestStream) {
	if r.used.Swap(true) {
		return
	}
	s.change(func(now time.Duration) {
		s.mu.Lock()
		old, none := *s.of(r), s.fast == nil && s.signals == nil
		if r.done.Err() != nil {
			s.mu.Unlock()
			return
		}
		*s.of(r) = r
		s.mu.Unlock()
		if none { // what was given meanwhile went by no stream
			s.tenant.queue.Lost(now, s.connector, 0, 0)
		}
		if old != nil {
			old.end(errReplaced)
			s.tenant.queue.Lost(now, s.connector, old.number, dispatch.AnyPlace)
		}
	})
}

// joining reports whether a stream has joined that is not used yet: its first
// message, after the welcome, is still on the way.
func (s *session) joining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.streams, func(r *requestStream) bool { return !r.used.Load() && r.done.Err() == nil })
}

// leave notes that a stream has ended. The session goes on by the other one,
// if only once that is used, or has ended too.
func (s *session) leave(r *requestStream, cause error) {
	s.change(func(now time.Duration) {
		s.mu.Lock()
		s.streams = slices.DeleteFunc(s.streams, func(o *requestStream) bool { return o == r })
		if *s.of(r) == r {
			*s.of(r) = nil
		}
		s.mu.Unlock()
		if s.path() == "" && !s.joining() {
			s.ended(cause)
			return
		}
		s.tenant.queue.Lost(now, s.connector, r.number, dispatch.AnyPlace)
	})
	if s.done.Err() != nil {
		<-s.over // the connector hears of the end when nothing of the session is left
	}
}

// lost is the connector's word that a stream has ended for it, also where the
// cloud has not noticed yet, and of how much came by it.
func (s *session) lost(stream uint32, received uint64) {
	s.change(func(now time.Duration) {
		s.mu.Lock()
		for _, r := range s.streams {
			if r.number == stream {
				r.end(errStreamBroke)
				if *s.of(r) == r {
					*s.of(r) = nil
				}
			}
		}
		s.mu.Unlock()
		s.tenant.queue.Lost(now, s.connector, stream, received)
	})
}

// change changes the session's streams under the tenant's lock, so that nobody
// gives it anything meanwhile, and says so if that changes its path.
func (s *session) change(how func(now time.Duration)) {
	s.tenant.locked(func(now time.Duration) {
		how(now)
		before, after := s.taken, s.path()
		if after == "" {
			return
		}
		s.taken = after
		if before != "" && after != before {
			s.server.events.Add(observe.Event{Kind: observe.ConnectorPath, Tenant: s.tenant.Name,
				Connector: s.peer.name, Cause: after})
		}
	})
}

func (s *session) eachStream(do func(*requestStream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.streams {
		do(r)
	}
}
