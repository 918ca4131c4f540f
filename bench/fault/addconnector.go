package fault

import "context"

// addConnector has a further connector register, or try to, and takes it away
// again. What becomes of it is for expectations to say.
type addConnector struct{ scene }

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
	return effect{}, registrar.Withdraw(ctx)
}
