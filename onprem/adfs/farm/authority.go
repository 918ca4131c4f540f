package farm

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
	"net"
	"os"
	"path/filepath"
	"time"

	"ptabench/whole"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	serverLifetime    = 365 * 24 * time.Hour
)

// An authority issues the TLS certificates of a farm. It is what clients
// trust, so it outlives servers; their own keys are made anew at each start and
// never written.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

// loadAuthority takes the one that is there, or makes one; the farm is locked.
func loadAuthority(dir string, now time.Time) (authority, error) {
	keyAt, certAt := filepath.Join(dir, keyFile), filepath.Join(dir, authorityFile)
	keyText, err := readPrivate(keyAt)
	if errors.Is(err, os.ErrNotExist) {
		return newAuthority(keyAt, certAt, now)
	}
	if err != nil {
		return authority{}, fmt.Errorf("the farm's authority: %w", err)
	}
	certText, err := os.ReadFile(certAt)
	if errors.Is(err, os.ErrNotExist) { // the last start ended between the two
		return newAuthority(keyAt, certAt, now)
	}
	if err != nil {
		return authority{}, fmt.Errorf("the farm's authority: %w", err)
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return authority{}, fmt.Errorf("the farm's authority: %s with %s: %w", certAt, keyAt, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return authority{}, fmt.Errorf("the farm's authority: %s: expected an ECDSA key", keyAt)
	}
	if now.After(pair.Leaf.NotAfter) {
		return authority{}, fmt.Errorf("the farm's authority: %s ended on %s; remove it to have a new one made",
			certAt, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return authority{key: key, cert: pair.Leaf, pem: certText}, nil
}

func newAuthority(keyAt, certAt string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, fmt.Errorf("making the farm's authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "ptabench federation authority"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(authorityLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, fmt.Errorf("making the farm's authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("making the farm's authority: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return authority{}, fmt.Errorf("making the farm's authority: %w", err)
	}
	a := authority{key: key, cert: cert, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	err = whole.Bytes(keyAt, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	if err == nil {
		err = whole.Bytes(certAt, 0o644, a.pem)
	}
	if err != nil {
		return authority{}, fmt.Errorf("keeping the farm's authority: %w", err)
	}
	return a, nil
}

func (a *authority) issue(hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "ptabench federation server"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(serverLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" && host != "localhost" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}
