package cloudsim

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/dispatch"
	"ptabench/wire"
)

// ackEvery is how many answers are acknowledged at once, between heartbeats,
// so that a connector's buffer of unacknowledged ones stays short.
const ackEvery = 256

// ackWithin is how long an answer may wait to be acknowledged: a connector that
// is told to stop waits for it, and heartbeats may be minutes apart.
const ackWithin = 250 * time.Millisecond

// answers is the response stream of a session: at most one at a time.
type answers struct {
	mu      sync.Mutex
	current *answerStream // nil when there is none
	streams int           // there have been
	heard   atomic.Int64  // when the current one last brought anything, in the tenant's time
	lost    atomic.Int64  // since when there is none; 0 while there is one
}

// answerStream is one response stream.
type answerStream struct {
	grpc.BidiStreamingServer[wire.AnswerMessage, wire.AnswerAck]
	end      context.CancelCauseFunc
	received atomic.Uint64
	acks     chan struct{} // asks for an acknowledgement now
	// resumes says that the session had another stream before, whose
	// unacknowledged answers come again here.
	resumes bool
}

func (a *answers) silent(now, patience time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current != nil && now-time.Duration(a.heard.Load()) > patience
}

func (a *answers) missing(now time.Duration) (lost bool, since time.Duration) {
	at := a.lost.Load()
	return at != 0, now - time.Duration(at)
}

// end ends the current stream, if there is one.
func (a *answers) end(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		a.current.end(cause)
	}
}

// begin makes as the current stream, in place of any other.
func (a *answers) begin(now time.Duration, as *answerStream) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		a.current.end(errReplaced)
	}
	a.current, as.resumes = as, a.streams > 0
	a.streams++
	a.heard.Store(int64(now))
	a.lost.Store(0)
}

// leave notes that as has ended. There may be another one by now.
func (a *answers) leave(now time.Duration, as *answerStream) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == as {
		a.current = nil
		a.lost.Store(max(int64(now), 1))
	}
}

// returns is how long a connector may take from one response port to the next
// before it counts as one that cannot answer. Until then its tenant's sign-ins
// wait for it if there is no other connector.
const returns = 250 * time.Millisecond

// responses says in st whether there is a response stream at present. One
// stream ends while the next begins: whoever changes the status last must find
// what is so then.
func (s *session) responses(st *dispatch.Status) {
	s.answers.mu.Lock()
	defer s.answers.mu.Unlock()
	st.Responses = s.answers.current != nil
	st.Returning = !st.Responses
}

// Answer implements wire.ResponsesServer.
func (srv *server) Answer(stream grpc.BidiStreamingServer[wire.AnswerMessage, wire.AnswerAck]) error {
	peer, err := srv.identify(stream.Context(), responsePorts)
	if err != nil {
		return err
	}
	m, err := first(srv, stream.Recv)
	if err == nil && m.GetOpen() == nil {
		err = status.Error(codes.InvalidArgument, "the first message of a response stream must be open")
	}
	if err != nil {
		srv.deniedFirst("malformed-open", err)
		return err
	}
	s := srv.session(m.GetOpen().GetSession())
	if s == nil || s.peer.id != peer.id {
		srv.denied("unknown-session", 1)
		return status.Errorf(codes.NotFound, "session %.80q: this connector has none of that name", m.GetOpen().GetSession())
	}
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)
	as := &answerStream{BidiStreamingServer: stream, end: end, acks: make(chan struct{}, 1)}
	s.answers.begin(s.tenant.now(), as)
	// Both goroutines end when this handler returns, which ends the stream.
	srv.streams.Go(func() { end(s.acknowledge(ctx, as)) })
	srv.streams.Go(func() { end(s.readAnswers(as)) })
	s.setStatus(s.responses)

	select {
	case <-ctx.Done():
	case <-s.done.Done():
		end(context.Cause(s.done))
	}
	s.answers.leave(s.tenant.now(), as)
	s.setStatus(s.responses)
	cause := context.Cause(ctx)
	if errors.Is(cause, errHeartbeat) { // a stream that broke is soon replaced, and its answers come again
		s.mute(cause)
	}
	s.log.Debug("response stream ended", "response_port", peer.port, "cause", cause.Error())
	return status.Error(codes.Aborted, cause.Error())
}

// readAnswers takes answers until the stream ends.
func (s *session) readAnswers(as *answerStream) error {
	acked := uint64(0)
	for {
		m, err := as.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errPeerClosed
		case err != nil:
			return errStreamBroke
		}
		s.answers.heard.Store(int64(s.tenant.now()))
		batch := m.GetBatch().GetAnswers()
		if len(batch) == 0 {
			continue
		}
		if n := s.take(batch, as.resumes); n > 0 {
			s.notGiven(n)
		}
		if total := as.received.Add(uint64(len(batch))); total-acked >= ackEvery {
			acked = total
			select {
			case as.acks <- struct{}{}:
			default:
			}
		}
	}
}

// take hands a batch to the tenant's queue under one lock and returns how many
// of its answers were to nothing that the connector had been given.
func (s *session) take(batch []*wire.Answer, resumes bool) (notGiven int64) {
	s.tenant.locked(func(now time.Duration) {
		for _, a := range batch {
			if !s.tenant.queue.Answer(now, s.connector, dispatch.Answer{
				ID: a.GetId(), Attempt: int(a.GetAttempt()),
				Result: int32(a.GetResult()), Failure: failureOf(a.GetResult()),
				Resent: resumes, Connector: time.Duration(a.GetConnectorNs()), Directory: time.Duration(a.GetDirectoryNs()),
			}) {
				notGiven++
			}
		}
	})
	return notGiven
}

// acknowledge tells the connector how many answers have come, each heartbeat
// interval, when many have, and before long when any have.
func (s *session) acknowledge(ctx context.Context, as *answerStream) error {
	interval := s.server.cfg.beat()
	look := time.NewTicker(min(interval, ackWithin))
	defer look.Stop()
	for {
		told, at := as.received.Load(), time.Now()
		if as.Send(&wire.AnswerAck{Received: told}) != nil {
			return errStreamBroke
		}
		for due := false; !due; {
			select {
			case now := <-look.C:
				due = as.received.Load() != told || now.Sub(at) >= interval-interval/8
			case <-as.acks:
				due = true
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}
