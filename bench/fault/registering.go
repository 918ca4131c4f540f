package fault

import (
	"context"
	"errors"
	"strings"
)

// registering is a fault that may cost connectors their registration: those of
// its target that have ended by themselves are registered again once it is
// undone, as their administrator would.
type registering struct {
	scene
	part    leaf
	victims []victim
}

func (r *registering) plan() (Undo, error) {
	if _, err := r.registrar(); err != nil {
		return Undo{}, err
	}
	var err error
	if r.victims, err = findVictims(r.System, r.fault.Target); err != nil {
		return Undo{}, err
	}
	return r.part.plan()
}

func (r *registering) inject(ctx context.Context) (effect, error) {
	for _, v := range r.victims {
		v.Expect(true)
	}
	return r.part.inject(ctx)
}

func (r *registering) undo(ctx context.Context) (effect, error) {
	e, err := r.part.undo(ctx)
	var out []victim
	var names []string
	for _, v := range r.victims {
		if v.gone() {
			out, names = append(out, v), append(names, v.Name())
			continue
		}
		v.Expect(false)
	}
	if len(out) > 0 {
		e.note = joined(e.note, strings.Join(names, ", ")+" had ended by then, and registered again")
		err = errors.Join(err, registerAll(ctx, r.scene, out))
	}
	return e, err
}
