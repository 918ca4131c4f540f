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
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/scenarios"
)

// A System is what faults are injected into. The harness provides it.
type System interface {
	// Processes returns those that a target means (see scenarios.WithinTarget).
	Processes(target string) ([]Process, error)
	// Source is the address that a connector dials from.
	Source(connector string) (string, error)
	// Role reaches a process that is no connector by its name.
	Role(name string) (Role, error)
	// ChangedUsers is how many users changed their password within an age
	// before the run.
	ChangedUsers(age scenarios.Duration) int
}

// A Role is what can be done to one by its observe endpoint.
type Role struct {
	Ports  map[string]string // host:port that it listens on, by the documented number ldaps or https
	Gates  Gates
	Binds  BindFaults // of a directory or a federation server
	Hashes HashFaults // of a directory
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
	// Expect says whether the last start may end by itself from now on.
	Expect(end bool)
}

var _ Process = (*proc.Process)(nil)

// Gates break ports of a role.
type Gates interface {
	Gate(context.Context, observe.Gate) (observe.GateEffect, error)
	ClearGate(ctx context.Context, id string) (observe.GateEffect, error)
	Gated(context.Context) ([]observe.GateEffect, error) // those that are set
	Address() string                                     // host:port of the observe endpoint, for the journal
}

// BindFaults change how a directory treats binds.
type BindFaults interface {
	Put(context.Context, observe.BindFault) (observe.FaultEffect, error)
	Delete(ctx context.Context, id string) (observe.FaultEffect, error)
}

// HashFaults have a directory sync wrong hashes.
type HashFaults interface {
	Put(context.Context, observe.HashFault) (observe.FaultEffect, error)
	Delete(ctx context.Context, id string) (observe.FaultEffect, error)
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
	Injections uint64        // processes hit, connections broken, packets dropped, binds delayed, hashes changed
	Healed     bool          // it was undone
	Stuck      bool          // its undo failed: of whatever was injected, all may be there
	Note       string        // what is worth knowing and no error
	Err        error
}

// A Tier is the means by which a fault is injected. The values are part of the
// run format.
type Tier string

// The tiers.
const (
	TierProcess Tier = "process" // a signal
	TierGate    Tier = "gate"    // a role's own listeners
	TierKernel  Tier = "kernel"  // nftables
	TierCgroup  Tier = "cgroup"  // a control group
	TierRole    Tier = "role"    // a setting of a role
	// TierGateAndKernel is a fault of which the kernel injects a part.
	TierGateAndKernel Tier = "gate+kernel"
)

// errNothing says that a fault hit nothing, which makes it no fault.
var errNothing = errors.New("it injected nothing")

// nameOf is how a fault is called: by its name, else by its kind and number.
func nameOf(f scenarios.Fault, number int) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("%s-%d", f.Kind, number)
}
