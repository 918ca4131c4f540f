package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ptabench/observe"
	"ptabench/scenarios"
)

// errStillSet says that a gate was cleared and is there.
var errStillSet = errors.New("it is still set")

// gated is a gate on ports of one role, or of several of a kind, for all
// connectors or some.
type gated struct {
	scene
	gate   observe.Gate
	owners []victim // each gate ends with its own
}

// newGated puts a gate on the ports of a fault, which are all of one kind of
// role.
func newGated(s scene, gate observe.Gate) *gated {
	gate.ID, gate.Ports = s.id, s.fault.Ports
	if s.fault.Direction != scenarios.Both {
		gate.Direction = observe.GateDirection(s.fault.Direction)
	}
	return &gated{scene: s, gate: gate}
}

func (g *gated) plan() (Undo, error) {
	if someOnly(g.fault) {
		sources, err := g.sources(g.fault.Target)
		if err != nil {
			return Undo{}, err
		}
		g.gate.Sources = sources
	}
	owners, err := findVictims(g.System, listensOn(g.fault, g.fault.Ports[0]))
	if err != nil {
		return Undo{}, err
	}
	g.owners = owners
	var all Undo
	for i, owner := range owners {
		role, err := g.Role(owner.Name())
		if err != nil {
			return Undo{}, err
		}
		undo := undoOf(ActionClearGate, "open the ports again (gate "+g.gate.ID+")", owners[i:i+1])
		undo.Gate, undo.Address = &g.gate, role.Gates.Address()
		if i == 0 {
			all = undo
		} else {
			all.Also = append(all.Also, undo)
		}
	}
	return all, nil
}

func (g *gated) inject(ctx context.Context) (all effect, err error) {
	for _, owner := range g.owners {
		role, err := g.Role(owner.Name())
		if err != nil {
			return all, err
		}
		reached, err := role.Gates.Gate(ctx, g.gate)
		if err != nil {
			return all, fmt.Errorf("setting gate %s of %s: %w", g.gate.ID, owner.Name(), err)
		}
		all.add(effectOfGate(reached))
	}
	return all, nil
}

func (g *gated) undo(ctx context.Context) (all effect, err error) {
	var errs []error
	for _, owner := range g.owners {
		e, err := g.clear(ctx, owner)
		all.add(e)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (g *gated) clear(ctx context.Context, owner victim) (effect, error) {
	role, err := g.Role(owner.Name())
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Gates.ClearGate(ctx, g.gate.ID)
	var left []observe.GateEffect
	if err == nil {
		left, err = role.Gates.Gated(ctx)
	}
	if err == nil && slices.ContainsFunc(left, func(e observe.GateEffect) bool { return e.ID == g.gate.ID }) {
		err = errStillSet
	}
	switch {
	case err == nil:
		return effectOfGate(reached), nil
	case owner.gone():
		return effect{note: called(owner.Name()) + " ended meanwhile, and the gate with it"}, nil
	case errors.Is(err, observe.ErrNotFound): // it could not be set
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("clearing gate %s of %s: %w", g.gate.ID, owner.Name(), err)
}

// called is how a role is called in words.
func called(role string) string {
	switch role {
	case targetCloud:
		return "the cloud simulator"
	case targetDirectory:
		return "the directory"
	}
	return role
}

func effectOfGate(reached observe.GateEffect) effect {
	e := effect{count: reached.Injections}
	if reached.RefusedByReset {
		e.note = "new connections were accepted and reset, because others share the listener"
	}
	return e
}
