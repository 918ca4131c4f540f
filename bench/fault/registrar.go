package fault

import (
	"context"
	"fmt"
)

// A Registrar does what administrators do to the registrations of connectors.
// A System that is one has the faults that need it.
type Registrar interface {
	// Revoke has the cloud believe a connector's certificate no more.
	Revoke(ctx context.Context, connector string) error
	// Register ends a connector, and starts it again with a new registration.
	Register(ctx context.Context, connector string) error
	// Add starts a further connector in the tenant under load, a newcomer, and
	// does not wait for it. It names the host of another one unless that is
	// empty.
	Add(ctx context.Context, host string) error
	// Withdraw ends the newcomer. It reports whether that had been admitted, and
	// may have answered sign-ins.
	Withdraw(ctx context.Context) (admitted bool, err error)
}

func (s scene) registrar() (Registrar, error) {
	r, ok := s.System.(Registrar)
	if !ok {
		return nil, fmt.Errorf("%s: this system has nobody who registers connectors", s.fault.Kind)
	}
	return r, nil
}
