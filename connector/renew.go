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
	"math"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/wire"
)

// Defaults of renewal, as documented.
const (
	DefaultRenewPoll   = 6 * time.Hour
	DefaultRenewBefore = 30 * 24 * time.Hour
)

// leastRenewWait is the shortest wait between attempts to renew.
const leastRenewWait = 100 * time.Millisecond

// renewAt is when a certificate is to be renewed: when less than before is
// left of it, or for one of a short life when less than a third of that is.
func renewAt(obtained, notAfter time.Time, before time.Duration) time.Time {
	return notAfter.Add(-min(before, max(notAfter.Sub(obtained), 0)/3))
}

// nextLook is how long to wait until the certificate is looked at again: an
// interval of polling, less if it is to be renewed within that. random is from
// [0, 1): those who registered together do not renew together.
func nextLook(left, untilDue, poll time.Duration, random float64) time.Duration {
	if spread := left - untilDue; untilDue < poll { // the time there will be for renewing
		return untilDue + time.Duration(random*float64(spread)/10)
	}
	return poll - time.Duration(random*float64(poll)/10)
}

// renewWait is how long to wait after the n-th failure in a row, from 0: a
// second and longer each time, but never so long that the certificate cannot
// be tried for several times before it expires, nor than polling.
func renewWait(n int, left, poll time.Duration, random float64) time.Duration {
	wait := time.Duration(math.Min(math.Ldexp(float64(time.Second), min(n, 30)), float64(min(poll, left/10))))
	wait = max(wait, leastRenewWait)
	return wait/2 + time.Duration(random*float64(wait)/2)
}

// keepRenewed renews the certificate whenever it is due, until ctx ends.
// Whoever attaches is told by renewed, and moves to the new one.
func (a *connector) keepRenewed(ctx context.Context) {
	obtained := obtainedAt(a.cfg.State, a.certificate.Load())
	failures := 0
	for {
		now, end := a.now(), a.certificate.Load().Leaf.NotAfter
		left, untilDue := end.Sub(now), renewAt(obtained, end, a.cfg.renewBefore()).Sub(now)
		wait := nextLook(left, max(untilDue, 0), a.renewPoll(), mathrand.Float64())
		if failures > 0 {
			wait = renewWait(failures-1, left, a.renewPoll(), mathrand.Float64())
		}
		if left <= 0 { // nobody renews it any more: stayAttached says so and ends
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if a.now().Before(renewAt(obtained, end, a.cfg.renewBefore())) {
			continue
		}
		next, err := a.renew(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			a.counters.renewalFailures.Add(1)
			a.log.Error("renewing the certificate", "port", renewalPort, "error", clockHint(err), "failures", failures,
				"expires", end.UTC().Format(time.RFC3339), "days_left", daysLeft(end, a.now()))
			continue
		}
		failures, obtained = 0, a.now()
		a.counters.renewals.Add(1)
		a.certificate.Store(next)
		a.log.Info("certificate renewed", "expires", next.Leaf.NotAfter.UTC().Format(time.RFC3339))
		select {
		case a.renewed <- struct{}{}:
		default: // one is enough: who receives it looks which one is the newest
		}
	}
}

// daysLeft is the time until the certificate expires, in days.
func daysLeft(end, now time.Time) float64 {
	return math.Round(end.Sub(now).Hours()/24*1000) / 1000
}

// renew asks for a certificate for a new key, and keeps both.
func (a *connector) renew(ctx context.Context) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := a.certificateRequest(key)
	if err != nil {
		return nil, err
	}
	var answer *wire.RenewResponse
	err = a.callTrust(ctx, a.certificate.Load(), func(ctx context.Context, cloud wire.TrustClient) (err error) {
		answer, err = cloud.Renew(ctx, &wire.RenewRequest{CsrDer: csr, Version: a.cfg.Version, ConnectorTimeNs: time.Now().UnixNano()})
		return err
	})
	if err != nil {
		return nil, err
	}
	a.noteClock(answer.GetCloudTimeNs())
	return a.keep(key, answer.GetCertificateDer())
}

// certificateRequest asks for a certificate of this connector.
func (a *connector) certificateRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: a.cfg.Name, Organization: []string{a.cfg.Tenant}},
	}, key)
}

// keep checks what the cloud issued for a key, and keeps both.
func (a *connector) keep(key *ecdsa.PrivateKey, certificateDER []byte) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(certificateDER)
	if err != nil {
		return nil, fmt.Errorf("the certificate that the cloud issued: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("the cloud issued a certificate for another key")
	}
	if err := saveIdentity(a.cfg.State, key, certificateDER, a.now()); err != nil {
		return nil, fmt.Errorf("keeping key and certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{certificateDER}, PrivateKey: key, Leaf: leaf}, nil
}

// callTrust makes one call to the renewal port.
func (a *connector) callTrust(ctx context.Context, certificate *tls.Certificate, call func(context.Context, wire.TrustClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ConnectTimeout)
	defer cancel()
	conn, err := a.dialCloud(renewalPort, certificate)
	if err != nil {
		return err
	}
	defer conn.Close()
	return call(ctx, wire.NewTrustClient(conn))
}

// errRemoved says that the cloud has taken this connector off its list.
var errRemoved = fmt.Errorf("the cloud has removed this connector: %w", errExpired)

// errRunOut says that the certificate of a session has come to its end.
var errRunOut = fmt.Errorf("the cloud says that the certificate has expired: %w", errExpired)

// over is the error to end with when a session ended, nil when another may
// follow. That its certificate has run out is no end if there is a newer one,
// which came too late for a successor beside it.
func (a *connector) over(s *session, err error) error {
	over := final(err)
	if over == errRunOut && s.certificate != a.certificate.Load() {
		return nil
	}
	return over
}

// final is the error to end with when a session ended in a way that no other
// one will follow; nil when another may.
func final(err error) error {
	if status.Code(err) != codes.Unauthenticated {
		return nil
	}
	switch text := status.Convert(err).Message(); {
	case strings.HasPrefix(text, "deregistered"):
		return errRemoved
	case strings.HasPrefix(text, "revoked"):
		return errGone
	case strings.HasPrefix(text, "certificate-expired"):
		return errRunOut
	}
	return nil
}
