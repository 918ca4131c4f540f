package fault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ptabench/observe"
	"ptabench/scenarios"
)

// A Publisher publishes versions of the connector. A System that is one has the
// fault that needs it.
type Publisher interface {
	// Publish has the cloud offer a version, the next one unless it is given,
	// and says which.
	Publish(ctx context.Context, version string, flaw scenarios.UpdateFlaw) (string, error)
	// Retract has it offer none.
	Retract() error
	// Updates are those that the cloud has seen.
	Updates(context.Context) ([]observe.Update, error)
}

// publishUpdate offers a version of the connector for a while, a good one or one
// with a flaw. That connectors do with it what they should is its effect.
type publishUpdate struct {
	scene
	to      Publisher
	names   []string // of the connectors
	since   time.Time
	version string
	wrong   error
}

func (p *publishUpdate) plan() (Undo, error) {
	to, ok := p.System.(Publisher)
	if !ok {
		return Undo{}, fmt.Errorf("%s: this system has nobody who publishes", p.fault.Kind)
	}
	p.to = to
	found, err := findVictims(p.System, scenarios.AllConnectors)
	for _, v := range found {
		p.names = append(p.names, v.Name())
	}
	return Undo{Action: ActionRestart, Text: "offer no update"}, err
}

func (p *publishUpdate) inject(ctx context.Context) (_ effect, err error) {
	p.since = time.Now()
	p.version, err = p.to.Publish(ctx, p.fault.Version, p.fault.Flaw)
	return effect{}, err
}

func (p *publishUpdate) undo(ctx context.Context) (effect, error) {
	if err := p.to.Retract(); err != nil {
		return effect{}, err
	}
	all, err := p.to.Updates(ctx)
	if err != nil { // a cloud that is down says nothing
		p.wrong = fmt.Errorf("what became of the update: %w", err)
		return effect{note: "what became of it is not known"}, nil
	}
	all = slices.DeleteFunc(all, func(u observe.Update) bool { return u.BeganNS < p.since.UnixNano() })
	p.wrong = p.judge(all)
	e := effect{count: uint64(len(all)), note: "version " + p.version}
	for _, u := range all {
		e.note = joined(e.note, u.Text())
	}
	return e, nil
}

// missed implements outcome.
func (p *publishUpdate) missed() error { return p.wrong }

// judge says what connectors should have done and did not, or the other way
// round: a good version is taken up by all; one that shows as bad is refused by
// all; and of one that does not come up the first that tries it goes back, and
// the others never try.
func (p *publishUpdate) judge(all []observe.Update) error {
	count := func(connector string, state observe.UpdateState) (n int) {
		for _, u := range all {
			if (connector == "" || u.Connector == connector) && u.State == state {
				n++
			}
		}
		return n
	}
	var wrong []string
	each := func(state observe.UpdateState, not string) {
		for _, name := range p.names {
			if count(name, state) == 0 {
				wrong = append(wrong, name+" "+not)
			}
		}
	}
	switch p.fault.Flaw {
	case scenarios.NoFlaw:
		each(observe.Updated, "was not updated")
	case scenarios.FlawBroken, scenarios.FlawMute:
		if n := count("", observe.FailedUpdate); n != 1 {
			wrong = append(wrong, fmt.Sprintf("%d connectors went back: expected 1, after which the others do not try", n))
		}
	default:
		each(observe.RefusedUpdate, "did not refuse it")
	}
	if p.fault.Flaw != scenarios.NoFlaw {
		for _, u := range all {
			if u.State == observe.Updated {
				wrong = append(wrong, u.Connector+" took it up")
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("version %s: %s", p.version, strings.Join(wrong, ", "))
	}
	return nil
}
