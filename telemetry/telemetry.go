// Package telemetry tells dashboards how a run goes while it goes on: metrics
// that Prometheus fetches, and the same metrics pushed by OTLP, with the run,
// its phases and its faults as spans.
//
// It stays out of the way of what is measured. A sign-in costs it a few atomic
// additions; everything else is read when somebody asks, and whoever does not
// answer is not waited for.
//
// Metrics are named as Prometheus has it (ptabench_run_…, base units, _total),
// once, and OTLP gets them by the bridge from that registry, so that the two
// cannot disagree. Histograms have classic buckets and no native ones: those
// need protocol buffers and a switch in Prometheus, and would make a dashboard
// that works on one server empty on another. The buckets are close around what
// sign-ins take, from 100 µs to 30 s.
//
// What labels can hold is bounded: sign-ins of connectors and faults beyond
// maxNamed are counted as "other", processes and objectives beyond it left out.
package telemetry

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ptabench/results"
)

// maxNamed bounds the values of each label that a scenario chooses.
const maxNamed = 100

// otherName counts what is beyond it.
const otherName = "other"

// buckets of times, in seconds.
var buckets = []float64{
	.0001, .00025, .0005, .001, .002, .003, .005, .0075, .01, .015, .02, .03, .05, .075,
	.1, .15, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 10, 30,
}

// phases are what a run goes through; what else is told is not a phase.
var phases = []string{"starting", "warm-up", "load", "draining", "checking", "ended"}

// Options say what is run.
type Options struct {
	Scenario, Version string
	Seed              uint64
	PlannedPerS       float64
	Duration          time.Duration
}

// Progress is how far the run is. Of the counters, which cover the warm-up too,
// Done are those sent that have ended.
type Progress struct {
	Phase               string
	At                  time.Duration // from time 0; negative in the warm-up
	Planned, Sent, Done uint64
	InFlight            int64
	SoFar               func() *results.Result // nil while there is nothing
}

// A Run holds the metrics of one run. It is told of the run by Began, Sample,
// Event, Usage and Progress, from any goroutine, and by Ended of its end.
type Run struct {
	Options
	registry *prometheus.Registry

	connectors atomic.Pointer[[]namedCounter] // as Header.Connectors; nil before Began
	outcomes   [results.OutcomeUnknown + 1][results.PathFederation + 1]atomic.Uint64
	judgements [results.OtherReason + 1]atomic.Uint64
	times      [3]prometheus.Histogram // response, service, lag

	mu       sync.Mutex
	progress Progress
	phase    string
	result   *results.Result // when it has ended
	usage    map[string]results.Usage
	hands    map[string]int
	queued   int
	injected uint64
	trace    *trace // nil without OTLP
}

type namedCounter struct {
	name string
	n    *atomic.Uint64 // several share that of otherName
}

// New makes the metrics of a run that is about to start.
func New(o Options) *Run {
	r := &Run{Options: o, registry: prometheus.NewRegistry(), phase: phases[0], usage: map[string]results.Usage{}}
	for i, of := range [...]struct{ name, help string }{
		{"response", "From when a sign-in was due until it was answered."},
		{"service", "From when a sign-in was sent until it was answered."},
		{"lag", "From when a sign-in was due until it was sent: how late the load generator is."},
	} {
		r.times[i] = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ptabench_run_" + of.name + "_seconds", Help: of.help, Buckets: buckets})
		r.registry.MustRegister(r.times[i])
	}
	r.registry.MustRegister(collector{r}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Gatherer gives the metrics.
func (r *Run) Gatherer() prometheus.Gatherer { return r.registry }

// Began tells what the samples will be of.
func (r *Run) Began(h results.Header) {
	list := make([]namedCounter, len(h.Connectors))
	var others atomic.Uint64
	for i, name := range h.Connectors {
		list[i] = namedCounter{otherName, &others}
		if i < maxNamed {
			list[i] = namedCounter{name, new(atomic.Uint64)}
		}
	}
	r.connectors.Store(&list)
	if zero, err := time.Parse(time.RFC3339Nano, h.StartedAt); err == nil {
		r.tracing(func(t *trace) { t.began(zero) })
	}
}

// Sample counts a sign-in of the measured load that has ended.
func (r *Run) Sample(s results.Sample) {
	if s.Due < 0 || int(s.Outcome) >= len(r.outcomes) || int(s.Path) >= len(r.outcomes[0]) || int(s.Judgement) >= len(r.judgements) {
		return
	}
	r.outcomes[s.Outcome][s.Path].Add(1)
	r.judgements[s.Judgement].Add(1)
	if s.Outcome == results.OutcomeUnsent {
		return
	}
	r.times[0].Observe(seconds(s.Done - s.Due))
	r.times[1].Observe(seconds(s.Done - s.Sent))
	r.times[2].Observe(seconds(s.Sent - s.Due))
	decided := s.Outcome == results.OutcomeAccepted || s.Outcome == results.OutcomeRefused
	if list := r.connectors.Load(); decided && s.Path == results.PathPassThrough && list != nil && s.Server > 0 && int(s.Server) <= len(*list) {
		(*list)[s.Server-1].n.Add(1)
	}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// Event takes in what happened.
func (r *Run) Event(e results.Event) {
	if e.Source != "harness" {
		return
	}
	switch e.Kind {
	case "fault-injected":
		r.mu.Lock()
		r.injected++
		r.mu.Unlock()
		r.tracing(func(t *trace) { t.fault(e, true) })
	case "fault-undone":
		r.tracing(func(t *trace) { t.fault(e, false) })
	}
}

// Usage takes in what a process has used.
func (r *Run) Usage(u results.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.usage[u.Process]; known || len(r.usage) < maxNamed {
		r.usage[u.Process] = u
	}
	if u.InFlight != nil {
		r.hands, r.queued = u.InFlight, u.Queued
	}
}

// Progress takes in how far the run is.
func (r *Run) Progress(p Progress) {
	r.mu.Lock()
	changed := p.Phase != r.phase && slices.Contains(phases, p.Phase)
	if changed {
		r.phase = p.Phase
	}
	if p.SoFar != nil { // the others are told at a change, with nothing in them
		r.progress = p
	}
	r.mu.Unlock()
	if changed {
		r.tracing(func(t *trace) { t.phase(p.Phase) })
	}
}

// Ended takes in the result, nil when there is none. What objectives and
// faults came to is then known, and no longer asked of the run.
func (r *Run) Ended(result *results.Result) {
	r.mu.Lock()
	r.phase, r.progress.SoFar, r.result = "ended", nil, result
	r.mu.Unlock()
	r.tracing(func(t *trace) { t.ended(result) })
}

func (r *Run) tracing(do func(*trace)) {
	r.mu.Lock()
	t := r.trace
	r.mu.Unlock()
	if t != nil {
		do(t)
	}
}

// soFar is the result as it stands; nil before there is one.
func (r *Run) soFar() *results.Result {
	r.mu.Lock()
	ask, result := r.progress.SoFar, r.result
	r.mu.Unlock()
	if result == nil && ask != nil {
		return ask()
	}
	return result
}
