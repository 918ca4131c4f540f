package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ptabench/bench/fault/cgroup"
	"ptabench/bench/fault/kernel"
	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/scenarios"
)

// noSuchPID is above every process id that Linux and darwin give.
const noSuchPID = 1 << 23

// fakeSystem is three connectors, a directory and a cloud simulator that write
// down what is done to them, with the time.
type fakeSystem struct {
	t    *testing.T
	zero time.Time

	mu        sync.Mutex
	log       []string
	processes []*fakeProcess
	slowSince time.Time
	on        map[string]bool // gates that are set

	connections uint64 // that a gate finds
	keeps       bool   // a gate that was cleared
	changed     int    // users
	packets     uint64 // that a rule finds
	events      uint64 // that a group's limit has
	refuses     error  // what the means of the kernel give, and the directory
	onGate      func(ctx context.Context) error
	onClear     func(ctx context.Context) error
}

func newFakeSystem(t *testing.T) *fakeSystem {
	s := &fakeSystem{t: t, zero: time.Now(), on: map[string]bool{}, connections: 5, changed: 40, packets: 9, events: 3}
	for i, name := range []string{"connector-1", "connector-2", "connector-3", "directory", "cloudsim"} {
		s.processes = append(s.processes, &fakeProcess{
			system: s, name: name, running: true, id: proc.Identity{PID: noSuchPID + i, Start: 1},
		})
	}
	return s
}

func (s *fakeSystem) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("%v ", time.Since(s.zero))+fmt.Sprintf(format, args...))
}

// sorted is the log in the order of time; what happens at once, by name.
func (s *fakeSystem) sorted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.log))
}

func (s *fakeSystem) process(name string) *fakeProcess {
	for _, p := range s.processes {
		if p.name == name {
			return p
		}
	}
	s.t.Fatalf("no process %s", name)
	return nil
}

func (s *fakeSystem) Processes(target string) ([]Process, error) {
	var found []Process
	for i, p := range s.processes {
		if p.name == target || target == scenarios.AllConnectors && i < 3 || target == scenarios.AllTarget {
			found = append(found, p)
		}
	}
	return found, nil
}

func (s *fakeSystem) Source(connector string) (string, error) {
	return "127.0.0.1" + connector[len(connector)-1:], nil
}

func (s *fakeSystem) Role(name string) (Role, error) {
	role := Role{Ports: map[string]string{"ldaps": "127.0.0.1:1636"}, Gates: fakeGates{s, name}, Binds: fakeBinds{s}, Hashes: fakeHashes{s}}
	if name == targetCloud {
		role.Ports = map[string]string{"443": "127.0.0.1:1443", "9350": "127.0.0.1:19350", "9352": "127.0.0.1:19352", "5671": "127.0.0.1:15671"}
	}
	return role, nil
}

func (s *fakeSystem) ChangedUsers(age scenarios.Duration) int {
	if time.Duration(age) < time.Hour {
		return 0
	}
	return s.changed
}

func (s *fakeSystem) set(gate string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on[gate] = on
}

func (s *fakeSystem) isOn(gate string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on[gate]
}

type fakeGates struct {
	*fakeSystem
	role string
}

func (g fakeGates) Address() string { return "127.0.0.1:9" }

func (g fakeGates) Gated(ctx context.Context) (set []observe.GateEffect, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, on := range g.on {
		if on {
			set = append(set, observe.GateEffect{ID: id})
		}
	}
	return set, ctx.Err()
}

func (g fakeGates) Gate(ctx context.Context, gate observe.Gate) (observe.GateEffect, error) {
	what := ""
	if gate.Mode == observe.GateDegrade {
		what = fmt.Sprintf(" %v±%v %v/s %v", time.Duration(gate.DelayNS), time.Duration(gate.JitterNS), gate.BitsPerS, gate.LossRatio)
	}
	g.add("%s", strings.TrimSpace(fmt.Sprintf("gate %s %s%s %v for %v %s", gate.ID, gate.Mode, what, gate.Ports, gate.Sources, gate.Direction)))
	if g.role == targetDirectory {
		g.add("at the directory")
	}
	if g.onGate != nil {
		if err := g.onGate(ctx); err != nil {
			return observe.GateEffect{}, err
		}
	}
	g.set(gate.ID, true)
	return observe.GateEffect{ID: gate.ID, Injections: min(1, g.connections)}, ctx.Err()
}

func (g fakeGates) ClearGate(ctx context.Context, id string) (observe.GateEffect, error) {
	g.add("clear %s", id)
	if g.onClear != nil {
		if err := g.onClear(ctx); err != nil {
			return observe.GateEffect{}, err
		}
	}
	if !g.isOn(id) {
		return observe.GateEffect{}, observe.ErrNotFound
	}
	g.set(id, g.keeps)
	return observe.GateEffect{ID: id, Injections: g.connections, RefusedByReset: true}, ctx.Err()
}

// fakeBinds has ten binds a second.
type fakeBinds struct{ *fakeSystem }

func (b fakeBinds) Put(ctx context.Context, f observe.BindFault) (observe.FaultEffect, error) {
	b.add("binds %s %s %v %d for %v", f.ID, f.Mode, time.Duration(f.DelayNS), f.Connections, f.Sources)
	if b.refuses != nil {
		return observe.FaultEffect{}, b.refuses
	}
	b.slowSince = time.Now()
	return observe.FaultEffect{ID: f.ID}, ctx.Err()
}

func (b fakeBinds) Delete(ctx context.Context, id string) (observe.FaultEffect, error) {
	b.add("binds %s as before", id)
	if b.slowSince.IsZero() {
		return observe.FaultEffect{}, observe.ErrNotFound
	}
	return observe.FaultEffect{ID: id, Injections: uint64(time.Since(b.slowSince) / (100 * time.Millisecond))}, ctx.Err()
}

type fakeHashes struct{ *fakeSystem }

func (h fakeHashes) Put(ctx context.Context, f observe.HashFault) (observe.FaultEffect, error) {
	h.add("hashes %s changed %d missing %v", f.ID, f.Changed, f.Missing)
	if h.refuses != nil {
		return observe.FaultEffect{}, h.refuses
	}
	return observe.FaultEffect{ID: f.ID, Injections: 17}, ctx.Err()
}

func (h fakeHashes) Delete(ctx context.Context, id string) (observe.FaultEffect, error) {
	h.add("hashes %s right", id)
	switch {
	case !h.process("directory").running:
		return observe.FaultEffect{}, errFake
	case h.refuses != nil || h.process("directory").id.Start > 1: // the directory that is there knows of no fault
		return observe.FaultEffect{}, observe.ErrNotFound
	}
	return observe.FaultEffect{ID: id, Injections: 17}, ctx.Err()
}

// fakeRules are the kernel's.
type fakeRules struct{ *fakeSystem }

func (r fakeRules) Name() string { return "ptabench_fake" }
func (r fakeRules) Close() error { return nil }

func (r fakeRules) Add(rule kernel.Rule) error {
	r.add("rule %s %s %s %v %v for %v", rule.ID, rule.Verdict, rule.Direction, rule.Loss, rule.Ports, rule.Sources)
	return r.refuses
}

func (r fakeRules) Remove(id string) (uint64, error) {
	r.add("no rule %s", id)
	return r.packets, r.refuses
}

// fakeGroup is a control group.
type fakeGroup struct {
	*fakeSystem
	kind cgroup.Kind
	name string
}

func (g fakeGroup) Path() string { return "/groups/ptabench-" + g.name }

func (g fakeGroup) Hold(pid int, limit cgroup.Limit) (int, error) {
	p := g.processes[pid-noSuchPID]
	if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return 0, os.ErrProcessDone
	}
	g.add("%s of %s %v %d", g.kind, p.name, limit.CPU, limit.Memory)
	if g.refuses != nil {
		return 0, g.refuses
	}
	return 1, nil
}

func (g fakeGroup) Events() (uint64, error)      { return g.events, nil }
func (g fakeGroup) Remove(context.Context) error { g.add("no group %s", g.name); return g.refuses }

// fakeProcess ends at once when it is killed, and when it is asked to unless
// it is stubborn.
type fakeProcess struct {
	system   *fakeSystem
	name     string
	stubborn bool
	hangs    bool          // its restart never gets ready
	slow     time.Duration // how long its restart takes

	id      proc.Identity
	running bool
	may     bool // end by itself
}

func (p *fakeProcess) Expect(end bool) {
	p.system.mu.Lock()
	defer p.system.mu.Unlock()
	p.may = end
}

func (p *fakeProcess) Name() string { return p.name }

func (p *fakeProcess) Identity() proc.Identity {
	p.system.mu.Lock()
	defer p.system.mu.Unlock()
	return p.id
}

func (p *fakeProcess) Signal(sig os.Signal) error {
	p.system.mu.Lock()
	running := p.running
	if sig == syscall.SIGKILL || sig == syscall.SIGTERM && !p.stubborn {
		p.running = false
	}
	p.system.mu.Unlock()
	if !running {
		return os.ErrProcessDone
	}
	if sig != syscall.Signal(0) {
		p.system.add("%v %s", sig, p.name)
	}
	return nil
}

func (p *fakeProcess) Restart(ctx context.Context) error {
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(p.slow)
	p.system.mu.Lock()
	p.id.Start++
	p.running = true
	p.system.mu.Unlock()
	p.system.add("restart %s", p.name)
	return ctx.Err()
}

// faultsOf parses lines.
func faultsOf(t *testing.T, lines ...string) []scenarios.Fault {
	t.Helper()
	var faults []scenarios.Fault
	for _, l := range lines {
		f, err := scenarios.ParseFault(l)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return faults
}

func (s *fakeSystem) group(kind cgroup.Kind, name string) (group, error) {
	_, name, _ = strings.Cut(name, "-") // without the run's
	return fakeGroup{s, kind, name}, nil
}

// String is the record on one line, without its error.
func (r Record) String() string {
	at := func(what string, t time.Duration) string {
		if t == Never {
			return "not " + what
		}
		return fmt.Sprintf("%s at %v", what, t)
	}
	text := fmt.Sprintf("%s: %s, %s, %d injections, %s", r.Name, r.Tier, at("injected", r.InjectedAt), r.Injections, at("undone", r.UndoneAt))
	if r.Note != "" {
		text += "; " + r.Note
	}
	return text
}

// planOn is a plan for a fake system, with a journal in a new directory.
func planOn(t *testing.T, s *fakeSystem, faults []scenarios.Fault) (Plan, string) {
	t.Helper()
	dir := t.TempDir()
	journal, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := journal.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, p := range s.processes {
		if err := journal.Process(p.name, p.name, p.id); err != nil {
			t.Fatal(err)
		}
	}
	return Plan{System: s, Journal: journal, Faults: faults, Zero: s.zero, rules: fakeRules{s}, group: s.group}, dir
}

// historyOf reads a journal that must be sound.
func historyOf(t *testing.T, dir string) *History {
	t.Helper()
	h, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var errFake = errors.New("out of order")
