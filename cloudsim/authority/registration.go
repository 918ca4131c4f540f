package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/state"
	"ptabench/cloudsim/token"
	"ptabench/wire"
)

// A Denial is why a registration was denied: one word, for counters and logs.
type Denial string

// The denials.
const (
	DeniedTenant         Denial = "registration-unknown-tenant"
	DeniedName           Denial = "registration-malformed-name"
	DeniedCSR            Denial = "registration-malformed-csr"
	DeniedKey            Denial = "registration-unfit-key"
	DeniedTokenUnknown   Denial = "registration-token-unknown"
	DeniedTokenUsed      Denial = "registration-token-used"
	DeniedTokenExpired   Denial = "registration-token-expired"
	DeniedTokenTenant    Denial = "registration-token-of-another-tenant"
	DeniedTokenMalformed Denial = "registration-token-malformed"
	DeniedTokenSignature Denial = "registration-token-signature"
	DeniedTokenAudience  Denial = "registration-token-audience"
	DeniedTokenScope     Denial = "registration-token-scope"
	DeniedTokenEarly     Denial = "registration-token-not-valid-yet"
	DeniedTooMany        Denial = "registration-too-many-connectors"
	DeniedHost           Denial = "registration-host-has-a-connector"
	DeniedHostName       Denial = "registration-malformed-host-name"
	DeniedSubject        Denial = "registration-unfit-subject"
	DeniedClock          Denial = "registration-clock-skew"
	DeniedStateUnwilling Denial = "registration-state-error" // the simulator's own fault
)

// Bounds of the texts of a request, in bytes.
const (
	maxToken   = 256
	maxVersion = 64
)

// versionSyntax is of what a connector says of its software, hostSyntax of the
// machine that it runs on: a name, or an address.
var (
	versionSyntax = regexp.MustCompile(`^[A-Za-z0-9.+_-]*$`)
	hostSyntax    = regexp.MustCompile(`^[A-Za-z0-9._:-]{0,253}$`)
)

// Registration serves the registration port: it grants a client certificate
// for a one-time token, and replaces the connector of the same name. All
// fields are needed.
type Registration struct {
	wire.UnimplementedRegistrationServer

	Authority *Authority
	Store     *state.Store
	Lifetime  time.Duration             // of certificates
	Tenant    func(name string) bool    // whether there is such a tenant
	Now       func() time.Time          // time.Now but in tests
	Log       *slog.Logger              // what was granted and denied, without any token
	Denied    func(d Denial, by Claims) // is called once for each denial, concurrently
	// Administrator verifies an administrator's access token, by the errors of
	// package token, which is good here in place of a registration token.
	Administrator func(tenant, accessToken string, now time.Time) (state.Grant, error)

	said Sample
}

// Claims is who a denied peer said to be: empty where it named nobody that
// there may be.
type Claims struct{ Tenant, Name string }

// denial is a denial and what the peer is told.
type denial struct {
	word Denial
	code codes.Code
	text string
}

// Register implements wire.RegistrationServer.
func (r *Registration) Register(ctx context.Context, q *wire.RegisterRequest) (*wire.RegisterResponse, error) {
	id := Identity{Tenant: q.GetTenant(), Name: q.GetName(), ID: uuid.NewString()}
	c, der, err := r.grant(ctx, id, q)
	if err != nil {
		return nil, r.deny(id, err)
	}
	r.Log.Info("registered", "tenant", c.Tenant, "connector", c.Name, "id", c.ID, "version", c.Version,
		"serial", c.Serial, "not_after", c.NotAfter)
	return &wire.RegisterResponse{ConnectorId: c.ID, CertificateDer: der, CaDer: r.Authority.DER(),
		CloudTimeNs: r.Now().UnixNano()}, nil
}

// grant checks everything before it uses the token up, and the token before
// it works for the peer.
func (r *Registration) grant(ctx context.Context, id Identity, q *wire.RegisterRequest) (c state.Connector, der []byte, err error) {
	if !r.Tenant(id.Tenant) {
		return c, nil, &denial{DeniedTenant, codes.NotFound, "there is no such tenant"}
	}
	if err := id.check(); err != nil {
		return c, nil, &denial{DeniedName, codes.InvalidArgument, err.Error()}
	}
	if v := q.GetVersion(); len(v) > maxVersion || !versionSyntax.MatchString(v) {
		return c, nil, &denial{DeniedName, codes.InvalidArgument, "version: expected up to 64 of A-Z, a-z, 0-9, ., +, _ and -"}
	}
	if len(q.GetToken()) > maxToken && !token.Resembles(q.GetToken()) {
		return c, nil, state.ErrTokenUnknown
	}
	if !hostSyntax.MatchString(q.GetHostName()) {
		return c, nil, &denial{DeniedHostName, codes.InvalidArgument, fmt.Sprintf("host name %.80q: expected up to 253 of A-Z, a-z, 0-9, ., _, : and -", q.GetHostName())}
	}
	now := r.Now()
	if err := CheckClock(q.GetConnectorTimeNs(), now); err != nil {
		return c, nil, err
	}
	register, err := r.permit(id.Tenant, q.GetToken(), now)
	if err != nil {
		return c, nil, err
	}
	certificate, err := r.Authority.Issue(q.GetCsrDer(), id, r.Lifetime)
	if err != nil {
		return c, nil, err
	}
	if err := ctx.Err(); err != nil { // nobody is left to take the certificate: the token stays good
		return c, nil, err
	}
	c = state.Connector{
		ID: id.ID, Tenant: id.Tenant, Name: id.Name, Version: q.GetVersion(), HostName: q.GetHostName(),
		Serial: Serial(certificate), NotAfter: certificate.NotAfter, RegisteredAt: now,
	}
	return c, certificate.Raw, register(c, certificate.RawSubjectPublicKeyInfo, now)
}

// permit checks what came as a token, one made for a registration or an
// administrator's, and returns what uses it up.
func (r *Registration) permit(tenant, text string, now time.Time) (func(state.Connector, []byte, time.Time) error, error) {
	if r.Administrator == nil || !token.Resembles(text) {
		return func(c state.Connector, key []byte, now time.Time) error {
			return r.Store.Register(text, c, key, now)
		}, r.Store.CheckToken(tenant, text, now)
	}
	g, err := r.Administrator(tenant, text, now)
	if err == nil {
		err = r.Store.CheckGrant(g, now)
	}
	return func(c state.Connector, key []byte, now time.Time) error {
		r.Log.Info("registering by an administrator's token", "tenant", c.Tenant, "connector", c.Name, "administrator", g.By)
		return r.Store.RegisterBy(g, c, key, now)
	}, err
}

// deny counts and logs a denial, and makes of it what the peer is told.
func (r *Registration) deny(id Identity, err error) error {
	if ctxErr := status.FromContextError(err); ctxErr.Code() == codes.Canceled || ctxErr.Code() == codes.DeadlineExceeded {
		return ctxErr.Err()
	}
	d := denialOf(err)
	by := Claims{}
	if d.word != DeniedTenant {
		by.Tenant = id.Tenant
		if nameSyntax.MatchString(id.Name) {
			by.Name = id.Name
		}
	}
	r.Denied(d.word, by)
	if leftOut, say := r.said.Say(d.word, r.Now()); say {
		r.Log.Warn("registration denied", "reason", d.word, "tenant", by.Tenant, "connector", by.Name, "error", err, "left_out", leftOut)
	}
	return status.Error(d.code, d.text)
}

// denialOf sorts an error. What is the simulator's own is not told the peer.
func denialOf(err error) *denial {
	var d *denial
	if errors.As(err, &d) {
		return d
	}
	for _, known := range []struct {
		err  error
		word Denial
		code codes.Code
	}{
		{state.ErrTokenUnknown, DeniedTokenUnknown, codes.Unauthenticated},
		{state.ErrTokenUsed, DeniedTokenUsed, codes.Unauthenticated},
		{state.ErrTokenExpired, DeniedTokenExpired, codes.Unauthenticated},
		{state.ErrTokenTenant, DeniedTokenTenant, codes.Unauthenticated},
		{token.ErrMalformed, DeniedTokenMalformed, codes.Unauthenticated},
		{token.ErrSignature, DeniedTokenSignature, codes.Unauthenticated},
		{token.ErrTenant, DeniedTokenTenant, codes.Unauthenticated},
		{token.ErrAudience, DeniedTokenAudience, codes.Unauthenticated},
		{token.ErrExpired, DeniedTokenExpired, codes.Unauthenticated},
		{token.ErrNotYet, DeniedTokenEarly, codes.Unauthenticated},
		{token.ErrScope, DeniedTokenScope, codes.PermissionDenied},
		{state.ErrTooManyGrants, DeniedTooMany, codes.ResourceExhausted},
		{state.ErrTooManyConnectors, DeniedTooMany, codes.ResourceExhausted},
		{ErrMalformedCSR, DeniedCSR, codes.InvalidArgument},
		{ErrWeakKey, DeniedKey, codes.InvalidArgument},
		{ErrSubject, DeniedSubject, codes.InvalidArgument},
		{ErrClock, DeniedClock, codes.FailedPrecondition},
		{state.ErrHostTaken, DeniedHost, codes.ResourceExhausted},
	} {
		if errors.Is(err, known.err) {
			return &denial{known.word, known.code, err.Error()}
		}
	}
	return &denial{DeniedStateUnwilling, codes.Internal, "the registration could not be recorded"}
}

func (d *denial) Error() string { return d.text }
