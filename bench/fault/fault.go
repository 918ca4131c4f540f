// Package fault breaks the system under test on purpose and puts it right
// again: scenarios.Fault values, injected at their times, undone at theirs,
// counted, and written to the run's journal before they happen, so that
// `ptabench heal` can undo what a killed harness left.
//
// The general layer (Schedule, Journal, Heal) knows no kind of fault; each
// kind is a leaf in a file of its own.
package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/scenarios"
)

// A System is what faults are injected into. The harness provides it.
type System interface {
	// Processes returns those that a target means: "cloudsim", or what a
	// scenario may name: a connector, "connectors", "directory".
	Processes(target string) ([]Process, error)
	// Source is the loopback address that a connector dials from.
	Source(connector string) (string, error)
	// Gates and Delays reach the present cloud simulator and directory.
	Gates() Gates
	Delays() Delays
}

// A Process is one child of the run, over all its starts.
type Process interface {
	Name() string
	Identity() proc.Identity // of the last start
	// Signal reaches the last start; os.ErrProcessDone when that has ended.
	Signal(os.Signal) error
	// Restart starts it again unless it runs and was not told to end, and
	// returns when it is ready.
	Restart(context.Context) error
}

var _ Process = (*proc.Process)(nil)

// Gates break ports of the cloud simulator.
type Gates interface {
	Gate(context.Context, observe.Gate) (observe.GateEffect, error)
	ClearGate(ctx context.Context, id string) (observe.GateEffect, error)
	Address() string // host:port of the observe endpoint, for the journal
}

// Delays slow a directory.
type Delays interface {
	Delay(context.Context, observe.Delay) error
	ClearDelay(context.Context) error
	DelayedBinds(context.Context) (uint64, error) // since it started
}

// Never is the time of what did not happen.
const Never time.Duration = -1

// A Record is what became of one fault. Times count from time 0 and are
// stamped after the call returned.
type Record struct {
	Fault      scenarios.Fault
	Name       string
	Tier       Tier
	InjectedAt time.Duration // Never when it was not
	UndoneAt   time.Duration // Never when it was not
	Injections uint64        // processes hit, connections broken, binds delayed
	Healed     bool          // it was undone
	Note       string        // what is worth knowing and no error
	Err        error
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

// A Tier is the means by which a fault is injected. The values are part of the
// run format.
type Tier string

// The tiers.
const (
	TierProcess Tier = "process" // a signal
	TierGate    Tier = "gate"    // the cloud simulator's own listeners
	TierRole    Tier = "role"    // a setting of a role
)

// errNothing says that a fault hit nothing, which makes it no fault.
var errNothing = errors.New("it injected nothing")

// A leaf is one kind of fault with one target. plan is called first and breaks
// nothing yet; undo is called whatever became of inject, once.
type leaf interface {
	plan() (Undo, error)
	inject(context.Context) (effect, error)
	undo(context.Context) (effect, error)
}

// An effect is how far a leaf has reached so far.
type effect struct {
	count uint64
	note  string
}

// newLeaf knows every kind.
func newLeaf(system System, number int, f scenarios.Fault) (leaf, Tier, error) {
	switch f.Kind {
	case scenarios.Crash:
		return &crash{system: system, target: f.Target}, TierProcess, nil
	case scenarios.Stop:
		return &stop{system: system, target: f.Target}, TierProcess, nil
	case scenarios.Freeze:
		return &freeze{system: system, target: f.Target}, TierProcess, nil
	case scenarios.Block:
		return newBlock(system, number, f), TierGate, nil
	case scenarios.SlowDirectory:
		return &slow{system: system, fault: f}, TierRole, nil
	}
	return nil, "", fmt.Errorf("unknown kind of fault %q", f.Kind)
}

// Supported says, before anything is started, why this fault cannot be
// injected on this system; nil when it can.
func Supported(f scenarios.Fault) error { return supported(runtime.GOOS, f) }

func supported(system string, f scenarios.Fault) error {
	if _, _, err := newLeaf(nil, 0, f); err != nil {
		return err
	}
	if f.Kind == scenarios.Block && someOnly(f) && system != "linux" {
		return fmt.Errorf("%s: telling %s from others on the ports needs a loopback address for each connector, which linux has and %s has not",
			f, f.Target, system)
	}
	return nil
}

// nameOf is how a fault is called: by its name, else by its kind and number.
func nameOf(f scenarios.Fault, number int) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("%s-%d", f.Kind, number)
}
