package connector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const day = 24 * time.Hour

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestRenewAt(t *testing.T) {
	for _, tc := range []struct {
		lifetime, before, left time.Duration
	}{
		{180 * day, DefaultRenewBefore, 30 * day},
		{90 * day, DefaultRenewBefore, 30 * day},
		{60 * day, DefaultRenewBefore, 20 * day}, // a third
		{3 * time.Second, DefaultRenewBefore, time.Second},
		{180 * day, time.Hour, time.Hour},
		{-time.Hour, DefaultRenewBefore, 0},
	} {
		end := noon.Add(tc.lifetime)
		if got := end.Sub(renewAt(noon, end, tc.before)); got != tc.left {
			t.Errorf("lifetime %v, %v before: renewed with %v left; expected %v", tc.lifetime, tc.before, got, tc.left)
		}
	}
}

func TestNextLook(t *testing.T) {
	for _, tc := range []struct {
		name           string
		left, untilDue time.Duration
		least, most    time.Duration
	}{
		{"fresh", 180 * day, 150 * day, 324 * time.Minute, 6 * time.Hour},
		{"due before the next look", 30*day + time.Hour, time.Hour, time.Hour, time.Hour + 3*day},
		{"due at once", 30 * day, 0, 0, 3 * day},
		{"of seconds", 3 * time.Second, 2 * time.Second, 2 * time.Second, 2100 * time.Millisecond},
	} {
		for _, random := range []float64{0, 0.5, 0.999999} {
			got := nextLook(tc.left, tc.untilDue, DefaultRenewPoll, random)
			if got < tc.least || got > tc.most {
				t.Errorf("%s, random %v: %v; expected %v to %v", tc.name, random, got, tc.least, tc.most)
			}
		}
	}
}

func TestRenewWait(t *testing.T) {
	for _, tc := range []struct {
		n           int
		left        time.Duration
		least, most time.Duration
	}{
		{0, 30 * day, 500 * time.Millisecond, time.Second},
		{3, 30 * day, 4 * time.Second, 8 * time.Second},
		{1000, 30 * day, 3 * time.Hour, 6 * time.Hour},                   // polling
		{1000, time.Hour, 3 * time.Minute, 6 * time.Minute},              // a tenth of what is left
		{5, time.Second, 50 * time.Millisecond, 100 * time.Millisecond},  // of seconds
		{5, -time.Second, 50 * time.Millisecond, 100 * time.Millisecond}, // over
		{0, 5 * time.Second, 250 * time.Millisecond, 500 * time.Millisecond},
	} {
		for _, random := range []float64{0, 0.999999} {
			if got := renewWait(tc.n, tc.left, DefaultRenewPoll, random); got < tc.least || got > tc.most {
				t.Errorf("failure %d, %v left, random %v: %v; expected %v to %v", tc.n, tc.left, random, got, tc.least, tc.most)
			}
		}
	}
}

// The lifetime of a certificate is told from when it was obtained, not from
// when it counts as valid.
func TestObtainedIsKept(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := saveIdentity(dir, key, der, noon); err != nil {
		t.Fatal(err)
	}
	c, err := loadIdentity(dir)
	if err != nil || !c.Leaf.NotAfter.Equal(noon.Add(time.Hour)) {
		t.Fatalf("loaded %v, %v", c, err)
	}
	if got := obtainedAt(dir, c); !got.Equal(noon) {
		t.Errorf("obtained at %v; expected %v", got, noon)
	}
	if got := obtainedAt(t.TempDir(), c); !got.Equal(c.Leaf.NotBefore) {
		t.Errorf("without a file: obtained at %v; expected %v", got, c.Leaf.NotBefore)
	}
}

func TestFinal(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string // empty: another session may follow
	}{
		{errors.New("deregistered"), ""},
		{status.Error(codes.Aborted, "deregistered"), ""},
		{status.Error(codes.Unauthenticated, "the certificate is not that of a registered connector"), ""},
		{status.Error(codes.Unauthenticated, "deregistered: the connector must be registered again"), "the cloud has removed this connector: the connector must be registered again"},
		{status.Error(codes.Unauthenticated, "revoked: the connector must be registered again"), "revoked, removed, or registered anew elsewhere: the connector must be registered again"},
		{status.Error(codes.Unauthenticated, "certificate-expired: the connector must be registered again"), "the certificate has expired: the connector must be registered again"},
	} {
		got := final(tc.err)
		if (got == nil) != (tc.want == "") || got != nil && (!errors.Is(got, errExpired) || !strings.Contains(got.Error(), tc.want)) {
			t.Errorf("%v: %v; expected %q", tc.err, got, tc.want)
		}
	}
}

// A certificate that was renewed just too late for its session ends the session
// and not the connector.
func TestRenewedTooLate(t *testing.T) {
	ranOut := status.Error(codes.Unauthenticated, "certificate-expired: the connector must be registered again")
	removed := status.Error(codes.Unauthenticated, "deregistered: the connector must be registered again")
	var a connector
	s := &session{certificate: &tls.Certificate{}}
	a.certificate.Store(s.certificate)
	if got := a.over(s, ranOut); got != errRunOut {
		t.Errorf("not renewed: %v", got)
	}
	a.certificate.Store(&tls.Certificate{})
	if got := a.over(s, ranOut); got != nil {
		t.Errorf("renewed: %v", got)
	}
	if got := a.over(s, removed); got != errRemoved {
		t.Errorf("renewed and removed: %v", got)
	}
}

func TestHostName(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{HostName: "host-1", Source: "127.0.0.2"}, "host-1"},
		{Config{Source: "127.0.0.2"}, "127.0.0.2"},
		{Config{Source: "::1"}, "::1"},
	} {
		if got := tc.cfg.hostName(); got != tc.want {
			t.Errorf("%+v: %q; expected %q", tc.cfg, got, tc.want)
		}
	}
}

func TestClockHint(t *testing.T) {
	other := errors.New("connection refused")
	if got := clockHint(other); got != other {
		t.Errorf("%v; expected it unchanged", got)
	}
	early := status.Error(codes.Unavailable, "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time X is before Y")
	if got := clockHint(early); !errors.Is(got, early) || !strings.Contains(got.Error(), "the clock of this host says 20") {
		t.Errorf("%v; expected it to name the clocks", got)
	}
}
