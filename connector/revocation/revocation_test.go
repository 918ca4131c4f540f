package revocation

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 15 * time.Second

// noon is when tests with a clock of their own begin.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// An authority publishes lists at an address of its own.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	at   string // distribution point

	mu    sync.Mutex
	serve http.HandlerFunc
	asked int
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	a.cert = a.sign(template, template, a.key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.asked++
		serve := a.serve
		a.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(server.Close)
	a.at = server.URL + "/crl/ca.crl"
	a.refuse()
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// cloud is what a connection to a cloud with such a certificate shows.
func (a *authority) cloud(serial int64, points ...string) tls.ConnectionState {
	a.t.Helper()
	leaf := a.sign(&x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0),
		CRLDistributionPoints: points}, a.cert, a.key)
	return tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf, a.cert}}}
}

// list signs a list.
func (a *authority) list(number int64, this time.Time, validity time.Duration, revoked ...int64) []byte {
	a.t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: this, NextUpdate: this.Add(validity)}
	for _, serial := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: this, ReasonCode: 4})
	}
	return a.make(template)
}

func (a *authority) make(template *x509.RevocationList) []byte {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) answer(serve http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serve = serve
}

// publish serves a list; the answer has the date given, or none.
func (a *authority) publish(der []byte, date time.Time) {
	a.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		if !date.IsZero() {
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		}
		_, _ = w.Write(der)
	})
}

// refuse breaks connections off, as a firewall may.
func (a *authority) refuse() {
	a.answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func (a *authority) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func newChecker(t testing.TB, mode Mode, dir string, now func() time.Time) *Checker {
	t.Helper()
	c, err := New(Config{Mode: mode, State: dir, Dial: dial, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A revoked certificate is refused, any other is not, and one list serves many
// connections.
func TestVerify(t *testing.T) {
	a, at := newAuthority(t, "cloud"), &clock{at: noon}
	a.publish(a.list(7, noon, time.Hour, 40, 42), noon)
	c := newChecker(t, Hard, t.TempDir(), at.now)
	for range 3 {
		if err := c.Verify(a.cloud(41, a.at)); err != nil {
			t.Errorf("a good certificate: %v", err)
		}
		if err := c.Verify(a.cloud(42, a.at)); !errors.Is(err, ErrRevoked) || !strings.Contains(err.Error(), "serial 2a, by list 7") {
			t.Errorf("a revoked certificate: %v", err)
		}
	}
	if n := a.requests(); n != 1 {
		t.Errorf("%d requests; expected 1", n)
	}
	n := c.Counters()
	if n.Mode != "hard" || n.Refused["revoked"] != 3 || n.Lists != 1 || n.Number != "7" || n.Revoked != 2 || n.LeftNS != int64(time.Hour) || n.FailingNS != 0 || len(n.Faults) != 0 {
		t.Errorf("counters %+v", n)
	}
	at.pass(time.Minute)
	if n := c.Counters(); n.AgeNS != int64(time.Minute) {
		t.Errorf("the list is %v old after a minute", time.Duration(n.AgeNS))
	}
}

// What cannot be looked up is refused, and asked for nowhere it was not meant
// to be.
func TestVerifyWithoutAPoint(t *testing.T) {
	a := newAuthority(t, "cloud")
	below := a.cloud(41, a.at)
	below.VerifiedChains[0] = append(below.VerifiedChains[0], a.cert)
	for name, state := range map[string]tls.ConnectionState{
		"no point": a.cloud(41), "not by HTTP": a.cloud(41, "ldap://127.0.0.1/cn=ca", "file:///etc/passwd", "http:///ca.crl"),
		"an authority between": below,
	} {
		hard, soft := newChecker(t, Hard, t.TempDir(), nil), newChecker(t, Soft, t.TempDir(), nil)
		if err := hard.Verify(state); !errors.Is(err, ErrNoList) {
			t.Errorf("%s: %v", name, err)
		}
		if err := soft.Verify(state); err != nil || soft.Counters().Warned != 1 {
			t.Errorf("%s, soft: %v, %+v", name, err, soft.Counters())
		}
	}
	if err := newChecker(t, Soft, t.TempDir(), nil).Verify(tls.ConnectionState{}); err == nil {
		t.Error("a certificate that was not verified is good")
	}
	if n := a.requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The kept list serves until it runs out, over a restart as well; then it says
// since when port 80 gives nothing, and a new one ends that by itself.
func TestPortBlocked(t *testing.T) {
	a, at, dir := newAuthority(t, "cloud"), &clock{at: noon}, t.TempDir()
	good, revoked := a.cloud(41, a.at), a.cloud(42, a.at)
	a.publish(a.list(7, noon, time.Hour, 42), noon)
	c := newChecker(t, Hard, dir, at.now)
	if err := c.Verify(good); err != nil {
		t.Fatal(err)
	}
	a.refuse()
	at.pass(59 * time.Minute)
	c.nudge() // the clock jumped
	eventually(t, "it is asked for in the background", func() bool { return c.Counters().Faults["unreachable"] > 0 })
	again := newChecker(t, Hard, dir, at.now)
	for _, c := range []*Checker{c, again} {
		if err := c.Verify(good); err != nil {
			t.Errorf("a minute before the list runs out: %v", err)
		}
		if err := c.Verify(revoked); !errors.Is(err, ErrRevoked) {
			t.Errorf("a revoked certificate, by the kept list: %v", err)
		}
	}
	at.pass(time.Minute + time.Second)
	soft := newChecker(t, Soft, dir, at.now)
	for _, c := range []*Checker{c, again} {
		err := c.Verify(good)
		if !errors.Is(err, ErrNoList) {
			t.Fatalf("past the next update: %v", err)
		}
		for _, want := range []string{"list 7 ran out on 2026-01-02T13:00:00Z", "port 80 (" + hostOf(a.at) + ")", "since 2026-01-02T1"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
		if err := c.Verify(revoked); !errors.Is(err, ErrRevoked) {
			t.Errorf("a revoked certificate, by a list that has run out: %v", err)
		}
	}
	if n := c.Counters(); n.Refused["no-list"] != 1 || n.LeftNS >= 0 || n.FailingNS <= 0 {
		t.Errorf("counters %+v", n)
	}
	if err := soft.Verify(good); err != nil {
		t.Errorf("soft: %v", err)
	}
	if err := soft.Verify(revoked); !errors.Is(err, ErrRevoked) {
		t.Errorf("soft, revoked: %v", err)
	}
	a.publish(a.list(9, at.now(), time.Hour), at.now())
	eventually(t, "a new list ends it", func() bool {
		at.pass(time.Second) // the waits are by this clock
		c.nudge()
		return c.Verify(good) == nil
	})
	if err := c.Verify(revoked); err != nil {
		t.Errorf("not revoked by the new list: %v", err)
	}
}

// The list is replaced in the background once half of it is over.
func TestRefresh(t *testing.T) {
	a, at := newAuthority(t, "cloud"), &clock{at: noon}
	a.publish(a.list(7, noon, time.Hour), time.Time{})
	c := newChecker(t, Hard, t.TempDir(), at.now)
	if err := c.Verify(a.cloud(41, a.at)); err != nil {
		t.Fatal(err)
	}
	if due := c.due(); due < 30*time.Minute || due > 33*time.Minute {
		t.Errorf("due in %v; expected 30 to 33 minutes", due)
	}
	at.pass(34 * time.Minute)
	c.nudge() // the same list still: no fault of port 80
	eventually(t, "it is asked for", func() bool { return a.requests() >= 2 })
	a.publish(a.list(8, at.now(), time.Hour, 41), time.Time{})
	eventually(t, "the new list is there", func() bool {
		at.pass(time.Second)
		c.nudge()
		return c.Counters().Number == "8"
	})
	if n := c.Counters(); len(n.Faults) != 0 || n.Lists != 2 {
		t.Errorf("counters %+v", n)
	}
	if err := c.Verify(a.cloud(41, a.at)); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked by the new list: %v", err)
	}
}

// Many connections wait for one fetch, and none for one that just failed.
func TestOneFetch(t *testing.T) {
	a, at := newAuthority(t, "cloud"), &clock{at: noon} // which stands still: no wait ends
	cloud := a.cloud(41, a.at)
	c := newChecker(t, Hard, t.TempDir(), at.now)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := c.Verify(cloud); !errors.Is(err, ErrNoList) || !strings.Contains(err.Error(), "there is no revocation list yet") {
				t.Errorf("without a list: %v", err)
			}
		})
	}
	all.Wait()
	if n := a.requests(); n != 1 {
		t.Errorf("%d requests; expected 1", n)
	}
	if n := c.Counters(); n.Refused["no-list"] != 50 || n.Faults["unreachable"] != 1 {
		t.Errorf("counters %+v", n)
	}
	// The cloud is started again elsewhere, and asked there at once.
	other := newAuthority(t, "cloud")
	other.publish(other.list(1, noon, time.Hour), noon)
	if err := c.Verify(other.cloud(41, other.at)); err != nil {
		t.Errorf("another cloud: %v", err)
	}
}

func TestOff(t *testing.T) {
	a := newAuthority(t, "cloud")
	dir := t.TempDir()
	c := newChecker(t, Off, dir, nil)
	if err := c.Verify(a.cloud(42, a.at)); err != nil {
		t.Error(err)
	}
	if a.requests() != 0 || c.Counters().Mode != "off" {
		t.Errorf("%d requests, %+v", a.requests(), c.Counters())
	}
}

// What is on disk is believed no more than what comes from port 80.
func TestKeptFile(t *testing.T) {
	a, other := newAuthority(t, "cloud"), newAuthority(t, "cloud")
	for name, text := range map[string][]byte{
		"garbage": []byte("no list"), "empty": {}, "of another authority": other.list(9, noon, time.Hour),
		"too large": make([]byte, maxList+1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		c := newChecker(t, Hard, dir, (&clock{at: noon}).now)
		if err := c.Verify(a.cloud(41, a.at)); !errors.Is(err, ErrNoList) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Mode: Hard, State: dir, Dial: dial}); err == nil {
		t.Error("a state that is a file")
	}
}
