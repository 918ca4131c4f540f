package signed

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// MaxUpdateMessage bounds a signed message about an update, in bytes.
const MaxUpdateMessage = 16 << 10

const updateType = "ptabench-update-message+jws"

// An UpdateStep is what a connector says of an update.
type UpdateStep string

// The steps. A connector asks for the lease, also to keep it; says that the new
// version runs on trial, by itself, and is to be looked at; and how it ended.
const (
	UpdateLease   UpdateStep = "lease"
	UpdateConfirm UpdateStep = "confirm"
	UpdateDone    UpdateStep = "done"
	UpdateFailed  UpdateStep = "failed"  // it was rolled back
	UpdateRefused UpdateStep = "refused" // before it was tried
)

// An UpdateMessage is what a connector says about an update. Who says it is in
// the certificate that it is signed by.
type UpdateMessage struct {
	Tenant string     `json:"tenant"`
	SentAt time.Time  `json:"sent_at"`
	Step   UpdateStep `json:"step"`
	From   string     `json:"from"`             // the version that runs, or ran
	To     string     `json:"to"`               // the version that is offered; empty when that could not be told
	Reason string     `json:"reason,omitempty"` // why it failed or was refused
}

// An UpdateReport is what a connector has to say of updates in a report.
type UpdateReport struct {
	Refused      map[string]uint64 `json:"refused"` // manifests and programs, by reason
	LastRefused  string            `json:"last_refused,omitempty"`
	Failed       string            `json:"failed,omitempty"` // the last version that was rolled back
	FailedReason string            `json:"failed_reason,omitempty"`
}

// An UpdateAnswer is what the cloud says to it.
type UpdateAnswer struct {
	Granted bool   `json:"granted"`           // the lease is the connector's
	Holder  string `json:"holder,omitempty"`  // whose it is otherwise
	Halted  string `json:"halted,omitempty"`  // why nobody gets one for this version any more
	UntilNS int64  `json:"until_ns"`          // when it ends, Unix
	Healthy bool   `json:"healthy,omitempty"` // the new version is attached and has reported
}

// SignUpdate signs a message with the connector's certificate.
func SignUpdate(m *UpdateMessage, by *tls.Certificate) ([]byte, error) {
	text, err := sign(updateType, by, m)
	if err != nil {
		return nil, fmt.Errorf("signing a message about an update: %w", err)
	}
	return text, nil
}

// VerifyUpdate returns a message that is signed by a client certificate of the
// CA, and that certificate. What VerifyReport leaves to its caller, so does
// this.
func VerifyUpdate(text []byte, ca *x509.CertPool, tenant string, now time.Time) (*UpdateMessage, *x509.Certificate, error) {
	var m UpdateMessage
	by, err := open(updateType, text, MaxUpdateMessage, x509.VerifyOptions{
		Roots: ca, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: now,
	}, &m)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case m.Tenant != tenant:
		return nil, nil, refuse(WrongTenant, "tenant: %.80q: expected %q", m.Tenant, tenant)
	case len(m.From) > maxText || len(m.To) > maxText || len(m.Reason) > maxText:
		return nil, nil, refuse(Malformed, "from, to, reason: expected up to %d bytes each", maxText)
	}
	if skew := now.Sub(m.SentAt); skew.Abs() > MaxSkew {
		return nil, nil, refuse(ClockSkew, "sent_at: %s: it is %s; expected clocks that differ by up to %v", stamp(m.SentAt), stamp(now), MaxSkew)
	}
	return &m, by, nil
}
