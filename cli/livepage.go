package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ptabench/bench"
	"ptabench/door"
	"ptabench/live"
	"ptabench/results"
)

// errStopped is why a run stops whose live page said so.
var errStopped = errors.New("stopped from the live page")

// livePage is the live page of a run; all of it does nothing when it is nil.
type livePage struct {
	*live.Page
	cancel context.CancelCauseFunc
}

// openPage opens the live page at an address, and says where it is. The
// context it returns ends too when somebody stops the run from there.
func openPage(ctx context.Context, say io.Writer, address string, o *bench.Options) (context.Context, *livePage, error) {
	if address == "" {
		return ctx, nil, nil
	}
	at, err := door.Address(address)
	if err != nil {
		return ctx, nil, fmt.Errorf("--ui %w", err)
	}
	d, err := pageDoor(at)
	if err != nil {
		return ctx, nil, fmt.Errorf("--ui %s: %w", address, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &livePage{cancel: cancel, Page: live.Serve(d, live.Options{Name: o.Scenario.Name, Command: o.Command, Version: o.Version, Seed: o.Scenario.Seed,
		Scenario: string(o.Scenario.YAML()), Duration: time.Duration(o.Scenario.Load.Duration), Stop: func() { cancel(errStopped) }})}
	o.Follower = bench.Followers(o.Follower, p)
	o.Progress = both(o.Progress, p.show)
	fmt.Fprintf(say, "live page: %s\n", d.URL())
	return ctx, p, nil
}

// pageDoor is the door at an address, on this side of a network of its own or
// on the other.
func pageDoor(at string) (*door.Door, error) {
	if listener, err := handedListener(); listener != nil || err != nil {
		return door.On(listener, at), err
	}
	return door.Open(at)
}

// both tells two of how far a run is; either may be nil.
func both(a, b func(bench.Progress)) func(bench.Progress) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(p bench.Progress) { a(p); b(p) }
}

// show passes on how far the run is.
func (p *livePage) show(now bench.Progress) {
	if p == nil || now.Changed != nil {
		return
	}
	p.Progress(live.Progress{Phase: now.Phase, At: now.At, SoFar: now.SoFar})
}

// finish shows how the run ended.
func (p *livePage) finish(dir string, result *results.Result, err error) {
	if p == nil {
		return
	}
	if result == nil {
		p.Finish(nil, err)
		return
	}
	run, openErr := results.Open(dir)
	if openErr != nil { // it could not be written
		run, err = nil, errors.Join(err, openErr)
	}
	p.Finish(run, err)
}

// close lets open pages take the last event, and ends the server.
func (p *livePage) close() error {
	if p == nil {
		return nil
	}
	defer p.cancel(nil)
	return p.Close()
}
