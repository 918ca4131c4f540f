package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/bench/check"
	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

// books are what the roles counted by themselves, read when nothing is in hand
// any more.
type books struct {
	cloud      []check.CloudBook
	connectors []check.ConnectorBook
	directory  []check.DirectoryBook
	adfs       []check.FederationBook
	costs      map[string]proc.Usage
	harness    int64 // the harness's peak memory, bytes
	events     []observe.Event
	others     []string          // a client request id of each load that is in no book but the cloud's log
	capacity   *results.Capacity // nil unless it was looked for
}

// closeBooks lets the system finish what it has in hand and reads everybody's
// counters.
func (r *run) closeBooks(ctx context.Context) books {
	// What clients gave up on may wait for the cloud's own deadline.
	until := time.Now().Add(settle + time.Duration(r.Scenario.Cloud.Deadline))
	for r.watch.read(ctx); r.watch.busy() && time.Now().Before(until); r.watch.read(ctx) {
		time.Sleep(20 * time.Millisecond)
	}
	b := books{costs: r.used(), harness: maxRSS(ownUsage())}
	for _, last := range r.watch.readings(roleCloud) {
		b.cloud = append(b.cloud, check.CloudBook{Counters: last.cloud, Killed: last.gone()})
	}
	for _, last := range r.watch.readings(roleConnector) {
		b.connectors = append(b.connectors, check.ConnectorBook{Name: last.Name(), Counters: last.connector, Killed: last.gone()})
	}
	for _, last := range r.watch.readings(roleADFS) {
		b.adfs = append(b.adfs, check.FederationBook{Name: last.Name(), Counters: last.adfs, Killed: last.gone()})
	}
	for _, last := range r.watch.readings(roleDirectory) {
		book := check.DirectoryBook{Counters: last.directory, Killed: last.gone()}
		if !book.Killed && r.Scenario.Directory.Kind == scenarios.Embedded {
			bound, cancel := context.WithTimeout(ctx, callWithin)
			book.Killed = last.client().Get(bound, "/binds", &book.Users) != nil
			cancel()
		}
		b.directory = append(b.directory, book)
	}
	for _, p := range r.roles.Processes() {
		r.addUnread(&b, p, p.Sample().Starts)
	}
	b.events = r.watch.seen()
	return b
}

// end ends the processes, which completes the cloud's sign-in log. What the
// cloud tells at its end, and what each process has used by then, is still of
// the run, unless another load came between.
func (r *run) end(ctx context.Context, b *books) {
	for _, role := range endOrder {
		for _, p := range r.roles.Processes() {
			if p.Role() == role {
				_ = p.Terminate(ctx, stopGrace) // who had to be killed is told by events
			}
		}
	}
	if len(b.others) == 0 {
		b.costs = r.used()
	}
	bound, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	r.watch.finish(bound) // the cloud has said all it had to say
	if len(b.others) == 0 {
		b.events = r.watch.seen()
	}
}

// addUnread adds an empty book for each start of a process that ended before
// its counters were ever read.
func (r *run) addUnread(b *books, p *proc.Process, starts int) {
	for _, last := range r.watch.readings(p.Role()) {
		if last.process == process(p) {
			starts--
		}
	}
	for ; starts > 0; starts-- {
		switch p.Role() {
		case roleConnector:
			b.connectors = append(b.connectors, check.ConnectorBook{Name: p.Name(), Killed: true})
		case roleADFS:
			b.adfs = append(b.adfs, check.FederationBook{Name: p.Name(), Killed: true})
		case roleDirectory:
			b.directory = append(b.directory, check.DirectoryBook{Killed: true})
		case roleCloud:
			b.cloud = append(b.cloud, check.CloudBook{Killed: true})
		}
	}
}

// harnessName is how the harness itself appears among the processes.
const harnessName = "harness"

// used is what each process has used so far.
func (r *run) used() map[string]proc.Usage {
	all := make(map[string]proc.Usage)
	for _, p := range r.roles.Processes() {
		all[p.Name()] = p.Sample()
	}
	return all
}

// cpu is what each process has cost so far, the harness included.
func (r *run) cpu() map[string]time.Duration {
	used := map[string]time.Duration{harnessName: ownCPU()}
	for _, p := range r.roles.Processes() {
		used[p.Name()] = p.Sample().CPU
	}
	return used
}

func ownUsage() (u unix.Rusage) {
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // fails for no valid argument
	return u
}

func ownCPU() time.Duration {
	u := ownUsage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processes says what each process cost between time 0 and the end of the
// load.
func (m *measurement) processes(b books, signIns uint64) (all []results.Process) {
	add := func(name, role string, starts int, rss int64) {
		p := results.Process{Name: name, Role: role, Starts: starts, RSSMax: rss,
			CPU: int64(m.atEnd[name] - m.atZero[name])}
		if signIns > 0 {
			p.CPUPerSignIn = p.CPU / int64(signIns)
		}
		all = append(all, p)
	}
	add(harnessName, "bench", 1, b.harness)
	for _, p := range m.roles.Processes() {
		u := b.costs[p.Name()]
		add(p.Name(), p.Role(), u.Starts, u.RSSMax)
	}
	return all
}

// conclude makes the result of what was collected.
func (m *measurement) conclude(g *load.Generator, records []fault.Record, seen map[string][]check.Seen, b books, loaded error) (*results.Result, error) {
	m.mu.Lock() // somebody may ask how it stands just now
	result := m.recorder.Result()
	m.mu.Unlock()
	m.explain(&result)
	result.Sync = m.syncFigures()
	result.Processes = m.processes(b, result.SignIns.Sent)
	result.Preset, result.TimeScale, result.Network = string(m.Scenario.Preset), m.Scenario.TimeScale, string(m.Scenario.Network)
	result.Ceiling, result.Capacity = m.ceiling, b.capacity
	if proc.SysmonTraces() {
		result.Warnings = append(result.Warnings, "The host is up for so long that the load generator takes more CPU than on others: its monitor thread is woken for each sign-in.")
	}
	for _, section := range m.Scenario.Unused {
		result.Warnings = append(result.Warnings, fmt.Sprintf("No tenant's method makes use of the scenario's section %s: nothing of it ran.", section))
	}
	if m.Notes != nil {
		result.Warnings = append(result.Warnings, m.Notes()...)
	}
	switch {
	case errors.Is(loaded, ErrStopCondition):
		result.Verdict = results.Aborted
		result.Reasons = append(result.Reasons, loaded.Error())
	case loaded != nil:
		result.Verdict = results.Aborted
		result.Reasons = append(result.Reasons, "the run was stopped: "+loaded.Error())
	}
	if m.Unobserved {
		unobserved(&result)
		return &result, nil
	}
	signIns, err := os.Open(filepath.Join(m.Dir, results.LogsDir, signInLogFile))
	if err != nil {
		if loaded == nil {
			result.Verdict = results.Aborted
		}
		result.Reasons = append(result.Reasons, "The run could not be checked: "+err.Error()+".")
		return &result, err
	}
	defer signIns.Close()
	p := g.Progress()
	in := check.Input{
		Header: m.header, Objectives: m.Scenario.Objectives, Population: m.users, Spans: m.Scenario.Spans,
		GeneratorCPU: m.meter.peak(processors()),
		Generator: check.Generator{Planned: p.Planned, Sent: p.Sent, Unsent: p.Unsent,
			TokensVerified: p.TokensVerified, TokensBad: p.TokensBad},
		RequestID: g.RequestID, Samples: m.saved, SignInLog: signIns,
		OtherLoads: b.others, Paths: methodPaths(m.Scenario),
		Events: b.events, Cloud: b.cloud, Connectors: b.connectors, Directory: b.directory, Federation: b.adfs,
		Federated: federated(m.Scenario),
		Deaths:    m.died(m.zero),
	}
	if kind := m.Scenario.Directory.Kind; kind != scenarios.Embedded {
		in.Uncounted = "of kind " + string(kind)
	}
	for n := range m.system.connectors {
		in.Fleet = append(in.Fleet, m.Scenario.Connector(n+1))
	}
	for _, name := range m.Scenario.DirectoryNames() {
		binds, err := os.Open(m.system.commands.bindLog(name))
		switch {
		case err == nil:
			defer binds.Close()
			in.BindLogs = append(in.BindLogs, binds)
		case !errors.Is(err, os.ErrNotExist): // another directory may keep none
			result.Warnings = append(result.Warnings, "Doubled binds are not counted: "+err.Error())
		}
	}
	for _, rec := range records {
		f := checkedFault(rec)
		f.Seen, f.RowEnd = seen[rec.Name], int64(m.Scenario.RowEnd(rec.Fault, m.faults))
		in.Faults = append(in.Faults, f)
	}
	return &result, check.Conclude(in, &result)
}

// federated says by Sample.Tenant whose sign-ins begin at a federation server;
// nil when nobody's do.
func federated(s *scenarios.Scenario) []bool {
	loaded := s.Loaded()
	is := func(t scenarios.Tenant) bool { return t.Method == scenarios.Federated }
	switch {
	case !slices.ContainsFunc(loaded, is):
		return nil
	case len(loaded) == 1:
		return []bool{is(loaded[0])}
	}
	by := []bool{false} // 0 is no tenant
	for _, t := range loaded {
		by = append(by, is(t))
	}
	return by
}

// unobserved says that nothing was checked.
func unobserved(r *results.Result) {
	if r.Verdict != results.Aborted {
		r.Verdict = results.Inconclusive
	}
	r.Reasons = append(r.Reasons, "The run was not observed (--unobserved): neither its ledgers nor its objectives were checked.")
}

// checkedFault is a fault as the checks want it. Injection and undo begin when
// the schedule says, or when the run was cut short.
func checkedFault(rec fault.Record) check.Fault {
	undoBegan := int64(rec.Fault.At + rec.Fault.For)
	if rec.UndoneAt != fault.Never {
		undoBegan = min(undoBegan, int64(rec.UndoneAt))
	}
	f := check.Fault{Name: rec.Name, Group: rec.Fault.Group, Kind: rec.Fault.Kind,
		Target: rec.Fault.Target, Only: rec.Fault.Only, Text: rec.Fault.String(),
		Tier: string(rec.Tier), Began: int64(rec.Fault.At), InjectedAt: int64(rec.InjectedAt),
		UndoBegan: undoBegan, UndoneAt: int64(rec.UndoneAt),
		Injections: rec.Injections, Healed: rec.Healed, Note: rec.Note}
	if rec.Err != nil {
		f.Err = rec.Err.Error()
	}
	f.Shows, f.Expect, f.SettledAt = rec.Fault.Shows, rec.Fault.Expect, int64(rec.Fault.SettledAt())
	return f
}
