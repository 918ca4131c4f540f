package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

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
	gates     map[string]observe.Gate
	delayed   uint64 // binds, ten a second while there is a delay
	slowSince time.Time

	connections uint64 // that a gate finds
	onGate      func(ctx context.Context) error
	onClear     func(ctx context.Context) error
}

func newFakeSystem(t *testing.T) *fakeSystem {
	s := &fakeSystem{t: t, zero: time.Now(), gates: map[string]observe.Gate{}, connections: 5}
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
		if p.name == target || target == scenarios.AllConnectors && i < 3 {
			found = append(found, p)
		}
	}
	return found, nil
}

func (s *fakeSystem) Source(connector string) (string, error) {
	return "127.0.0.1" + connector[len(connector)-1:], nil
}

func (s *fakeSystem) Gates() Gates   { return fakeGates{s} }
func (s *fakeSystem) Delays() Delays { return fakeDelays{s} }

type fakeGates struct{ *fakeSystem }

func (g fakeGates) Address() string { return "127.0.0.1:9" }

func (g fakeGates) Gate(ctx context.Context, gate observe.Gate) (observe.GateEffect, error) {
	g.add("gate %s %s %v for %v", gate.ID, gate.Mode, gate.Ports, gate.Sources)
	if g.onGate != nil {
		if err := g.onGate(ctx); err != nil {
			return observe.GateEffect{}, err
		}
	}
	return observe.GateEffect{ID: gate.ID, Injections: min(1, g.connections)}, ctx.Err()
}

func (g fakeGates) ClearGate(ctx context.Context, id string) (observe.GateEffect, error) {
	g.add("clear %s", id)
	if g.onClear != nil {
		if err := g.onClear(ctx); err != nil {
			return observe.GateEffect{}, err
		}
	}
	return observe.GateEffect{ID: id, Injections: g.connections, RefusedByReset: true}, ctx.Err()
}

type fakeDelays struct{ *fakeSystem }

func (d fakeDelays) Delay(ctx context.Context, delay observe.Delay) error {
	d.add("delay %v", time.Duration(delay.DelayNS))
	d.slowSince = time.Now()
	return ctx.Err()
}

func (d fakeDelays) ClearDelay(ctx context.Context) error {
	d.add("no delay")
	d.delayed += uint64(time.Since(d.slowSince) / (100 * time.Millisecond))
	return ctx.Err()
}

func (d fakeDelays) DelayedBinds(ctx context.Context) (uint64, error) { return d.delayed, ctx.Err() }

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
	return Plan{System: s, Journal: journal, Faults: faults, Zero: s.zero}, dir
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
