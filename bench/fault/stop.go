package fault

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
)

// stop asks processes to end (SIGTERM), so that they drain, and starts them
// again. One that is still at it by then is killed.
type stop struct {
	scene
	victims []victim
	hit     []victim
}

func (s *stop) plan() (Undo, error) {
	var err error
	s.victims, err = findVictims(s.System, s.fault.Target)
	return undoOf(ActionRestart, "start "+s.fault.Target+" again", s.victims), err
}

func (s *stop) inject(context.Context) (e effect, err error) {
	s.hit, e, err = signalAll(s.victims, syscall.SIGTERM)
	return e, err
}

func (s *stop) undo(ctx context.Context) (effect, error) {
	var late []string
	var errs []error
	for _, v := range s.hit {
		if v.gone() {
			continue
		}
		err := v.Signal(syscall.SIGKILL)
		if err == nil {
			late = append(late, v.Name())
		} else if !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
	}
	var e effect
	if len(late) > 0 {
		e.note = strings.Join(late, ", ") + " had not ended when it was to start again, and was killed"
	}
	return e, errors.Join(append(errs, restartAll(ctx, s.hit))...)
}
