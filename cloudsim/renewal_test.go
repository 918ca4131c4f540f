package cloudsim_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/connector"
	"ptabench/observe"
)

// life is a connector whose end a test waits for.
type life struct {
	w     *world
	state string
	log   lockedBuffer
	ended chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// live runs a connector until it ends or the test does.
func (w *world) live(name string) *life {
	w.t.Helper()
	var got struct{ Token string }
	if err := w.observe.Post(context.Background(), "/tenants/contoso/registration-tokens", nil, &got); err != nil {
		w.t.Fatal(err)
	}
	l := &life{w: w, state: w.t.TempDir(), ended: make(chan error, 1)}
	ca := filepath.Join(w.t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, w.directory.CAPEM, 0o600); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		l.ended <- connector.Run(ctx, slog.New(slog.NewJSONHandler(&l.log, nil)), connector.Config{
			Name: name, Tenant: "contoso", Version: "test", Cloud: filepath.Join(w.cfg.State, "cloud.json"), State: l.state,
			Directory: []string{"ldaps://" + w.directory.Address}, DirectoryCA: ca,
			BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
			Concurrency: 50, BindTimeout: 10 * time.Second, ConnectTimeout: 2 * time.Second,
			Observe: "127.0.0.1:0", RegistrationToken: got.Token,
		}, func(observe.Ready) {})
	})
	w.t.Cleanup(func() {
		cancel()
		run.Wait()
		if w.t.Failed() {
			w.t.Logf("log of %s:\n%s", name, &l.log)
		}
		if strings.Contains(l.log.String(), got.Token) {
			w.t.Error("the token is in the log")
		}
	})
	return l
}

// end waits until the connector ends by itself.
func (l *life) end() error {
	l.w.t.Helper()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(waits):
		l.w.t.Fatalf("the connector does not end:\n%s", &l.log)
		return nil
	}
}

// key is the public key of the certificate that the connector has now.
func (l *life) key() string {
	text, err := os.ReadFile(filepath.Join(l.state, "identity.pem"))
	if err != nil {
		l.w.t.Fatal(err)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			l.w.t.Fatal("no certificate in identity.pem")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			l.w.t.Fatal(err)
		}
		return string(c.RawSubjectPublicKeyInfo)
	}
}

// load signs users in until it is stopped, and counts those who did not get in.
func (w *world) load(users int) (stop func() (all, failed int64)) {
	var n, bad atomic.Int64
	over := make(chan struct{})
	var work sync.WaitGroup
	for range users {
		work.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(5 * time.Millisecond * slowness):
				}
				n.Add(1)
				if err := w.signIn(); err != nil {
					bad.Add(1)
					w.t.Logf("a sign-in: %v", err)
				}
			}
		})
	}
	stop = sync.OnceValues(func() (int64, int64) {
		close(over)
		work.Wait()
		return n.Load(), bad.Load()
	})
	w.t.Cleanup(func() { _, _ = stop() })
	return stop
}

// shortLife is a certificate's. A third of it is left when it is renewed, within
// which a busy machine must get that done, and a successor attached.
const shortLife = (4 + 2*slowness) * time.Second

// One connector, with nobody to hand anything off to, renews its certificate
// again and again under sign-ins: none is lost, and each has a new key.
func TestRenewalsUnderSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.CertificateLifetime = shortLife
	w.cfg.HeartbeatMisses = 20 // sessions end for the certificate, not for a busy machine
	w.serve()
	l := w.live("connector-1")
	w.attached(1)
	keys := map[string]bool{l.key(): true}
	stop := w.load(8)
	const renewals = 2
	w.eventually("renewals", func() bool {
		keys[l.key()] = true
		return len(w.happened(observe.CertificateRenewed, "connector-1")) >= renewals && len(keys) > renewals
	})
	w.eventually("the last successor took over", func() bool {
		return len(w.happened(observe.ConnectorAttached, "connector-1")) > renewals
	})
	all, failed := stop()
	n := w.counters()
	if failed != 0 || n.HandedOff != 0 || n.Failed != 0 || n.Accepted != uint64(all) || n.Attempts != uint64(all) {
		t.Errorf("of %d sign-ins %d failed: %+v", all, failed, n)
	}
	for _, e := range w.happened(observe.ConnectorLost, "") {
		if e.Cause != "succeeded" {
			t.Errorf("a session ended: %+v", e)
		}
	}
	if n.Connectors[0].Sessions < renewals+1 || !n.Connectors[0].Attached {
		t.Errorf("connector %+v", n.Connectors[0])
	}
}

// While port 9091 is blocked the connector serves, until the certificate ends.
func TestRenewalBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.CertificateLifetime = 6 * time.Second
	w.cfg.HeartbeatMisses = 20 // sessions end for the certificate, not for a busy machine
	w.serve()
	gate := observe.Gate{ID: "9091", Ports: []string{"9091"}, Mode: observe.GateRefuse}
	if err := w.observe.Put(context.Background(), "/gates/9091", gate, nil); err != nil {
		t.Fatal(err)
	}
	l := w.live("connector-1")
	w.attached(1)
	w.eventually("a failed renewal", func() bool { return strings.Contains(l.log.String(), "renewing the certificate") })
	if err := w.signIn(); err != nil {
		t.Errorf("before the end: %v", err)
	}
	err := l.end()
	if err == nil || !strings.Contains(err.Error(), "must be registered again, with a new token in PTABENCH_REGISTRATION_TOKEN") ||
		!strings.Contains(err.Error(), "expired") {
		t.Errorf("ended with %v", err)
	}
	w.eventually("the cloud says why", func() bool {
		lost := w.happened(observe.ConnectorLost, "connector-1")
		return len(lost) > 0 && lost[len(lost)-1].Cause == "certificate-expired"
	})
	if !strings.Contains(l.log.String(), "days_left") {
		t.Error("the log does not say how long the certificate has")
	}
	if err := w.signIn(); err == nil {
		t.Error("somebody got in without a connector")
	}
}

// A connector that deregisters leaves at once, with its key.
func TestDeregisters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	l := w.live("connector-1")
	w.attached(1)
	cfg := connector.Config{State: l.state, Cloud: filepath.Join(w.cfg.State, "cloud.json"), ConnectTimeout: 2 * time.Second}
	log := slog.New(slog.DiscardHandler)
	if err := connector.Deregister(context.Background(), log, cfg); err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err == nil || !strings.Contains(err.Error(), "the cloud has removed this connector: the connector must be registered again") {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(l.state, "identity.pem")); !os.IsNotExist(err) {
		t.Errorf("its key is still there: %v", err)
	}
	w.eventually("the cloud says so", func() bool {
		removed := w.happened(observe.ConnectorRemoved, "connector-1")
		return len(removed) == 1 && removed[0].Cause == "deregistered"
	})
	if err := connector.Deregister(context.Background(), log, cfg); err == nil || !strings.Contains(err.Error(), "it holds no certificate") {
		t.Errorf("once more: %v", err)
	}
}

// A connector keeps its registration over a restart of the cloud, and moves on
// to renew it there.
func TestRenewalAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.CertificateLifetime = shortLife
	w.cfg.HeartbeatMisses = 20 // sessions end for the certificate, not for a busy machine
	end := w.serve()
	l := w.live("connector-1")
	w.attached(1)
	key := l.key()
	w.eventually("a renewal", func() bool { return l.key() != key })
	key = l.key()
	end()
	w.serve()
	w.attached(1)
	if err := w.signIn(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	w.eventually("another key", func() bool { return l.key() != key })
	if err := w.signIn(); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}
