// Package expect sees what faults do, as far as their expectations ask: it
// looks at counters and states when a fault begins, when what it does has
// settled, when it ends and when the next one begins, and makes probes in
// between. What it has seen is compared with what was expected elsewhere.
package expect

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"ptabench/bench/check"
	"ptabench/bench/fault"
	"ptabench/observe"
	"ptabench/scenarios"
)

// A System is what is looked at. The harness provides it. Its methods are
// called from several goroutines.
type System interface {
	// Look reads counters and states of the cloud and of all connectors.
	Look(context.Context) Look
	Prober
	Newcomers
	// LogFile is what a process writes to; of a newcomer too.
	LogFile(process string) string
}

// A Prober tries things at the host of a connector, or of the newcomer.
type Prober interface {
	Reach(ctx context.Context, host, port string) (string, error) // in the words of scenarios
	SignIn(ctx context.Context, host string) (string, error)
	// AdminSignIn begins an administrator's sign-in, without which nobody
	// registers a connector.
	AdminSignIn(ctx context.Context, host string) (string, error)
}

// Newcomers are connectors that are started to see whether they can be, one at
// a time.
type Newcomers interface {
	// StartNewcomer starts one and does not wait for it.
	StartNewcomer(ctx context.Context) error
	// Newcomer is how it is, in the words of scenarios; empty when there is none.
	Newcomer() string
	// StopNewcomer ends it, and all that there was of it.
	StopNewcomer(ctx context.Context)
}

// A Look is how things are at one time.
type Look struct {
	Cloud      observe.TenantCounters // of the tenant under load
	Err        error                  // why the cloud could not be asked
	Listed     map[string]observe.InventoryConnector
	Connectors []Connector
}

// A Connector is one as it is at one time.
type Connector struct {
	Name    string
	Runs    bool
	Start   any // which start of it the counters are of; nil when they were never read
	Counted observe.AgentCounters
	Fresh   bool // the counters are of this time, not older
}

// Times around the phases. A look takes a few milliseconds, and some tens on a
// busy machine.
const (
	lookBefore  = 200 * time.Millisecond // a look precedes what ends its phase by that
	probeWithin = time.Second
	probesLast  = 900 * time.Millisecond // the time for probes at the end of a row
	stopWithin  = 10 * time.Second
	// maxLog is how much of what a process writes in a row is searched.
	maxLog = 4 << 20
)

// A Watcher watches over the expectations of a schedule. Its owner calls Wait.
type Watcher struct {
	scenario *scenarios.Scenario
	system   System
	zero     time.Time
	each     map[string]*row
	all      sync.WaitGroup // one goroutine for each row
}

// A row is one fault and what is seen of it.
type row struct {
	*Watcher
	fault    scenarios.Fault
	end      time.Duration // of the row
	injected chan bool     // whether it was; one value
	seen     []check.Seen

	looks [4]*Look // at its beginning, when it has settled, at the undo, at the end of the row
	logs  map[string]int64
	words map[string]probed // what probes found, by phase and metric
}

type probed struct {
	word string
	err  error
}

// The looks.
const (
	began = iota
	settled
	undone
	over
)

// Start begins to watch a schedule whose times count from zero. When ctx ends
// the rest is not seen.
func Start(ctx context.Context, s *scenarios.Scenario, system System, schedule []scenarios.Fault, zero time.Time) *Watcher {
	w := &Watcher{scenario: s, system: system, zero: zero, each: make(map[string]*row)}
	for _, f := range schedule {
		if len(f.Expect) == 0 {
			continue
		}
		r := &row{Watcher: w, fault: f, end: time.Duration(s.RowEnd(f, schedule)), injected: make(chan bool, 1),
			seen: make([]check.Seen, len(f.Expect)), logs: make(map[string]int64), words: make(map[string]probed)}
		for i := range r.seen {
			r.seen[i].Why = "the run ended first"
		}
		w.each[f.Name] = r
	}
	for _, r := range w.each {
		w.all.Go(func() { r.watch(ctx) })
	}
	return w
}

// Changed takes in that a fault was injected. It does not block.
func (w *Watcher) Changed(rec fault.Record) {
	r := w.each[rec.Name]
	if r == nil || rec.UndoneAt != fault.Never {
		return
	}
	select {
	case r.injected <- rec.Err == nil:
	default: // said already
	}
}

// Wait returns when every row is over, with what was seen: for each fault one
// for each of its expectations. Those about sign-ins are left to who has them.
func (w *Watcher) Wait() map[string][]check.Seen {
	w.all.Wait()
	seen := make(map[string][]check.Seen)
	for name, r := range w.each {
		seen[name] = r.seen
	}
	return seen
}

// watch is the life of one row.
func (r *row) watch(ctx context.Context) {
	f := r.fault
	if !r.sleep(ctx, time.Duration(f.At)-lookBefore) {
		return
	}
	r.look(ctx, began)
	r.markLogs()
	select {
	case ok := <-r.injected:
		if !ok {
			r.unseen("the fault was not injected")
			return
		}
	case <-ctx.Done():
		return
	}
	if f.ExpectsNewcomer() && f.Kind != scenarios.AddConnector {
		if err := r.system.StartNewcomer(ctx); err != nil {
			r.words[key(scenarios.PhaseSettled, scenarios.Newcomer)] = probed{err: err}
			r.words[key(scenarios.PhaseAfter, scenarios.Newcomer)] = probed{err: err}
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()
			r.system.StopNewcomer(ctx)
		}()
	}
	if !r.sleep(ctx, time.Duration(f.SettledAt())) {
		return
	}
	r.look(ctx, settled)
	stop := time.Duration(f.End()) - lookBefore
	r.probe(ctx, scenarios.PhaseSettled, min(probeWithin, stop-time.Since(r.zero)))
	if !r.sleep(ctx, stop) {
		return
	}
	r.look(ctx, undone)
	r.newcomer(scenarios.PhaseSettled)
	r.conclude(scenarios.PhaseOn, scenarios.PhaseSettled)

	left := r.end - time.Duration(f.End())
	if !r.sleep(ctx, r.end-min(probesLast, left/2)) {
		return
	}
	stop = r.end - min(lookBefore, left/4)
	r.probe(ctx, scenarios.PhaseAfter, min(probeWithin, stop-time.Since(r.zero)))
	if !r.sleep(ctx, stop) {
		return
	}
	r.look(ctx, over)
	r.newcomer(scenarios.PhaseAfter)
	r.conclude(scenarios.PhaseAfter, scenarios.PhaseRow)
}

// sleep waits for a time of the run, and says whether it came.
func (r *row) sleep(ctx context.Context, until time.Duration) bool {
	timer := time.NewTimer(time.Until(r.zero.Add(until)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *row) look(ctx context.Context, at int) {
	l := r.system.Look(ctx)
	r.looks[at] = &l
}

// unseen says of everything why it was not seen.
func (r *row) unseen(why string) {
	for i := range r.seen {
		r.seen[i].Why = why
	}
}

// markLogs remembers where the logs that are asked about end.
func (r *row) markLogs() {
	for _, e := range r.fault.Expect {
		if metric, process := e.Split(); metric == "says" {
			if info, err := os.Stat(r.system.LogFile(process)); err == nil {
				r.logs[process] = info.Size()
			}
		}
	}
}

// said is what a process wrote since the beginning of the row.
func (r *row) said(process string) (string, error) {
	f, err := os.Open(r.system.LogFile(process))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Seek(r.logs[process], io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLog))
	return string(text), err
}

func key(p scenarios.Phase, metric string) string { return string(p) + " " + metric }

// probe makes the probes of a phase, side by side, each once.
func (r *row) probe(ctx context.Context, phase scenarios.Phase, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, max(within, 50*time.Millisecond))
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	asked := make(map[string]bool)
	for _, e := range r.fault.Expect {
		name, of := e.Split()
		if e.Phase != phase || asked[e.Metric] {
			continue
		}
		asked[e.Metric] = true
		var try func() (string, error)
		switch name {
		case "reach":
			try = func() (string, error) { return r.system.Reach(ctx, r.host(), of) }
		case "sign_in":
			try = func() (string, error) { return r.system.SignIn(ctx, of) }
		case "admin_sign_in":
			try = func() (string, error) { return r.system.AdminSignIn(ctx, of) }
		default:
			continue
		}
		all.Go(func() {
			word, err := try()
			mu.Lock()
			defer mu.Unlock()
			r.words[key(phase, e.Metric)] = probed{word, err}
		})
	}
	all.Wait()
}

// host is where the fault can be noticed: that of its target.
func (r *row) host() string {
	switch {
	case r.fault.Only != "":
		return r.fault.Only
	case scenarios.IsConnector(r.fault.Target), r.fault.Target == scenarios.Newcomer:
		return r.fault.Target
	}
	return "connector-1"
}

// newcomer notes how the newcomer is at the end of a phase.
func (r *row) newcomer(phase scenarios.Phase) {
	at := key(phase, scenarios.Newcomer)
	if _, failed := r.words[at]; failed || !r.fault.ExpectsNewcomer() {
		return
	}
	word := r.system.Newcomer()
	if word == "" {
		r.words[at] = probed{err: fmt.Errorf("there was no newcomer any more")}
		return
	}
	r.words[at] = probed{word: word}
}

// conclude says what was seen in some phases.
func (r *row) conclude(phases ...scenarios.Phase) {
	for i, e := range r.fault.Expect {
		for _, p := range phases {
			if e.Phase != p {
				continue
			}
			seen, err := r.see(e)
			if err != nil {
				seen = check.Seen{Why: err.Error()}
			}
			r.seen[i] = seen
		}
	}
}
