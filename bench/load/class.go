package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"ptabench/results"
)

// classify sorts an error of a connection into one of the run format's
// classes, so that what is kept of errors is bounded.
func classify(err error) uint8 {
	var (
		dns    *net.DNSError
		op     *net.OpError
		record tls.RecordHeaderError
		alert  tls.AlertError
		cert   *tls.CertificateVerificationError
		netErr net.Error
	)
	switch {
	case errors.As(err, &dns):
		return results.ErrorDNS
	case errors.Is(err, context.Canceled):
		return results.ErrorCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &netErr) && netErr.Timeout():
		return results.ErrorTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return results.ErrorRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return results.ErrorReset
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &cert),
		errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)),
		errors.As(err, new(x509.CertificateInvalidError)),
		// crypto/tls reports an alert as an operation of one of these names.
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return results.ErrorTLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return results.ErrorEOF
	default:
		return results.ErrorOther
	}
}
