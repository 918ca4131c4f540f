// Package signin is the surface by which people sign in to the cloud: the
// OAuth 2.0 and OpenID Connect endpoints for clients (authorization code with
// PKCE, device code, refresh), the sign-in page that these lead to, and the
// small "my account" page. Who a user is it does not know: it asks the cloud,
// by the path that the password grant takes too. Only the administrators of
// tenants are accounts of its own.
//
// The plumbing is written here after a look at the libraries (November 2026).
// zitadel/oidc pkg/op wants its own router, signer and token endpoint, which
// here is the hot path, behind a storage interface of some thirty methods, and
// brings chi, OpenTelemetry, securecookie and a schema decoder; ory/fosite was
// last released two years ago and brings ory/x; go-oauth2 knows no OpenID and no
// device code. What is left of the job once the tokens are signed elsewhere and
// every client is a public one is little, and is tested with coreos/go-oidc and
// x/oauth2 as the client.
//
// Everything that waits (codes, device codes, sessions, refresh tokens, counts
// of failures) is in memory and bounded: a restart asks people to sign in again.
package signin

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ptabench/cloudsim/token"
)

// A Cloud is what this room needs of the simulator around it.
type Cloud interface {
	// Tenant finds a tenant by its name, its ID or one of its domains.
	Tenant(name string) (Tenant, bool)
	// TenantOf finds the tenant of a user by the domain of the name.
	TenantOf(user string) (Tenant, bool)
	// SignIn decides a sign-in, by whatever path the tenant has.
	SignIn(ctx context.Context, a Attempt) Answer
	// Denied counts refused input.
	Denied(reason string)
}

// A Tenant is what is to be known of one to sign its users in.
type Tenant struct {
	Name   string
	Issuer *token.Issuer
	// Federated says that another service checks the passwords of its users;
	// Passive is where they are sent, empty when that is not known. Exchange is
	// where programs read how to ask it themselves (WS-MetadataExchange).
	Federated         bool
	Passive, Exchange string
	// Standing is what hash sync has said of a user; nil where it says nothing.
	Standing func(user string) Standing
}

// at is the issuer for those who call the tenant by an address: by its name, or
// by one that is not its name, and then the issuer is that of its ID.
func (t *Tenant) at(address string) *token.Issuer {
	if address == t.Name {
		return t.Issuer
	}
	return t.Issuer.ByID()
}

// An Attempt is one user's name and password, or, instead of them, what the
// user's browser brings from the tenant's federation server (wresult).
type Attempt struct {
	RequestID, Tenant, User, Password string
	Response                          string
}

// An Answer is how an attempt ended.
type Answer struct {
	Code      int // AADSTS; 0 for accepted
	Failed    bool
	Method    string // who decided; empty when nobody did
	Connector string // that served, if one did
	User      string // who signed in, as the cloud writes the name
	// Of a response: when, as the server says.
	SignedIn time.Time
}

// Config is what the surface needs to know.
type Config struct {
	Host           string // of every URL: that of the sign-in port, with the port
	Administrators []Administrator
	Password       Password // of every administrator
	Clients        []Client // besides Builtin
	Limits         Limits   // the usual ones where they are 0
	Now            func() time.Time
}

// An Administrator is an account that lives in the cloud alone.
type Administrator struct{ User, Tenant string }

// Surface serves it all. It is safe for concurrent use.
type Surface struct {
	cloud    Cloud
	log      *slog.Logger
	host     string
	now      func() time.Time
	limits   Limits
	clients  map[string]Client
	admins   administrators
	seal     sealer
	codes    *store[codeGrant]
	refresh  *store[refreshGrant]
	sessions *store[session]
	stayed   *store[session] // of those who stay signed in: a bound of their own, since they last so much longer
	away     *store[away]    // who is at a federation server
	devices  devices
	guesses  *lockout // of clients at user codes
	// administratorFailures is apart: however many others fail, no
	// administrator's failures are forgotten for theirs.
	administratorFailures *lockout
	ended                 watched[struct{}] // families whose tokens came twice
	pace                  *pace             // of clients
}

// New makes the surface.
func New(cloud Cloud, log *slog.Logger, cfg Config) *Surface {
	limits := cfg.Limits.orUsual()
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	s := &Surface{
		cloud: cloud, log: log, host: cfg.Host, now: now, limits: limits,
		clients:  make(map[string]Client),
		admins:   newAdministrators(cfg.Administrators, cfg.Password),
		seal:     newSealer(),
		codes:    newStore[codeGrant](limits.Codes),
		refresh:  newStore[refreshGrant](limits.Refresh),
		sessions: newStore[session](limits.Sessions),
		stayed:   newStore[session](limits.Sessions),
		away:     newStore[away](maxAway),
		devices:  devices{byCode: make(map[hashOf]*device), byUser: make(map[string]*device)},
		guesses:  newLockout(limits, limits.Watched), ended: newWatched[struct{}](limits.Refresh),
		administratorFailures: newLockout(limits, max(1, len(cfg.Administrators))),
		pace:                  newPace(limits),
	}
	for _, c := range slices.Concat(Builtin(), cfg.Clients) {
		s.clients[c.ID] = c
	}
	return s
}

// Routes are the paths of the surface, for the mux of the sign-in port. The
// token endpoint is the cloud's own, which hands to Exchange what is not the
// password grant.
func (s *Surface) Routes(mux *http.ServeMux) {
	mux.Handle("/{tenant}"+token.AuthorizePath, s.page(s.authorize))
	mux.HandleFunc("POST /{tenant}"+token.DevicePath, s.deviceAuthorization)
	mux.Handle("/{tenant}"+token.LogoutPath, s.page(s.signOut))
	mux.Handle("/{tenant}"+token.FederationPath, s.guard(s.federation, true))
	mux.Handle("/device", s.page(s.devicePage))
	mux.Handle("/sign-out", s.page(s.signOut))
	mux.Handle("/{$}", s.page(s.account))
	mux.HandleFunc("GET /sign-in.css", serveStyle)
	mux.HandleFunc("GET /sign-in.js", serveScript)
	s.discoveryRoutes(mux)
}

// A Problem is why a client is refused: the error of RFC 6749 and the real
// service's code.
type Problem struct {
	Status int // HTTP
	Word   string
	Code   int
	Reason string // for counters and logs
	Text   string // after the code; the client's developer reads it
}

func (p *Problem) Error() string { return p.Word + ": " + p.Text }

func invalidRequest(code int, reason, text string) *Problem {
	return &Problem{http.StatusBadRequest, "invalid_request", code, reason, text}
}

func invalidGrant(code int, reason, text string) *Problem {
	return &Problem{http.StatusBadRequest, "invalid_grant", code, reason, text}
}

// Codes that the endpoints answer with, besides those of users' sign-ins.
// Source: Microsoft, "Microsoft Entra authentication and authorization error
// codes".
const (
	codeBadRequest       = 900144 // a parameter is missing
	codeRepeated         = 9000411
	codeMalformed        = 90014
	codeTenant           = 90002
	codeClient           = 700016
	codeSecret           = 7000215
	codeNoSecret         = 7000218
	codeRedirect         = 50011
	codeResponseType     = 700054
	codeResponseMode     = 70007
	codeScope            = 70011
	codeScopes           = 28000 // of more than one service
	codeInstance         = 50049
	codeUnsupportedGrant = 70003
	codeInvalidGrant     = 70000
	codeCodeExpired      = 70008
	codeCodeUsed         = 54005
	codeVerifier         = 501481
	codeChallenge        = 9002325 // PKCE is required
	codePending          = 70016
	codeDeclined         = 70017
	codeDeviceUnknown    = 70018
	codeDeviceExpired    = 70020
	codeSlowDown         = 90033
	codeBusy             = 90033
	codeLoginRequired    = 50058
	codeInteraction      = 16000
	codeNotAdministrator = 50105
	codeCancelled        = 65004
)

// single returns parameters of which each is there once at most, as RFC 6749
// section 3.1 demands.
func single(values url.Values) (map[string]string, *Problem) {
	out := make(map[string]string, len(values))
	for key, list := range values {
		if len(list) > 1 {
			return nil, invalidRequest(codeRepeated, "repeated-parameter", "A parameter is given twice.")
		}
		if strings.IndexFunc(list[0], isControl) >= 0 {
			return nil, invalidRequest(codeMalformed, "malformed-parameter", "A parameter has a control character.")
		}
		out[key] = list[0]
	}
	return out, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }
