package cloudsim

import (
	"context"
	"fmt"
	"time"

	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/manage"
	"ptabench/cloudsim/state"
	"ptabench/observe"
)

// Methods that an administrator may choose besides those of a configuration.
const (
	federated         = Federation
	nobodyElse Method = manage.None // nobody signs in but administrators
)

// policy is how a tenant's users sign in at present. It is replaced, not
// changed: sign-ins read it without a lock.
type policy struct {
	method   Method
	fallback Fallback
	// trust is the federation server that is believed; nil but with federation.
	trust *federation.Trust
	// passive is where it said that users are to be sent when the administrator
	// chose it, for as long as it does not say so anew.
	passive string
	// backup has hash sync answer federated users while it is not known where they
	// are to be sent.
	backup bool
}

// goes is where federated users are sent, as far as it is known.
func (p *policy) goes() string {
	if p.trust != nil {
		if m := p.trust.Known(); m != nil {
			return m.Passive
		}
	}
	return p.passive
}

// exchange is where the federation server's WS-Trust endpoints are described.
func (p *policy) exchange() string {
	if p.trust == nil {
		return ""
	}
	m := p.trust.Known()
	if m == nil {
		m = &federation.Metadata{}
	}
	return m.ExchangeOf(p.trust.Address())
}

// elsewhere reports whether the passwords of a tenant's users are checked by
// another service, and none may come here. Where nothing was ever synced there
// is nobody to stand in for it.
func (t *tenant) elsewhere(p *policy) bool {
	return p.method == federated && !(p.backup && p.goes() == "" && t.hashes.Synced(t.Name))
}

// configured is the policy of the configuration.
func (t *tenant) configured() *policy {
	p := &policy{method: t.Method, fallback: t.Fallback}
	if t.Method == federated {
		p.trust, p.backup = t.believe(t.Metadata), t.Fallback == Automatic
	}
	return p
}

// chosen is the policy that an administrator's choice comes to. Which kind of
// fallback there is, the configuration says; whether there is one, the choice.
func (t *tenant) chosen(p state.Policy) *policy {
	c := &policy{method: Method(p.Method), fallback: t.Fallback, passive: p.PassiveEndpoint}
	if c.method == federated {
		c.trust, c.backup = t.believe(p.FederationMetadata), p.HashSyncBackup
	}
	if c.method == PassThrough && !p.HashSyncBackup {
		c.fallback = Off
	} else if c.fallback == Off && p.HashSyncBackup {
		c.fallback = Automatic
	}
	return c
}

// adopt makes a policy the one in force.
func (t *tenant) adopt(p *policy) {
	t.policy.Store(p)
	t.locked(func(time.Duration) { t.queue.SetWait(p.fallback != Automatic) })
}

// loadPolicies puts into force what administrators chose before a restart.
func (srv *server) loadPolicies() error {
	for _, t := range srv.tenants {
		kept, found, err := srv.state.Policy(t.Name)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		t.adopt(t.chosen(kept))
		if now := t.policy.Load(); now.method != t.Method || now.fallback != t.Fallback {
			srv.log.Warn("an administrator's choice stands, not the configuration", "tenant", t.Name, "method", now.method,
				"fallback", now.fallback, "administrator", kept.By, "at", kept.At)
		}
	}
	return nil
}

// managed is a tenant as an administrator has control of it.
type managed struct {
	server *server
	tenant *tenant
}

var _ manage.Tenant = managed{}

// Method implements manage.Tenant.
func (m managed) Method() manage.Method {
	p := m.tenant.policy.Load()
	out := manage.Method{Method: string(p.method), HashSyncBackup: p.backup || p.method == PassThrough && p.fallback != Off,
		PassiveEndpoint: p.goes()}
	if p.trust != nil {
		out.FederationMetadata = p.trust.Address()
	}
	if p.method == federated && out.PassiveEndpoint == "" {
		out.Warning = "where users are to be sent is not known: the metadata could not be read yet"
		switch {
		case m.tenant.elsewhere(p) && p.backup:
			out.Warning += "; nothing was synced that could stand in for it"
		case p.backup:
			out.Warning += "; hash sync answers users' sign-ins"
		}
	}
	return out
}

// SetMethod implements manage.Tenant.
func (m managed) SetMethod(ctx context.Context, by string, want manage.Method) (manage.Method, error) {
	srv, t := m.server, m.tenant
	kept := state.Policy{Method: want.Method, HashSyncBackup: want.HashSyncBackup, FederationMetadata: want.FederationMetadata, By: by, At: time.Now()}
	p := t.chosen(kept)
	if p.trust != nil {
		if m, err := p.trust.Metadata(ctx); err != nil {
			srv.log.Warn("federation metadata", "tenant", t.Name, "error", err)
		} else {
			kept.PassiveEndpoint = m.Passive
		}
	}
	t.choosing.Lock() // the file and memory in the same order
	defer t.choosing.Unlock()
	if err := srv.state.PutPolicy(t.Name, kept); err != nil {
		return manage.Method{}, err
	}
	t.adopt(p)
	cause := want.Method
	if want.HashSyncBackup {
		cause += ", hash-sync backup"
	}
	srv.events.Add(observe.Event{Kind: observe.MethodChosen, Tenant: t.Name, Cause: cause})
	return m.Method(), nil
}

// NewRegistrationToken implements manage.Tenant.
func (m managed) NewRegistrationToken() (string, time.Time, error) {
	now := time.Now()
	text, err := m.server.state.IssueToken(m.tenant.Name, now)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("tenant %s: %w", m.tenant.Name, err)
	}
	return text, now.Add(state.TokenLifetime), nil
}

// Connectors implements manage.Tenant.
func (m managed) Connectors() any { return m.server.inventory(m.tenant, time.Now()) }
