package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// forge makes a certificate for connector1 that its issuer never issued.
func forge(t *testing.T, issuer *x509.Certificate, issuerKey crypto.Signer, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(42),
		Subject:      pkix.Name{CommonName: connector1.Name, Organization: []string{connector1.Tenant}},
		URIs:         []*url.URL{connector1.uri()},
		NotBefore:    noon.Add(-time.Hour),
		NotAfter:     noon.Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, ecKey().Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ecKey()}
}

func TestConnectorPeers(t *testing.T) {
	at := &clock{at: noon}
	a := newTestAuthority(t, memory{}, at.now)
	other := newTestAuthority(t, memory{}, at.now) // the same names, another key
	good := issued(t, a, connector1, time.Hour)
	replaced := issued(t, a, connector1, time.Hour)
	short := issued(t, a, connector1, time.Minute)
	wrongCA := issued(t, other, connector1, time.Hour)
	stolen := good
	stolen.PrivateKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	// A connector that makes itself an authority.
	below := forge(t, good.Leaf, ecKey(), nil)
	below.Certificate = append(below.Certificate, good.Certificate[0])
	known := func(serial string) bool { return serial != Serial(replaced.Leaf) }

	for _, tc := range []struct {
		name   string
		shows  *tls.Certificate
		after  time.Duration
		denied Denial // empty when let in
	}{
		{name: "its certificate", shows: &good},
		{name: "none", denied: DeniedHandshake},
		{name: "a replaced one", shows: &replaced, denied: DeniedCertificateReplaced},
		{name: "one that still runs", shows: &short, after: 59 * time.Second},
		{name: "an expired one", shows: &short, after: 2 * time.Minute, denied: DeniedCertificateExpired},
		{name: "one of another authority", shows: &wrongCA, denied: DeniedCertificateUntrusted},
		{name: "a self-signed one", shows: forge(t, nil, ecKey(), nil), denied: DeniedCertificateUntrusted},
		{name: "one in the authority's name", shows: forge(t, &x509.Certificate{
			RawSubject: a.certificate.RawSubject, SubjectKeyId: a.certificate.SubjectKeyId,
		}, ecKey(), nil), denied: DeniedCertificateUntrusted},
		{name: "one below a connector's", shows: below, denied: DeniedCertificateUntrusted},
		{name: "the server's own", shows: &a.server, denied: DeniedCertificateUntrusted},
		{name: "another's, without the key", shows: &stolen, denied: DeniedHandshake},
		{name: "one of the authority for no connector", shows: forge(t, a.certificate, a.key, func(c *x509.Certificate) {
			c.URIs = nil
		}), denied: DeniedCertificateMalformed},
		{name: "one of the authority for two tenants", shows: forge(t, a.certificate, a.key, func(c *x509.Certificate) {
			c.Subject.Organization = []string{"fabrikam"}
		}), denied: DeniedCertificateMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at.pass(tc.after)
			defer at.pass(-tc.after)
			var got []Denial
			creds := a.ConnectorCredentials(known, func(d Denial, from net.Addr, _ error) { got = append(got, d) }).Clone()
			err := handshakeWith(t, creds, a, tc.shows)
			if (err == nil) != (tc.denied == "") {
				t.Errorf("the server: %v; expected denial %q", err, tc.denied)
			}
			if tc.denied == "" && len(got) != 0 || tc.denied != "" && (len(got) != 1 || got[0] != tc.denied) {
				t.Errorf("denials %v (%v); expected %q", got, err, tc.denied)
			}
		})
	}
}

// handshakeWith is handshake with the credentials of a gRPC server.
func handshakeWith(t *testing.T, creds credentials.TransportCredentials, trusted *Authority, certificate *tls.Certificate) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	result := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			result <- err
			return
		}
		conn, info, err := creds.ServerHandshake(raw)
		if err == nil {
			var id Identity
			id, _, err = PeerIdentity(&peer.Peer{AuthInfo: info})
			if err == nil && id != connector1 {
				err = fmt.Errorf("the peer was taken for %+v", id)
			}
			_ = conn.Close()
		}
		_ = raw.Close()
		result <- err
	}()
	client := &tls.Config{RootCAs: trusted.pool, ServerName: "127.0.0.1", Time: trusted.now, NextProtos: []string{"h2"}}
	if certificate != nil {
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	if conn, err := tls.Dial("tcp", l.Addr().String(), client); err == nil {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	return <-result
}

// A session resumed by a ticket is asked for its certificate's standing again.
func TestResumptionDoesNotOutliveTheCertificate(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	good := issued(t, a, connector1, time.Hour)
	current := true
	l, err := tls.Listen("tcp", "127.0.0.1:0", a.ConnectorTLS(func(string) bool { return current }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client := &tls.Config{
		RootCAs: a.pool, Time: a.now, Certificates: []tls.Certificate{good},
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	connect := func() (resumed bool, server error) {
		result := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				err = conn.(*tls.Conn).Handshake()
				if err == nil {
					_, err = conn.Write([]byte("x"))
				}
				_ = conn.Close()
			}
			result <- err
		}()
		conn, err := tls.Dial("tcp", l.Addr().String(), client)
		if err == nil {
			_, _ = conn.Read(make([]byte, 1)) // takes the ticket
			resumed = conn.ConnectionState().DidResume
			_ = conn.Close()
		}
		return resumed, <-result
	}
	if _, err := connect(); err != nil {
		t.Fatal(err)
	}
	if resumed, err := connect(); err != nil || !resumed {
		t.Fatalf("resumed %v, %v: this test sees nothing", resumed, err)
	}
	current = false
	if _, err := connect(); !errors.Is(err, errNotCurrent) {
		t.Errorf("resuming with a replaced certificate: %v", err)
	}
}

func TestServerOnlyTLS(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	if err := handshake(t, a.ServerTLS(), a, nil); err != nil {
		t.Errorf("a client without a certificate: %v", err)
	}
	other := newTestAuthority(t, memory{}, func() time.Time { return noon })
	if err := handshake(t, other.ServerTLS(), a, nil); err == nil {
		t.Error("a client took another simulator for this one")
	}
	if config := a.ServerTLS(); config.MinVersion != tls.VersionTLS13 {
		t.Error("TLS below 1.3 is spoken")
	}
}

// Peers that go away, or were never there, are no denial.
func TestBrokenHandshakes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		err     error
		refused bool
	}{
		{"the peer closed", io.EOF, false},
		{"the peer closed within a record", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), false},
		{"this side closed", net.ErrClosed, false},
		{"a reset", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, false},
		{"the peer's own complaint", &net.OpError{Op: "remote error", Err: errors.New("bad certificate")}, false},
		{"a complaint of ours", &net.OpError{Op: "local error", Err: errors.New("unexpected message")}, true},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, true},
	} {
		if d, refused := denialOfHandshake(tc.err); refused != tc.refused || refused && d != DeniedHandshake {
			t.Errorf("%s: %q, %v", tc.name, d, refused)
		}
	}
}

func TestIdentityOfPeerWithoutTLS(t *testing.T) {
	if _, _, err := PeerIdentity(&peer.Peer{}); err == nil {
		t.Error("a peer without TLS has an identity")
	}
	if _, _, err := PeerIdentity(&peer.Peer{AuthInfo: credentials.TLSInfo{}}); err == nil {
		t.Error("a peer without a certificate has an identity")
	}
}
