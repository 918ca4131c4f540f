package fault

import (
	"context"
	"errors"
)

// addConnector has a further connector try to register in the tenant under load,
// and takes it away again. It is there to be refused: what one that is admitted
// answers is in nobody's books.
type addConnector struct {
	scene
	admitted bool
}

var errAdmitted = errors.New("it was admitted: expected it to be refused, for what it answered is not counted")

func (a *addConnector) plan() (Undo, error) {
	_, err := a.registrar()
	return Undo{Action: ActionRestart, Text: "end the newcomer"}, err
}

func (a *addConnector) inject(ctx context.Context) (effect, error) {
	registrar, err := a.registrar()
	if err != nil {
		return effect{}, err
	}
	if err := registrar.Add(ctx, a.fault.Host); err != nil {
		return effect{}, err
	}
	return effect{count: 1}, nil
}

func (a *addConnector) undo(ctx context.Context) (effect, error) {
	registrar, err := a.registrar()
	if err != nil {
		return effect{}, err
	}
	a.admitted, err = registrar.Withdraw(ctx)
	return effect{}, err
}

// missed implements outcome.
func (a *addConnector) missed() error {
	if a.admitted {
		return errAdmitted
	}
	return nil
}
