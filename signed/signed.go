// Package signed holds the documents that the cloud and a connector send each
// other signed, apart from the streams of package wire: the bootstrap document,
// by which a connector finds everything else, and a connector's status report.
//
// Both are JSON in a JSON web signature (RFC 7515, compact form) whose header
// carries the signer's certificate, so that whoever has the cloud's CA can
// verify them, whatever they came through. A type in the header keeps one from
// being taken for the other, and both from being taken for a sign-in's token.
package signed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// MaxSkew is by how much the clocks of cloud and connector may differ.
const MaxSkew = 10 * time.Minute

// A Reason is why a document was refused: one word, for counters and logs.
type Reason string

// The reasons.
const (
	Oversized    Reason = "oversized"
	Malformed    Reason = "malformed"
	BadSignature Reason = "bad-signature" // altered, or signed by somebody else
	WrongTenant  Reason = "wrong-tenant"
	Expired      Reason = "expired"
	ClockSkew    Reason = "clock-skew" // from the future, or a report from long ago
	RolledBack   Reason = "rolled-back"
	BadEndpoints Reason = "bad-endpoints"
	BadTimers    Reason = "bad-timers"
)

// A Refusal is the error of a document that was refused.
type Refusal struct {
	Reason Reason
	Err    error
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %v", r.Reason, r.Err) }

func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Errorf(format, args...)}
}

// ReasonOf is why a document was refused; empty when err is no refusal.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// sign makes the signed form of a document.
func sign(kind jose.ContentType, by *tls.Certificate, document any) ([]byte, error) {
	payload, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	algorithm := jose.ES256
	switch key := by.PrivateKey.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("key: ECDSA %s: expected P-256", key.Curve.Params().Name)
		}
	case *rsa.PrivateKey:
		algorithm = jose.PS256
	default:
		return nil, fmt.Errorf("key: %T: expected ECDSA or RSA", key)
	}
	options := (&jose.SignerOptions{}).WithType(kind).
		WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(by.Certificate[0])})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: by.PrivateKey}, options)
	if err != nil {
		return nil, err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return nil, err
	}
	text, err := jws.CompactSerialize()
	return []byte(text), err
}

// open verifies the signed form of a document and decodes it. The signer's
// certificate must pass verify.
func open(kind jose.ContentType, text []byte, limit int, verify x509.VerifyOptions, document any) (*x509.Certificate, error) {
	if len(text) > limit {
		return nil, refuse(Oversized, "more than %d bytes", limit)
	}
	jws, err := jose.ParseSignedCompact(string(text), []jose.SignatureAlgorithm{jose.ES256, jose.PS256})
	if err != nil {
		return nil, refuse(Malformed, "expected a JSON web signature, ES256 or PS256: %w", err)
	}
	header := jws.Signatures[0].Protected
	if is, _ := header.ExtraHeaders[jose.HeaderType].(string); is != string(kind) {
		return nil, refuse(Malformed, "typ: %.40q: expected %q", is, kind)
	}
	chains, err := header.Certificates(verify)
	if err != nil {
		return nil, refuse(BadSignature, "x5c: %w", err)
	}
	signer := chains[0][0]
	payload, err := jws.Verify(signer.PublicKey)
	if err != nil {
		return nil, refuse(BadSignature, "%w", err)
	}
	if err := json.Unmarshal(payload, document); err != nil {
		return nil, refuse(Malformed, "%w", err)
	}
	return signer, nil
}
