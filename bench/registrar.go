package bench

import (
	"context"
	"fmt"
	"os"
	"sync"

	"ptabench/bench/fault"
)

var _ fault.Registrar = (*system)(nil)

// tokens are those by which connectors register, the last one of each.
type tokens struct {
	mu  sync.Mutex
	all map[string]string // by connector
}

func (t *tokens) set(connector, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]string)
	}
	t.all[connector] = token
}

func (t *tokens) of(connector string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[connector]
}

// tenantOf is whose a connector is.
func (s *system) tenantOf(connector string) string {
	return s.commands.scenario.TenantOf(connectorNumber(connector)).Name
}

// newToken has a connector register by another token when it is started.
func (s *system) newToken(ctx context.Context, connector string) error {
	token, err := s.registrationToken(ctx, s.tenantOf(connector))
	if err != nil {
		return fmt.Errorf("%s: %w", connector, err)
	}
	s.tokens.set(connector, token)
	return nil
}

// Revoke implements fault.Registrar.
func (s *system) Revoke(ctx context.Context, connector string) error {
	path := "/tenants/" + s.tenantOf(connector) + "/connectors/" + connector + "/revoke"
	return s.client(s.cloud).Post(ctx, path, nil, nil)
}

// Register implements fault.Registrar.
func (s *system) Register(ctx context.Context, connector string) error {
	for _, p := range s.connectors {
		if p.Name() != connector {
			continue
		}
		if err := p.Terminate(ctx, stopGrace); err != nil {
			return err
		}
		// As on a machine where there has been none: what a connector keeps
		// there is its own affair.
		if err := os.RemoveAll(s.commands.state(connector)); err != nil {
			return fmt.Errorf("the state of %s: %w", connector, err)
		}
		if err := s.newToken(ctx, connector); err != nil {
			return err
		}
		return p.Restart(ctx)
	}
	return fmt.Errorf("connector %q: none of this run", connector)
}

// Add implements fault.Registrar.
func (s *system) Add(ctx context.Context, host string) error {
	return s.startNewcomer(ctx, s.commands.scenario.Tenants[0].Name, host)
}

// Withdraw implements fault.Registrar.
func (s *system) Withdraw(ctx context.Context) (admitted bool, err error) {
	return s.stopNewcomer(ctx), nil
}
