package bench

import (
	"context"
	"sync"
	"time"

	"ptabench/bench/fault"
	"ptabench/bench/load"
)

// progressInterval is how often Options.Progress is told of a load.
const progressInterval = 500 * time.Millisecond

// Progress is how far a run is.
type Progress struct {
	Phase string        // starting, warm-up, load, draining, checking
	At    time.Duration // from time 0; negative in the warm-up
	End   time.Duration // of the load
	Load  load.Progress
	P99   time.Duration // response of the last full second
	On    []string      // faults that are on, by name
	// Changed is set when a fault was injected or undone just now.
	Changed *fault.Record
}

// progress passes on how far the run is, one call at a time.
type progress struct {
	mu sync.Mutex
	on []string
}

func (p *progress) tell(r *run, what Progress) {
	if r.Progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	what.On = append([]string(nil), p.on...)
	what.End = time.Duration(r.Scenario.Load.Duration)
	r.Progress(what)
}

func (p *progress) phase(r *run, phase string) { p.tell(r, Progress{Phase: phase}) }

// fault notes a fault that began or ended.
func (p *progress) fault(r *run, at time.Duration, rec fault.Record) {
	p.mu.Lock()
	kept := p.on[:0]
	for _, name := range p.on {
		if name != rec.Name {
			kept = append(kept, name)
		}
	}
	if p.on = kept; rec.UndoneAt == fault.Never && rec.Err == nil {
		p.on = append(p.on, rec.Name)
	}
	p.mu.Unlock()
	p.tell(r, Progress{Phase: "fault", At: at, Changed: &rec})
}

// follow tells how the load goes until the context ends.
func (p *progress) follow(ctx context.Context, r *run, zero time.Time, g *load.Generator, p99 func() time.Duration) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			what := Progress{Phase: "load", At: time.Since(zero), Load: g.Progress(), P99: p99()}
			if what.At < 0 {
				what.Phase = "warm-up"
			}
			p.tell(r, what)
		case <-ctx.Done():
			return
		}
	}
}
