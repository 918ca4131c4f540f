package fault

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"ptabench/bench/fault/cgroup"
	"ptabench/bench/fault/kernel"
	"ptabench/scenarios"
)

// How long one call may take when the Plan says nothing.
const (
	defaultInjectWithin = 10 * time.Second
	defaultUndoWithin   = 30 * time.Second // a restart waits for the ready line
)

// A Plan is what to break, in what, and when.
type Plan struct {
	System  System
	Journal *Journal
	Faults  []scenarios.Fault
	Zero    time.Time // time 0, which At of each fault counts from

	InjectWithin time.Duration // bounds each injection; 10 s when 0
	UndoWithin   time.Duration // bounds each undo, cancelled or not; 30 s when 0

	// Changed is told of each fault when it was injected and when it was
	// undone, as far as either went. It is called by several goroutines and
	// must not block.
	Changed func(Record)

	// The means; those of this machine when nil.
	rules  rules
	group  func(kind cgroup.Kind, name string) (group, error)
	kernel func() error
}

// scene is where one fault is injected.
func (p *Plan) scene(number int, f scenarios.Fault) scene {
	return scene{System: p.System, fault: f, id: fmt.Sprintf("fault-%d", number), run: p.Journal.run, rules: p.rules, group: p.group, kernel: p.kernel}
}

// A Schedule is a plan under way. Its owner calls Stop, best deferred, so that
// nothing stays broken when the owner panics.
type Schedule struct {
	plan    Plan
	cancel  context.CancelCauseFunc
	all     sync.WaitGroup // one goroutine for each fault
	records []Record       // by fault; each of its goroutine until that ends
}

// errStopped is why a fault is cut short by Stop.
var errStopped = errors.New("the schedule was stopped")

// Start begins to carry out a plan. Each fault is injected at its time and
// undone when it has lasted, whatever the others do. When ctx ends, what is on
// is undone at once and the rest is left.
func Start(ctx context.Context, plan Plan) *Schedule {
	if plan.InjectWithin == 0 {
		plan.InjectWithin = defaultInjectWithin
	}
	if plan.UndoWithin == 0 {
		plan.UndoWithin = defaultUndoWithin
	}
	if plan.Changed == nil {
		plan.Changed = func(Record) {}
	}
	if plan.rules == nil {
		plan.rules = kernel.NewTable("ptabench_" + plan.Journal.run)
	}
	if plan.group == nil {
		plan.group = func(kind cgroup.Kind, name string) (group, error) { return cgroup.New(kind, name) }
	}
	s := &Schedule{plan: plan, records: make([]Record, len(plan.Faults))}
	ctx, s.cancel = context.WithCancelCause(ctx)
	for i, f := range plan.Faults {
		s.records[i] = Record{Fault: f, Name: nameOf(f, i+1), InjectedAt: Never, UndoneAt: Never}
		s.all.Go(func() { s.carryOut(ctx, i+1, &s.records[i]) })
	}
	return s
}

// Wait returns when every fault is over and undone. A panic of a fault comes
// out of it, after everything was undone.
func (s *Schedule) Wait() []Record {
	s.all.Wait()
	s.cancel(nil)
	_ = s.plan.rules.Close() // of a rule that is still there its fault says so
	for _, r := range s.records {
		if p, ok := errors.AsType[*panicked](r.Err); ok {
			panic(fmt.Sprintf("fault %s: %v\n%s", r.Name, p.value, p.stack))
		}
	}
	return s.records
}

// Stop undoes what is on, gives up the rest, and returns when that is done. It
// does nothing when all is over.
func (s *Schedule) Stop() []Record {
	s.cancel(errStopped)
	return s.Wait()
}

// carryOut is the life of one fault.
func (s *Schedule) carryOut(ctx context.Context, number int, r *Record) {
	if err := sleepUntil(ctx, s.plan.Zero.Add(time.Duration(r.Fault.At))); err != nil {
		r.Err = fmt.Errorf("not injected: %w", err)
		return
	}
	one := &injection{Record: r, plan: &s.plan, number: number}
	on := one.begin(ctx)
	s.changed(r)
	if !on {
		return
	}
	// A fault that hit nothing, for an error, has nothing to wait for.
	if r.Err == nil || r.Injections > 0 {
		if err := sleepUntil(ctx, s.plan.Zero.Add(time.Duration(r.Fault.End()))); err != nil {
			r.note("cut short: " + err.Error())
		}
	}
	one.end(context.WithoutCancel(ctx))
	s.changed(r)
}

// changed tells of a fault, and has all of them undone when this one panicked,
// or who is told did.
func (s *Schedule) changed(r *Record) {
	if _, err := protect(func() (e effect, err error) {
		s.plan.Changed(*r)
		return e, nil
	}); err != nil {
		r.Err = errors.Join(r.Err, err)
	}
	if p, ok := errors.AsType[*panicked](r.Err); ok {
		s.cancel(fmt.Errorf("fault %s: %w", r.Name, p))
	}
}

// sleepUntil returns at a time, or earlier with the cause when ctx ends.
func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	default: // the context goes before a time that has come
	}
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// panicked is a panic made an error, so that its fault is undone like any
// other before it goes on.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// protect calls f and makes a panic of it an error.
func protect(f func() (effect, error)) (e effect, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicked{value: value, stack: debug.Stack()}
		}
	}()
	return f()
}
