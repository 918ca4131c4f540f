package fault

import (
	"context"
	"syscall"
)

// crash kills processes (SIGKILL) and starts them again.
type crash struct {
	system  System
	target  string
	victims []victim
	hit     []victim
}

func (c *crash) plan() (Undo, error) {
	var err error
	c.victims, err = findVictims(c.system, c.target)
	return undoOf(ActionRestart, "start "+c.target+" again", c.victims), err
}

func (c *crash) inject(context.Context) (e effect, err error) {
	c.hit, e, err = signalAll(c.victims, syscall.SIGKILL)
	return e, err
}

func (c *crash) undo(ctx context.Context) (effect, error) {
	return effect{}, restartAll(ctx, c.hit)
}
