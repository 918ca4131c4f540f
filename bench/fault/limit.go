package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"ptabench/bench/fault/cgroup"
)

// limit puts each process of the target into a control group of its own, and
// back.
type limit struct {
	scene
	kind  cgroup.Kind
	limit cgroup.Limit
	held  []held
}

// held is one process and its group.
type held struct {
	victim
	group group
	moved bool
}

func (l *limit) plan() (Undo, error) {
	victims, err := findVictims(l.System, l.fault.Target)
	if err != nil {
		return Undo{}, err
	}
	undo := undoOf(ActionRemoveGroups, "put "+l.fault.Target+" back where it was and remove its groups", victims)
	for _, v := range victims {
		g, err := l.group(l.kind, strings.Join([]string{l.run, l.id, v.Name()}, "-"))
		if err != nil {
			return Undo{}, err
		}
		l.held = append(l.held, held{victim: v, group: g})
		undo.Groups = append(undo.Groups, g.Path())
	}
	return undo, nil
}

func (l *limit) inject(context.Context) (e effect, err error) {
	var down []string
	var errs []error
	for i := range l.held {
		h := &l.held[i]
		l.expect(h, true)
		moved, err := h.group.Hold(h.id.PID, l.limit)
		h.moved = moved > 0
		e.count += uint64(moved)
		switch {
		case errors.Is(err, os.ErrProcessDone):
			down = append(down, h.Name())
		case err != nil:
			errs = append(errs, fmt.Errorf("limiting %s: %w", h.Name(), err))
		}
	}
	if len(down) > 0 {
		e.note = strings.Join(down, ", ") + " had ended before"
	}
	return e, errors.Join(errs...)
}

func (l *limit) undo(ctx context.Context) (e effect, err error) {
	var errs []error
	var again []victim
	var events uint64
	for _, h := range l.held {
		n, err := h.events()
		errs = append(errs, err)
		events += n
		errs = append(errs, h.group.Remove(ctx))
		if l.kind == cgroup.Memory && h.moved && (n > 0 || h.gone()) {
			// It may be ending only now, and is not started before it has.
			if err := h.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
				errs = append(errs, err)
			}
			again = append(again, h.victim)
		} else {
			l.expect(&h, false)
		}
	}
	e.note = l.said(events, again)
	return e, errors.Join(append(errs, restartAll(ctx, again))...)
}

// expect says whether a process may end: what a limit of memory does to it is
// no death of its own. One of processors, which may be on at the same time, has
// no say in it.
func (l *limit) expect(h *held, end bool) {
	if l.kind == cgroup.Memory {
		h.Expect(end)
	}
}

// events reads what the limit did, where there is a group with the process.
func (h held) events() (uint64, error) {
	if !h.moved {
		return 0, nil
	}
	return h.group.Events()
}

// said is what the limit did, in words.
func (l *limit) said(events uint64, killed []victim) string {
	switch {
	case l.kind == cgroup.CPU && events == 0:
		return "it never had to wait for a processor: the limit changed nothing"
	case l.kind == cgroup.CPU:
		return fmt.Sprintf("throttled in %d periods", events)
	case len(killed) == 0:
		return "nothing was killed: the limit was not reached"
	}
	var names []string
	for _, v := range killed {
		names = append(names, v.Name())
	}
	return strings.Join(names, ", ") + " was killed for its memory, and started again"
}
