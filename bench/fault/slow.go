package fault

import (
	"context"
	"fmt"
	"time"

	"ptabench/observe"
	"ptabench/scenarios"
)

// slow delays the directory's answer to every bind. A directory has one delay
// at a time; that two overlap is refused with the scenario.
type slow struct {
	system    System
	fault     scenarios.Fault
	directory victim // the delay ends with it
	before    uint64 // binds that had been delayed by then
}

func (s *slow) plan() (Undo, error) {
	found, err := findVictims(s.system, s.fault.Target)
	if err != nil {
		return Undo{}, err
	}
	s.directory = found[0]
	return undoOf(ActionClearDelay, "end the delay of "+s.fault.Target, found), nil
}

func (s *slow) inject(ctx context.Context) (effect, error) {
	before, err := s.system.Delays().DelayedBinds(ctx)
	if err != nil {
		return effect{}, fmt.Errorf("counting delayed binds: %w", err)
	}
	s.before = before
	err = s.system.Delays().Delay(ctx, observe.Delay{DelayNS: time.Duration(s.fault.Delay).Nanoseconds()})
	if err != nil {
		return effect{}, fmt.Errorf("delaying binds: %w", err)
	}
	return effect{}, nil // binds are counted at the end
}

func (s *slow) undo(ctx context.Context) (effect, error) {
	err := s.system.Delays().ClearDelay(ctx)
	if s.directory.gone() {
		return effect{note: "the directory ended meanwhile, and with it the delay and its count of delayed binds"}, nil
	}
	if err != nil {
		return effect{}, fmt.Errorf("ending the delay of binds: %w", err)
	}
	after, err := s.system.Delays().DelayedBinds(ctx)
	if err != nil {
		return effect{}, fmt.Errorf("counting delayed binds: %w", err)
	}
	return effect{count: after - min(s.before, after)}, nil
}
