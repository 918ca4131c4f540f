package fault

import (
	"context"
	"errors"
	"fmt"

	"ptabench/bench/fault/cgroup"
	"ptabench/bench/fault/kernel"
	"ptabench/scenarios"
)

// Targets that are not connectors.
const (
	targetCloud     = scenarios.CloudTarget
	targetDirectory = scenarios.DirectoryTarget
)

// A leaf is one kind of fault with one target. plan is called first and breaks
// nothing yet; undo is called whatever became of inject, once, and returns
// when it has looked and the fault is gone.
type leaf interface {
	plan() (Undo, error)
	inject(context.Context) (effect, error)
	undo(context.Context) (effect, error)
}

// An outcome is a leaf that knows whether it had the effect that it should have.
type outcome interface {
	missed() error // why not; read after undo
}

// An effect is how far a leaf has reached so far.
type effect struct {
	count uint64
	note  string
}

// A scene is what a leaf works with: the fault, where it happens, and by which
// means.
type scene struct {
	System
	fault scenarios.Fault
	id    string // within the run, such as fault-3
	run   string // names the run outside of it
	rules rules
	group func(kind cgroup.Kind, name string) (group, error)
	// kernel says why there can be no rules; that of this machine when nil.
	kernel func() error
}

// rules are those of the kernel, in the run's own table.
type rules interface {
	Name() string // of the table
	Add(kernel.Rule) error
	Remove(id string) (packets uint64, err error)
	Close() error
}

// group is a control group for one process.
type group interface {
	Path() string
	Hold(pid int, limit cgroup.Limit) (moved int, err error)
	Events() (uint64, error)
	Remove(context.Context) error
}

var (
	_ rules = (*kernel.Table)(nil)
	_ group = (*cgroup.Group)(nil)
)

// newLeaf knows every kind. It touches nothing of the scene but the fault.
func newLeaf(s scene) (leaf, Tier, error) {
	switch s.fault.Kind {
	case scenarios.Crash:
		return &crash{scene: s}, TierProcess, nil
	case scenarios.Stop:
		return &stop{scene: s}, TierProcess, nil
	case scenarios.Freeze:
		return &freeze{scene: s}, TierProcess, nil
	case scenarios.PowerLoss:
		return newPowerLoss(s), TierKernel, nil
	case scenarios.LimitCPU:
		return newLimitCPU(s), TierCgroup, nil
	case scenarios.LimitMemory:
		return newLimitMemory(s), TierCgroup, nil
	case scenarios.Block:
		leaf, tier := newBlock(s)
		if s.fault.Register {
			leaf = &registering{scene: s, part: leaf}
		}
		return leaf, tier, nil
	case scenarios.Revoke:
		return &revoke{scene: s}, TierRole, nil
	case scenarios.PublishUpdate:
		return &publishUpdate{scene: s}, TierRole, nil
	case scenarios.AddConnector:
		return &addConnector{scene: s}, TierProcess, nil
	case scenarios.Degrade:
		leaf, tier := newDegrade(s)
		return leaf, tier, nil
	case scenarios.SlowDirectory, scenarios.SlowADFS:
		return newSlow(s), TierRole, nil
	case scenarios.RefusingDirectory, scenarios.RefusingADFS:
		return newRefusing(s), TierRole, nil
	case scenarios.HangingDirectory, scenarios.HangingADFS:
		return newHanging(s), TierRole, nil
	case scenarios.CrowdedDirectory:
		return newCrowded(s), TierRole, nil
	case scenarios.StaleHashes:
		return newStale(s), TierRole, nil
	case scenarios.MissingHashes:
		return newMissing(s), TierRole, nil
	}
	return nil, "", fmt.Errorf("unknown kind of fault %q", s.fault.Kind)
}

// together is a fault of several parts. They are injected in their order,
// until one cannot be, and undone in the same.
type together []leaf

func (t together) plan() (all Undo, err error) {
	for i, part := range t {
		undo, err := part.plan()
		if err != nil {
			return Undo{}, err
		}
		if i == 0 {
			all = undo
		} else {
			all.Also = append(all.Also, undo)
		}
	}
	return all, nil
}

func (t together) inject(ctx context.Context) (effect, error) {
	var all effect
	for _, part := range t {
		e, err := part.inject(ctx)
		all.add(e)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (t together) undo(ctx context.Context) (effect, error) {
	var all effect
	var errs []error
	for _, part := range t {
		e, err := part.undo(ctx)
		all.add(e)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (e *effect) add(other effect) {
	e.count += other.count
	e.note = joined(e.note, other.note)
}
