package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// An Identity names one process for ever: process ids are used again, a
// process id together with a start time is not (until the host is booted
// again, which BootID tells).
type Identity struct {
	PID int `json:"pid"`
	// Start is when the process started: clock ticks after boot on Linux
	// (field 22 of /proc/PID/stat), microseconds since the Unix epoch on
	// darwin.
	Start uint64 `json:"start"`
}

// killPoll is how often Kill looks whether the process is gone.
const killPoll = 2 * time.Millisecond

// Self is the identity of the calling process.
func Self() (Identity, error) { return Identify(os.Getpid()) }

// Identify returns the identity of a process. It is os.ErrProcessDone when
// there is none, or only one that has ended and waits to be reaped.
func Identify(pid int) (Identity, error) {
	start, is, err := startTime(pid)
	if err == nil && is == isZombie {
		err = os.ErrProcessDone
	}
	if err != nil {
		return Identity{}, fmt.Errorf("identifying process %d: %w", pid, err)
	}
	return Identity{PID: pid, Start: start}, nil
}

// state is what a process is at.
type state int

const (
	isRunning state = iota // or sleeping
	isFrozen               // stopped by a signal
	isZombie               // ended, waiting to be reaped
)

// Frozen says whether that very process is stopped by a signal; one that is
// gone is not.
func (id Identity) Frozen() (bool, error) {
	start, is, err := startTime(id.PID)
	if errors.Is(err, os.ErrProcessDone) {
		return false, nil
	}
	return err == nil && start == id.Start && is == isFrozen, err
}

// Alive says whether that very process still runs, or is frozen.
func (id Identity) Alive() (bool, error) {
	now, err := Identify(id.PID)
	if errors.Is(err, os.ErrProcessDone) {
		return false, nil
	}
	return err == nil && now == id, err
}

// Kill ends the process, frozen or not, and returns when it is gone. It says
// whether there was something to end; a process that has meanwhile taken the
// id of the one meant is left alone.
func (id Identity) Kill(ctx context.Context) (found bool, err error) {
	// The handle is taken first and the identity checked then: from there on
	// the handle cannot come to mean another process (pidfd).
	handle, err := os.FindProcess(id.PID)
	if err != nil {
		return false, fmt.Errorf("finding process %d: %w", id.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if alive, err := id.Alive(); err != nil || !alive {
		return false, err
	}
	if err := handle.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return true, fmt.Errorf("thawing process %d: %w", id.PID, err)
	}
	if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return true, fmt.Errorf("killing process %d: %w", id.PID, err)
	}
	tick := time.NewTicker(killPoll)
	defer tick.Stop()
	for {
		if alive, err := id.Alive(); err != nil || !alive {
			return true, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return true, fmt.Errorf("waiting for process %d to end: %w", id.PID, ctx.Err())
		}
	}
}
