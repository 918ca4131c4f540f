package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/results"
	"ptabench/scenarios"
)

// progressInterval is how often Options.Progress is told of a load.
const progressInterval = 500 * time.Millisecond

// Progress is how far a run is.
type Progress struct {
	Phase string        // such as starting, warm-up, load, draining, checking
	At    time.Duration // from time 0; negative in the warm-up
	End   time.Duration // of the load
	Load  load.Progress
	P99   time.Duration // response of the last sign-ins that ended
	// Recent is what ended since the last call of this kind, warm-up included.
	Recent results.Interval
	// SoFar makes the result of what has ended so far; see measurement.soFar. It
	// is nil unless sign-ins are under way, and made once for a call.
	SoFar func() *results.Result
	On    []string // faults that are on, by name, or by that of their group with their number
	// Stop is the stop condition that is crossed, with what was seen and for
	// how long; empty when none is.
	Stop string
	// Changed is set when a fault was injected or undone just now.
	Changed *fault.Record
}

// progress passes on how far the run is, one call at a time.
type progress struct {
	calls sync.Mutex // one call at a time

	mu  sync.Mutex
	on  []scenarios.Fault
	all []fault.Record // in order of injection
}

func (p *progress) tell(r *run, what Progress) {
	if r.Progress == nil {
		return
	}
	p.calls.Lock()
	defer p.calls.Unlock()
	p.mu.Lock()
	what.On = namesOn(p.on)
	p.mu.Unlock()
	what.End = time.Duration(r.Scenario.Load.Duration)
	r.Progress(what)
}

func (p *progress) phase(r *run, phase string) { p.tell(r, Progress{Phase: phase}) }

// fault notes a fault that began or ended.
func (p *progress) fault(r *run, at time.Duration, rec fault.Record) {
	rec.Fault.Name = rec.Name
	p.mu.Lock()
	p.on = slices.DeleteFunc(p.on, func(f scenarios.Fault) bool { return f.Name == rec.Name })
	if i := slices.IndexFunc(p.all, func(r fault.Record) bool { return r.Name == rec.Name }); i >= 0 {
		p.all[i] = rec
	} else {
		p.all = append(p.all, rec)
	}
	if rec.UndoneAt == fault.Never && (rec.Err == nil || rec.Injections > 0) { // an error may be of a part of it
		p.on = append(p.on, rec.Fault)
	}
	p.mu.Unlock()
	p.tell(r, Progress{Phase: "fault", At: at, Changed: &rec})
}

// faults are those that were injected, or were to be, so far.
func (p *progress) faults() []fault.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// namesOn names the faults that are on. Those of one group are named together
// when there are several: soak ×2.
func namesOn(on []scenarios.Fault) (names []string) {
	of := make(map[string]int)
	for _, f := range on {
		of[f.Group]++
	}
	for _, f := range on {
		switch n := of[f.Group]; {
		case f.Group == "" || n == 1:
			names = append(names, f.Name)
		case n > 1:
			names = append(names, fmt.Sprintf("%s ×%d", f.Group, n))
			of[f.Group] = 0 // named
		}
	}
	return names
}

// follow tells how the load goes until the context ends.
func (p *progress) follow(ctx context.Context, r *run, zero time.Time, g *load.Generator,
	m *measurement) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			recent := m.latest()
			what := Progress{Phase: "load", At: time.Since(zero), Load: g.Progress(), P99: m.p99, Stop: m.limits.state(),
				Recent: recent, SoFar: sync.OnceValue(m.soFar)}
			if what.At < 0 {
				what.Phase = "warm-up"
			}
			p.tell(r, what)
		case <-ctx.Done():
			return
		}
	}
}
