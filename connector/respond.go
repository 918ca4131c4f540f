package connector

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ptabench/wire"
)

// leastPortTime is what a response port has at least to show that it works.
const leastPortTime = 500 * time.Millisecond

// respond keeps a response stream open, on one port of the range after the
// other, from a random one on. When none of them works it ends the session:
// then the cloud stops giving sign-ins that nobody could be told about.
func (s *session) respond() {
	ports := s.a.cloud.Load().ports(responsePorts)
	at := rand.IntN(len(ports))
	if preferred := slices.Index(ports, s.a.cfg.ResponsePort); preferred >= 0 {
		at = preferred
	}
	for failed := 0; failed < len(ports); failed++ {
		port := ports[at%len(ports)]
		at++
		began := time.Now()
		worked, err := s.answerOn(port)
		if s.ctx.Err() != nil {
			return
		}
		if worked && time.Since(began) > s.silence {
			failed = -1 // nothing was wrong with it until now
		}
		s.a.log.Warn("response stream lost", "port", port, "session", s.id, "error", err)
	}
	s.cancel(errNoAnswers)
}

// answerOn sends answers over one port until that breaks or the session ends.
// It reports whether the cloud was heard on it at all.
func (s *session) answerOn(port string) (worked bool, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	because := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err == io.EOF {
			return errEnded
		}
		return err
	}
	conn, err := s.a.dialCloud(port, s.a.certificate.Load())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	// A port as silent as a live peer never is is blocked. The next one is
	// worth more than this one's full connect timeout.
	limit := time.AfterFunc(min(s.a.cfg.ConnectTimeout, max(s.silence, leastPortTime)), func() { cancel(errSlow) })
	defer limit.Stop()
	stream, err := wire.NewResponsesClient(conn).Answer(ctx)
	if err != nil {
		return false, because(err)
	}
	if !limit.Stop() {
		return false, errSlow
	}
	open := &wire.AnswerMessage{Kind: &wire.AnswerMessage_Open{Open: &wire.Open{Session: s.id}}}
	if err := stream.Send(open); err == nil {
		s.out.restart()
		var p pulse
		p.beat()
		var wg sync.WaitGroup
		wg.Go(func() { p.watch(ctx, max(s.silence, leastPortTime), cancel) })
		wg.Go(func() { s.writeAnswers(ctx, stream) })
		worked, err = s.readAcks(stream, &p, port)
		s.a.standing.off(answering, stream)
		cancel(because(err))
		wg.Wait()
		return worked, because(err)
	}
	_, err = stream.Recv() // tells what Send could not
	return false, because(err)
}

// readAcks reads what the cloud has received.
func (s *session) readAcks(stream wire.Responses_AnswerClient, p *pulse, port string) (worked bool, err error) {
	for {
		ack, err := stream.Recv()
		if err != nil {
			return worked, err
		}
		p.beat()
		if err := s.out.acknowledge(ack.GetReceived()); err != nil {
			return worked, err
		}
		if !worked {
			worked = true
			s.a.log.Info("answering", "port", port, "session", s.id)
			s.a.standing.on(answering, port, stream)
			if s.attached.CompareAndSwap(false, true) {
				close(s.standing)
				s.a.ready()
			}
		}
	}
}

// writeAnswers is the only writer of a response stream. All answers that wait
// go in one message, so that many cost one waking of either side.
func (s *session) writeAnswers(ctx context.Context, stream wire.Responses_AnswerClient) {
	ticker := time.NewTicker(s.every())
	defer ticker.Stop()
	heartbeat := &wire.AnswerMessage{Kind: &wire.AnswerMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
	for {
		m := heartbeat
		if batch, again := s.out.take(); batch != nil {
			s.a.counters.resent.Add(uint64(again))
			m = &wire.AnswerMessage{Kind: &wire.AnswerMessage_Batch{Batch: batch}}
		}
		if stream.Send(m) != nil { // readAcks learns why
			return
		}
		if m != heartbeat && !s.out.nothing() {
			continue
		}
		select {
		case <-s.out.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
