package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// revoke has the operator revoke the certificates of connectors, and registers
// them again. A connector that finds that it was may end by itself.
type revoke struct {
	scene
	victims []victim
	hit     []victim
}

func (r *revoke) plan() (Undo, error) {
	if _, err := r.registrar(); err != nil {
		return Undo{}, err
	}
	var err error
	r.victims, err = findVictims(r.System, r.fault.Target)
	return undoOf(ActionRestart, "register "+r.fault.Target+" again", r.victims), err
}

func (r *revoke) inject(ctx context.Context) (e effect, err error) {
	registrar, err := r.registrar()
	if err != nil {
		return e, err
	}
	var errs []error
	for _, v := range r.victims {
		v.Expect(true)
		if err := registrar.Revoke(ctx, v.Name()); err != nil {
			errs = append(errs, fmt.Errorf("revoking %s: %w", v.Name(), err))
			continue
		}
		r.hit = append(r.hit, v)
	}
	e.count = uint64(len(r.hit))
	return e, errors.Join(errs...)
}

func (r *revoke) undo(ctx context.Context) (effect, error) {
	return effect{}, registerAll(ctx, r.scene, r.hit)
}

// registerAll registers victims again, side by side.
func registerAll(ctx context.Context, s scene, victims []victim) error {
	registrar, err := s.registrar()
	if err != nil {
		return err
	}
	errs := make([]error, len(victims))
	var all sync.WaitGroup
	for i, v := range victims {
		all.Go(func() {
			if err := registrar.Register(ctx, v.Name()); err != nil {
				errs[i] = fmt.Errorf("registering %s again: %w", v.Name(), err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
