package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"time"

	"ptabench/bench/churn"
	"ptabench/bench/expect"
	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/results"
)

const (
	// leadTime passes between the decision to begin and the first arrival, so
	// that it is not late.
	leadTime = 50 * time.Millisecond
	// settle is how long the system may take to finish what is in hand after
	// the last answer, before its books are read.
	settle = 2 * time.Second
)

// measurement is the load of a run and what it left in memory.
type measurement struct {
	*run
	zero    time.Time
	header  results.Header
	samples *results.SampleWriter
	log     *results.IntervalLog

	expected *expect.Watcher
	limits   *limits
	meter    cpuMeter // of the harness's own CPU, from time 0 on

	abort    context.CancelCauseFunc // ends the load
	mu       sync.Mutex              // held while recorder and samples are used
	recorder *results.Recorder
	stale    *churn.Stale // nil when nothing happens to users
	failed   error        // of the samples, the first

	p99 time.Duration // of latest; of progress.follow only

	atZero map[string]time.Duration // CPU of each process
	atEnd  map[string]time.Duration
}

// measure loads the system, breaks it, and concludes.
func (r *run) measure(ctx context.Context) (_ *results.Result, err error) {
	m := &measurement{run: r}
	g, err := r.generator(m.sink)
	if err != nil {
		return nil, err
	}
	r.progress.phase(r, "connecting")
	if err := g.Connect(ctx); err != nil {
		return nil, fmt.Errorf("opening the clients' connections: %w", err)
	}
	m.limits = newLimits(r.Scenario.StopWhen, func() int { return g.Overdue(time.Since(m.zero)) })
	m.meter.own = ownCPU
	start := time.Now().Add(leadTime)
	if err := m.open(g, start.Add(time.Duration(r.Scenario.Load.Warmup))); err != nil {
		return nil, err
	}
	if m.Follower != nil {
		m.Follower.Began(m.header)
		r.watch.tell(m.Follower)
	}
	r.watch.begin(m.zero)

	loadCtx, cancel := context.WithCancelCause(ctx)
	m.abort = cancel
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel(nil)
	work.Go(func() { r.progress.follow(loadCtx, r, m.zero, g, m) })
	work.Go(func() { m.sampleAtZero(loadCtx) })
	if m.churn != nil {
		work.Go(func() { m.happen(loadCtx) })
	}
	work.Go(func() {
		end := m.zero.Add(time.Duration(r.Scenario.Load.Duration))
		m.limits.watch(loadCtx, m.zero, end, func(err error) {
			r.watch.harness(results.Event{Kind: "stop-condition", Cause: err.Error()})
			r.progress.phase(r, err.Error())
			cancel(err)
		})
	})
	if r.Profile {
		work.Go(func() {
			if err := m.profile(loadCtx); err != nil {
				r.watch.harness(results.Event{Kind: "profile-error", Cause: err.Error()})
			}
		})
	}
	m.expected = expect.Start(loadCtx, r.Scenario, r.system, r.faults, m.zero)
	defer m.expected.Wait()
	defer cancel(nil)
	faults := fault.Start(loadCtx, fault.Plan{System: r.system, Journal: r.journal, Faults: r.faults,
		Zero: m.zero, Changed: m.faultChanged})
	defer faults.Stop()

	loaded := g.Run(loadCtx, start)
	m.atEnd = r.cpu()
	if loaded != nil {
		cancel(loaded) // what is on is undone now
	}
	r.progress.phase(r, "draining")
	records := faults.Wait()
	seen := m.expected.Wait()
	cancel(nil)
	work.Wait()
	books := r.closeBooks(context.WithoutCancel(ctx))
	if loaded == nil && r.Scenario.Capacity.On() {
		books.capacity, books.others = m.findCapacity(ctx)
		loaded = context.Cause(ctx)
	}
	r.end(context.WithoutCancel(ctx), &books)
	kept := m.close()
	r.progress.phase(r, "checking")
	if loaded == nil {
		loaded = kept // what was not kept cannot be judged
	}
	result, err := m.conclude(g, records, seen, books, loaded)
	err = errors.Join(kept, err, results.WriteResult(filepath.Join(r.Dir, results.ResultFile), result))
	if stuck := notHealed(records); stuck != nil {
		return result, errors.Join(stuck, err)
	}
	if err != nil {
		return result, err
	}
	return result, loaded
}

// notHealed names the faults that could not be undone, also those whose
// injection failed: half of it may be there. It is nil when there is none.
func notHealed(records []fault.Record) error {
	var errs []error
	for _, rec := range records {
		if rec.Stuck {
			errs = append(errs, fmt.Errorf("%s: %w", rec.Name, rec.Err))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotHealed, errors.Join(errs...))
}

// open makes the files that a run writes while it goes on.
func (m *measurement) open(g *load.Generator, zero time.Time) (err error) {
	s := m.Scenario
	m.zero = zero
	if m.samples, err = results.CreateSamples(filepath.Join(m.Dir, results.SamplesFile), results.Header{
		Scenario: s.Name, Seed: s.Seed, StartedAt: zero.UTC().Format(time.RFC3339Nano),
		Duration: int64(s.Load.Duration), Planned: uint64(g.Planned(0)), Timeout: int64(s.Load.Timeout),
		Command: m.Command, Version: m.Version, Machine: machine(),
		Intents: load.Intents(), Connectors: m.system.connectorNames(),
		Federation: m.system.federationServers(), Tenants: tenantNames(s),
	}); err != nil {
		return err
	}
	m.header = m.samples.Header()
	if !m.Unobserved {
		if m.log, err = results.CreateIntervalLog(filepath.Join(m.Dir, results.IntervalLogFile), zero); err != nil {
			return err
		}
	}
	m.recorder = results.NewRecorder(m.header, m.log)
	if m.churn != nil {
		m.stale = churn.NewStale(m.churn, m.header.Intents, m.Scenario.HashSync.On())
	}
	return nil
}

// sink keeps one sign-in. The generator calls it one at a time.
func (m *measurement) sink(s results.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost(m.samples.Append(s))
	m.recorder.Record(s)
	if m.stale != nil {
		m.stale.Count(&s)
	}
	if m.Follower != nil {
		m.Follower.Sample(s)
	}
	m.limits.count(&s)
}

// lost ends the load when a sign-in could not be kept: what follows could not
// be judged. It is called with the lock held.
func (m *measurement) lost(err error) {
	if err != nil && m.failed == nil {
		m.failed = err
		m.abort(fmt.Errorf("keeping the measurements: %w", err))
	}
}

// sampleAtZero notes what each process had cost when the measured load began,
// and from there on, second by second, what the harness costs.
func (m *measurement) sampleAtZero(ctx context.Context) {
	select {
	case <-time.After(time.Until(m.zero)):
		m.atZero = m.cpu()
		m.meter.run(ctx)
	case <-ctx.Done():
	}
}

func (m *measurement) faultChanged(rec fault.Record) {
	kind := "fault-injected"
	switch {
	case rec.Err != nil:
		kind = "fault-error"
	case rec.UndoneAt != fault.Never:
		kind = "fault-undone"
	}
	m.watch.harness(results.Event{Kind: kind, Connector: rec.Fault.Target, Cause: rec.Name, Count: int64(rec.Injections)})
	m.expected.Changed(rec)
	m.progress.fault(m.run, time.Since(m.zero), rec)
}

// close ends the files of the load and writes the distributions.
func (m *measurement) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	errs := []error{m.failed, m.samples.Close(), m.recorder.Close()} // the recorder closes the interval log
	for name, h := range map[string]*results.Histogram{
		results.ResponseFile: m.recorder.Response(), results.ServiceFile: m.recorder.Service(), results.LagFile: m.recorder.Lag(),
	} {
		errs = append(errs, h.WriteDistribution(filepath.Join(m.Dir, name)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("keeping the measurements: %w", err)
	}
	return nil
}

// saved iterates over the sign-ins in the file.
func (m *measurement) saved() iter.Seq2[results.Sample, error] {
	return func(yield func(results.Sample, error) bool) {
		r, err := results.OpenSamples(filepath.Join(m.Dir, results.SamplesFile))
		if err != nil {
			yield(results.Sample{}, err)
			return
		}
		defer r.Close()
		for s, err := range r.All() {
			if !yield(s, err) {
				return
			}
		}
	}
}
