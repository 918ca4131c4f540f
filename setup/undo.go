package setup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// undoTime bounds what undoes a half-done configuration.
const undoTime = 30 * time.Second

// An Undo is what has to be done when the rest does not come about.
type Undo struct {
	Say   func(line string)
	steps []undoStep
}

type undoStep struct {
	what string
	do   func(context.Context) error
}

// Add says how the last step is undone.
func (u *Undo) Add(what string, do func(context.Context) error) {
	u.steps = append(u.steps, undoStep{what, do})
}

// RollBack undoes what was done, last first, also after an interrupt. It
// returns why, and what could not be undone.
func (u *Undo) RollBack(ctx context.Context, why error) error {
	if ctx.Err() != nil {
		why = errors.New("interrupted")
	}
	if len(u.steps) == 0 {
		return why
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var failed []error
	for i := len(u.steps) - 1; i >= 0; i-- {
		step := u.steps[i]
		if err := step.do(bounded); err != nil {
			u.Say("✗ not undone: " + step.what)
			failed = append(failed, fmt.Errorf("undoing: %s: %w", step.what, err))
			continue
		}
		u.Say("↩ undone: " + step.what)
	}
	if len(failed) > 0 {
		return errors.Join(append([]error{fmt.Errorf("%w; not all that had been done could be undone", why)}, failed...)...)
	}
	return fmt.Errorf("%w; what had been done was undone", why)
}
