package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"ptabench/bench/proc"
	"ptabench/scenarios"
)

// A victim is a process as it was when a fault hit it.
type victim struct {
	Process
	id proc.Identity
}

// findVictims returns the processes of a target as they are.
func findVictims(system System, target string) ([]victim, error) {
	found, err := system.Processes(target)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", target, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("finding %s: there is none", target)
	}
	victims := make([]victim, len(found))
	for i, p := range found {
		victims[i] = victim{Process: p, id: p.Identity()}
	}
	return victims, nil
}

// gone says that the process which was hit runs no more; another one of its
// name may.
func (v victim) gone() bool {
	return v.Identity() != v.id || errors.Is(v.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// signalAll signals victims and returns those that were hit. One that has
// ended already is a note, not an error.
func signalAll(victims []victim, sig os.Signal) (hit []victim, e effect, err error) {
	var errs []error
	var down []string
	for _, v := range victims {
		switch err := v.Signal(sig); {
		case err == nil:
			hit = append(hit, v)
		case errors.Is(err, os.ErrProcessDone):
			down = append(down, v.Name())
		default:
			errs = append(errs, err)
		}
	}
	e.count = uint64(len(hit))
	if len(down) > 0 {
		e.note = strings.Join(down, ", ") + " had ended before"
	}
	return hit, e, errors.Join(errs...)
}

// turns are in which processes are started again: who is asked before who
// asks. The cloud reads of federation servers at the balancer, directories sync
// hashes to the cloud, and connectors need both.
var turns = []string{scenarios.BalancerTarget, targetCloud, targetDirectory, scenarios.ADFSTarget, scenarios.HashSyncTarget}

// turn is when a process is started again.
func turn(name string) int {
	for i, target := range turns {
		if scenarios.WithinTarget(name, target) {
			return i
		}
	}
	return len(turns)
}

// restartAll starts victims again, turn by turn, those of one side by side.
func restartAll(ctx context.Context, victims []victim) error {
	errs := make([]error, len(victims))
	for now := range len(turns) + 1 {
		var all sync.WaitGroup
		for i, v := range victims {
			if turn(v.Name()) == now {
				all.Go(func() { errs[i] = v.Restart(ctx) })
			}
		}
		all.Wait()
	}
	return errors.Join(errs...)
}

// undoOf describes an undo for the journal.
func undoOf(action Action, text string, victims []victim) Undo {
	undo := Undo{Action: action, Text: text}
	for _, v := range victims {
		undo.Processes = append(undo.Processes, ProcessLine{Name: v.Name(), Identity: v.id})
	}
	return undo
}
