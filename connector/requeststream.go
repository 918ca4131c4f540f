package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"ptabench/backoff"
	"ptabench/ports"
	"ptabench/wire"
)

// protocol is the version of this program's side of the protocol; see
// Hello.protocol.
const protocol = 2

// A path is one of the two ways in which the cloud gives sign-ins.
type path int

// The paths. With signalling, the cloud says that sign-ins wait and the
// connector asks for each; by the fast path it pushes them.
const (
	signalling path = iota
	fast
	paths
)

func pathOf(port string) path {
	if port == ports.Fast {
		return fast
	}
	return signalling
}

// ports are those that have a stream of the path, in the order they are tried.
func (p path) ports() []string {
	if p == fast {
		return []string{ports.Fast}
	}
	return ports.Signalling()
}

// portsOf are the ports of a path, the one that the administrator prefers
// first.
func (a *connector) portsOf(p path) []string { return firstly(p.ports(), a.cfg.SignallingPort) }

// lastly puts the ports that were lost behind the others: they are the least
// likely to work.
func lastly(all, lost []string) []string {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b string) int {
		return btoi(slices.Contains(lost, a)) - btoi(slices.Contains(lost, b))
	})
	return order
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A requestStream is one of a session's streams that bring sign-ins. Its
// goroutines are receive (who called serve), write, and the watch over it.
type requestStream struct {
	s        *session
	port     string
	number   uint32  // as the cloud's welcome named it
	opener   *opener // belongs to receive
	failures int     // passwords in a row that did not open
	// received counts the sign-ins that came, and accepting those asked for
	// that did not yet; they belong to receive.
	received  uint64
	accepting int64

	conn   *grpc.ClientConn
	stream wire.Requests_ListenClient
	pulse  pulse
	ctx    context.Context // ends with the stream; its cause says why
	cancel context.CancelCauseFunc

	mu   sync.Mutex
	says []*wire.ConnectorMessage // to be written
	wake chan struct{}
}

// open dials a request port, begins there with the message first, and returns
// with the cloud's welcome. The caller closes the stream.
func (s *session) open(port string, first *wire.ConnectorMessage) (_ *requestStream, _ *wire.Welcome, err error) {
	r := &requestStream{s: s, port: port, opener: s.opener.sibling(), wake: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancelCause(s.ctx)
	defer func() {
		if err != nil {
			err = r.why(err)
			r.close(err)
		}
	}()
	limit := time.AfterFunc(s.a.cfg.ConnectTimeout, func() { r.cancel(errSlow) })
	defer limit.Stop()
	if r.conn, err = s.a.dialCloud(port, s.a.certificate.Load()); err != nil {
		return nil, nil, err
	}
	if r.stream, err = wire.NewRequestsClient(r.conn).Listen(r.ctx); err != nil {
		return nil, nil, err
	}
	_ = r.stream.Send(first) // its error is told in full by Recv
	m, err := r.stream.Recv()
	if err != nil {
		return nil, nil, err
	}
	w := m.GetWelcome()
	if w == nil {
		return nil, nil, errors.New("the cloud did not begin with a welcome")
	}
	if !limit.Stop() {
		return nil, nil, errSlow
	}
	r.number = w.GetStream()
	r.pulse.beat()
	return r, w, nil
}

func (r *requestStream) close(why error) {
	r.cancel(why)
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// why prefers the cause of the stream's end to what gRPC says of it.
func (r *requestStream) why(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	if err == io.EOF {
		return errEnded
	}
	return err
}

// serve runs the stream to its end and says why it ended.
func (r *requestStream) serve() error {
	var wg sync.WaitGroup
	wg.Go(func() { r.pulse.watch(r.ctx, r.s.silence, r.cancel) })
	wg.Go(r.write)
	err := r.why(r.receive())
	r.close(err)
	wg.Wait()
	r.s.accepting.Add(-r.accepting)
	return err
}

// receive reads the stream.
func (r *requestStream) receive() error {
	s := r.s
	for {
		m, err := r.stream.Recv()
		if err != nil {
			return err
		}
		// After a pause of this process as long as that, the cloud has given
		// what follows to other connectors already.
		if r.pulse.beat() > s.silence {
			return errSilent
		}
		switch kind := m.Kind.(type) {
		case *wire.CloudMessage_Seal:
			if err := r.opener.renew(kind.Seal.GetEnc()); err != nil {
				return fmt.Errorf("opening a sealing context: %w", err)
			}
		case *wire.CloudMessage_Batch:
			s.a.counters.pushed.Add(uint64(len(kind.Batch.GetSignIns())))
			r.take(kind.Batch.GetSignIns())
		case *wire.CloudMessage_Signal:
			r.accept(kind.Signal.GetWaiting())
		case *wire.CloudMessage_SignIn:
			s.a.counters.accepted.Add(1)
			r.take([]*wire.SignIn{kind.SignIn})
			r.accepts(-1)
		case *wire.CloudMessage_Withdrawn:
			r.accepts(-1)
		}
		if r.failures >= unopened { // another stream of the session would have the same key
			s.cancel(errUnopened)
			return errUnopened
		}
	}
}

// accept asks for each sign-in of a signal.
func (r *requestStream) accept(waiting []*wire.Rendezvous) {
	if r.accepting+int64(len(waiting)) > int64(r.s.out.limit) {
		r.s.cancel(errFlood)
		return
	}
	r.s.a.counters.signalled.Add(uint64(len(waiting)))
	r.accepts(len(waiting))
	all := make([]*wire.ConnectorMessage, len(waiting))
	for i, m := range waiting {
		all[i] = &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Accept{Accept: m}}
	}
	r.say(all...)
}

// accepts counts what was asked for and has not come.
func (r *requestStream) accepts(n int) {
	r.accepting += int64(n)
	r.s.accepting.Add(int64(n))
}

// say has write send messages.
func (r *requestStream) say(all ...*wire.ConnectorMessage) {
	r.mu.Lock()
	r.says = append(r.says, all...)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// write is the only writer of the stream.
func (r *requestStream) write() {
	s := r.s
	ticker := time.NewTicker(s.every())
	defer ticker.Stop()
	heartbeat := &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
	draining := s.draining
	beat, told := true, uint32(0) // the first message says that the welcome was read
	var says []*wire.ConnectorMessage
	for {
		revision, changed := s.look()
		r.mu.Lock()
		says, r.says = r.says, says[:0]
		r.mu.Unlock()
		if revision != told {
			told = revision
			says = append(says, &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Status{Status: s.status()}})
		}
		if beat {
			says = append(says, heartbeat)
		}
		for _, m := range says {
			if r.stream.Send(m) != nil { // receive learns why
				return
			}
		}
		clear(says)
		beat = false
		select {
		case <-ticker.C:
			beat = true
		case <-changed:
		case <-draining:
			draining = nil
		case <-r.wake:
		case <-s.finish:
			_ = r.stream.CloseSend()
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// keep has the session served by one path: by r at first, and by another
// stream whenever there is none, as long as the session lasts by the other
// path. So it is that 9350, or signalling, is used again once it works again.
func (s *session) keep(p path, r *requestStream) {
	var wait backoff.Backoff
	var lost []string
	for s.ctx.Err() == nil {
		if r == nil {
			if r = s.join(p, lost); r == nil {
				wait.Wait(s.ctx)
				continue
			}
			s.a.log.Info("joined", "port", r.port, "session", s.id)
		}
		began := time.Now()
		s.a.standing.on(p, r.port, r)
		err := r.serve()
		s.a.standing.off(p, r)
		s.left(p, r, err)
		if time.Since(began) >= settledSession {
			wait.Reset()
		}
		lost, r = []string{r.port}, nil
		wait.Wait(s.ctx)
	}
}

// join opens a stream of a path for a session that has one of the other.
func (s *session) join(p path, lost []string) *requestStream {
	for _, port := range lastly(s.a.cloud.Load().ports(s.a.portsOf(p)), lost) {
		r, w, err := s.open(port, &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Join{Join: &wire.Join{Session: s.id}}})
		if err == nil && w.GetSession() != s.id {
			err = errors.New("the cloud's welcome names another session")
			r.close(err)
		}
		if s.ctx.Err() != nil {
			if err == nil {
				r.close(errEnded)
			}
			return nil
		}
		if err != nil {
			s.a.log.Debug("joining", "port", port, "session", s.id, "error", err)
			continue
		}
		s.mu.Lock()
		s.streams[p] = r
		s.lost = slices.DeleteFunc(s.lost, func(port string) bool { return pathOf(port) == p })
		s.mu.Unlock()
		return r
	}
	return nil
}

// left notes that a stream has ended. The other one tells the cloud how far it
// came; without another one the session is over.
func (s *session) left(p path, r *requestStream, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[p] = nil
	s.lost = append(s.lost, r.port)
	other := s.streams[1-p]
	if other == nil {
		s.cancel(why)
		return
	}
	if s.ctx.Err() != nil {
		return
	}
	s.a.log.Warn("request stream lost", "port", r.port, "session", s.id, "error", why)
	other.say(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Lost{Lost: &wire.Lost{Stream: r.number, Received: r.received}}})
}
