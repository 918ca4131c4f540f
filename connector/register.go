package connector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/backoff"
	"ptabench/wire"
)

// identify loads the connector's certificate, or registers for one when there
// is none, or none that is valid. A cloud that cannot be reached is waited
// for; one that refuses is not asked again, for the token is spent.
func (a *connector) identify(ctx context.Context) (*tls.Certificate, error) {
	if err := os.MkdirAll(a.cfg.State, 0o700); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	c, err := loadIdentity(a.cfg.State)
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if c != nil {
		expired := checkExpiry(c, time.Now())
		if expired == nil || a.cfg.RegistrationToken == "" {
			return c, expired
		}
	}
	if a.cfg.RegistrationToken == "" {
		return nil, fmt.Errorf("--state %s holds no certificate: %w", a.cfg.State, errExpired)
	}
	return a.enrol(ctx)
}

// enrol registers with the token.
func (a *connector) enrol(ctx context.Context) (*tls.Certificate, error) {
	// Every attempt asks with the same key, by which the cloud knows who used
	// the token when its answer to the last one was lost.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var wait backoff.Backoff
	for {
		c, err := a.register(ctx, key)
		switch {
		case err == nil:
			a.enrolled = true
			a.log.Info("registered", "expires", c.Leaf.NotAfter)
			return c, nil
		case status.Code(err) != codes.Unavailable && status.Code(err) != codes.DeadlineExceeded:
			return nil, fmt.Errorf("registering on port %s: %w", registrationPort, err)
		case clockHint(err) != err:
			return nil, fmt.Errorf("registering on port %s: %w", registrationPort, clockHint(err))
		}
		a.log.Warn("registering", "port", registrationPort, "error", err)
		if !wait.Wait(ctx) {
			return nil, ctx.Err()
		}
		a.refresh()
	}
}

// register turns the token into a certificate for the key.
func (a *connector) register(ctx context.Context, key *ecdsa.PrivateKey) (*tls.Certificate, error) {
	csr, err := a.certificateRequest(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ConnectTimeout)
	defer cancel()
	conn, err := a.dialCloud(registrationPort, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := wire.NewRegistrationClient(conn).Register(ctx, &wire.RegisterRequest{
		Tenant: a.cfg.Tenant, Name: a.cfg.Name, Token: a.cfg.RegistrationToken, CsrDer: csr, Version: a.cfg.Version,
		HostName: a.cfg.hostName(), ConnectorTimeNs: time.Now().UnixNano(),
	})
	if err != nil {
		return nil, err
	}
	a.noteClock(answer.GetCloudTimeNs())
	return a.keep(key, answer.GetCertificateDer())
}
