package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/results"
	"ptabench/scenarios"
)

// How a ceiling is measured.
const (
	ceilingRamp   = 250 * time.Millisecond // for connections, buffers and the target's code to warm up
	ceilingLength = time.Second
	// ceilingInFlight keeps every processor busy while answers are on their
	// way. More would only wait, and lengthen the service times.
	ceilingInFlight = 64
)

// Ceiling measures what this generator reaches on this machine: the sign-ins
// of a Config, made, sent, read and judged like those of a load, but back to
// back over the pool instead of when they are due. Against a target that does
// nothing that is the most that any load can be. Of the Config it uses the
// target, the users, the mix, the timeout and the pool.
//
// A sign-in that was not answered with a token makes it an error: then the
// figure says nothing.
func Ceiling(ctx context.Context, cfg Config) (results.Ceiling, error) {
	return ceiling(ctx, cfg, ceilingRamp, ceilingLength)
}

func ceiling(ctx context.Context, cfg Config, ramp, length time.Duration) (results.Ceiling, error) {
	times := results.NewHistogram()
	cfg.Arrivals, cfg.Rate, cfg.Warmup, cfg.Duration = scenarios.Constant, 1, 0, time.Second // there is no schedule
	cfg.Verify = nil
	cfg.Sink = func(s results.Sample) {
		if s.Done >= int64(ramp) && s.Done < int64(ramp+length) {
			times.Record(s.Done - s.Sent)
		}
	}
	g, err := New(cfg)
	if err != nil {
		return results.Ceiling{}, fmt.Errorf("measuring the ceiling: %w", err)
	}
	if err := g.Connect(ctx); err != nil {
		return results.Ceiling{}, fmt.Errorf("measuring the ceiling: %w", err)
	}
	defer g.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer g.abortAfter(ctx)()

	workers := min(cfg.Pool, ceilingInFlight)
	if cfg.Pool == 0 {
		workers = maxHandshakes // each sign-in has one
	}
	var next atomic.Uint32
	var each sync.WaitGroup
	for start := time.Now(); workers > 0; workers-- {
		each.Go(func() {
			for time.Since(start) < ramp+length && ctx.Err() == nil {
				if err := g.backToBack(ctx, start, next.Add(1)); err != nil {
					cancel(err) // the others need not go on
				}
			}
		})
	}
	each.Wait()
	if err := context.Cause(ctx); err != nil {
		return results.Ceiling{}, fmt.Errorf("measuring the ceiling: %w", err)
	}
	if times.Count() == 0 {
		return results.Ceiling{}, errors.New("measuring the ceiling: no sign-in was answered in time")
	}
	return results.Ceiling{PerS: float64(times.Count()) / length.Seconds(), Duration: int64(length), P99: times.At(99)}, nil
}

// backToBack makes a sign-in at once. Its times count from start.
func (g *Generator) backToBack(ctx context.Context, start time.Time, seq uint32) error {
	kind, user := g.mix.at(seq)
	s := results.Sample{Seq: seq, User: user, Intent: kind, Sent: int64(time.Since(start))}
	of := g.tenants.ofUser(kind, user)
	req := of.post.request(seq, g.mix.upn(kind, user), g.mix.password(kind, user))
	conn, err := of.conns.signIn(ctx, start.Add(time.Duration(s.Sent)+g.cfg.Timeout), &req)
	if err != nil {
		return err
	}
	s.Done = int64(time.Since(start))
	_, otherUser := g.reader.read(&s, req.id[:], req.upn, &conn.response)
	s.Judgement = judge(&s, kinds[kind].truth, otherUser)
	of.conns.release(conn)
	if s.Outcome != results.OutcomeAccepted {
		return errors.New("the target gave no token")
	}
	g.record(&s)
	return nil
}
