package authority

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/state"
	"ptabench/wire"
)

// The denials of the renewal port, beside those of the handshake.
const (
	DeniedRenewalSubject    Denial = "renewal-for-another-connector"
	DeniedRenewalKey        Denial = "renewal-key-not-new"
	DeniedRenewalUnfitKey   Denial = "renewal-unfit-key"
	DeniedRenewalCSR        Denial = "renewal-malformed-csr"
	DeniedRenewalVersion    Denial = "renewal-malformed-version"
	DeniedRenewalClock      Denial = "renewal-clock-skew"
	DeniedRenewalSuperseded Denial = "renewal-certificate-superseded"
	DeniedRenewalState      Denial = "renewal-state-error" // the simulator's own fault
)

var errSameKey = errors.New("the certificate request is for the key of the present certificate; expected a new one")

// Trust serves the renewal port: it renews certificates, and ends
// registrations, for the connector that shows a certificate and no other. All
// fields are needed.
type Trust struct {
	wire.UnimplementedTrustServer

	Authority *Authority
	Store     *state.Store
	Lifetime  time.Duration // of certificates
	Now       func() time.Time
	Log       *slog.Logger
	Denied    func(d Denial, by Claims) // is called once for each denial, concurrently
	Renewed   func(c state.Connector)   // after a renewal
	Removed   func(c state.Connector)   // after a connector has ended its registration
}

// caller is who called, by a certificate that is still good: a connection may
// be older than a removal or an expiry.
func (t *Trust) caller(ctx context.Context) (Identity, *x509.Certificate, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Identity{}, nil, status.Error(codes.Internal, "a call without a peer")
	}
	id, serial, err := PeerIdentity(p)
	if err != nil {
		return Identity{}, nil, &denial{DeniedCertificateMalformed, codes.Unauthenticated, err.Error()}
	}
	leaf := leafOf(p)
	now := t.Now()
	if now.After(leaf.NotAfter) {
		return id, nil, &denial{DeniedCertificateExpired, codes.Unauthenticated,
			fmt.Sprintf("the certificate expired on %s: register the connector again", leaf.NotAfter.UTC().Format(time.RFC3339))}
	}
	c, found := t.Store.Known(serial)
	switch {
	case found && !c.RevokedAt.IsZero():
		return id, nil, &denial{DeniedCertificateRevoked, codes.Unauthenticated, "the certificate is revoked: register the connector again"}
	case !found || !c.Accepts(serial, now):
		return id, nil, state.ErrNotCurrent
	}
	return id, leaf, nil
}

// Renew implements wire.TrustServer.
func (t *Trust) Renew(ctx context.Context, q *wire.RenewRequest) (*wire.RenewResponse, error) {
	id, shown, err := t.caller(ctx)
	if err != nil {
		return nil, t.deny(id, err)
	}
	c, der, err := t.grant(ctx, id, shown, q)
	if err != nil {
		return nil, t.deny(id, err)
	}
	t.Log.Info("renewed", "tenant", c.Tenant, "connector", c.Name, "id", c.ID, "version", c.Version,
		"serial", c.Serial, "former_serial", c.FormerSerial, "not_after", c.NotAfter)
	t.Renewed(c)
	return &wire.RenewResponse{CertificateDer: der, CloudTimeNs: t.Now().UnixNano()}, nil
}

func (t *Trust) grant(ctx context.Context, id Identity, shown *x509.Certificate, q *wire.RenewRequest) (c state.Connector, der []byte, err error) {
	if v := q.GetVersion(); len(v) > maxVersion || !versionSyntax.MatchString(v) {
		return c, nil, &denial{DeniedRenewalVersion, codes.InvalidArgument, "version: expected up to 64 of A-Z, a-z, 0-9, ., +, _ and -"}
	}
	now := t.Now()
	if err := CheckClock(q.GetConnectorTimeNs(), now); err != nil {
		return c, nil, err
	}
	next, err := t.Authority.Issue(q.GetCsrDer(), id, t.Lifetime)
	if err != nil {
		return c, nil, err
	}
	if bytes.Equal(next.RawSubjectPublicKeyInfo, shown.RawSubjectPublicKeyInfo) {
		return c, nil, errSameKey
	}
	if err := ctx.Err(); err != nil { // nobody is left to take it
		return c, nil, err
	}
	c, err = t.Store.Renew(Serial(shown), Serial(next), next.NotAfter, q.GetVersion(), now)
	return c, next.Raw, err
}

// Deregister implements wire.TrustServer.
func (t *Trust) Deregister(ctx context.Context, _ *wire.DeregisterRequest) (*wire.DeregisterResponse, error) {
	id, _, err := t.caller(ctx)
	if err != nil {
		return nil, t.deny(id, err)
	}
	c, found, err := t.Store.Remove(id.Tenant, id.Name, id.ID, t.Now())
	if err != nil {
		return nil, t.deny(id, err)
	}
	if found { // else it has just been removed otherwise, which is as well
		t.Log.Info("deregistered", "tenant", c.Tenant, "connector", c.Name, "id", c.ID)
		t.Removed(c)
	}
	return &wire.DeregisterResponse{}, nil
}

// deny counts and logs a denial, and makes of it what the peer is told.
func (t *Trust) deny(id Identity, err error) error {
	if ctxErr := status.FromContextError(err); ctxErr.Code() == codes.Canceled || ctxErr.Code() == codes.DeadlineExceeded {
		return ctxErr.Err()
	}
	d := renewalDenialOf(err)
	t.Denied(d.word, Claims{Tenant: id.Tenant, Name: id.Name})
	t.Log.Warn("renewal denied", "reason", d.word, "tenant", id.Tenant, "connector", id.Name, "error", err)
	return status.Error(d.code, d.text)
}

func renewalDenialOf(err error) *denial {
	var d *denial
	if errors.As(err, &d) {
		return d
	}
	for _, known := range []struct {
		err  error
		word Denial
		code codes.Code
	}{
		{state.ErrNotCurrent, DeniedCertificateReplaced, codes.Unauthenticated},
		{state.ErrSuperseded, DeniedRenewalSuperseded, codes.Unauthenticated},
		{ErrSubject, DeniedRenewalSubject, codes.PermissionDenied},
		{errSameKey, DeniedRenewalKey, codes.InvalidArgument},
		{ErrWeakKey, DeniedRenewalUnfitKey, codes.InvalidArgument},
		{ErrMalformedCSR, DeniedRenewalCSR, codes.InvalidArgument},
		{ErrClock, DeniedRenewalClock, codes.FailedPrecondition},
	} {
		if errors.Is(err, known.err) {
			return &denial{known.word, known.code, err.Error()}
		}
	}
	return &denial{DeniedRenewalState, codes.Internal, "the renewal could not be recorded"}
}
