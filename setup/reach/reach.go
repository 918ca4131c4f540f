// Package reach says in one word, and in a sentence, what became of an attempt
// to connect: a firewall's refusal, its silence and a wrong certificate have
// different owners, and whoever sets up a connector must know whom to ask.
package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// An Outcome is what became of an attempt to connect.
type Outcome string

// The outcomes.
const (
	Reachable   Outcome = "reachable"
	Refused     Outcome = "refused"     // nobody listens, or a firewall rejects
	NoAnswer    Outcome = "no answer"   // in time: a firewall drops, or somebody hangs
	Unreachable Outcome = "unreachable" // no way there
	NoName      Outcome = "no such name"
	Closed      Outcome = "closed" // taken, and ended before anything was said
	NotTLS      Outcome = "not TLS"
	Expired     Outcome = "expired"       // the certificate
	NotYet      Outcome = "not yet valid" // the certificate
	WrongName   Outcome = "wrong name"
	UnknownCA   Outcome = "unknown CA"
	Revoked     Outcome = "revoked"
	Failed      Outcome = "failed" // otherwise
)

// A Problem is an outcome that is no connection.
type Problem struct {
	Outcome Outcome
	Err     error // in plain words
}

func (p *Problem) Error() string { return p.Err.Error() }
func (p *Problem) Unwrap() error { return p.Err }

// OutcomeOf is the outcome that an error stands for.
func OutcomeOf(err error) Outcome {
	var p *Problem
	switch {
	case err == nil:
		return Reachable
	case errors.As(err, &p):
		return p.Outcome
	}
	return Failed
}

func problem(o Outcome, format string, args ...any) error {
	return &Problem{o, fmt.Errorf(format, args...)}
}

// Explain turns the error of a connection attempt into a Problem. Patience is
// how long the attempt was let take, now the time by the clock that judged
// certificates.
func Explain(err error, patience time.Duration, now time.Time) error {
	var (
		p       *Problem
		dns     *net.DNSError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		timeout net.Error
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return err
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if now.Before(invalid.Cert.NotBefore) {
			return problem(NotYet, "its certificate is valid from %s, and this host's clock says %s", stamp(invalid.Cert.NotBefore), stamp(now))
		}
		return problem(Expired, "its certificate expired on %s, and this host's clock says %s", stamp(invalid.Cert.NotAfter), stamp(now))
	case errors.As(err, &name):
		return problem(WrongName, "its certificate is for %s, not for %s", namesOf(name.Certificate), name.Host)
	case errors.As(err, &unknown):
		by := "somebody"
		if unknown.Cert != nil {
			by = fmt.Sprintf("%q", unknown.Cert.Issuer.String())
		}
		return problem(UnknownCA, "its certificate is by %s, which the given CA file does not vouch for: the wrong CA file was given, or a firewall opens TLS on its way", by)
	case errors.As(err, &invalid):
		return problem(UnknownCA, "its certificate does not hold: %w", err)
	case errors.As(err, &record):
		return problem(NotTLS, "what answers there does not speak TLS")
	case errors.As(err, &dns) && dns.IsNotFound:
		return problem(NoName, "the name %s is not known here", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return problem(Refused, "the connection was refused: nobody listens there, or a firewall rejects it")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return problem(Closed, "the connection was closed before anything was said: a firewall may do that")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return problem(NoAnswer, "no answer within %v: a firewall drops what is sent, or what listens there hangs", patience)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return problem(Unreachable, "there is no way to that address from here")
	case strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return problem(NotTLS, "what answers there does not speak TLS")
	}
	return &Problem{Failed, err}
}

func namesOf(c *x509.Certificate) string {
	if c == nil {
		return "others"
	}
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 4
	switch {
	case len(names) == 0:
		return "nobody"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
