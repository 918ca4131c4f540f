package fault

import (
	"context"
	"errors"
	"fmt"

	"ptabench/observe"
)

// binds changes how directories treat binds, of all connectors or one, or how
// federation servers treat sign-ins.
type binds struct {
	scene
	put    observe.BindFault
	owners []victim // the fault ends with each
}

func newBinds(s scene, put observe.BindFault) *binds {
	put.ID = s.id
	return &binds{scene: s, put: put}
}

func (b *binds) plan() (Undo, error) {
	var err error
	if b.owners, err = findVictims(b.System, b.fault.Target); err != nil {
		return Undo{}, err
	}
	if b.fault.Only != "" {
		if b.put.Sources, err = b.sources(b.fault.Only); err != nil {
			return Undo{}, err
		}
	}
	return undoOf(ActionClearFault, fmt.Sprintf("have %s treat %s as before (fault %s)", called(b.fault.Target), b.what(), b.put.ID), b.owners), nil
}

// what is treated otherwise.
func (b *binds) what() string {
	if b.fault.OfADFS() {
		return "sign-ins"
	}
	return "binds"
}

func (b *binds) inject(ctx context.Context) (all effect, err error) {
	for _, owner := range b.owners {
		role, err := b.Role(owner.Name())
		if err != nil {
			return all, err
		}
		reached, err := role.Binds.Put(ctx, b.put)
		if err != nil {
			return all, fmt.Errorf("setting fault %s of %s: %w", b.put.ID, owner.Name(), err)
		}
		all.add(effect{count: reached.Injections})
	}
	return all, nil
}

func (b *binds) undo(ctx context.Context) (all effect, err error) {
	var errs []error
	for _, owner := range b.owners {
		e, err := b.clear(ctx, owner)
		all.add(e)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (b *binds) clear(ctx context.Context, owner victim) (effect, error) {
	role, err := b.Role(owner.Name())
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Binds.Delete(ctx, b.put.ID)
	switch {
	case owner.gone():
		return effect{note: called(owner.Name()) + " ended meanwhile, and with it the fault and its count of " + b.what()}, nil
	case err == nil:
		return effect{count: reached.Injections}, nil
	case errors.Is(err, observe.ErrNotFound): // it could not be set
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("clearing fault %s of %s: %w", b.put.ID, owner.Name(), err)
}
