package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// freeze stops processes (SIGSTOP) and lets them go on (SIGCONT).
type freeze struct {
	scene
	victims []victim
	hit     []victim
}

func (f *freeze) plan() (Undo, error) {
	var err error
	f.victims, err = findVictims(f.System, f.fault.Target)
	return undoOf(ActionThaw, "let "+f.fault.Target+" go on", f.victims), err
}

func (f *freeze) inject(context.Context) (e effect, err error) {
	f.hit, e, err = signalAll(f.victims, syscall.SIGSTOP)
	return e, err
}

func (f *freeze) undo(ctx context.Context) (effect, error) {
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
	for _, v := range f.hit {
		errs = append(errs, goesOn(ctx, v))
	}
	var e effect
	if len(ended) > 0 {
		e.note = strings.Join(ended, ", ") + " ended while frozen"
	}
	return e, errors.Join(errs...)
}

// goesOn returns when the kernel says that a process is not frozen any more.
func goesOn(ctx context.Context, v victim) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		frozen, err := v.id.Frozen()
		if err != nil || !frozen {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is still frozen: kill -CONT %d", v.Name(), v.id.PID)
		}
	}
}
