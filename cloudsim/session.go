package cloudsim

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/dispatch"
	"ptabench/observe"
	"ptabench/wire"
)

// Bounds on what a connector may ask for.
const (
	maxConcurrency = 100_000
	maxVersion     = 64 // bytes of it that are logged
	// lookEvery is how late at most a silent connector is noticed.
	lookEvery = 250 * time.Millisecond
	// maxBatch is how many sign-ins go in one message.
	maxBatch = 256
)

// session is one connector's attachment: one request stream of each path at
// most, and the response stream that belongs to it.
type session struct {
	id        string
	peer      peerIdentity
	tenant    *tenant
	server    *server
	connector *dispatch.Connector
	log       *slog.Logger
	protocol  uint32 // the connector's
	version   string // of the connector's software
	kem       uint32 // the key that passwords are sealed to
	key       []byte

	// mu guards what follows; to change which streams are used takes the
	// tenant's lock as well.
	mu       sync.Mutex
	numbered uint32           // streams so far
	streams  []*requestStream // that have not ended
	fast     *requestStream   // of those, the one that pushes
	signals  *requestStream   // and the one that signals
	taken    string           // the path that was taken last; guarded by the tenant's lock

	ended context.CancelCauseFunc
	done  context.Context
	over  chan struct{} // closed when it has ended and is detached

	answers answers

	before  atomic.Pointer[session] // that this one succeeds, while there is that one still
	retired atomic.Bool             // another one has succeeded it

	statusMu sync.Mutex // orders status changes; held around the tenant's lock
	attached bool
	revision uint32 // of the connector's status
	status   dispatch.Status
}

// The causes of a session's end, in the words of events.
var (
	errHeartbeat   = errors.New("heartbeat")
	errReplaced    = errors.New("replaced")
	errResponses   = errors.New("responses-lost")
	errShutdown    = errors.New("shutdown")
	errPeerClosed  = errors.New("closed-by-connector")
	errStreamBroke = errors.New("connection-lost")
	errRevoked     = errors.New("revoked")
	// errDeregistered and errExpired end sessions for good: only a new
	// registration helps.
	errDeregistered = errors.New("deregistered")
	errExpired      = errors.New("certificate-expired")
)

// give sends a sign-in by the best stream there is. It is called under the
// tenant's lock and never blocks.
func (s *session) give(now time.Duration, signIn *dispatch.SignIn) dispatch.Via {
	s.mu.Lock()
	r := s.fast
	if r == nil {
		r = s.signals
	}
	s.mu.Unlock()
	if r == nil { // the session ends, and hands it off in a moment
		return dispatch.Via{}
	}
	return r.give(gift{signIn.Payload.(*request), uint32(signIn.Attempt), signIn.Budget(now)}, !r.fast)
}

// Listen implements wire.RequestsServer.
func (srv *server) Listen(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]) error {
	peer, err := srv.identify(stream.Context(), requestPorts)
	if err != nil {
		return err
	}
	m, err := first(srv, stream.Recv)
	hello, join := m.GetHello(), m.GetJoin()
	if err == nil && hello == nil && join == nil {
		err = status.Error(codes.InvalidArgument, "the first message of a request stream must be hello or join")
	}
	if err != nil {
		srv.deniedFirst("malformed-hello", err)
		return err
	}
	if join != nil {
		return srv.join(stream, peer, join)
	}
	t := srv.tenants[peer.tenant]
	if t == nil || hello.GetTenant() != peer.tenant {
		srv.denied("foreign-tenant", 1)
		return status.Errorf(codes.PermissionDenied, "tenant %.80q: the certificate is for %q", hello.GetTenant(), peer.tenant)
	}
	if n := hello.GetConcurrency(); n < 1 || n > maxConcurrency {
		srv.denied("malformed-hello", 1)
		return status.Errorf(codes.InvalidArgument, "concurrency %d: expected 1 to %d", n, maxConcurrency)
	}
	if err := authority.CheckClock(hello.GetConnectorTimeNs(), time.Now()); err != nil {
		srv.denied("clock-skew", 1)
		srv.logConnectorDenied("clock-skew", "connector", peer.name, "tenant", peer.tenant, "error", err)
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	s := &session{id: uuid.NewString(), peer: peer, tenant: t, server: srv,
		log:      srv.log.With("connector", peer.name, "tenant", peer.tenant),
		version:  hello.GetVersion()[:min(len(hello.GetVersion()), maxVersion)],
		protocol: hello.GetProtocol(), kem: hello.GetHpkeKem(), key: hello.GetHpkePublicKey(),
		over: make(chan struct{}), status: dispatch.Status{Directory: true}}
	s.connector = dispatch.NewConnector(peer.name, int(hello.GetConcurrency()), s)
	s.done, s.ended = context.WithCancelCause(context.Background())
	s.answers.lost.Store(int64(t.now()))

	r, err := s.newStream(stream, peer.port)
	if err != nil {
		srv.denied("malformed-hello", 1)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s.use(r)

	srv.enter(s, hello.GetSucceeds())
	srv.stillGood(s)
	srv.begun(s)
	s.log.Info("session begun", "version", s.version, "concurrency", hello.GetConcurrency(),
		"port", peer.port, "protocol", s.protocol)
	srv.streams.Go(s.live)
	return r.serve()
}

// live watches over a session until the last of its streams has ended.
func (s *session) live() {
	defer close(s.over)
	expiry := time.AfterFunc(time.Until(s.peer.expires), func() { s.ended(errExpired) })
	defer expiry.Stop()
	s.watch()
	cause := context.Cause(s.done)
	s.server.leave(s)
	s.server.seen(s)
	s.detach(cause)
	s.log.Info("session ended", "cause", cause.Error())
}

// first reads the first message of a stream, which must not take long. A
// handler that returns ends its stream, and with that the read.
func first[M any](srv *server, recv func() (M, error)) (M, error) {
	type message struct {
		m   M
		err error
	}
	got := make(chan message, 1)
	srv.streams.Go(func() {
		m, err := recv()
		got <- message{m, err}
	})
	limit := time.NewTimer(srv.cfg.limits.first)
	defer limit.Stop()
	select {
	case f := <-got:
		return f.m, f.err
	case <-limit.C:
		return *new(M), status.Errorf(codes.DeadlineExceeded, "no first message within %v", srv.cfg.limits.first)
	}
}

// deniedFirst counts a first message that was refused, unless the peer merely
// went away.
func (srv *server) deniedFirst(reason string, err error) {
	if status.Code(err) != codes.Canceled && !errors.Is(err, io.EOF) {
		srv.denied(reason, 1)
	}
}

// heardStatus takes what the connector says of itself, unless another stream
// brought something newer.
func (s *session) heardStatus(st *wire.Status) {
	s.setStatus(func(now *dispatch.Status) {
		if st.GetRevision() < s.revision {
			return
		}
		s.revision = st.GetRevision()
		now.Directory, now.Draining = st.GetDirectoryReachable(), st.GetDraining()
	})
}

// watch returns when the session has ended. It ends streams that fall silent,
// and the session when it has had no response stream for too long.
func (s *session) watch() {
	cfg := &s.server.cfg
	patience := cfg.patience()
	look := min(max(cfg.Heartbeat/4, time.Millisecond), lookEvery)
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, muted := s.tenant.now(), false
	for {
		select {
		case <-tick.C:
			now := s.tenant.now()
			if now-last > patience/2+look { // it was this process that paused
				s.eachStream(func(r *requestStream) { r.heard.Store(int64(now)) })
				s.answers.heard.Store(int64(now))
			}
			last = now
			s.eachStream(func(r *requestStream) {
				if now-time.Duration(r.heard.Load()) > patience {
					r.end(errHeartbeat)
				}
			})
			if s.answers.silent(now, patience) {
				s.answers.end(errHeartbeat)
			}
			// The connector may try every port of the range before it is given
			// up, but what it had does not wait for that.
			lost, since := s.answers.missing(now)
			if lost && since > 4*patience+s.server.cfg.limits.first {
				s.ended(errResponses)
			}
			if lost && since > min(cmp.Or(cfg.limits.returns, returns), patience) {
				s.setStatus(func(st *dispatch.Status) { st.Returning = false })
			}
			silent := lost && since > patience
			if silent && !muted {
				s.mute(errResponses)
			}
			muted = silent
		case <-s.done.Done():
			return
		}
	}
}

// setStatus changes what the session is fit for. The first time it is fit, it
// is attached to its tenant's queue.
func (s *session) setStatus(change func(*dispatch.Status)) {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	change(&s.status)
	s.status.Draining = s.status.Draining || s.retired.Load()
	if s.done.Err() != nil {
		return
	}
	first := !s.attached && s.status.Responses
	s.tenant.locked(func(now time.Duration) {
		s.tenant.queue.SetStatus(now, s.connector, s.status)
		if !s.attached && s.status.Responses {
			s.attached = true
			s.tenant.queue.Attach(now, s.connector)
		}
	})
	if before := s.before.Load(); first && before != nil {
		before.retire()
	}
}

// retire has the session given nothing more: its successor is.
func (s *session) retire() {
	s.retired.Store(true)
	s.setStatus(func(*dispatch.Status) {})
}

// mute hands off what the connector has in hand: it returns no answers.
func (s *session) mute(cause error) {
	s.tenant.locked(func(now time.Duration) { s.tenant.queue.Mute(now, s.connector, cause.Error()) })
}

func (s *session) detach(cause error) {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	if !s.attached {
		return
	}
	word := cause.Error()
	switch {
	case s.retired.Load() && errors.Is(cause, errPeerClosed):
		word = "succeeded"
	case s.status.Draining && errors.Is(cause, errPeerClosed):
		word = "drained"
	}
	s.tenant.locked(func(now time.Duration) { s.tenant.queue.Detach(now, s.connector, word) })
	s.attached = false
}

// notGiven notes an answer to a request that the connector did not have.
func (s *session) notGiven(n int64) {
	s.server.denied("answer-not-given", uint64(n))
	s.server.events.Add(observe.Event{Kind: observe.AnswerNotGiven, Tenant: s.tenant.Name,
		Connector: s.peer.name, Count: n})
	s.log.Warn("answers to sign-ins that it was not given", "count", n)
}
