package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Bounds of a certificate request. The largest RSA key asked for in practice
// makes one of about 1.5 KB.
const (
	maxCSR     = 8 << 10 // bytes
	minRSABits = 2048
	maxRSABits = 4096 // a longer one costs each handshake milliseconds
)

// What can be wrong with a certificate request.
var (
	ErrMalformedCSR = errors.New("malformed certificate request")
	ErrWeakKey      = errors.New("unfit key in certificate request")
	ErrSubject      = errors.New("unfit subject in certificate request")
)

// askable are the extensions that a request may have, as common tools put them
// in: key usage, extended key usage, subject key identifier. They are ignored,
// and any other is refused: it asks for what a connector does not get.
var askable = []asn1.ObjectIdentifier{{2, 5, 29, 15}, {2, 5, 29, 37}, {2, 5, 29, 14}}

// Issue signs a client certificate for the key of a certificate request, PKCS
// #10. It is for the given identity, and the request may name no other. A
// lifetime past the authority's own end is cut off there.
func (a *Authority) Issue(csrDER []byte, id Identity, lifetime time.Duration) (*x509.Certificate, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	if lifetime <= 0 {
		return nil, fmt.Errorf("issuing a certificate: lifetime %v: expected more than 0", lifetime)
	}
	key, err := checkCSR(csrDER, id)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	template := a.template(lifetime)
	template.Subject = pkix.Name{CommonName: id.Name, Organization: []string{id.Tenant}}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{id.uri()}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// checkCSR returns the public key of a request that is signed with its private
// one, and that asks for nothing but a certificate for the identity.
func checkCSR(der []byte, id Identity) (any, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: %d bytes; expected at most %d", ErrMalformedCSR, len(der), maxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformedCSR, err)
	}
	// The key first: verifying under a huge one is work for nothing.
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: ECDSA %s; expected P-256", ErrWeakKey, key.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("%w: RSA of %d bits; expected %d to %d", ErrWeakKey, bits, minRSABits, maxRSABits)
		}
	default:
		return nil, fmt.Errorf("%w: %s; expected ECDSA P-256 or RSA", ErrWeakKey, csr.PublicKeyAlgorithm)
	}
	switch csr.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		return nil, fmt.Errorf("%w: signature %s; expected SHA-256 or better", ErrMalformedCSR, csr.SignatureAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformedCSR, err)
	}
	if err := checkWishes(csr, id); err != nil {
		return nil, err
	}
	return csr.PublicKey, nil
}

// checkWishes refuses a request for anything but a certificate of the
// connector: the subject is its name, with or without its tenant, or empty.
func checkWishes(csr *x509.CertificateRequest, id Identity) error {
	for _, part := range csr.Subject.Names {
		value, _ := part.Value.(string)
		switch {
		case part.Type.Equal(commonName) && value == id.Name:
		case part.Type.Equal(organization) && value == id.Tenant:
		default:
			return fmt.Errorf("%w: %.100q; expected CN=%s, with or without O=%s, or none", ErrSubject, csr.Subject, id.Name, id.Tenant)
		}
	}
	for _, e := range csr.Extensions {
		if !slices.ContainsFunc(askable, e.Id.Equal) {
			return fmt.Errorf("%w: extension %s; expected none but key usage, extended key usage and subject key identifier", ErrMalformedCSR, e.Id)
		}
	}
	return nil
}

var (
	commonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	organization = asn1.ObjectIdentifier{2, 5, 4, 10}
)
