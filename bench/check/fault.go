package check

import (
	"math"
	"slices"

	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

// Never is the time of what did not happen.
const Never = -1

// aftermath is how long after its undo a fault still counts when its target
// was not seen to serve again, in nanoseconds.
const aftermath = 2_000_000_000

// A Fault is what became of one fault. Times are nanoseconds from time 0. The
// injection and the undo each take a while, and effects can come before either
// call returned; so both have a beginning, from which effects are looked for.
type Fault struct {
	Name       string
	Kind       scenarios.FaultKind
	Target     string
	Text       string // as it parses
	Tier       string
	Began      int64 // when the injection was begun
	InjectedAt int64 // when it was done; Never when it was not
	UndoBegan  int64 // when the undo was begun
	UndoneAt   int64 // when it was done; Never when it was not
	Injections uint64
	Healed     bool
	Note       string
	Err        string // empty when all went well
}

// A watch collects what one fault did, in two passes over the samples.
type watch struct {
	Fault
	on       bool   // it was injected
	servers  []bool // by Server number: connectors that are its target; nil when the path as a whole is
	end      int64  // of the window
	failover int64
	recover  int64
	out      results.Fault
	times    *results.Histogram
}

// faultFigures measures each fault.
func faultFigures(in Input) ([]results.Fault, error) {
	watches := make([]*watch, len(in.Faults))
	for i, f := range in.Faults {
		watches[i] = newWatch(f, in.Header.Connectors)
	}
	if len(watches) == 0 {
		return []results.Fault{}, nil
	}
	for s, err := range in.Samples() {
		if err != nil {
			return nil, err
		}
		for _, w := range watches {
			w.first(&s)
		}
	}
	for _, w := range watches {
		w.end = w.UndoneAt
		switch {
		case w.UndoneAt == Never:
			w.end = math.MaxInt64
		case w.recover >= 0:
			w.end = max(w.UndoneAt, w.UndoBegan+w.recover)
		default:
			w.end += aftermath
		}
	}
	for s, err := range in.Samples() {
		if err != nil {
			return nil, err
		}
		for _, w := range watches {
			w.count(&s)
		}
	}
	all := make([]results.Fault, len(watches))
	for i, w := range watches {
		all[i] = w.figures(in.Events)
	}
	return all, nil
}

func newWatch(f Fault, connectors []string) *watch {
	w := &watch{Fault: f, on: f.InjectedAt != Never, failover: Never, recover: Never, times: results.NewHistogram()}
	if i := slices.Index(connectors, f.Target); i >= 0 {
		w.servers = make([]bool, 256)
		w.servers[i+1] = true
	}
	return w
}

// first looks for the first sign-in served another way, and after the undo
// for the first that the target served. The samples are only about in order.
func (w *watch) first(s *results.Sample) {
	if !w.on || s.Outcome == results.OutcomeUnsent {
		return
	}
	another := decided(s) && (s.Path == results.PathHashSync || s.Attempts > 1)
	if another && s.Done >= w.Began && (w.UndoneAt == Never || s.Due <= w.UndoneAt) {
		earliest(&w.failover, w.since(s.Done))
	}
	if w.UndoneAt != Never && s.Done >= w.UndoBegan && w.served(s) {
		earliest(&w.recover, s.Done-w.UndoBegan)
	}
}

// since is how long after the injection something happened: after its end, or
// when the effect came sooner than that, after its beginning.
func (w *watch) since(at int64) int64 {
	if at < w.InjectedAt {
		return at - w.Began
	}
	return at - w.InjectedAt
}

// served says that the target of the fault, or the path it breaks, served s.
func (w *watch) served(s *results.Sample) bool {
	return decided(s) && s.Path == results.PathPassThrough && (w.servers == nil || w.servers[s.Server])
}

func decided(s *results.Sample) bool {
	return s.Outcome == results.OutcomeAccepted || s.Outcome == results.OutcomeRefused
}

func earliest(at *int64, t int64) {
	if *at == Never || t < *at {
		*at = t
	}
}

// count takes in a sign-in that was under way at any time of the fault and its
// recovery.
func (w *watch) count(s *results.Sample) {
	if !w.on || s.Outcome == results.OutcomeUnsent || s.Done < w.Began || s.Due > w.end {
		return
	}
	w.times.Record(s.Done - s.Due)
	switch {
	case !decided(s):
		w.out.Failed++
	case s.Path == results.PathHashSync:
		w.out.HashSync++
	}
	if s.Attempts > 1 && decided(s) {
		w.out.HandedOff++
	}
}

// figures makes the result. Sign-ins that were answered wrongly are counted by
// cause elsewhere.
func (w *watch) figures(events []observe.Event) results.Fault {
	f := w.out
	f.Name, f.Kind, f.Target, f.Text, f.Tier = w.Name, string(w.Kind), w.Target, w.Text, w.Tier
	f.Injections, f.Healed, f.Note = w.Injections, w.Healed, w.Note
	if w.Err != "" {
		f.Note = joined(f.Note, w.Err)
	}
	f.At, f.Detect, f.Failover, f.Recover = w.InjectedAt, Never, w.failover, w.recover
	if !w.on {
		return f
	}
	if w.UndoneAt != Never {
		f.Duration = w.UndoneAt - w.InjectedAt
	}
	f.Detect = w.detect(events)
	f.P99 = w.times.At(99)
	return f
}

func joined(note, more string) string {
	if note == "" {
		return more
	}
	return note + "; " + more
}

// detect is how long it took until the cloud saw something of the fault.
func (w *watch) detect(events []observe.Event) int64 {
	at := int64(Never)
	for _, e := range events {
		if e.AtNS >= w.Began && (w.UndoneAt == Never || e.AtNS <= w.UndoneAt) && w.about(e) {
			earliest(&at, w.since(e.AtNS))
		}
	}
	return at
}

// about says whether an event of the cloud tells of this fault.
func (w *watch) about(e observe.Event) bool {
	mine := w.Target == e.Connector || w.Target == scenarios.AllConnectors
	directory := w.Target == scenarios.DirectoryTarget
	switch e.Kind {
	case observe.ConnectorLost:
		return mine
	case observe.AttemptTimedOut, observe.HandedOff, observe.Dropped:
		return mine || directory
	case observe.ConnectorStatus:
		switch e.Cause {
		case "directory-unreachable":
			return mine || directory
		case "responses-lost", "draining":
			return mine
		}
		return false
	case observe.BreakerOpened:
		return directory || w.Target == scenarios.AllConnectors
	}
	return false
}
