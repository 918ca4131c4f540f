package cloudsim

import (
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

// session is one connector's request stream and the response stream that
// belongs to it.
type session struct {
	id        string
	peer      peerIdentity
	tenant    *tenant
	server    *server
	connector *dispatch.Connector
	log       *slog.Logger

	mu     sync.Mutex
	outbox []gift // what the dispatcher gave and the sender has not sent
	wake   chan struct{}

	ended context.CancelCauseFunc
	done  context.Context

	heard   atomic.Int64 // when the request stream last brought anything, in the tenant's time
	answers answers

	statusMu sync.Mutex // orders status changes; held around the tenant's lock
	attached bool
	status   dispatch.Status
}

// gift is a sign-in on its way to the sender.
type gift struct {
	request *request
	attempt uint32
	budget  time.Duration
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
)

// give queues a sign-in for the sender. It is called under the tenant's lock
// and never blocks; the connector's credit bounds the queue.
func (s *session) give(now time.Duration, signIn *dispatch.SignIn) {
	s.mu.Lock()
	s.outbox = append(s.outbox, gift{signIn.Payload.(*request), uint32(signIn.Attempt), signIn.Budget(now)})
	first := len(s.outbox) == 1
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Listen implements wire.RequestsServer.
func (srv *server) Listen(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]) error {
	peer, err := srv.identify(stream.Context(), requestPorts)
	if err != nil {
		return err
	}
	m, err := first(srv, stream.Recv)
	hello := m.GetHello()
	if err == nil && hello == nil {
		err = status.Error(codes.InvalidArgument, "the first message of a request stream must be hello")
	}
	if err != nil {
		srv.deniedFirst("malformed-hello", err)
		return err
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
	seal, err := newSealer(hello.GetHpkeKem(), hello.GetHpkePublicKey(), srv.cfg.SealRollover, srv.cfg.SealRolloverCount)
	if err != nil {
		srv.denied("malformed-hello", 1)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s := &session{id: uuid.NewString(), peer: peer, tenant: t, server: srv,
		log:  srv.log.With("connector", peer.name, "tenant", peer.tenant, "port", peer.port),
		wake: make(chan struct{}, 1), status: dispatch.Status{Directory: true}}
	s.connector = dispatch.NewConnector(peer.name, int(hello.GetConcurrency()), s)
	s.done, s.ended = context.WithCancelCause(stream.Context())
	s.heard.Store(int64(t.now()))
	s.answers.lost.Store(int64(t.now()))

	srv.enter(s)
	version := hello.GetVersion()
	s.log.Info("session begun", "version", version[:min(len(version), maxVersion)], "concurrency", hello.GetConcurrency())
	// Both goroutines end when this handler returns, which ends the stream.
	srv.streams.Go(func() { s.ended(s.receive(stream)) })
	srv.streams.Go(func() { s.ended(s.send(stream, seal)) })
	s.watch()

	cause := context.Cause(s.done)
	if errors.Is(cause, context.Canceled) {
		cause = errStreamBroke // gRPC says no more than that of a crash, a reset and a cancel
	}
	srv.leave(s)
	s.detach(cause)
	s.log.Info("session ended", "cause", cause.Error())
	if errors.Is(cause, errPeerClosed) {
		return nil
	}
	return status.Error(codes.Aborted, cause.Error())
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

// receive reads what the connector says until the stream ends, and returns
// why it did.
func (s *session) receive(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]) error {
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errPeerClosed
		case err != nil:
			return errStreamBroke
		}
		s.heard.Store(int64(s.tenant.now()))
		if st := m.GetStatus(); st != nil {
			s.setStatus(func(now *dispatch.Status) {
				now.Directory, now.Draining = st.GetDirectoryReachable(), st.GetDraining()
			})
		}
	}
}

// send writes what the dispatcher gives, in as few messages as it can, and a
// heartbeat whenever an interval has passed.
func (s *session) send(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage], seal *sealer) error {
	cfg := &s.server.cfg
	err := stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Welcome{Welcome: &wire.Welcome{
		Session:             s.id,
		HeartbeatIntervalNs: uint64(cfg.Heartbeat),
		HeartbeatMisses:     uint32(cfg.HeartbeatMisses),
	}}})
	if err != nil {
		return errStreamBroke
	}
	beat := time.NewTicker(cfg.beat())
	defer beat.Stop()
	var gifts []gift
	for {
		select {
		case <-s.wake:
			s.mu.Lock()
			gifts, s.outbox = s.outbox, gifts[:0]
			s.mu.Unlock()
			for rest := gifts; len(rest) > 0; {
				n := min(len(rest), maxBatch, seal.room())
				if err := s.sendBatch(stream, seal, rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			clear(gifts)
		case <-beat.C:
			if stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}) != nil {
				return errStreamBroke
			}
		case <-s.done.Done():
			return context.Cause(s.done)
		}
	}
}

func (s *session) sendBatch(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage], seal *sealer, gifts []gift) error {
	enc, err := seal.roll(time.Now())
	if err != nil {
		return err
	}
	if enc != nil {
		if stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Seal{Seal: &wire.SealContext{Enc: enc}}}) != nil {
			return errStreamBroke
		}
	}
	batch := &wire.Batch{SignIns: make([]*wire.SignIn, len(gifts))}
	slab := make([]wire.SignIn, len(gifts))
	for i, g := range gifts {
		m := &slab[i]
		m.Id, m.Attempt, m.User, m.BudgetNs = g.request.signIn.ID, g.attempt, g.request.user, uint64(max(g.budget, 0))
		if m.Password, err = seal.reseal(s.tenant.vault, m.Id, m.Attempt, g.request.password); err != nil {
			return err
		}
		batch.SignIns[i] = m
	}
	if stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Batch{Batch: batch}}) != nil {
		return errStreamBroke
	}
	return nil
}

// watch returns when the session has ended, and ends it when the connector
// falls silent or has had no response stream for too long.
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
				s.heard.Store(int64(now))
				s.answers.heard.Store(int64(now))
			}
			last = now
			if now-time.Duration(s.heard.Load()) > patience {
				s.ended(errHeartbeat)
			}
			if s.answers.silent(now, patience) {
				s.answers.end(errHeartbeat)
			}
			// The connector may try every port of the range before it is given
			// up, but what it had does not wait for that.
			lost, since := s.answers.missing(now)
			if lost && since > 4*patience+s.server.cfg.limits.first {
				s.ended(errResponses)
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
	if s.done.Err() != nil {
		return
	}
	s.tenant.locked(func(now time.Duration) {
		s.tenant.queue.SetStatus(now, s.connector, s.status)
		if !s.attached && s.status.Responses {
			s.attached = true
			s.tenant.queue.Attach(now, s.connector)
		}
	})
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
	if s.status.Draining && errors.Is(cause, errPeerClosed) {
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
