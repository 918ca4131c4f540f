package fault

import (
	"context"
	"errors"
	"fmt"

	"ptabench/observe"
)

// binds changes how the directory treats binds, of all connectors or one.
type binds struct {
	scene
	put       observe.BindFault
	directory victim // the fault ends with it
}

func newBinds(s scene, put observe.BindFault) *binds {
	put.ID = s.id
	return &binds{scene: s, put: put}
}

func (b *binds) plan() (Undo, error) {
	found, err := findVictims(b.System, targetDirectory)
	if err != nil {
		return Undo{}, err
	}
	b.directory = found[0]
	if b.fault.Only != "" {
		if b.put.Sources, err = b.sources(b.fault.Only); err != nil {
			return Undo{}, err
		}
	}
	return undoOf(ActionClearFault, fmt.Sprintf("have the directory treat binds as before (fault %s)", b.put.ID), found), nil
}

func (b *binds) inject(ctx context.Context) (effect, error) {
	role, err := b.Role(targetDirectory)
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Binds.Put(ctx, b.put)
	if err != nil {
		return effect{}, fmt.Errorf("setting fault %s: %w", b.put.ID, err)
	}
	return effect{count: reached.Injections}, nil
}

func (b *binds) undo(ctx context.Context) (effect, error) {
	role, err := b.Role(targetDirectory)
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Binds.Delete(ctx, b.put.ID)
	switch {
	case b.directory.gone():
		return effect{note: "the directory ended meanwhile, and with it the fault and its count of binds"}, nil
	case err == nil:
		return effect{count: reached.Injections}, nil
	case errors.Is(err, observe.ErrNotFound): // it could not be set
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("clearing fault %s: %w", b.put.ID, err)
}
