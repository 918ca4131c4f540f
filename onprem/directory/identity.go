package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ptabench/whole"
)

// The files of a state directory. The authority is what clients trust, so it
// outlives restarts; the server's own key is made anew at each start and is
// never written.
const (
	authorityFile = "ca.pem"
	keyFile       = "ca.key"           // mode 0600
	passwordFile  = "service.password" // mode 0600, only when nobody set one
)

const (
	authorityLifetime = 10 * 365 * day
	serverLifetime    = 365 * day
)

// An identity is how the directory shows who it is.
type identity struct {
	caPEM []byte
	cert  tls.Certificate
}

// loadIdentity makes the authority in dir, or takes the one that is there, and
// issues a certificate for the loopback names and the given hosts.
func loadIdentity(dir string, hosts []string, now time.Time) (identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return identity{}, fmt.Errorf("making the state directory: %w", err)
	}
	key, err := loadKey(filepath.Join(dir, keyFile))
	if err != nil {
		return identity{}, err
	}
	ca, err := loadAuthority(filepath.Join(dir, authorityFile), key, now)
	if err != nil {
		return identity{}, err
	}
	cert, err := issue(ca, key, hosts, now)
	if err != nil {
		return identity{}, fmt.Errorf("issuing the server's certificate: %w", err)
	}
	return identity{caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), cert: cert}, nil
}

func loadKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the authority's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading the authority's key: %s: expected PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's key: %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the authority's key: %s: expected an ECDSA key", path)
	}
	return key, nil
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	if err := whole.Bytes(path, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, fmt.Errorf("keeping the authority's key: %w", err)
	}
	return key, nil
}

func loadAuthority(path string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newAuthority(path, key, now)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading the authority: %s: expected PEM", path)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %s: %w", path, err)
	}
	if !key.PublicKey.Equal(ca.PublicKey) {
		return nil, fmt.Errorf("reading the authority: %s belongs to another key than %s", path, keyFile)
	}
	if now.After(ca.NotAfter) {
		return nil, fmt.Errorf("reading the authority: %s ended on %s; remove it to have a new one made",
			path, ca.NotAfter.Format(time.DateOnly))
	}
	return ca, nil
}

func newAuthority(path string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "ptabench directory authority"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(authorityLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making the authority: %w", err)
	}
	if err := whole.Bytes(path, 0o644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return nil, fmt.Errorf("keeping the authority: %w", err)
	}
	return x509.ParseCertificate(der)
}

func issue(ca *x509.Certificate, caKey *ecdsa.PrivateKey, hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "ptabench directory"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(serverLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f // positive, and at most 20 bytes long (RFC 5280, section 4.1.2.2)
	return new(big.Int).SetBytes(b)
}

// servicePassword reads the password that an earlier start made, or makes one.
func servicePassword(dir string) (string, error) {
	path := filepath.Join(dir, passwordFile)
	text, err := readPrivate(path)
	if err == nil {
		if password := strings.TrimSpace(string(text)); password != "" {
			return password, nil
		}
		return "", fmt.Errorf("reading the service account's password: %s is empty", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the service account's password: %w", err)
	}
	password := rand.Text()
	if err := whole.Bytes(path, 0o600, []byte(password)); err != nil {
		return "", fmt.Errorf("keeping the service account's password: %w", err)
	}
	return password, nil
}

// readPrivate reads a secret, unless others could have read or changed it.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %#o lets others in, expected 0600", path, mode)
	}
	return os.ReadFile(path)
}
