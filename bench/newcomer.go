package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"ptabench/bench/proc"
	"ptabench/scenarios"
)

// newcomerTenant is where newcomers register unless they are to join those
// under load: a tenant of their own, without users.
const newcomerTenant = "newcomers"

// newcomerWithin bounds the wait for a newcomer, which ends earlier with the
// row that it is for.
const newcomerWithin = 24 * time.Hour

// A newcomer is a connector that is started to see whether it can be. It has a
// supervisor of its own: what becomes of it is no concern of the books.
type newcomer struct {
	tenant string
	roles  *proc.Supervisor
	cancel context.CancelFunc
	done   chan struct{} // closed when it serves, or never will

	// Good once done is closed.
	process *proc.Process
	err     error
}

// newcomers are one at a time.
type newcomers struct {
	mu      sync.Mutex // held while one is started or ended
	present *newcomer

	started func(name, role string, id proc.Identity) error // for the journal
}

// newcomerNumber is the host of newcomers among those of connectors.
func (s *system) newcomerNumber() int { return s.commands.scenario.Connectors.Count + 1 }

// newcomerIn is the name of the tenant of newcomers that stay apart, which no
// tenant of the scenario has.
func newcomerIn(s *scenarios.Scenario) string {
	name := newcomerTenant
	for slices.ContainsFunc(s.Tenants, func(t scenarios.Tenant) bool { return t.Name == name }) {
		name += "-apart"
	}
	return name
}

// StartNewcomer implements expect.Newcomers.
func (s *system) StartNewcomer(ctx context.Context) error {
	return s.startNewcomer(ctx, newcomerIn(s.commands.scenario), "")
}

// startNewcomer starts one in a tenant, and does not wait for it. It says that
// it is on the host of a connector, unless that is empty.
func (s *system) startNewcomer(ctx context.Context, tenant, host string) error {
	n := &s.newcomers
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.present != nil {
		return errors.New("there is a newcomer already")
	}
	token, err := s.registrationToken(ctx, tenant)
	if err != nil {
		return err
	}
	directory, err := s.whereabouts()
	if err != nil {
		return err
	}
	spec := s.commands.newcomer(s.newcomerNumber(), tenant, host, directory, token)
	if err := os.RemoveAll(s.commands.state(scenarios.Newcomer)); err != nil {
		return fmt.Errorf("the newcomer's state: %w", err)
	}
	// It lives until it is stopped, whatever becomes of who asked for it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &newcomer{tenant: tenant, cancel: cancel, done: make(chan struct{}),
		roles: proc.NewSupervisor(proc.Options{Started: n.started})}
	go func() { // until stop, which waits for it
		defer close(one.done)
		one.process, one.err = one.roles.Start(ctx, spec)
	}()
	n.present = one
	return nil
}

// Newcomer implements expect.Newcomers.
func (s *system) Newcomer() string {
	s.newcomers.mu.Lock()
	defer s.newcomers.mu.Unlock()
	one := s.newcomers.present
	if one == nil {
		return ""
	}
	select {
	case <-one.done:
		if one.err != nil || one.process.State() != nil {
			return scenarios.NewcomerEnded
		}
		return scenarios.NewcomerServes
	default:
		return scenarios.NewcomerWaits
	}
}

// StopNewcomer implements expect.Newcomers.
func (s *system) StopNewcomer(ctx context.Context) { _ = s.stopNewcomer(ctx) }

// stopNewcomer reports whether the one that it ends had come up.
func (s *system) stopNewcomer(ctx context.Context) (served bool) {
	n := &s.newcomers
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.present
	if one == nil {
		return false
	}
	n.present = nil
	one.cancel()
	<-one.done
	_ = one.roles.Close(ctx, stopGrace) // one that had to be killed is gone too
	// The next one is another: not this one come again. It may never have
	// been registered.
	_ = s.client(s.cloud).Delete(ctx, "/tenants/"+one.tenant+"/connectors/"+scenarios.Newcomer, nil)
	return one.err == nil
}

// registrationToken is good for one registration in a tenant.
func (s *system) registrationToken(ctx context.Context, tenant string) (string, error) {
	var token struct{ Token string }
	if err := s.client(s.cloud).Post(ctx, "/tenants/"+tenant+"/registration-tokens", nil, &token); err != nil {
		return "", fmt.Errorf("registration token: %w", err)
	}
	return token.Token, nil
}

// newcomer is the command of a further connector.
func (c *commands) newcomer(n int, tenant, host string, directory whereabouts, token string) proc.Spec {
	spec := c.connector(n, directory, token)
	name := connectorName(n)
	for i, word := range spec.Command {
		switch {
		case i == 0:
		case spec.Command[i-1] == "--name" && word == name:
			spec.Command[i] = scenarios.Newcomer
		case spec.Command[i-1] == "--tenant":
			spec.Command[i] = tenant
		case spec.Command[i-1] == "--state":
			spec.Command[i] = c.state(scenarios.Newcomer)
		}
	}
	if scenarios.IsConnector(host) {
		if source := c.meeting.source(connectorNumber(host)); source != "" {
			spec.Command = append(spec.Command, "--host-name", source)
		}
	}
	spec.Name, spec.LogFile, spec.ReadyWithin = scenarios.Newcomer, c.log(scenarios.Newcomer), newcomerWithin
	return spec
}

// connectorNumber is the inverse of connectorName; 0 for another name.
func connectorNumber(name string) (n int) {
	if _, err := fmt.Sscanf(name, "connector-%d", &n); err != nil || connectorName(n) != name {
		return 0
	}
	return n
}
