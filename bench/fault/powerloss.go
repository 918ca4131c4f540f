package fault

import (
	"context"
	"errors"
	"fmt"

	"ptabench/bench/fault/kernel"
)

// powerLoss is the end of a host: first nothing comes from it or reaches it
// any more, then its process is killed, so that its kernel cannot say goodbye
// for it. The drop is undone before it is started again.
type powerLoss struct {
	drop  *ruled
	crash *crash
}

func newPowerLoss(s scene) *powerLoss {
	return &powerLoss{
		drop:  &ruled{scene: s, rule: kernel.Rule{ID: s.id, Direction: kernel.Both, Verdict: kernel.Drop}},
		crash: &crash{scene: s},
	}
}

func (p *powerLoss) plan() (Undo, error) { return together{p.drop, p.crash}.plan() }

func (p *powerLoss) inject(ctx context.Context) (effect, error) {
	if _, err := p.drop.inject(ctx); err != nil {
		return effect{}, err
	}
	return p.crash.inject(ctx)
}

func (p *powerLoss) undo(ctx context.Context) (effect, error) {
	dropped, errDrop := p.drop.undo(ctx)
	_, errStart := p.crash.undo(ctx)
	var e effect
	if dropped.count > 0 {
		e.note = fmt.Sprintf("%d packets were dropped", dropped.count)
	}
	return e, errors.Join(errDrop, errStart)
}
