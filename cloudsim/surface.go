package cloudsim

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"ptabench/cloudsim/manage"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/state"
	"ptabench/cloudsim/token"
)

// openSurface makes what people meet at the sign-in port, once it is known
// where that is.
func (srv *server) openSurface(host string) error {
	password, err := srv.cfg.administratorPassword()
	if err != nil {
		return err
	}
	srv.host = host
	srv.surface = signin.New(srv.asCloud(), srv.log, signin.Config{Host: host, Administrators: srv.cfg.administrators(),
		Password: password, Clients: srv.cfg.Clients, Limits: srv.cfg.signInLimits})
	return nil
}

// manager is what administrators' programs meet there.
func (srv *server) manager() *manage.API {
	return &manage.API{
		Tenant: func(name string) (manage.Tenant, *token.Issuer, bool) {
			t := srv.tenants[name]
			if t == nil {
				return nil, nil, false
			}
			return managed{srv, t}, t.issuer, true
		},
		Denied: func(reason string) { srv.denied(reason, 1) }, Now: time.Now, Log: srv.log,
	}
}

// theCloud is the simulator as the sign-in page knows it.
type theCloud struct{ *server }

var _ signin.Cloud = theCloud{}

func (srv *server) asCloud() theCloud { return theCloud{srv} }

// Tenant implements signin.Cloud.
func (c theCloud) Tenant(name string) (signin.Tenant, bool) { return c.known(c.addressed(name)) }

// TenantOf implements signin.Cloud.
func (c theCloud) TenantOf(user string) (signin.Tenant, bool) {
	t := c.tenantOf(user)
	if t != nil {
		t.discover()
	}
	return c.known(t)
}

func (c theCloud) known(t *tenant) (signin.Tenant, bool) {
	if t == nil {
		return signin.Tenant{}, false
	}
	p := t.policy.Load()
	return signin.Tenant{Name: t.Name, Issuer: t.issuer, Federated: t.elsewhere(p), Passive: p.goes(), Exchange: p.exchange(),
		Standing: func(user string) signin.Standing { return c.standing(t, user) }}, true
}

// standing is what hash sync has said of a user.
func (c theCloud) standing(t *tenant, user string) signin.Standing {
	switch a, found := c.state.Account(t.Name, user); {
	case !found:
		return signin.Unsaid
	case a.Disabled:
		return signin.Disabled
	}
	return signin.Enabled
}

// SignIn implements signin.Cloud: it takes the path of the password grant, and
// stands in the same books.
func (c theCloud) SignIn(ctx context.Context, at signin.Attempt) signin.Answer {
	arrived, t := time.Now(), c.tenants[at.Tenant]
	if at.Response != "" {
		return c.vouched(ctx, t, arrived, at)
	}
	a := c.attempt(t, arrived, at.RequestID, at.User, at.Password)
	return signin.Answer{Code: a.code, Failed: a.failed, Method: string(a.by), Connector: a.connector, User: principalName(at.User)}
}

// principalName is how the cloud writes the name of a user who has signed in,
// however it was typed: as its accounts are kept, in lower case. Hash sync keeps
// no other spelling, and a connector tells none.
func principalName(user string) string { return strings.ToLower(user) }

// Denied implements signin.Cloud.
func (c theCloud) Denied(reason string) { c.denied(reason, 1) }

// exchange is the token endpoint for every grant but the password's.
func (srv *server) exchange(w http.ResponseWriter, r *http.Request, requestID, body string) {
	tokens, problem := srv.surface.ExchangeBy(r.PathValue("tenant"), r.Header.Get("Authorization"), body)
	if problem != nil {
		srv.refuseClient(w, requestID, problem)
		return
	}
	srv.writeTokens(w, &tokens)
}

// refuseClient answers a client with what is wrong.
func (srv *server) refuseClient(w http.ResponseWriter, requestID string, problem *signin.Problem) {
	if problem.Reason != "" { // a device that waits is nothing refused
		srv.logRefusal(problem.Reason, srv.denied(problem.Reason, 1))
	}
	if problem.Status == http.StatusUnauthorized { // RFC 6749 section 5.2
		w.Header().Set("WWW-Authenticate", "Basic")
	}
	srv.writeError(w, requestID, problem.Status, problem.Word, problem.Code, problem.Text)
}

// addressed is the tenant that an address means: its name, its ID or one of its
// domains; nil for none.
func (srv *server) addressed(name string) *tenant {
	if t := srv.tenants[name]; t != nil {
		return t
	}
	name = strings.ToLower(name)
	if t := srv.tenantIDs[name]; t != nil {
		return t
	}
	return srv.domains[name]
}

// issuerAt is a tenant's issuer for clients that call it by an address.
func (t *tenant) issuerAt(address string) *token.Issuer {
	if address == t.Name {
		return t.issuer
	}
	return t.issuer.ByID()
}

// administrator verifies what is used to register a connector.
func (srv *server) administrator(tenant, accessToken string, now time.Time) (state.Grant, error) {
	t := srv.tenants[tenant]
	if t == nil {
		return state.Grant{}, token.ErrTenant
	}
	access, err := t.issuer.Verify(accessToken, token.RegisterScope, now)
	return state.Grant{ID: access.ID, Tenant: tenant, By: access.User, Expires: access.Expires}, err
}

// roots are the authorities that the simulator trusts: its host's, and itself.
func (srv *server) roots() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(srv.authority.PEM())
	return pool
}
