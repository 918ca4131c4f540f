package connector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/connector/backoff"
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
			a.log.Info("registered", "expires", c.Leaf.NotAfter)
			return c, nil
		case status.Code(err) != codes.Unavailable && status.Code(err) != codes.DeadlineExceeded:
			return nil, fmt.Errorf("registering on port %s: %w", registrationPort, err)
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
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: a.cfg.Name, Organization: []string{a.cfg.Tenant}},
	}, key)
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
	})
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(answer.CertificateDer)
	if err != nil {
		return nil, fmt.Errorf("the certificate that the cloud issued: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("the cloud issued a certificate for another key")
	}
	if err := saveIdentity(a.cfg.State, key, answer.CertificateDer); err != nil {
		return nil, fmt.Errorf("keeping key and certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{answer.CertificateDer}, PrivateKey: key, Leaf: leaf}, nil
}
