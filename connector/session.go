package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"ptabench/connector/bind"
	"ptabench/wire"
)

// Bounds of what a Welcome may ask for. Beyond them it is taken for a mistake.
const (
	minHeartbeat = time.Millisecond
	maxHeartbeat = 10 * time.Minute
	maxMisses    = 1000
)

// unopened is how many passwords in a row may not open before the session is
// given up: a sender and a recipient that have lost step never find it again,
// but a new session has new keys.
const unopened = 8

var (
	errDrained   = errors.New("drained")
	errSlow      = errors.New("no answer in time")
	errFlood     = errors.New("the cloud gives sign-ins and takes no answers")
	errUnopened  = errors.New("the sealed passwords do not open")
	errEnded     = errors.New("the cloud ended the stream")
	errNoAnswers = errors.New("no response port works")
)

// A session is one attachment to the cloud: a request stream, and the response
// streams that follow each other in it.
//
// Its goroutines: receive (who called serve), beat, respond with what that
// starts, drain, and the watch over the request stream; serve waits for all.
// It stays on the request port that it found first, also on a slower one,
// until it ends; the next session tries the fastest again.
type session struct {
	a        *connector
	port     string
	id       string
	interval time.Duration // between heartbeats
	silence  time.Duration // after which the cloud is given up
	opener   *opener
	failures int // passwords in a row that did not open

	conn   *grpc.ClientConn
	stream wire.Requests_ListenClient
	pulse  pulse
	ctx    context.Context // ends with the session; its cause says why
	cancel context.CancelCauseFunc
	gone   func() bool
	answer func(*bind.SignIn, wire.Result)

	out      *outbox
	attached atomic.Bool   // the cloud has answered on a response stream
	draining chan struct{} // closed: say so to the cloud
	finish   chan struct{} // closed: close the request stream, everything is answered
}

// listen attaches to one request port, as far as the cloud's welcome.
func (a *connector) listen(ctx context.Context, port string) (_ *session, err error) {
	s := &session{
		a: a, port: port, out: newOutbox(max(8192, 8*a.cfg.Concurrency)),
		draining: make(chan struct{}), finish: make(chan struct{}),
	}
	// The session outlives ctx, whose end makes it drain.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = s.why(err)
			s.cancel(err)
			if s.conn != nil {
				_ = s.conn.Close()
			}
		}
	}()
	stop := context.AfterFunc(ctx, func() { s.cancel(ctx.Err()) })
	defer stop()
	limit := time.AfterFunc(a.cfg.ConnectTimeout, func() { s.cancel(errSlow) })
	defer limit.Stop()

	if s.opener, err = newOpener(); err != nil {
		return nil, err
	}
	if s.conn, err = a.dialCloud(port, a.certificate); err != nil {
		return nil, err
	}
	if s.stream, err = wire.NewRequestsClient(s.conn).Listen(s.ctx); err != nil {
		return nil, err
	}
	// An error of Send is told in full by Recv.
	_ = s.stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Hello{Hello: &wire.Hello{
		Tenant: a.cfg.Tenant, Version: a.cfg.Version, Concurrency: uint32(a.cfg.Concurrency),
		HpkePublicKey: s.opener.key.PublicKey().Bytes(), HpkeKem: uint32(kem.ID()),
	}}})
	first, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	if err := s.welcome(first.GetWelcome()); err != nil {
		return nil, err
	}
	if !limit.Stop() {
		return nil, errSlow
	}
	if !stop() {
		return nil, ctx.Err()
	}
	s.pulse.beat()
	s.gone = func() bool { return s.ctx.Err() != nil }
	s.answer = s.answered
	return s, nil
}

func (s *session) welcome(w *wire.Welcome) error {
	interval := time.Duration(min(w.GetHeartbeatIntervalNs(), uint64(time.Hour)))
	misses := w.GetHeartbeatMisses()
	switch {
	case w == nil:
		return errors.New("the cloud did not begin with a welcome")
	case w.Session == "":
		return errors.New("the cloud's welcome names no session")
	case interval < minHeartbeat || interval > maxHeartbeat:
		return fmt.Errorf("the cloud asks for a heartbeat every %v: expected %v to %v", interval, minHeartbeat, maxHeartbeat)
	case misses < 1 || misses > maxMisses:
		return fmt.Errorf("the cloud gives up after %d heartbeats: expected 1 to %d", misses, maxMisses)
	}
	s.id, s.interval, s.silence = w.Session, interval, interval*time.Duration(misses)
	return nil
}

// why prefers the cause of the session's end to what a stream says of it.
func (s *session) why(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if err == io.EOF {
		return errEnded
	}
	return err
}

// serve runs the session to its end and says why it ended: errDrained after
// ctx, which the caller ends to stop the connector.
func (s *session) serve(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.pulse.watch(s.ctx, s.silence, s.cancel) })
	wg.Go(s.beat)
	wg.Go(s.respond)
	wg.Go(func() { s.drain(ctx) })
	err := s.why(s.receive())
	select {
	case <-s.finish: // by then the cloud had everything, whoever ended the stream first
		err = errDrained
	default:
	}
	s.cancel(err)
	_ = s.conn.Close()
	wg.Wait()
	return err
}

// receive reads the request stream.
func (s *session) receive() error {
	for {
		m, err := s.stream.Recv()
		if err != nil {
			return err
		}
		// After a pause of this process as long as that, the cloud has given
		// what follows to other connectors already.
		if s.pulse.beat() > s.silence {
			return errSilent
		}
		switch kind := m.Kind.(type) {
		case *wire.CloudMessage_Seal:
			if err := s.opener.renew(kind.Seal.GetEnc()); err != nil {
				return fmt.Errorf("opening a sealing context: %w", err)
			}
		case *wire.CloudMessage_Batch:
			s.take(kind.Batch.GetSignIns())
		}
		if s.failures >= unopened {
			return errUnopened
		}
	}
}

// take opens the passwords of a batch, in its order, and asks the directory.
func (s *session) take(batch []*wire.SignIn) {
	now := time.Now()
	s.a.counters.taken.Add(uint64(len(batch)))
	slab := make([]bind.SignIn, len(batch))
	for i, m := range batch {
		q := &slab[i]
		q.ID, q.Attempt, q.User, q.Taken = m.GetId(), m.GetAttempt(), m.GetUser(), now
		q.Deadline = now.Add(time.Duration(min(m.GetBudgetNs(), uint64(time.Hour))))
		q.Gone, q.Answer = s.gone, s.answer
		busy := s.a.inFlight.Add(1)
		// Also what is refused for load is opened: the next depends on it.
		var err error
		if q.Password, err = s.opener.open(q.ID, q.Attempt, m.GetPassword()); err != nil {
			s.failures++
			s.answered(q, wire.Result_RESULT_CANNOT_OPEN)
			continue
		}
		s.failures = 0
		if busy > int64(s.a.cfg.Concurrency) {
			clear(q.Password)
			s.answered(q, wire.Result_RESULT_OVERLOADED)
			continue
		}
		s.a.pool.Do(q)
	}
}

// answered queues the answer to a sign-in. Once the session is over nobody
// waits for it: the cloud gave the sign-in to another connector.
func (s *session) answered(q *bind.SignIn, r wire.Result) {
	s.a.inFlight.Add(-1)
	if s.ctx.Err() != nil {
		return
	}
	taken := time.Since(q.Taken)
	s.a.counters.answered(r, q.Directory)
	if !s.out.add(answer{
		id: q.ID, attempt: q.Attempt, result: r,
		connectorNS: uint64(taken), directoryNS: uint64(q.Directory),
	}) {
		s.cancel(errFlood)
	}
}

// every is how often this side is heard: at least twice within the silence
// after which it would be given up.
func (s *session) every() time.Duration { return min(s.interval, max(s.silence/2, minHeartbeat)) }

// beat is the only writer of the request stream.
func (s *session) beat() {
	ticker := time.NewTicker(s.every())
	defer ticker.Stop()
	heartbeat := &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
	draining := s.draining
	reachable, changed := s.a.pool.Reachable()
	tell := !reachable // that it is reachable the cloud takes for granted
	for {
		m := heartbeat
		if tell {
			m = &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Status{Status: &wire.Status{
				DirectoryReachable: reachable, Draining: draining == nil,
			}}}
		}
		if s.stream.Send(m) != nil { // receive learns why
			return
		}
		tell = false
		select {
		case <-ticker.C:
		case <-changed:
			reachable, changed = s.a.pool.Reachable()
			tell = true
		case <-draining:
			draining, tell = nil, true
		case <-s.finish:
			_ = s.stream.CloseSend()
			return
		case <-s.ctx.Done():
			return
		}
	}
}
