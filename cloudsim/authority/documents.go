package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// Pool holds the authority's certificate, for who verifies what is below it.
func (a *Authority) Pool() *x509.CertPool { return a.pool }

// documentSigning is RFC 9336's use of a key: for documents that people or, as
// here, programs read, and for no TLS.
var documentSigning = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}

// IssueSigner makes a key and a certificate of a name for signing documents.
// The key lives as long as the process.
func (a *Authority) IssueSigner(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := a.template(serverLifetime)
	template.Subject = pkix.Name{CommonName: name}
	template.DNSNames = []string{name}
	template.UnknownExtKeyUsage = []asn1.ObjectIdentifier{documentSigning}
	c, err := a.sign(template, key)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate to sign documents: %w", err)
	}
	return &c, nil
}
