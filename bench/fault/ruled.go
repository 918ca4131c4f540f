package fault

import (
	"context"
	"fmt"

	"ptabench/bench/fault/kernel"
)

// ruled is a rule of the kernel for the connectors of the target, and for the
// ports of the fault; without ports, for everything from and to them.
type ruled struct {
	scene
	rule kernel.Rule
}

func (r *ruled) plan() (Undo, error) {
	sources, err := r.sources(r.fault.Target)
	if err != nil {
		return Undo{}, err
	}
	if r.rule.Sources, err = parseAll(sources); err != nil {
		return Undo{}, fmt.Errorf("the address that %s dials from: %w", r.fault.Target, err)
	}
	if r.rule.Ports, err = r.listening(); err != nil {
		return Undo{}, err
	}
	return Undo{
		Action: ActionDeleteRules, Text: "delete rule " + r.rule.ID + ", or the whole table: " + kernel.Command(r.rules.Name()),
		Table: r.rules.Name(), Namespace: kernel.Namespace(),
	}, nil
}

func (r *ruled) inject(context.Context) (effect, error) {
	return effect{}, r.rules.Add(r.rule) // packets are counted at the end
}

func (r *ruled) undo(context.Context) (e effect, err error) {
	if e.count, err = r.rules.Remove(r.rule.ID); err == nil && e.count == 0 {
		e.note = "its rules matched no packet"
	}
	return e, err
}
