package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// The reasons why a peer of a connector's port is refused.
const (
	DeniedCertificateExpired   Denial = "certificate-expired"
	DeniedCertificateUntrusted Denial = "certificate-untrusted" // forged, or not for clients
	DeniedCertificateMalformed Denial = "certificate-of-no-connector"
	DeniedCertificateReplaced  Denial = "certificate-not-current"
	DeniedCertificateRevoked   Denial = "certificate-revoked"
	DeniedHandshake            Denial = "handshake-refused" // no certificate, no TLS 1.3, no TLS
)

// What VerifyConnection refuses.
var (
	errNoConnector = errors.New("the peer's certificate is no connector's")
	errRevoked     = errors.New("the peer's certificate is revoked")
	errNotCurrent  = errors.New("the peer's certificate is not the current one of its connector")
)

// ConnectorCredentials is ConnectorTLS for a gRPC server. It calls denied for
// each peer that is refused, concurrently; peers that merely went away are not
// refused.
func (a *Authority) ConnectorCredentials(known func(serial string) bool, denied func(d Denial, from net.Addr, why error)) credentials.TransportCredentials {
	return &counting{TransportCredentials: credentials.NewTLS(a.ConnectorTLS(known)), denied: denied}
}

// counting reports the peers that fail the handshake.
type counting struct {
	credentials.TransportCredentials
	denied func(Denial, net.Addr, error)
}

func (c *counting) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		if d, refused := denialOfHandshake(err); refused {
			c.denied(d, raw.RemoteAddr(), err)
		}
	}
	return conn, info, err
}

func (c *counting) Clone() credentials.TransportCredentials {
	return &counting{TransportCredentials: c.TransportCredentials.Clone(), denied: c.denied}
}

// denialOfHandshake sorts the error of a handshake. It reports false for one
// that the network or the peer broke off.
func denialOfHandshake(err error) (Denial, bool) {
	var verification *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var local *net.OpError // crypto/tls calls its own complaints so
	var network net.Error
	switch {
	case errors.As(err, &verification):
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
			return DeniedCertificateExpired, true
		}
		return DeniedCertificateUntrusted, true
	case errors.Is(err, errRevoked):
		return DeniedCertificateRevoked, true
	case errors.Is(err, errNotCurrent):
		return DeniedCertificateReplaced, true
	case errors.Is(err, errNoConnector):
		return DeniedCertificateMalformed, true
	case errors.As(err, &local) && local.Op == "local error":
		return DeniedHandshake, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &network):
		return "", false
	}
	return DeniedHandshake, true
}

// PeerIdentity returns whom the verified certificate of a gRPC peer is for,
// and its serial.
func PeerIdentity(p *peer.Peer) (Identity, string, error) {
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return Identity{}, "", errNoConnector
	}
	leaf := info.State.PeerCertificates[0]
	id, err := IdentityOf(leaf)
	return id, Serial(leaf), err
}

// leafOf is the certificate of a peer that PeerIdentity accepts.
func leafOf(p *peer.Peer) *x509.Certificate {
	return p.AuthInfo.(credentials.TLSInfo).State.PeerCertificates[0]
}

// PeerExpiry is when the certificate of such a peer expires.
func PeerExpiry(p *peer.Peer) time.Time { return leafOf(p).NotAfter }
