package fault

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
)

// freeze stops processes (SIGSTOP) and lets them go on (SIGCONT).
type freeze struct {
	system  System
	target  string
	victims []victim
	hit     []victim
}

func (f *freeze) plan() (Undo, error) {
	var err error
	f.victims, err = findVictims(f.system, f.target)
	return undoOf(ActionThaw, "let "+f.target+" go on", f.victims), err
}

func (f *freeze) inject(context.Context) (e effect, err error) {
	f.hit, e, err = signalAll(f.victims, syscall.SIGSTOP)
	return e, err
}

func (f *freeze) undo(context.Context) (effect, error) {
	var ended []string
	var errs []error
	for _, v := range f.hit {
		if v.gone() {
			ended = append(ended, v.Name())
			continue
		}
		if err := v.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
	}
	var e effect
	if len(ended) > 0 {
		e.note = strings.Join(ended, ", ") + " ended while frozen"
	}
	return e, errors.Join(errs...)
}
