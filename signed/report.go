package signed

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"
)

// MaxReport bounds a signed status report, in bytes; a usual one has about
// 1.5 KB.
const MaxReport = 16 << 10

// GoneStatus is the cloud's answer to a report that is signed by a certificate
// of its own which counts no more: revoked, removed, or replaced by another
// registration. The connector must be registered again.
const GoneStatus = http.StatusGone

// maxText bounds each text of a report, in bytes.
const maxText = 255

const reportType = "ptabench-status+jws"

// A Report is what a connector says of itself now and then. Who says it is in
// the certificate that it is signed by.
type Report struct {
	Tenant    string    `json:"tenant"`
	SentAt    time.Time `json:"sent_at"`
	Version   string    `json:"version"` // of the connector's software
	Host      string    `json:"host"`
	UptimeNS  int64     `json:"uptime_ns"`
	ExpiresAt time.Time `json:"certificate_expires_at"`
	// IntervalNS is when the next report is to be expected; 0 is as the cloud
	// asked for.
	IntervalNS int64 `json:"interval_ns,omitempty"`

	DirectoryReachable bool `json:"directory_reachable"`

	// The counters that every administrator knows, since the connector started.
	Authentications uint64 `json:"authentications"`
	Successful      uint64 `json:"successful_authentications"`
	Failed          uint64 `json:"failed_authentications"` // refused by the directory
	Errors          uint64 `json:"authentication_errors"`  // decided by nobody

	Update *UpdateReport `json:"update,omitempty"` // nil when there is nothing to say of updates
}

// SignReport signs a report with the connector's certificate.
func SignReport(r *Report, by *tls.Certificate) ([]byte, error) {
	text, err := sign(reportType, by, r)
	if err != nil {
		return nil, fmt.Errorf("signing a status report: %w", err)
	}
	return text, nil
}

// VerifyReport returns a report that is signed by a client certificate of the
// CA, and that certificate. Whose it is, whether it is still good for anything
// and whether the report is new is for the caller to find out.
func VerifyReport(text []byte, ca *x509.CertPool, tenant string, now time.Time) (*Report, *x509.Certificate, error) {
	var r Report
	by, err := open(reportType, text, MaxReport, x509.VerifyOptions{
		Roots: ca, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: now,
	}, &r)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.Tenant != tenant:
		return nil, nil, refuse(WrongTenant, "tenant: %.80q: expected %q", r.Tenant, tenant)
	case len(r.Version) > maxText || len(r.Host) > maxText:
		return nil, nil, refuse(Malformed, "version, host: expected up to %d bytes each", maxText)
	case r.UptimeNS < 0:
		return nil, nil, refuse(Malformed, "uptime_ns: %d: expected 0 or more", r.UptimeNS)
	case r.IntervalNS < 0 || r.IntervalNS > int64(maxTimer):
		return nil, nil, refuse(Malformed, "interval_ns: %d: expected 0 to %d", r.IntervalNS, int64(maxTimer))
	}
	if skew := now.Sub(r.SentAt); skew.Abs() > MaxSkew {
		return nil, nil, refuse(ClockSkew, "sent_at: %s: it is %s; expected clocks that differ by up to %v", stamp(r.SentAt), stamp(now), MaxSkew)
	}
	return &r, by, nil
}
