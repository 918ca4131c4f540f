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
	srv.surface = signin.New(srv.asCloud(), srv.log, signin.Config{Host: host, Administrators: srv.cfg.administrators(),
		Password: password, Limits: srv.cfg.signInLimits})
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
func (c theCloud) Tenant(name string) (signin.Tenant, bool) { return c.known(c.tenants[name]) }

// TenantOf implements signin.Cloud.
func (c theCloud) TenantOf(user string) (signin.Tenant, bool) {
	_, domain, _ := strings.Cut(user, "@")
	return c.known(c.domains[strings.ToLower(domain)])
}

func (theCloud) known(t *tenant) (signin.Tenant, bool) {
	if t == nil {
		return signin.Tenant{}, false
	}
	p := t.policy.Load()
	return signin.Tenant{Name: t.Name, Issuer: t.issuer, Federated: t.elsewhere(p), Passive: p.passive}, true
}

// SignIn implements signin.Cloud: it takes the path of the password grant, and
// stands in the same books.
func (c theCloud) SignIn(_ context.Context, at signin.Attempt) signin.Answer {
	arrived, t := time.Now(), c.tenants[at.Tenant]
	a := t.signIn(c.lastID.Add(1), at.User, at.Password)
	c.signInLog.add(arrived, at.RequestID, t.Name, at.User, &a)
	return signin.Answer{Code: a.code, Failed: a.failed, Method: string(a.by), Connector: a.connector}
}

// Denied implements signin.Cloud.
func (c theCloud) Denied(reason string) { c.denied(reason, 1) }

// exchange is the token endpoint for every grant but the password's.
func (srv *server) exchange(w http.ResponseWriter, r *http.Request, requestID, body string) {
	tokens, problem := srv.surface.Exchange(r.PathValue("tenant"), body)
	if problem != nil {
		if problem.Reason != "" { // a device that waits is nothing refused
			srv.logRefusal(problem.Reason, srv.denied(problem.Reason, 1))
		}
		srv.writeError(w, requestID, problem.Status, problem.Word, problem.Code, problem.Text)
		return
	}
	srv.writeTokens(w, &tokens.Tokens, tokens.Refresh)
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
