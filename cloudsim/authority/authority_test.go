package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/cloudsim/state"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// memory keeps things as long as a test.
type memory map[string][]byte

func (m memory) Keep(name string, make func() ([]byte, error)) ([]byte, error) {
	if b, found := m[name]; found {
		return b, nil
	}
	b, err := make()
	if err == nil {
		m[name] = b
	}
	return b, err
}

var (
	_ Keeper = memory{}
	_ Keeper = (*state.Store)(nil)
)

func newTestAuthority(t testing.TB, keep Keeper, now func() time.Time, hosts ...string) *Authority {
	t.Helper()
	a, err := New(keep, now, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ecKey and rsaKey are made once: the second takes long.
var (
	ecKey  = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// request makes a certificate request without a subject.
func request(t testing.TB, key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

var connector1 = Identity{Tenant: "contoso", Name: "connector-1", ID: "4711"}

func issued(t testing.TB, a *Authority, id Identity, lifetime time.Duration) tls.Certificate {
	t.Helper()
	c, err := a.Issue(request(t, ecKey(), nil), id, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: ecKey(), Leaf: c}
}

func TestIssue(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	for name, key := range map[string]crypto.Signer{"ECDSA": ecKey(), "RSA": rsaKey()} {
		c, err := a.Issue(request(t, key, nil), connector1, 180*24*time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := IdentityOf(c); err != nil || got != connector1 {
			t.Errorf("%s: it is for %+v, %v; expected %+v", name, got, err, connector1)
		}
		if c.Subject.String() != "CN=connector-1,O=contoso" || len(c.DNSNames) != 0 || c.URIs[0].String() != "ptabench://contoso/4711" {
			t.Errorf("%s: the request's own wishes were heard: %v %v %v", name, c.Subject, c.DNSNames, c.URIs)
		}
		if !c.NotAfter.Equal(noon.Add(180*24*time.Hour)) || c.IsCA {
			t.Errorf("%s: it ends %v, is an authority: %v", name, c.NotAfter, c.IsCA)
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: a.pool, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: verifying: %v", name, err)
		}
		if !c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("%s: it is for another key", name)
		}
	}
	full := request(t, ecKey(), func(c *x509.CertificateRequest) {
		c.Subject = pkix.Name{CommonName: connector1.Name, Organization: []string{connector1.Tenant}}
		c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}} // as openssl does
	})
	c, err := a.Issue(full, connector1, 100*365*24*time.Hour)
	if err != nil || !c.NotAfter.Equal(a.certificate.NotAfter) {
		t.Errorf("a long lifetime: %v; expected it to end with the authority", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	good := request(t, ecKey(), nil)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// Another key's request with this key's signature.
	swapped := bytes.Replace(good, ecPoint(t, ecKey()), ecPoint(t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))), 1)
	for _, tc := range []struct {
		name string
		csr  []byte
		kind error
		want string
	}{
		{"nothing", nil, ErrMalformedCSR, ""},
		{"text", []byte("-----BEGIN CERTIFICATE REQUEST-----"), ErrMalformedCSR, ""},
		{"a certificate", a.DER(), ErrMalformedCSR, ""},
		{"cut off", good[:len(good)-1], ErrMalformedCSR, ""},
		{"more behind it", append(bytes.Clone(good), 0), ErrMalformedCSR, "trailing data"},
		{"too much", append(bytes.Clone(good), make([]byte, maxCSR)...), ErrMalformedCSR, "expected at most 8192"},
		{"a changed signature", flipped, ErrMalformedCSR, "verification failure"},
		{"somebody else's key", swapped, ErrMalformedCSR, "verification failure"},
		{"a signature over SHA-1", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.SignatureAlgorithm = x509.ECDSAWithSHA1
		}), ErrMalformedCSR, "signature ECDSA-SHA1; expected SHA-256 or better"},
		{"ECDSA P-384", request(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), nil), ErrWeakKey, "ECDSA P-384; expected P-256"},
		{"Ed25519", request(t, ed, nil), ErrWeakKey, "Ed25519; expected"},
		{"RSA of 1024 bits", request(t, must(rsa.GenerateKey(rand.Reader, 1024)), nil), ErrWeakKey, "RSA of 1024 bits; expected 2048 to 4096"},
		{"RSA of 8192 bits", hugeRSA(t), ErrWeakKey, "RSA of 8192 bits"},
		{"another connector's name", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.Subject = pkix.Name{CommonName: "connector-2"}
		}), ErrSubject, `"CN=connector-2"; expected CN=connector-1, with or without O=contoso, or none`},
		{"another tenant's name", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.Subject = pkix.Name{CommonName: "connector-1", Organization: []string{"fabrikam"}}
		}), ErrSubject, "expected CN=connector-1"},
		{"a unit in the subject", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.Subject = pkix.Name{CommonName: "connector-1", OrganizationalUnit: []string{"administrators"}}
		}), ErrSubject, "expected CN=connector-1"},
		{"a name of a host", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.DNSNames = []string{"login.example"}
		}), ErrMalformedCSR, "extension 2.5.29.17; expected none but"},
		{"another connector's URI", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.URIs = []*url.URL{{Scheme: scheme, Host: "fabrikam", Path: "/other"}}
		}), ErrMalformedCSR, "extension 2.5.29.17"},
		{"to be an authority", request(t, ecKey(), func(c *x509.CertificateRequest) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}
		}), ErrMalformedCSR, "extension 2.5.29.19"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := a.Issue(tc.csr, connector1, time.Hour)
			if c != nil || !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("issued %v, %v; expected %v with %q", c != nil, err, tc.kind, tc.want)
			}
		})
	}
	for _, id := range []Identity{
		{}, {Tenant: "contoso", Name: "connector-1"}, {Tenant: "contoso", ID: "1"}, {Name: "connector-1", ID: "1"},
		{Tenant: "contoso/x", Name: "connector-1", ID: "1"}, {Tenant: "contoso", Name: "connector\n1", ID: "1"},
		{Tenant: "contoso", Name: strings.Repeat("x", 65), ID: "1"}, {Tenant: "contoso", Name: "connector-1", ID: "../2"},
		{Tenant: "Contoso", Name: "connector-1", ID: "1"}, {Tenant: "contoso", Name: "_", ID: "1"},
	} {
		if _, err := a.Issue(good, id, time.Hour); err == nil {
			t.Errorf("issued for %+v", id)
		}
	}
	if _, err := a.Issue(good, connector1, 0); err == nil {
		t.Error("issued for no time")
	}
}

func ecPoint(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	b, err := key.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hugeRSA is a request with a key of 8192 bits that nobody has, and another
// key's signature, so that only its length can be what is refused first.
func hugeRSA(t *testing.T) []byte {
	t.Helper()
	type body struct {
		Version                        int
		Subject, PublicKey, Attributes asn1.RawValue
	}
	var csr struct {
		Body      body
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(request(t, rsaKey(), nil), &csr); err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), 8191)
	n.SetBit(n, 0, 1)
	csr.Body.PublicKey = asn1.RawValue{FullBytes: must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537}))}
	return must(asn1.Marshal(csr))
}

func TestAuthorityIsKept(t *testing.T) {
	at := &clock{at: noon}
	keep := memory{}
	first := newTestAuthority(t, keep, at.now)
	certificate := issued(t, first, connector1, time.Hour)
	second := newTestAuthority(t, keep, at.now, "cloud.example", "192.0.2.7")
	if !bytes.Equal(first.DER(), second.DER()) || !bytes.Equal(first.PEM(), second.PEM()) {
		t.Error("a restart made another authority")
	}
	if first.server.Leaf.Equal(second.server.Leaf) {
		t.Error("two starts have the same server certificate")
	}
	if err := handshake(t, second.ConnectorTLS(everybody), second, &certificate); err != nil {
		t.Errorf("a certificate from before the restart: %v", err)
	}
	for _, host := range []string{"127.0.0.1", "::1", "localhost", ServerName, "cloud.example", "192.0.2.7"} {
		if err := second.server.Leaf.VerifyHostname(host); err != nil {
			t.Errorf("the server is not %s: %v", host, err)
		}
	}
	if err := first.server.Leaf.VerifyHostname("cloud.example"); err == nil {
		t.Error("the server is anybody")
	}

	at.pass(authorityLifetime + time.Hour)
	if _, err := New(keep, at.now); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("with an expired authority: %v", err)
	}
	if _, err := New(memory{keptName: []byte("rubbish")}, at.now); err == nil {
		t.Error("rubbish was taken for an authority")
	}
	if _, err := New(broken{}, at.now); !errors.Is(err, errBroken) {
		t.Errorf("with a broken store: %v", err)
	}
}

type broken struct{}

var errBroken = errors.New("the disk is full")

func (broken) Keep(string, func() ([]byte, error)) ([]byte, error) { return nil, errBroken }

func everybody(string) bool { return true }

// handshake dials a server with this configuration and says what the server
// thought of it.
func handshake(t *testing.T, config *tls.Config, trusted *Authority, certificate *tls.Certificate) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client := &tls.Config{RootCAs: trusted.pool, ServerName: "127.0.0.1", Time: trusted.now}
	if certificate != nil {
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	result := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			result <- err
			return
		}
		conn := tls.Server(raw, config)
		result <- conn.Handshake()
		_ = conn.Close()
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		t.Logf("the client: %v", err)
	} else {
		_, _ = conn.Read(make([]byte, 1)) // the server's verdict comes after the client's handshake
		_ = conn.Close()
	}
	return <-result
}
