package fault

import (
	"context"
	"syscall"
)

// crash kills processes (SIGKILL) and starts them again.
type crash struct {
	scene
	victims []victim
	hit     []victim
}

func (c *crash) plan() (Undo, error) {
	var err error
	c.victims, err = findVictims(c.System, c.fault.Target)
	return undoOf(ActionRestart, "start "+c.fault.Target+" again", c.victims), err
}

func (c *crash) inject(context.Context) (e effect, err error) {
	c.hit, e, err = signalAll(c.victims, syscall.SIGKILL)
	return e, err
}

func (c *crash) undo(ctx context.Context) (effect, error) {
	return effect{}, restartAll(ctx, c.hit)
}
