package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// A Fault is why a list was not taken: one word, for counters.
type Fault string

// The faults.
const (
	Unreachable  Fault = "unreachable"  // no answer in time, or none at all
	HTTPStatus   Fault = "http-status"  // an answer that is no list
	Redirected   Fault = "redirected"   // an answer that it is elsewhere
	TooLarge     Fault = "too-large"    // more than maxList
	Malformed    Fault = "malformed"    // no list, or one with parts that are not understood
	WrongIssuer  Fault = "wrong-issuer" // a list of another authority
	BadSignature Fault = "bad-signature"
	RolledBack   Fault = "rolled-back" // older than the one that is kept
	RunOut       Fault = "run-out"     // past its next update
	ClockSkew    Fault = "clock-skew"  // this host's clock and the cloud's differ by more than MaxSkew
)

// A listError is a fault with what there is to say of it.
type listError struct {
	fault Fault
	err   error
}

func (e *listError) Error() string { return e.err.Error() }
func (e *listError) Unwrap() error { return e.err }

func fault(f Fault, format string, args ...any) error {
	return &listError{f, fmt.Errorf(format, args...)}
}

// faultOf is the fault of an error of this package.
func faultOf(err error) Fault {
	var e *listError
	if errors.As(err, &e) {
		return e.fault
	}
	return Unreachable
}

// A list is one that its issuer signed. It does not change.
type list struct {
	raw        []byte
	issuer     issuerID
	number     *big.Int
	thisUpdate time.Time
	nextUpdate time.Time
	revoked    map[string]struct{} // serial numbers, as big-endian bytes
}

// issuerID tells authorities apart that have the same name.
type issuerID [sha256.Size]byte

func idOf(issuer *x509.Certificate) issuerID { return sha256.Sum256(issuer.Raw) }

// The extensions of a list that are understood. One that is not and calls
// itself critical changes what the list means: it may be of some certificates
// only, or only the difference to another.
var (
	oidAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidNumber       = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReason       = asn1.ObjectIdentifier{2, 5, 29, 21}
)

// parse reads a list and believes it only when the issuer signed it.
func parse(der []byte, issuer *x509.Certificate) (*list, error) {
	rl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fault(Malformed, "expected a revocation list, DER: %w", err)
	}
	if !bytes.Equal(rl.RawIssuer, issuer.RawSubject) {
		return nil, fault(WrongIssuer, "the list is by %q: expected %q", rl.Issuer, issuer.Subject)
	}
	if err := rl.CheckSignatureFrom(issuer); err != nil {
		return nil, fault(BadSignature, "the list is not signed by %q: %w", issuer.Subject, err)
	}
	switch {
	case rl.Number == nil:
		return nil, fault(Malformed, "the list has no number")
	case rl.NextUpdate.IsZero() || !rl.NextUpdate.After(rl.ThisUpdate):
		return nil, fault(Malformed, "the list of %v is valid until %v: expected a later time", rl.ThisUpdate, rl.NextUpdate)
	}
	for _, e := range rl.Extensions {
		if e.Critical && !e.Id.Equal(oidAuthorityKey) && !e.Id.Equal(oidNumber) {
			return nil, fault(Malformed, "the list has the critical extension %v, which is not known here", e.Id)
		}
	}
	l := &list{raw: der, issuer: idOf(issuer), number: rl.Number, thisUpdate: rl.ThisUpdate, nextUpdate: rl.NextUpdate,
		revoked: make(map[string]struct{}, len(rl.RevokedCertificateEntries))}
	for _, entry := range rl.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical && !e.Id.Equal(oidReason) {
				return nil, fault(Malformed, "an entry of the list has the critical extension %v, which is not known here", e.Id)
			}
		}
		l.revoked[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	return l, nil
}

// names reports whether the list says that a certificate is revoked.
func (l *list) names(c *x509.Certificate) bool {
	_, found := l.revoked[string(c.SerialNumber.Bytes())]
	return found
}

// follows reports why the list may not take the place of another by the same
// issuer; nil when it may.
func (l *list) follows(kept *list) error {
	if c := l.number.Cmp(kept.number); c < 0 || c == 0 && l.thisUpdate.Before(kept.thisUpdate) {
		return fault(RolledBack, "the list has number %v of %s: expected none before number %v of %s, which is kept",
			l.number, stamp(l.thisUpdate), kept.number, stamp(kept.thisUpdate))
	}
	return nil
}

// half is when a list is due to be replaced.
func (l *list) half() time.Time { return l.thisUpdate.Add(l.nextUpdate.Sub(l.thisUpdate) / 2) }

// stamp is a time as errors and logs have it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
