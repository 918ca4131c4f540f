package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otrace "go.opentelemetry.io/otel/trace"

	"ptabench/results"
)

// maxOpenFaults bounds the faults that are on at once, of which the end is
// waited for.
const maxOpenFaults = 256

// trace is the run as spans: one of the whole run, in it one for each phase and
// one for each fault. It is used from several goroutines.
type trace struct {
	tracer otrace.Tracer

	mu     sync.Mutex
	run    otrace.Span
	within context.Context // of the run's span
	zero   time.Time       // when events count from; zero until it is known
	now    otrace.Span     // the phase
	faults map[string]otrace.Span
}

func newTrace(tracer otrace.Tracer, o Options) *trace {
	t := &trace{tracer: tracer, faults: map[string]otrace.Span{}}
	t.within, t.run = tracer.Start(context.Background(), "run "+o.Scenario, otrace.WithAttributes(
		attribute.String("ptabench.scenario", o.Scenario), attribute.Float64("ptabench.planned_sign_ins_per_second", o.PlannedPerS)))
	_, t.now = tracer.Start(t.within, phases[0])
	return t
}

func (t *trace) began(zero time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zero = zero
}

func (t *trace) phase(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		return // it is over
	}
	t.now.End()
	_, t.now = t.tracer.Start(t.within, name)
}

// fault begins or ends the span of a fault, at the time of its event.
func (t *trace) fault(e results.Event, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now()
	if !t.zero.IsZero() {
		at = t.zero.Add(time.Duration(e.At))
	}
	if span := t.faults[e.Cause]; span != nil {
		span.End(otrace.WithTimestamp(at))
		delete(t.faults, e.Cause)
	}
	if on && t.now != nil && len(t.faults) < maxOpenFaults {
		_, t.faults[e.Cause] = t.tracer.Start(t.within, "fault "+e.Cause, otrace.WithTimestamp(at),
			otrace.WithAttributes(attribute.String("ptabench.fault", e.Cause), attribute.String("ptabench.target", e.Connector)))
	}
}

// ended notes how the run went.
func (t *trace) ended(r *results.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil {
		t.run.SetStatus(codes.Error, "no result")
		return
	}
	t.run.SetAttributes(attribute.String("ptabench.verdict", string(r.Verdict)), attribute.Int64("ptabench.sign_ins", int64(r.SignIns.Sent)))
	if r.Verdict != results.Pass {
		t.run.SetStatus(codes.Error, string(r.Verdict))
	}
}

// close ends every span.
func (t *trace) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		return
	}
	for _, span := range t.faults {
		span.End()
	}
	clear(t.faults)
	t.now.End()
	t.now = nil
	t.run.End()
}
