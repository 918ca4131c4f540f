package fault

import (
	"context"
	"errors"
	"fmt"

	"ptabench/observe"
)

// hashes has the directory sync the hash store to a wrong state, and to the
// right one again.
type hashes struct {
	scene
	put observe.HashFault
	// complete fills in what only the system knows.
	complete  func(*observe.HashFault) error
	directory victim // who can put it right
}

func newHashes(s scene, put observe.HashFault) *hashes {
	put.ID = s.id
	return &hashes{scene: s, put: put, complete: func(*observe.HashFault) error { return nil }}
}

func (h *hashes) plan() (Undo, error) {
	found, err := findVictims(h.System, targetDirectory)
	if err != nil {
		return Undo{}, err
	}
	h.directory = found[0] // of several the first pushes the hashes
	if err := h.complete(&h.put); err != nil {
		return Undo{}, err
	}
	return undoOf(ActionSyncHashes, "sync the right hashes (fault "+h.put.ID+")", found[:1]), nil
}

func (h *hashes) inject(ctx context.Context) (effect, error) {
	role, err := h.Role(h.directory.Name())
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Hashes.Put(ctx, h.put)
	if err != nil {
		return effect{}, fmt.Errorf("syncing wrong hashes: %w", err)
	}
	return effect{count: reached.Injections}, nil
}

func (h *hashes) undo(ctx context.Context) (effect, error) {
	role, err := h.Role(h.directory.Name())
	if err != nil {
		return effect{}, err
	}
	reached, err := role.Hashes.Delete(ctx, h.put.ID)
	switch {
	case err == nil:
		return effect{count: reached.Injections}, nil
	case h.directory.gone():
		return effect{}, fmt.Errorf("the directory ended meanwhile, and nobody syncs the right hashes: %w", err)
	case errors.Is(err, observe.ErrNotFound): // it could not be set
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("syncing the right hashes: %w", err)
}
