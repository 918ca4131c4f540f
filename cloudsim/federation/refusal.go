package federation

import "fmt"

// A Reason is why an assertion is refused, in the word that counters have.
type Reason string

// The reasons.
const (
	Malformed     Reason = "assertion-malformed"        // it can't be read, or lacks what it must have
	Unsigned      Reason = "assertion-unsigned"         // by nobody, or not as a whole
	Wrapped       Reason = "assertion-wrapped"          // something else than what was signed is there to be read
	Algorithm     Reason = "assertion-algorithm"        // one that is not safe, or is not known
	UnknownKey    Reason = "assertion-unknown-key"      // not one of the server's
	ExpiredKey    Reason = "assertion-expired-key"      // the certificate is not valid at the time
	Forged        Reason = "assertion-signature"        // the signature is not that of its content
	ForeignIssuer Reason = "assertion-issuer"           // not the server that the metadata is of
	OtherAudience Reason = "assertion-audience"         // it is for somebody else
	NotYet        Reason = "assertion-not-yet-valid"    // its time is to come
	Expired       Reason = "assertion-expired"          // its time is over
	Unconfirmed   Reason = "assertion-confirmation"     // not for whoever brings it
	NoSubject     Reason = "assertion-subject"          // it names nobody, or two, or a name that none is
	ForeignDomain Reason = "assertion-foreign-domain"   // a user of somebody else's
	Replayed      Reason = "assertion-replayed"         // it was used before
	TooMany       Reason = "assertion-replays-full"     // no more can be remembered: none is taken that could not be
	NoMetadata    Reason = "federation-metadata-unread" // who may sign is not known
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Malformed, Unsigned, Wrapped, Algorithm, UnknownKey, ExpiredKey, Forged, ForeignIssuer, OtherAudience,
		NotYet, Expired, Unconfirmed, NoSubject, ForeignDomain, Replayed, TooMany, NoMetadata}
}

// A Refusal is why an assertion does not sign anybody in.
type Refusal struct {
	Reason Reason
	Detail string // for logs: nothing of it is secret, and it may hold what the sender wrote
}

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}

// Undecided reports whether the assertion may be good: what is wrong is here.
func (r *Refusal) Undecided() bool { return r.Reason == NoMetadata || r.Reason == TooMany }

// Genuine reports whether the assertion is the server's own, though it does not
// sign anybody in.
func (r *Refusal) Genuine() bool {
	switch r.Reason {
	case ForeignIssuer, OtherAudience, NotYet, Expired, Unconfirmed, NoSubject, ForeignDomain, Replayed:
		return true
	}
	return false
}
