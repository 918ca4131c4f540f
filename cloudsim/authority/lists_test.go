package authority

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/cloudsim/state"
)

// ledger is what a state says of revocations, in memory.
type ledger struct {
	mu      sync.Mutex
	number  uint64
	revoked []state.Revocation
	asked   time.Time // what NextList was asked last
	err     error
	any     chan struct{}
}

var (
	_ Ledger = (*ledger)(nil)
	_ Ledger = (*state.Store)(nil)
)

func newLedger() *ledger { return &ledger{any: make(chan struct{}, 1)} }

func (l *ledger) NextList(endedBefore time.Time) (uint64, []state.Revocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, nil, l.err
	}
	l.number++
	l.asked = endedBefore
	return l.number, slices.Clone(l.revoked), nil
}

func (l *ledger) Revoked() <-chan struct{} { return l.any }

func (l *ledger) revoke(c *x509.Certificate, at time.Time) {
	l.mu.Lock()
	l.revoked = append(l.revoked, state.Revocation{Serial: Serial(c), At: at, NotAfter: c.NotAfter, Reason: state.Withdrawn})
	l.mu.Unlock()
	l.any <- struct{}{}
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

const listURL = "http://127.0.0.1:8000" + ListPath

// publishing is an authority with its lists.
func publishing(t *testing.T, now func() time.Time, validity time.Duration) (*Authority, *ledger, *Lists) {
	t.Helper()
	a, book := newTestAuthority(t, memory{}, now), newLedger()
	if err := a.ListAt(listURL); err != nil {
		t.Fatal(err)
	}
	l, err := NewLists(a, book, validity, slog.New(slog.DiscardHandler), func(reason string) {})
	if err != nil {
		t.Fatal(err)
	}
	return a, book, l
}

func parsed(t *testing.T, a *Authority, der []byte) *x509.RevocationList {
	t.Helper()
	rl, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := rl.CheckSignatureFrom(a.certificate); err != nil {
		t.Fatal(err)
	}
	return rl
}

func TestMake(t *testing.T) {
	at := &clock{at: noon.Add(500 * time.Millisecond)}
	a, book, l := publishing(t, at.now, time.Hour)
	good, bad := issued(t, a, connector1, time.Hour), issued(t, a, connector1, time.Hour)
	first := parsed(t, a, l.current.Load().der)
	if first.Number.Int64() != 1 || len(first.RevokedCertificateEntries) != 0 || !first.NextUpdate.Equal(noon.Add(time.Hour+time.Second)) {
		t.Errorf("the first list: number %v, %v, next %v", first.Number, first.RevokedCertificateEntries, first.NextUpdate)
	}
	for _, c := range []*x509.Certificate{a.server.Leaf, good.Leaf} {
		if !slices.Equal(c.CRLDistributionPoints, []string{listURL}) {
			t.Errorf("%v says that the list is at %v", c.Subject, c.CRLDistributionPoints)
		}
	}
	book.revoke(bad.Leaf, at.now())
	at.pass(time.Minute)
	if err := l.Make(); err != nil {
		t.Fatal(err)
	}
	rl := parsed(t, a, l.current.Load().der)
	if n := rl.RevokedCertificateEntries; rl.Number.Int64() != 2 || len(n) != 1 || n[0].SerialNumber.Cmp(bad.Leaf.SerialNumber) != 0 ||
		n[0].ReasonCode != 9 || !n[0].RevocationTime.Equal(noon) {
		t.Errorf("the second list: number %v, %+v", rl.Number, n)
	}
	if len(book.any) != 0 {
		t.Error("what is on the list would be listed again")
	}
	if want := at.now().Add(-time.Hour); !book.asked.Equal(want) {
		t.Errorf("what ended before %v is left out; expected %v", book.asked, want)
	}
	if number, revoked := l.Published(); number != 2 || revoked != 1 {
		t.Errorf("published: %d, %d", number, revoked)
	}
	book.revoked[0].Serial = "no number"
	if err := l.Make(); err == nil || !strings.Contains(err.Error(), `serial "no number": expected hexadecimal`) {
		t.Errorf("a serial that is none: %v", err)
	}
	if number, _ := l.Published(); number != 2 {
		t.Errorf("a list that could not be made took the place of %d", number)
	}
	book.fail(errors.New("the disk is full"))
	if _, err := NewLists(a, book, time.Hour, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("a first list that could not be made")
	}
}

func TestServeLists(t *testing.T) {
	at := &clock{at: noon}
	a, _, l := publishing(t, at.now, time.Hour)
	denied := make(map[string]int)
	l.denied = func(reason string) { denied[reason]++ }
	at.pass(10 * time.Minute)
	for _, tc := range []struct {
		method, path string
		status       int
		kind         string
	}{
		{"GET", ListPath, 200, "application/pkix-crl"},
		{"HEAD", ListPath, 200, "application/pkix-crl"},
		{"GET", ListPath + "?x=1", 200, "application/pkix-crl"},
		{"GET", listPathPEM, 200, "application/x-pem-file"},
		{"POST", ListPath, 405, ""},
		{"DELETE", listPathPEM, 405, ""},
		{"GET", "/", 404, ""},
		{"GET", "/crl", 404, ""},
		{"GET", "/crl/", 404, ""},
		{"GET", "/crl/../crl/ca.crl", 404, ""},
		{"GET", "/crl/ca.key", 404, ""},
		{"GET", "/contoso/oauth2/v2.0/token", 404, ""},
	} {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		r := w.Result()
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != tc.status || tc.kind != "" && r.Header.Get("Content-Type") != tc.kind {
			t.Errorf("%s %s: %d %v", tc.method, tc.path, r.StatusCode, r.Header)
		}
		if tc.status == 405 && r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: %v", tc.method, tc.path, r.Header)
		}
		if tc.status != 200 {
			continue
		}
		if r.Header.Get("Cache-Control") != "public, max-age=3000" || r.Header.Get("Etag") != `"1"` || r.Header.Get("Content-Length") == "0" {
			t.Errorf("%s %s: %v", tc.method, tc.path, r.Header)
		}
		switch {
		case tc.method == "HEAD":
			if len(body) != 0 {
				t.Errorf("HEAD has a body of %d bytes", len(body))
			}
		case tc.kind == "application/pkix-crl":
			parsed(t, a, body)
		default:
			b, rest := pem.Decode(body)
			if b == nil || b.Type != "X509 CRL" || len(rest) != 0 {
				t.Fatalf("%s", body)
			}
			parsed(t, a, b.Bytes)
		}
	}
	if denied["unknown-path"] != 6 || denied["wrong-method"] != 2 {
		t.Errorf("denied %v", denied)
	}
}

// A new list comes at each revocation and at half of the validity, also after
// one that could not be made.
func TestRunLists(t *testing.T) {
	a, book, l := publishing(t, time.Now, 2*time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { l.Run(ctx) })
	defer work.Wait()
	defer cancel()
	published := func(what string, want func(number uint64, revoked int) bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !want(l.Published()); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not in 20 s: %s", what)
			}
		}
	}
	began := time.Now()
	published("a list at half of the validity", func(number uint64, _ int) bool { return number == 2 })
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("a new list after %v; expected 1 s", took)
	}
	one, two := issued(t, a, connector1, time.Hour), issued(t, a, connector1, time.Hour)
	book.revoke(one.Leaf, time.Now())
	published("a list with what was revoked", func(_ uint64, revoked int) bool { return revoked == 1 })
	book.fail(errors.New("the disk is full"))
	book.revoke(two.Leaf, time.Now())
	time.AfterFunc(100*time.Millisecond, func() { book.fail(nil) })
	published("a list once it can be made", func(_ uint64, revoked int) bool { return revoked == 2 })
}

// The tools that administrators use accept what is published and issued. They
// are a Debian package, which make test installs.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatalf("openssl is needed (Debian: apt-get install openssl): %v", err)
	}
	a, book, l := publishing(t, time.Now, time.Hour)
	good, bad := issued(t, a, connector1, time.Hour), issued(t, a, connector1, time.Hour)
	book.revoke(bad.Leaf, time.Now())
	if err := l.Make(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(l)
	defer server.Close()
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	get := func(path string) []byte {
		t.Helper()
		r, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	certificate := func(name string, c *x509.Certificate) string {
		return put(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	ca, der, list := put("ca.pem", a.PEM()), put("ca.crl", get(ListPath)), put("crl.pem", get(listPathPEM))
	goodFile, badFile, serverFile := certificate("good.pem", good.Leaf), certificate("bad.pem", bad.Leaf), certificate("server.pem", a.server.Leaf)
	check := []string{"verify", "-x509_strict", "-CAfile", ca, "-CRLfile", list, "-crl_check"}
	for _, tc := range []struct {
		name string
		args []string
		ok   bool
		want string
	}{
		{"the list, DER", []string{"crl", "-inform", "DER", "-in", der, "-CAfile", ca, "-noout", "-text"}, true, "verify OK"},
		{"the list, PEM", []string{"crl", "-in", list, "-CAfile", ca, "-noout", "-crlnumber"}, true, "crlNumber=0x02"},
		{"what it says", []string{"crl", "-in", list, "-noout", "-text"}, true, "Privilege Withdrawn"},
		{"a connector", append(check, "-purpose", "sslclient", goodFile), true, goodFile + ": OK"},
		{"a revoked connector", append(check, "-purpose", "sslclient", badFile), false, "certificate revoked"},
		{"the simulator", append(check, "-purpose", "sslserver", "-verify_ip", "127.0.0.1", serverFile), true, serverFile + ": OK"},
		{"where the list is", []string{"x509", "-in", goodFile, "-noout", "-ext", "crlDistributionPoints"}, true, "URI:" + listURL},
	} {
		out, err := exec.Command("openssl", tc.args...).CombinedOutput()
		if (err == nil) != tc.ok || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: openssl %s: %v, %s", tc.name, strings.Join(tc.args, " "), err, out)
		}
	}
	if serial := fmt.Sprintf("%X", bad.Leaf.SerialNumber); !strings.Contains(string(must(exec.Command("openssl", "crl", "-in", list, "-noout", "-text").Output())), serial) {
		t.Errorf("the list does not name %s", serial)
	}
}

// A revoked certificate is refused at the handshake.
func TestRevokedPeer(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	bad := issued(t, a, connector1, time.Hour)
	a.RefuseRevoked(func(serial string) bool { return serial == Serial(bad.Leaf) })
	var got []Denial
	creds := a.ConnectorCredentials(func(string) bool { return true }, func(d Denial, _ net.Addr, _ error) { got = append(got, d) })
	if err := handshakeWith(t, creds, a, &bad); err == nil || !slices.Equal(got, []Denial{DeniedCertificateRevoked}) {
		t.Errorf("%v, denials %v", err, got)
	}
}
