// Package authority is the simulator's certificate authority and the service
// that turns a registration token into a client certificate. Its key is made
// once and kept; the key of the simulator's own server certificate lives only
// as long as the process.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// keptName is what key and certificate are kept under.
	keptName = "certificate authority"
	// ServerName is a name of every simulator, beside its addresses.
	ServerName = "ptabench-cloud"

	authorityLifetime = 20 * 365 * 24 * time.Hour
	serverLifetime    = 2 * 365 * 24 * time.Hour
	// backdate is by how much the clock of a peer may be behind: 10 minutes
	// are promised, and some are left for what it takes to get there.
	backdate = 15 * time.Minute
)

// A Keeper keeps bytes over a restart: what make returns the first time.
type Keeper interface {
	Keep(name string, make func() ([]byte, error)) ([]byte, error)
}

// Authority issues certificates and says which of them to trust. It is safe
// for concurrent use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	hosts       []string // of the simulator
	server      tls.Certificate
	lists       []string // where the revocation list is, as certificates say it
	revoked     func(serial string) bool
	now         func() time.Time
}

// New returns the authority that keep holds, or a new one that it then holds.
// The simulator is reached at loopback addresses, ServerName and whatever
// other hosts are given, names or addresses. The clock is time.Now but in tests.
func New(keep Keeper, now func() time.Time, hosts ...string) (*Authority, error) {
	kept, err := keep.Keep(keptName, func() ([]byte, error) { return newAuthority(now()) })
	if err != nil {
		return nil, err
	}
	a := &Authority{now: now, hosts: hosts, revoked: func(string) bool { return false }}
	if err := a.parse(kept); err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	if !now().Before(a.certificate.NotAfter) {
		return nil, fmt.Errorf("the certificate authority expired at %v: start with a new state directory", a.certificate.NotAfter)
	}
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.certificate)
	return a, a.renewServer()
}

// ListAt has every certificate from now on, the simulator's own included, say
// where the revocation list is to be had: on port 80, whose address is known
// only once it listens. It belongs before anything is served.
func (a *Authority) ListAt(url string) error {
	a.lists = []string{url}
	return a.renewServer()
}

// RefuseRevoked has connectors refused whose certificate is revoked, as told
// by the function. It belongs before anything is served.
func (a *Authority) RefuseRevoked(revoked func(serial string) bool) { a.revoked = revoked }

func (a *Authority) renewServer() (err error) {
	if a.server, err = a.issueServer(a.hosts); err != nil {
		return fmt.Errorf("issuing the server certificate: %w", err)
	}
	return nil
}

// newAuthority makes a key and its certificate, as PEM.
func newAuthority(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: "ptabench cloud simulator CA", Organization: []string{"ptabench"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

func (a *Authority) parse(kept []byte) error {
	pair, err := tls.X509KeyPair(kept, kept)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("expected the certificate of an authority and its ECDSA key")
	}
	a.certificate, a.key = pair.Leaf, key
	return nil
}

// issueServer makes the certificate that the simulator shows on its ports.
func (a *Authority) issueServer(hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := a.template(serverLifetime)
	template.Subject = pkix.Name{CommonName: ServerName}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range append([]string{"127.0.0.1", "::1", "localhost", ServerName}, hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.sign(template, key)
}

func (a *Authority) sign(template *x509.Certificate, key crypto.Signer) (tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// template is what all certificates below the authority have in common. None
// outlives the authority.
func (a *Authority) template(lifetime time.Duration) *x509.Certificate {
	now := a.now()
	end := now.Add(lifetime)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		NotBefore:             now.Add(-backdate),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		CRLDistributionPoints: a.lists,
	}
}

// newSerial returns 127 random bits, never 0.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// Serial is a certificate's serial number as this project writes it.
func Serial(c *x509.Certificate) string { return fmt.Sprintf("%x", c.SerialNumber) }

// DER is the authority's certificate.
func (a *Authority) DER() []byte { return a.certificate.Raw }

// PEM is the authority's certificate, for who verifies the simulator.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// ServerTLS is for ports whose peers show no certificate.
func (a *Authority) ServerTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.server},
		MinVersion:   tls.VersionTLS13,
		Time:         a.now,
	}
}

// ConnectorTLS is for ports whose peers must show the certificate of a
// connector: issued here for clients, not expired, not revoked, and known by
// its serial.
func (a *Authority) ConnectorTLS(known func(serial string) bool) *tls.Config {
	config := a.ServerTLS()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = a.pool
	// Unlike VerifyPeerCertificate this is asked on resumption too, so that a
	// certificate that was replaced gets in no other way either.
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return fmt.Errorf("%w: it shows none", errNoConnector)
		}
		leaf := state.PeerCertificates[0]
		id, err := IdentityOf(leaf)
		if err != nil {
			return err
		}
		if a.revoked(Serial(leaf)) {
			return fmt.Errorf("%w: %s of %s shows %s", errRevoked, id.Name, id.Tenant, Serial(leaf))
		}
		if !known(Serial(leaf)) {
			return fmt.Errorf("%w: %s of %s shows %s", errNotCurrent, id.Name, id.Tenant, Serial(leaf))
		}
		return nil
	}
	return config
}
