package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An injection takes one fault through its states: planned, journaled,
// injected, undone. It owns the record until it ends.
type injection struct {
	*Record
	plan   *Plan
	number int
	leaf   leaf
}

// begin injects the fault. It returns false when nothing was touched, so that
// there is nothing to undo.
func (i *injection) begin(ctx context.Context) bool {
	leaf, tier, err := newLeaf(i.plan.scene(i.number, i.Fault))
	if err != nil {
		i.Err = err
		return false
	}
	i.leaf, i.Tier = leaf, tier
	var undo Undo
	_, err = protect(func() (e effect, err error) {
		undo, err = leaf.plan()
		return e, err
	})
	if err != nil {
		i.Err = fmt.Errorf("planning: %w", err)
		return false
	}
	// From here on the fault may be on, and is undone whatever happens.
	err = i.plan.Journal.add(line{Kind: lineIntent, Fault: i.number, Name: i.Name, Text: i.Fault.String(), Undo: &undo})
	if err != nil {
		i.Err = fmt.Errorf("not injected: %w", err)
		return false
	}
	within, cancel := context.WithTimeout(ctx, i.plan.InjectWithin)
	defer cancel()
	reached, err := protect(func() (effect, error) { return leaf.inject(within) })
	i.InjectedAt = time.Since(i.plan.Zero)
	i.reached(reached)
	if err != nil {
		i.Err = fmt.Errorf("injecting: %w", err)
		if reached.count == 0 {
			i.InjectedAt = Never
		}
	}
	i.journal(line{Kind: lineInjected, Count: i.Injections}, err)
	return true
}

// end undoes the fault and settles its record.
func (i *injection) end(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, i.plan.UndoWithin)
	defer cancel()
	reached, err := protect(func() (effect, error) { return i.leaf.undo(within) })
	i.reached(reached)
	if err != nil {
		i.Stuck = true
		i.fail(fmt.Errorf("undoing: %w", err))
		i.journal(line{Kind: lineStuck}, err)
		return
	}
	i.UndoneAt = time.Since(i.plan.Zero)
	i.Healed = true
	i.journal(line{Kind: lineUndone, By: "run", Count: i.Injections}, nil)
	if o, ok := i.leaf.(outcome); ok && o.missed() != nil {
		i.fail(o.missed())
	}
	if i.Injections == 0 && i.Err == nil {
		i.Err = errNothing
	}
}

// reached takes in how far the fault went. Counts are totals so far.
func (i *injection) reached(e effect) {
	i.Injections = max(i.Injections, e.count)
	i.note(e.note)
}

// journal writes a line about this fault. That it cannot be written does not
// keep the fault from being undone.
func (i *injection) journal(l line, why error) {
	l.Fault = i.number
	if why != nil {
		l.Error = why.Error()
	}
	if err := i.plan.Journal.add(l); err != nil {
		i.fail(err)
	}
}

func (i *injection) fail(err error) { i.Err = errors.Join(i.Err, err) }

// note adds to the notes of a record what is not there yet.
func (r *Record) note(text string) {
	if !strings.Contains(r.Note, text) {
		r.Note = joined(r.Note, text)
	}
}

// joined puts two notes together.
func joined(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "; " + other
}
