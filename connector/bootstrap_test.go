package connector

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/observe"
	"ptabench/signed"
)

// A fakeBootstrap is port 8080 of a fake cloud, which answers what a test has
// it answer.
type fakeBootstrap struct {
	*fakeCloud
	signer *tls.Certificate
	at     string
	body   atomic.Pointer[[]byte]
	asked  atomic.Int64
}

// bootstrap has a fake cloud serve 8080, and its file name nothing else.
func (c *fakeCloud) bootstrap() *fakeBootstrap {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(99), NotBefore: c.ca.NotBefore, NotAfter: c.ca.NotAfter, DNSNames: []string{signed.BootstrapSigner},
	}, c.ca, key.Public(), c.caKey)
	if err != nil {
		c.t.Fatal(err)
	}
	b := &fakeBootstrap{fakeCloud: c, signer: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	b.at = ln.Addr().String()
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{c.server}}, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/contoso/bootstrap" {
				http.NotFound(w, r)
				return
			}
			b.asked.Add(1)
			_, _ = w.Write(*b.body.Load())
		}),
	}
	c.wg.Go(func() { _ = server.ServeTLS(ln, "", "") })
	c.t.Cleanup(func() { server.Close() })
	b.file = filepath.Join(c.t.TempDir(), "cloud.json")
	b.know(map[string]string{"8080": b.at})
	b.answer(b.signed(func(*signed.Bootstrap) {}))
	return b
}

// know writes the cloud file.
func (b *fakeBootstrap) know(ports map[string]string) {
	b.t.Helper()
	text, err := json.Marshal(observe.Ready{CAPEM: string(b.caPEM), Ports: ports})
	if err == nil {
		err = os.WriteFile(b.file, text, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *fakeBootstrap) answer(text []byte) { b.body.Store(&text) }

// signed is a document with version 5, unless a test changes it.
func (b *fakeBootstrap) signed(change func(*signed.Bootstrap)) []byte {
	b.t.Helper()
	d := &signed.Bootstrap{Format: signed.BootstrapFormat, Version: 5, Tenant: "contoso", IssuedAt: time.Now(), ValidUntil: time.Now().Add(time.Hour), Endpoints: maps.Clone(b.ports)}
	d.Endpoints["8080"] = b.at
	change(d)
	text, err := signed.SignBootstrap(d, b.signer)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (r *running) metrics() string {
	r.t.Helper()
	answer, err := http.Get("http://" + r.at + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// What is wrong with a document keeps a new connector from starting, and one
// that runs from taking it: it is counted and logged, and the last good one
// stays.
func TestBootstrapRefused(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	b := c.bootstrap()
	elsewhere := func(d *signed.Bootstrap) { d.Endpoints["9350"] = "127.0.0.1:1" }
	for _, tt := range []struct {
		name   string
		body   []byte
		reason signed.Reason
	}{
		{"altered", bytes.Replace(b.signed(elsewhere), []byte("."), []byte(".e30g"), 1), signed.BadSignature},
		{"signed by a server's key", func() []byte {
			text, err := signed.SignBootstrap(&signed.Bootstrap{Format: 1, Version: 6, Tenant: "contoso"}, &c.server)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}(), signed.BadSignature},
		{"expired", b.signed(func(d *signed.Bootstrap) {
			d.IssuedAt, d.ValidUntil = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), signed.Expired},
		{"from the future", b.signed(func(d *signed.Bootstrap) {
			d.IssuedAt, d.ValidUntil = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}), signed.ClockSkew},
		{"of another tenant", b.signed(func(d *signed.Bootstrap) { d.Tenant = "fabrikam" }), signed.WrongTenant},
		{"not host:port", b.signed(func(d *signed.Bootstrap) { d.Endpoints["9350"] = "here" }), signed.BadEndpoints},
		{"a port missing", b.signed(func(d *signed.Bootstrap) { delete(d.Endpoints, "9090") }), signed.BadEndpoints},
		{"oversized", append(b.signed(elsewhere), bytes.Repeat([]byte("A"), signed.MaxBootstrap)...), signed.Oversized},
		{"nonsense", []byte("<html>a portal of the hotel</html>"), signed.Malformed},
		{"rolled back", b.signed(func(d *signed.Bootstrap) { d.Version = 4; elsewhere(d) }), signed.RolledBack},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := settings(t, c, d.Server)
			cfg.BootstrapInterval = 10 * time.Millisecond
			if tt.reason != signed.RolledBack { // of which a new connector knows nothing
				b.answer(tt.body)
				r := start(t, cfg)
				eventually(t, "a new connector waits", func() bool { return strings.Contains(r.log.String(), "a new connector cannot start") })
				if log := r.log.String(); !strings.Contains(log, `"reason":"`+string(tt.reason)+`"`) {
					t.Errorf("the log does not say %s", tt.reason)
				}
				r.stop()
			}
			b.answer(b.signed(func(*signed.Bootstrap) {}))
			cfg.State = filepath.Join(t.TempDir(), "state")
			r := start(t, cfg).serving()
			eventually(t, "it asks again", func() bool { return strings.Contains(r.metrics(), `bootstraps_total{outcome="accepted"}`) })
			b.answer(tt.body)
			eventually(t, "it is counted", func() bool {
				return strings.Contains(r.metrics(), `ptabench_connector_bootstraps_total{outcome="`+string(tt.reason)+`"}`)
			})
			k, err := loadKept(cfg.State)
			if err != nil || k == nil {
				t.Fatalf("what is kept: %v, %v", k, err)
			}
			e, err := readEndpoints(b.file)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.verify(e, "contoso"); err != nil || k.document.Version != 5 || k.document.Endpoints["9350"] != c.ports["9350"] {
				t.Errorf("what is kept: %+v, %v; want the last good one", k.document, err)
			}
		})
	}
}

// A kept document that is no good, or of another cloud, is nothing.
func TestKeptDocumentThatIsNoGood(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	b := c.bootstrap()
	for name, text := range map[string]string{
		"cut off":          `{"cloud_file_sha256":"`,
		"of another cloud": `{"accepted_at":"` + time.Now().Format(time.RFC3339) + `","signed":"` + string(newFakeCloud(t).bootstrap().signed(func(d *signed.Bootstrap) { d.Version = 1000 })) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(t, c, d.Server)
			if err := os.MkdirAll(cfg.State, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(cfg.State, keptFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			start(t, cfg).serving()
			k, err := loadKept(cfg.State)
			if err != nil || !strings.Contains(string(*b.body.Load()), k.Signed) {
				t.Errorf("what is kept: %v, %v; want the cloud's", k, err)
			}
		})
	}
}

// Of file and document the newer counts.
func TestWhereabouts(t *testing.T) {
	c := newFakeCloud(t)
	b := c.bootstrap()
	read := func(ports map[string]string) *endpoints {
		t.Helper()
		b.know(ports)
		e, err := readEndpoints(b.file)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	full := maps.Clone(c.ports)
	full["9350"], full["8080"] = "127.0.0.1:1", b.at
	var w whereabouts
	first := read(full)
	if changed, err := w.setFile(first, "contoso"); changed || err != nil {
		t.Fatalf("the first file: changed %v, %v", changed, err)
	}
	is := func(what, want string) {
		t.Helper()
		if got := w.endpoints().at["9350"]; got != want {
			t.Errorf("%s: 9350 is at %s; want %s", what, got, want)
		}
	}
	is("by file", "127.0.0.1:1")
	k := &kept{Signed: string(b.signed(func(*signed.Bootstrap) {})), AcceptedAt: time.Now()}
	if err := k.verify(first, "contoso"); err != nil {
		t.Fatal(err)
	}
	if err := w.accept(k, first); err != nil {
		t.Fatal(err)
	}
	is("by a document found through it", c.ports["9350"])
	full["9350"] = "127.0.0.1:2"
	second := read(full)
	if changed, err := w.setFile(second, "contoso"); !changed || err != nil {
		t.Fatalf("another file: changed %v, %v", changed, err)
	}
	is("by a newer file", "127.0.0.1:2")
	if _, err := w.setFile(read(map[string]string{"8080": b.at}), "contoso"); err != nil {
		t.Fatal(err)
	}
	is("by a newer file that does not say", c.ports["9350"])
	if err := w.accept(k, second); err == nil {
		t.Error("a document found through a file that is no more was taken")
	}
	other := newFakeCloud(t).bootstrap()
	e, err := readEndpoints(other.file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.setFile(e, "contoso"); err == nil || w.document() != nil {
		t.Errorf("the document of another cloud stays: %v", err)
	}
}

// A registered connector that has a full file and no document, as one that was
// updated may, goes on by the file.
func TestRegisteredWithoutDocument(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	r := start(t, cfg).serving()
	r.stop()
	r.ended <- <-r.ended
	b := c.bootstrap()
	full := maps.Clone(c.ports)
	full["8080"] = "127.0.0.1:1" // nobody
	b.know(full)
	cfg.Cloud, cfg.RegistrationToken = b.file, ""
	start(t, cfg).serving()
}

// A connector that waits for a bootstrap says which ports it tried, and ends
// when it is told to.
func TestWaitingForBootstrapEnds(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	b := c.bootstrap()
	b.know(map[string]string{"8080": "127.0.0.1:1", "443": "127.0.0.1:1"})
	cfg := settings(t, c, d.Server)
	ctx, cancel := context.WithCancel(t.Context())
	var log lockedBuffer
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, slog.New(slog.NewJSONHandler(&log, nil)), cfg, func(observe.Ready) { t.Error("ready") })
	}()
	eventually(t, "it says which ports", func() bool {
		return strings.Contains(log.String(), "port 8080 (127.0.0.1:1)") && strings.Contains(log.String(), "port 443 (127.0.0.1:1)")
	})
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}
