package signed

import (
	"cmp"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"ptabench/ports"
)

// BootstrapFormat is the format of bootstrap documents that this program
// writes. It refuses a newer one.
const BootstrapFormat = 1

// BootstrapSigner is the name in the certificate of whoever may sign bootstrap
// documents. No connector's certificate has a name of this kind, so that none
// can sign one.
const BootstrapSigner = "bootstrap.ptabench-cloud"

// MaxBootstrap bounds a signed bootstrap document, in bytes; a usual one has
// about 3 KB.
const MaxBootstrap = 64 << 10

const bootstrapType = "ptabench-bootstrap+jws"

// A Bootstrap tells a connector of one tenant where the cloud listens, how
// often to do what, and which version it should have.
type Bootstrap struct {
	Format  int    `json:"format"`
	Version uint64 `json:"version"` // grows whenever the rest may have changed
	Tenant  string `json:"tenant"`
	// A document is accepted from the cloud until ValidUntil. A connector that
	// cannot reach the cloud goes on with what it has accepted, without end.
	IssuedAt   time.Time `json:"issued_at"`
	ValidUntil time.Time `json:"valid_until"`
	// Endpoints is documented port number to host:port.
	Endpoints map[string]string `json:"endpoints"`
	Timers    Timers            `json:"timers"`
	// MinConnectorVersion is what a connector should have at least; empty for
	// any. With Required an older one may not start.
	MinConnectorVersion         string `json:"min_connector_version"`
	MinConnectorVersionRequired bool   `json:"min_connector_version_required"`
	// UpdateKey is the Ed25519 public key that updates are signed by; empty when
	// there are none. A connector keeps to the first that it is told.
	UpdateKey []byte `json:"update_key,omitempty"`
}

// Timers are how often a connector does what, unless it is told otherwise
// where it runs. 0 leaves a timer to the connector.
type Timers struct {
	HeartbeatNS         int64 `json:"heartbeat_ns"` // the welcome of a session says it again, and counts
	StatusIntervalNS    int64 `json:"status_interval_ns"`
	RenewalPollNS       int64 `json:"renewal_poll_ns"`
	BootstrapIntervalNS int64 `json:"bootstrap_interval_ns"`
	ReconnectMaxNS      int64 `json:"reconnect_max_ns"` // the longest wait between attempts to attach
	UpdateIntervalNS    int64 `json:"update_interval_ns,omitempty"`
}

// Bounds of timers. What is beyond them is taken for a mistake, or a lie.
const (
	minTimer = time.Millisecond
	maxTimer = 30 * 24 * time.Hour
	// MinReconnectMax keeps a cloud from asking to be hammered, MaxReconnectMax
	// from asking to be left alone.
	MinReconnectMax = 100 * time.Millisecond
	MaxReconnectMax = 5 * time.Minute
)

// SignBootstrap signs a document. The certificate is for BootstrapSigner.
func SignBootstrap(b *Bootstrap, by *tls.Certificate) ([]byte, error) {
	text, err := sign(bootstrapType, by, b)
	if err != nil {
		return nil, fmt.Errorf("signing a bootstrap document: %w", err)
	}
	return text, nil
}

// VerifyBootstrap returns the document that the cloud whose CA is given signed
// for a tenant, whenever that was. Its errors are Refusals.
func VerifyBootstrap(text []byte, ca *x509.CertPool, tenant string, now time.Time) (*Bootstrap, error) {
	var b Bootstrap
	_, err := open(bootstrapType, text, MaxBootstrap, x509.VerifyOptions{
		Roots: ca, DNSName: BootstrapSigner, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: now,
	}, &b)
	if err != nil {
		return nil, err
	}
	switch {
	case b.Format < 1 || b.Format > BootstrapFormat:
		return nil, refuse(Malformed, "format: %d: expected %d", b.Format, BootstrapFormat)
	case b.Version == 0:
		return nil, refuse(Malformed, "version: 0: expected more")
	case b.Tenant != tenant:
		return nil, refuse(WrongTenant, "tenant: %.80q: expected %q", b.Tenant, tenant)
	case !b.IssuedAt.Before(b.ValidUntil):
		return nil, refuse(Malformed, "valid_until: %s: expected after issued_at %s", stamp(b.ValidUntil), stamp(b.IssuedAt))
	}
	if n := len(b.UpdateKey); n != 0 && n != ed25519.PublicKeySize {
		return nil, refuse(Malformed, "update_key: %d bytes: expected %d", n, ed25519.PublicKeySize)
	}
	if b.MinConnectorVersion != "" {
		if _, ok := parseVersion(b.MinConnectorVersion); !ok {
			return nil, refuse(Malformed, "min_connector_version: %.40q: expected a version such as 1.2.3", b.MinConnectorVersion)
		}
	}
	if err := b.Timers.check(); err != nil {
		return nil, &Refusal{BadTimers, err}
	}
	return &b, nil
}

// Fresh refuses a document that does not count at the time, by the clock of
// whoever got it, with MaxSkew allowed.
func (b *Bootstrap) Fresh(now time.Time) error {
	switch {
	case now.After(b.ValidUntil.Add(MaxSkew)):
		return refuse(Expired, "valid_until: %s: it is %s; check the clock if that is wrong", stamp(b.ValidUntil), stamp(now))
	case now.Before(b.IssuedAt.Add(-MaxSkew)):
		return refuse(ClockSkew, "issued_at: %s: it is %s; expected clocks that differ by up to %v", stamp(b.IssuedAt), stamp(now), MaxSkew)
	}
	return nil
}

// Follows refuses a document that is older than another that was accepted
// before it, nil for none: a replay would take a connector back to where the
// cloud no longer is.
func (b *Bootstrap) Follows(kept *Bootstrap) error {
	switch {
	case kept == nil:
	case b.Version < kept.Version:
		return refuse(RolledBack, "version: %d: expected %d or more, as seen before", b.Version, kept.Version)
	case b.Version == kept.Version && b.IssuedAt.Before(kept.IssuedAt):
		return refuse(RolledBack, "issued_at: %s: expected %s or later, as seen before", stamp(b.IssuedAt), stamp(kept.IssuedAt))
	}
	return nil
}

// CheckEndpoints refuses endpoints that cannot be true: a port that every cloud
// has is missing, an address is none or nobody's, or two ports share one.
// Loopback is believed only when the document came from there.
//
// Endpoints may be on other hosts than the document came from: a cloud may be
// spread over many. That each is the cloud is for TLS to show, by a
// certificate of the CA for that very host.
func (b *Bootstrap) CheckEndpoints(fromLoopback bool) error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, need := range [][]string{
		{ports.Bootstrap, ports.SignIn}, {ports.Registration}, ports.Requests(), ports.Responses(),
	} {
		if !slices.ContainsFunc(need, func(p string) bool { return b.Endpoints[p] != "" }) {
			bad("endpoints: expected port %s", oneOf(need))
		}
	}
	owner := make(map[string]string)
	for _, port := range slices.Sorted(maps.Keys(b.Endpoints)) {
		address := b.Endpoints[port]
		if err := checkAddress(address, fromLoopback); err != nil {
			bad("endpoints: %.20q: %.100q: %w", port, address, err)
		} else if other := owner[address]; other != "" {
			bad("endpoints: %s: %s: is port %s already", port, address, other)
		}
		owner[address] = port
	}
	if len(wrong) > 0 {
		return &Refusal{BadEndpoints, errors.Join(wrong...)}
	}
	return nil
}

func oneOf(all []string) string {
	switch n := len(all); {
	case n == 1:
		return all[0]
	case n > 3:
		return all[0] + " to " + all[n-1]
	default:
		return fmt.Sprint("one of ", all)
	}
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

func checkAddress(address string, fromLoopback bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("expected host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("expected a port from 1 to 65535")
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil && !hostForm.MatchString(host):
		return errors.New("expected the name or address of a host")
	case err == nil && (ip.IsUnspecified() || ip.IsMulticast()):
		return errors.New("expected the address of one host")
	case (err == nil && ip.Unmap().IsLoopback() || host == "localhost") && !fromLoopback:
		return errors.New("expected another host than this one, on which the document did not come")
	}
	return nil
}

func (t *Timers) check() error {
	var wrong []error
	for _, f := range []struct {
		name     string
		ns       int64
		min, max time.Duration
	}{
		{"heartbeat_ns", t.HeartbeatNS, minTimer, maxTimer},
		{"status_interval_ns", t.StatusIntervalNS, minTimer, maxTimer},
		{"renewal_poll_ns", t.RenewalPollNS, minTimer, maxTimer},
		{"bootstrap_interval_ns", t.BootstrapIntervalNS, minTimer, maxTimer},
		{"reconnect_max_ns", t.ReconnectMaxNS, MinReconnectMax, MaxReconnectMax},
		{"update_interval_ns", t.UpdateIntervalNS, minTimer, maxTimer},
	} {
		if d := time.Duration(f.ns); d != 0 && (d < f.min || d > f.max) {
			wrong = append(wrong, fmt.Errorf("timers: %s: %v: expected %v to %v", f.name, d, f.min, f.max))
		}
	}
	return errors.Join(wrong...)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Older reports whether a version is older than another. A version that is not
// of the form 1.2.3 is older than none: it is that of somebody who builds
// their own.
func Older(version, than string) bool {
	a, okA := parseVersion(version)
	b, okB := parseVersion(than)
	return okA && okB && slices.Compare(a[:], b[:]) < 0
}

var versionForm = regexp.MustCompile(`^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-+].*)?$`)

// CheckVersion says whether a version can be compared with others.
func CheckVersion(text string) error {
	if _, ok := parseVersion(text); !ok {
		return fmt.Errorf("%.40q: expected a version such as 1.2.3", text)
	}
	return nil
}

// parseVersion reads the numbers of a version. What follows them, such as the
// word of a pre-release, does not count.
func parseVersion(text string) (v [3]int, ok bool) {
	parts := versionForm.FindStringSubmatch(text)
	if parts == nil {
		return v, false
	}
	for i := range v {
		v[i], _ = strconv.Atoi(cmp.Or(parts[i+1], "0")) // digits that fit
	}
	return v, true
}
