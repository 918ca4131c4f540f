package cloudsim

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"ptabench/cloudsim/dispatch"
	"ptabench/wire"
)

// protocol is the version of this program's side of the protocol; see
// Hello.protocol.
const protocol = 2

// requestStream is one stream by which a session is given sign-ins: on the fast
// path, where they are pushed, or on a signalling port, where the connector
// accepts each. Its goroutines are receive and send; serve waits for its end.
type requestStream struct {
	grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]
	session *session
	number  uint32 // of the session's, from 1
	port    string
	fast    bool
	seal    *sealer // belongs to send
	end     context.CancelCauseFunc
	done    context.Context
	heard   atomic.Int64 // when it last brought anything, in the tenant's time

	mu      sync.Mutex
	signals []gift             // to be signalled
	gifts   []gift             // to be sent
	placed  uint64             // put into gifts so far
	late    []*wire.Rendezvous // accepted too late, to be withdrawn
	wake    chan struct{}

	used atomic.Bool // the session is given sign-ins by it, or was
}

// gift is a sign-in on its way to the sender.
type gift struct {
	request *request
	attempt uint32
	budget  time.Duration
}

// give queues a sign-in to be sent, or at first signalled. It never blocks; the
// connector's credit bounds the queues.
func (r *requestStream) give(g gift, signal bool) dispatch.Via {
	via := dispatch.Via{Stream: r.number}
	r.mu.Lock()
	first := len(r.gifts)+len(r.signals) == 0
	if signal {
		r.signals = append(r.signals, g)
	} else {
		r.gifts = append(r.gifts, g)
		r.placed++
		via.Place = r.placed
	}
	r.mu.Unlock()
	if first {
		r.awake()
	}
	return via
}

// awake has the sender look at its queues.
func (r *requestStream) awake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// newStream makes the session's next stream.
func (s *session) newStream(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage], port string) (*requestStream, error) {
	cfg := &s.server.cfg
	seal, err := newSealer(s.kem, s.key, cfg.SealRollover, cfg.SealRolloverCount)
	if err != nil {
		return nil, err
	}
	r := &requestStream{BidiStreamingServer: stream, session: s, port: port, seal: seal, wake: make(chan struct{}, 1),
		fast: port == fastPort || s.protocol < protocol}
	r.done, r.end = context.WithCancelCause(stream.Context())
	r.heard.Store(int64(s.tenant.now()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbered++
	r.number = s.numbered
	s.streams = append(s.streams, r)
	return r, nil
}

// serve runs a stream to its end.
func (r *requestStream) serve() error {
	s := r.session
	// Both goroutines end when this handler returns, which ends the stream.
	s.server.streams.Go(func() { r.end(r.receive()) })
	s.server.streams.Go(func() { r.end(r.send()) })
	select {
	case <-r.done.Done():
	case <-s.done.Done():
		r.end(context.Cause(s.done))
	}
	cause := context.Cause(r.done)
	if errors.Is(cause, context.Canceled) {
		cause = errStreamBroke // gRPC says no more than that of a crash, a reset and a cancel
	}
	s.leave(r, cause)
	s.log.Debug("request stream ended", "port", r.port, "stream", r.number, "cause", cause.Error())
	if errors.Is(cause, errPeerClosed) {
		return nil
	}
	return endStatus(cause)
}

// receive reads what the connector says until the stream ends, and returns
// why it did.
func (r *requestStream) receive() error {
	s := r.session
	for {
		m, err := r.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errPeerClosed
		case err != nil:
			return errStreamBroke
		}
		r.heard.Store(int64(s.tenant.now()))
		// A connector that has read the welcome says so by whatever comes
		// first. Before that it could not say that the stream was lost.
		s.use(r)
		switch kind := m.GetKind().(type) {
		case *wire.ConnectorMessage_Status:
			s.heardStatus(kind.Status)
		case *wire.ConnectorMessage_Accept:
			r.accept(kind.Accept)
		case *wire.ConnectorMessage_Lost:
			s.lost(kind.Lost.GetStream(), kind.Lost.GetReceived())
		}
	}
}

// accept queues what was signalled to be sent, or says that it is too late.
func (r *requestStream) accept(what *wire.Rendezvous) {
	s := r.session
	known := false
	s.tenant.locked(func(now time.Duration) {
		if known = r.done.Err() != nil; known {
			return // what was signalled here is signalled elsewhere by now
		}
		r.mu.Lock()
		via := dispatch.Via{Stream: r.number, Place: r.placed + 1}
		r.mu.Unlock() // the place is still the next one below: it takes the tenant's lock to give
		var signIn *dispatch.SignIn
		signIn, known = s.tenant.queue.Accept(now, s.connector, what.GetId(), int(what.GetAttempt()), via)
		switch {
		case signIn != nil:
			r.give(gift{signIn.Payload.(*request), what.GetAttempt(), signIn.Budget(now)}, false)
		case known:
			r.mu.Lock()
			r.late = append(r.late, what)
			r.mu.Unlock()
			r.awake()
		}
	})
	if !known {
		s.notGiven(1)
	}
}

// send writes what the dispatcher gives, in as few messages as it can, and a
// heartbeat whenever an interval has passed.
func (r *requestStream) send() error {
	s, cfg := r.session, &r.session.server.cfg
	err := r.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Welcome{Welcome: &wire.Welcome{
		Session:             s.id,
		HeartbeatIntervalNs: uint64(cfg.Heartbeat),
		HeartbeatMisses:     uint32(cfg.HeartbeatMisses),
		CloudTimeNs:         time.Now().UnixNano(),
		Protocol:            protocol,
		Stream:              r.number,
	}}})
	if err != nil {
		return errStreamBroke
	}
	beat := time.NewTicker(cfg.beat())
	defer beat.Stop()
	var gifts, signals []gift
	for {
		select {
		case <-r.wake:
			r.mu.Lock()
			gifts, r.gifts = r.gifts, gifts[:0]
			signals, r.signals = r.signals, signals[:0]
			late := r.late
			r.late = nil
			r.mu.Unlock()
			if err := errors.Join(r.sendSignals(signals), r.sendGifts(gifts), r.withdraw(late)); err != nil {
				return err
			}
			clear(gifts)
			clear(signals)
		case <-beat.C:
			if r.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}) != nil {
				return errStreamBroke
			}
		case <-r.done.Done():
			return context.Cause(r.done)
		}
	}
}

// sendSignals says that sign-ins wait.
func (r *requestStream) sendSignals(signals []gift) error {
	for len(signals) > 0 {
		n := min(len(signals), maxBatch)
		waiting, slab := make([]*wire.Rendezvous, n), make([]wire.Rendezvous, n)
		for i, g := range signals[:n] {
			m := &slab[i]
			m.Id, m.Attempt = g.request.signIn.ID, g.attempt
			waiting[i] = m
		}
		if r.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Signal{Signal: &wire.Signal{Waiting: waiting}}}) != nil {
			return errStreamBroke
		}
		signals = signals[n:]
	}
	return nil
}

// withdraw answers what was accepted too late.
func (r *requestStream) withdraw(late []*wire.Rendezvous) error {
	for _, what := range late {
		if r.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Withdrawn{Withdrawn: what}}) != nil {
			return errStreamBroke
		}
	}
	return nil
}

// sendGifts sends sign-ins: pushed in batches, or one message for each that was
// accepted.
func (r *requestStream) sendGifts(gifts []gift) error {
	for len(gifts) > 0 {
		n := 1
		if r.fast {
			n = min(len(gifts), maxBatch, r.seal.room())
		}
		if err := r.sendBatch(gifts[:n]); err != nil {
			return err
		}
		gifts = gifts[n:]
	}
	return nil
}

func (r *requestStream) sendBatch(gifts []gift) error {
	enc, err := r.seal.roll(time.Now())
	if err != nil {
		return err
	}
	if enc != nil {
		if r.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Seal{Seal: &wire.SealContext{Enc: enc}}}) != nil {
			return errStreamBroke
		}
	}
	slab := make([]wire.SignIn, len(gifts))
	for i, g := range gifts {
		m := &slab[i]
		m.Id, m.Attempt, m.User, m.BudgetNs = g.request.signIn.ID, g.attempt, g.request.user, uint64(max(g.budget, 0))
		if m.Password, err = r.seal.reseal(r.session.tenant.vault, m.Id, m.Attempt, g.request.password); err != nil {
			return err
		}
	}
	var m wire.CloudMessage
	if r.fast {
		batch := &wire.Batch{SignIns: make([]*wire.SignIn, len(gifts))}
		for i := range slab {
			batch.SignIns[i] = &slab[i]
		}
		m.Kind = &wire.CloudMessage_Batch{Batch: batch}
	} else {
		m.Kind = &wire.CloudMessage_SignIn{SignIn: &slab[0]}
	}
	if r.Send(&m) != nil {
		return errStreamBroke
	}
	return nil
}
