package fault

import (
	"context"
	"fmt"
	"slices"

	"ptabench/observe"
	"ptabench/scenarios"
)

// targetCloud is not for scenarios: no fault is aimed at the cloud simulator
// itself yet.
const targetCloud = "cloudsim"

// userPort is dialled by users as well as by connectors, so that a gate for
// connectors must name them.
const userPort = "443"

// block breaks ports of the cloud simulator, for all connectors or one.
type block struct {
	system System
	fault  scenarios.Fault
	gate   observe.Gate
	cloud  victim // the gate ends with it
}

func newBlock(system System, number int, f scenarios.Fault) *block {
	gate := observe.Gate{ID: fmt.Sprintf("fault-%d", number), Ports: f.Ports, Mode: observe.GateMode(f.Mode)}
	return &block{system: system, fault: f, gate: gate}
}

// someOnly says that the gate must tell the target's connectors from others
// that dial the same ports.
func someOnly(f scenarios.Fault) bool {
	return f.Target != scenarios.AllConnectors || slices.Contains(f.Ports, userPort)
}

func (b *block) plan() (Undo, error) {
	if someOnly(b.fault) {
		connectors, err := findVictims(b.system, b.fault.Target)
		if err != nil {
			return Undo{}, err
		}
		for _, c := range connectors {
			source, err := b.system.Source(c.Name())
			if err != nil {
				return Undo{}, fmt.Errorf("finding the address that %s dials from: %w", c.Name(), err)
			}
			b.gate.Sources = append(b.gate.Sources, source)
		}
	}
	cloud, err := findVictims(b.system, targetCloud)
	if err != nil {
		return Undo{}, err
	}
	b.cloud = cloud[0]
	undo := undoOf(ActionClearGate, "open the ports again (gate "+b.gate.ID+")", cloud)
	undo.Gate, undo.Address = &b.gate, b.system.Gates().Address()
	return undo, nil
}

func (b *block) inject(ctx context.Context) (effect, error) {
	reached, err := b.system.Gates().Gate(ctx, b.gate)
	if err != nil {
		return effect{}, fmt.Errorf("setting gate %s: %w", b.gate.ID, err)
	}
	return effectOfGate(reached), nil
}

func (b *block) undo(ctx context.Context) (effect, error) {
	reached, err := b.system.Gates().ClearGate(ctx, b.gate.ID)
	if err == nil {
		return effectOfGate(reached), nil
	}
	if b.cloud.gone() {
		return effect{note: "the cloud simulator ended meanwhile, and the gate with it"}, nil
	}
	return effect{}, fmt.Errorf("clearing gate %s: %w", b.gate.ID, err)
}

func effectOfGate(reached observe.GateEffect) effect {
	e := effect{count: reached.Injections}
	if reached.RefusedByReset {
		e.note = "new connections were accepted and reset, because others share the listener"
	}
	return e
}
