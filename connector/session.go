package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/bind"
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

// A session is one attachment to the cloud: at most one request stream of each
// path, and the response streams that follow each other in it. It lasts as long
// as it has a request stream.
//
// Its goroutines: keep for either path, respond with what that starts, and
// drain; serve waits for all.
type session struct {
	a        *connector
	port     string // of its first request stream
	id       string
	joinable bool          // the cloud knows Join
	interval time.Duration // between heartbeats
	silence  time.Duration // after which the cloud is given up
	opener   *opener       // has the key; each request stream has a context of its own

	ctx    context.Context // ends with the session; its cause says why
	cancel context.CancelCauseFunc
	gone   func() bool
	answer func(*bind.SignIn, wire.Result)

	certificate *tls.Certificate // that it was attached by
	inFlight    atomic.Int64     // sign-ins of this session taken and not answered

	out       *outbox
	accepting atomic.Int64  // sign-ins that were asked for and have not come
	attached  atomic.Bool   // the cloud has answered on a response stream
	standing  chan struct{} // closed when attached is set
	draining  chan struct{} // closed: say so to the cloud
	finish    chan struct{} // closed: close the request streams, everything is answered

	mu      sync.Mutex
	streams [paths]*requestStream
	lost    []string // request ports whose loss ended the session
	// What the cloud is told of the connector, and how often that has changed.
	revision             uint32
	unreachable, leaving bool
}

// listen attaches to one request port, as far as the cloud's welcome. It takes
// over from the session that it succeeds, unless that is empty.
func (a *connector) listen(ctx context.Context, port, succeeds string) (_ *session, err error) {
	s := &session{
		a: a, port: port, out: newOutbox(max(8192, 8*a.cfg.Concurrency)),
		draining: make(chan struct{}), finish: make(chan struct{}),
		certificate: a.certificate.Load(), standing: make(chan struct{}),
	}
	// The session outlives ctx, whose end makes it drain.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = s.why(err)
			s.cancel(err)
		}
	}()
	stop := context.AfterFunc(ctx, func() { s.cancel(ctx.Err()) })
	defer stop()

	if s.opener, err = newOpener(); err != nil {
		return nil, err
	}
	r, w, err := s.open(port, &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Hello{Hello: &wire.Hello{
		Tenant: a.cfg.Tenant, Version: a.cfg.Version, Concurrency: uint32(a.cfg.Concurrency),
		HpkePublicKey: s.opener.key.PublicKey().Bytes(), HpkeKem: uint32(kem.ID()), Protocol: protocol,
		Succeeds: succeeds, ConnectorTimeNs: time.Now().UnixNano(),
	}}})
	if err != nil {
		return nil, err
	}
	if err = s.welcome(w); err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		r.close(err)
		return nil, err
	}
	s.streams[pathOf(port)] = r
	s.gone = func() bool { return s.ctx.Err() != nil }
	s.answer = s.answered
	return s, nil
}

func (s *session) welcome(w *wire.Welcome) error {
	interval := time.Duration(min(w.GetHeartbeatIntervalNs(), uint64(time.Hour)))
	misses := w.GetHeartbeatMisses()
	switch {
	case w.Session == "":
		return errors.New("the cloud's welcome names no session")
	case interval < minHeartbeat || interval > maxHeartbeat:
		return fmt.Errorf("the cloud asks for a heartbeat every %v: expected %v to %v", interval, minHeartbeat, maxHeartbeat)
	case misses < 1 || misses > maxMisses:
		return fmt.Errorf("the cloud gives up after %d heartbeats: expected 1 to %d", misses, maxMisses)
	}
	s.a.noteClock(w.GetCloudTimeNs())
	s.id, s.interval, s.silence = w.Session, interval, interval*time.Duration(misses)
	s.joinable = w.GetProtocol() >= protocol
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
	for p, r := range s.streams {
		if r != nil || s.joinable {
			wg.Go(func() { s.keep(path(p), r) })
		}
	}
	wg.Go(s.respond)
	wg.Go(func() { s.drain(ctx) })
	<-s.ctx.Done()
	err := context.Cause(s.ctx)
	select {
	case <-s.finish: // by then the cloud had everything, whoever ended the stream first
		err = errDrained
	default:
	}
	wg.Wait()
	return err
}

// take opens the passwords of a batch, in its order, and asks the directory.
func (r *requestStream) take(batch []*wire.SignIn) {
	s, now := r.s, time.Now()
	r.received += uint64(len(batch))
	s.a.counters.taken.Add(uint64(len(batch)))
	slab := make([]bind.SignIn, len(batch))
	for i, m := range batch {
		q := &slab[i]
		q.ID, q.Attempt, q.User, q.Taken = m.GetId(), m.GetAttempt(), m.GetUser(), now
		q.Deadline = now.Add(time.Duration(min(m.GetBudgetNs(), uint64(time.Hour))))
		q.Gone, q.Answer = s.gone, s.answer
		s.a.inFlight.Add(1)
		busy := s.inFlight.Add(1)
		// Also what is refused for load is opened: the next depends on it.
		var err error
		if q.Password, err = r.opener.open(q.ID, q.Attempt, m.GetPassword()); err != nil {
			r.failures++
			s.answered(q, wire.Result_RESULT_CANNOT_OPEN)
			continue
		}
		r.failures = 0
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
	s.inFlight.Add(-1)
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

// look returns how often what the cloud is told of the connector has changed,
// and what happens when it may have changed again.
func (s *session) look() (revision uint32, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reachable, changed := s.a.pool.Reachable()
	leaving := s.leaving
	select {
	case <-s.draining:
		leaving = true
	default:
	}
	if reachable == s.unreachable || leaving != s.leaving {
		s.unreachable, s.leaving = !reachable, leaving
		s.revision++
	}
	return s.revision, changed
}

// status is what the cloud is told.
func (s *session) status() *wire.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &wire.Status{DirectoryReachable: !s.unreachable, Draining: s.leaving, Revision: s.revision}
}
