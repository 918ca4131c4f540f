package farm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"time"
)

// signingBits is the size of a signing key, as AD FS makes it.
const signingBits = 2048

// Keys are what a farm signs with. They do not change; others take their place.
type Keys struct {
	Signing Pair
	// Other is published beside it: the next one, or the one before. Nil for
	// none.
	Other *Other
	// Session is the key by which the farm knows its own cookies and forms.
	Session []byte
}

// A Pair is a key and its certificate.
type Pair struct {
	Key         *rsa.PrivateKey
	Certificate *x509.Certificate
	Since       time.Time // it has signed
}

// Other is a certificate that is published and does not sign.
type Other struct {
	Next        bool            // it will sign; otherwise it has
	Key         *rsa.PrivateKey // nil for the one before
	Certificate *x509.Certificate
	Since       time.Time // it has been published beside the one that signs
}

// Thumbprint names a certificate as administrators know it.
func Thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) // a name, not a proof
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// step is what the age of certificates asks for.
type step int

const (
	stay step = iota
	publish
	promote
)

func (k *Keys) due(now time.Time, t Terms) step {
	if k.Other != nil && k.Other.Next {
		if now.Sub(k.Other.Since) >= t.PromoteAfter {
			return promote
		}
		return stay
	}
	if k.Signing.Certificate.NotAfter.Sub(now) < t.NextBefore {
		return publish
	}
	return stay
}

// found makes the first keys of a farm.
func (f *Farm) found() (*Keys, error) {
	first, err := f.newPair()
	if err != nil {
		return nil, err
	}
	k := &Keys{Signing: first, Session: make([]byte, 32)}
	_, _ = rand.Read(k.Session) // never fails
	return k, nil
}

// published is k with a next certificate.
func (f *Farm) published(k *Keys) (*Keys, error) {
	if k.Other != nil && k.Other.Next {
		return k, nil
	}
	next, err := f.newPair()
	if err != nil {
		return nil, err
	}
	f.log.Info("the next signing certificate is published", "thumbprint", Thumbprint(next.Certificate))
	return &Keys{Signing: k.Signing, Session: k.Session,
		Other: &Other{Next: true, Key: next.Key, Certificate: next.Certificate, Since: next.Since}}, nil
}

// promoted is k with the next certificate signing.
func (f *Farm) promoted(k *Keys) (*Keys, error) {
	k, err := f.published(k)
	if err != nil {
		return nil, err
	}
	now := f.now()
	f.log.Info("another certificate signs", "thumbprint", Thumbprint(k.Other.Certificate))
	return &Keys{
		Signing: Pair{Key: k.Other.Key, Certificate: k.Other.Certificate, Since: now},
		Other:   &Other{Certificate: k.Signing.Certificate, Since: now},
		Session: k.Session,
	}, nil
}

func (f *Farm) newPair() (Pair, error) {
	now := f.now()
	key, err := rsa.GenerateKey(rand.Reader, signingBits)
	if err != nil {
		return Pair{}, fmt.Errorf("making a signing key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "ADFS Signing - ptabench"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(f.terms.Lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return Pair{}, fmt.Errorf("making a signing certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, fmt.Errorf("making a signing certificate: %w", err)
	}
	return Pair{Key: key, Certificate: cert, Since: now}, nil
}

// kept is the form of Keys in their file.
type kept struct {
	Signing keptPair  `json:"signing"`
	Next    *keptPair `json:"next,omitempty"`
	Before  *keptPair `json:"before,omitempty"` // without its key
	Session []byte    `json:"session_key"`
}

type keptPair struct {
	Key         string    `json:"key_pem,omitempty"`
	Certificate string    `json:"certificate_pem"`
	Since       time.Time `json:"since"`
}

func (k *Keys) text() ([]byte, error) {
	var out kept
	var err error
	if out.Signing, err = keep(k.Signing.Key, k.Signing.Certificate, k.Signing.Since); err != nil {
		return nil, err
	}
	if o := k.Other; o != nil {
		p, err := keep(o.Key, o.Certificate, o.Since)
		if err != nil {
			return nil, err
		}
		if o.Next {
			out.Next = &p
		} else {
			out.Before = &p
		}
	}
	out.Session = k.Session
	return json.MarshalIndent(out, "", "  ")
}

func keep(key *rsa.PrivateKey, cert *x509.Certificate, since time.Time) (keptPair, error) {
	p := keptPair{Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})), Since: since}
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return p, fmt.Errorf("keeping a signing key: %w", err)
		}
		p.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	return p, nil
}

func parseKeys(text []byte) (*Keys, error) {
	var in kept
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	if len(in.Session) < 32 {
		return nil, fmt.Errorf("session_key: %d bytes, expected 32", len(in.Session))
	}
	key, cert, err := in.Signing.parse(true)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	k := &Keys{Signing: Pair{Key: key, Certificate: cert, Since: in.Signing.Since}, Session: in.Session}
	switch {
	case in.Next != nil:
		if key, cert, err = in.Next.parse(true); err != nil {
			return nil, fmt.Errorf("next: %w", err)
		}
		k.Other = &Other{Next: true, Key: key, Certificate: cert, Since: in.Next.Since}
	case in.Before != nil:
		if _, cert, err = in.Before.parse(false); err != nil {
			return nil, fmt.Errorf("before: %w", err)
		}
		k.Other = &Other{Certificate: cert, Since: in.Before.Since}
	}
	return k, nil
}

func (p *keptPair) parse(withKey bool) (*rsa.PrivateKey, *x509.Certificate, error) {
	block, _ := pem.Decode([]byte(p.Certificate))
	if block == nil {
		return nil, nil, errors.New("certificate_pem: expected PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !withKey {
		return nil, cert, err
	}
	if block, _ = pem.Decode([]byte(p.Key)); block == nil {
		return nil, nil, errors.New("key_pem: expected PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("key_pem: expected the RSA key of the certificate")
	}
	return key, cert, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[0] &= 0x7f        // positive, and at most 20 bytes long (RFC 5280, section 4.1.2.2)
	return new(big.Int).SetBytes(b)
}

// readPrivate reads a secret, unless others could have read or changed it.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&fs.FileMode(0o077) != 0 {
		return nil, fmt.Errorf("%s: mode %#o lets others in, expected 0600", path, mode)
	}
	return os.ReadFile(path)
}
