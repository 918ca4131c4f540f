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

// gated is a gate on ports of one role, for all connectors or some.
type gated struct {
	scene
	role  string
	gate  observe.Gate
	owner victim // the gate ends with it
}

// newGated puts a gate on the ports of a fault, which are all of one role.
func newGated(s scene, gate observe.Gate) *gated {
	gate.ID, gate.Ports = s.id, s.fault.Ports
	if s.fault.Direction != scenarios.Both {
		gate.Direction = observe.GateDirection(s.fault.Direction)
	}
	role := targetCloud
	if slices.Contains(gate.Ports, portDirectory) {
		role = targetDirectory
	}
	return &gated{scene: s, role: role, gate: gate}
}

func (g *gated) plan() (Undo, error) {
	if someOnly(g.fault) {
		sources, err := g.sources(g.fault.Target)
		if err != nil {
			return Undo{}, err
		}
		g.gate.Sources = sources
	}
	owners, err := findVictims(g.System, g.role)
	if err != nil {
		return Undo{}, err
	}
	g.owner = owners[0]
	role, err := g.Role(g.role)
	if err != nil {
		return Undo{}, err
	}
	undo := undoOf(ActionClearGate, "open the ports again (gate "+g.gate.ID+")", owners)
	undo.Gate, undo.Address = &g.gate, role.Gates.Address()
	return undo, nil
}

func (g *gated) inject(ctx context.Context) (effect, error) {
	role, err := g.Role(g.role)
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Gates.Gate(ctx, g.gate)
	if err != nil {
		return effect{}, fmt.Errorf("setting gate %s: %w", g.gate.ID, err)
	}
	return effectOfGate(reached), nil
}

func (g *gated) undo(ctx context.Context) (effect, error) {
	role, err := g.Role(g.role)
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
	case g.owner.gone():
		return effect{note: called(g.role) + " ended meanwhile, and the gate with it"}, nil
	case errors.Is(err, observe.ErrNotFound): // it could not be set
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("clearing gate %s: %w", g.gate.ID, err)
}

// called is how a role is called in words.
func called(role string) string {
	if role == targetCloud {
		return "the cloud simulator"
	}
	return "the " + role
}

func effectOfGate(reached observe.GateEffect) effect {
	e := effect{count: reached.Injections}
	if reached.RefusedByReset {
		e.note = "new connections were accepted and reset, because others share the listener"
	}
	return e
}
