package cloudsim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/cloudsim"
	"ptabench/cloudsim/dispatch"
	"ptabench/connector"
	"ptabench/observe"
)

// The tests of this package are those that need both ends of the protocol as
// they are: the simulator and real connectors.

const (
	waits         = 30 * time.Second
	user          = "ann@contoso.test"
	password      = "ann's secret password"
	observeSecret = "observe-token-of-these-tests"
)

// A world is a simulator, connectors of one tenant, and their directory.
type world struct {
	t         *testing.T
	cfg       cloudsim.Config
	directory *bindtest.Directory
	ready     observe.Ready
	observe   *observe.Client
	users     *http.Client

	log  lockedBuffer      // of the connectors
	ends map[string]string // what connectors are to end with, by name; else with nothing

	mu     sync.Mutex
	events []observe.Event
}

func newWorld(t *testing.T) *world {
	return &world{t: t,
		directory: bindtest.NewDirectory(t, map[string]bindtest.User{user: {Password: password}}),
		cfg: cloudsim.Config{
			Name: "cloudsim", State: filepath.Join(t.TempDir(), "state"), Listen: "127.0.0.1",
			Tenants: []cloudsim.Tenant{{Name: "contoso", Domains: []string{"contoso.test"}, Method: cloudsim.PassThrough, Fallback: cloudsim.Off}},
			Queue: dispatch.Settings{Policy: dispatch.LeastOutstanding, Handoff: true, Attempts: 3, Deadline: 20 * time.Second,
				AttemptTimeout: 20 * time.Second, Queue: 1000, Threshold: 5, Probe: 50 * time.Millisecond},
			Heartbeat: 100 * time.Millisecond, HeartbeatMisses: 3,
			SealRollover: time.Hour, SealRolloverCount: 1 << 20, CertificateLifetime: time.Hour, CRLValidity: time.Hour,
			ObserveToken: observeSecret,
		}}
}

// serve runs the simulator within this process until end is called, or the test
// ends.
func (w *world) serve() (end func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() {
		ended <- cloudsim.Run(ctx, slog.New(slog.DiscardHandler), w.cfg, func(r observe.Ready) { ready <- r })
	}()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the simulator ended with %v", err)
		}
	})
	w.t.Cleanup(end)
	select {
	case r := <-ready:
		w.found(r)
	case err := <-ended:
		ended <- nil
		w.t.Fatalf("the simulator ended: %v", err)
	case <-time.After(waits):
		w.t.Fatal("the simulator is not ready")
	}
	return end
}

// found takes a simulator's ready line, and watches its events from then on.
func (w *world) found(r observe.Ready) {
	w.t.Helper()
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM([]byte(r.CAPEM)) {
		w.t.Fatal("the ready line has no certificate")
	}
	w.ready = r
	w.observe = &observe.Client{Address: r.Ports["observe"], Token: observeSecret, HTTP: &http.Client{Transport: &http.Transport{}}}
	users := &http.Transport{MaxIdleConnsPerHost: 64, TLSClientConfig: &tls.Config{RootCAs: ca}}
	w.users = &http.Client{Timeout: waits, Transport: users}
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	client := w.observe
	watch.Go(func() {
		_ = client.Events(ctx, func(e observe.Event) { // ends with the simulator
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		})
	})
	w.t.Cleanup(func() {
		cancel()
		watch.Wait()
		users.CloseIdleConnections()
	})
}

// happened is the events of a kind so far, of one connector unless name is
// empty.
func (w *world) happened(kind observe.Kind, name string) (found []observe.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind && (name == "" || e.Connector == name) {
			found = append(found, e)
		}
	}
	return found
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(waits); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not in %v: %s", waits, what)
		}
	}
}

// token is for one registration.
func (w *world) token() string {
	w.t.Helper()
	var got struct{ Token string }
	if err := w.observe.Post(context.Background(), "/tenants/contoso/registration-tokens", nil, &got); err != nil {
		w.t.Fatal(err)
	}
	return got.Token
}

// connectorSettings are of a connector that has yet to register.
func (w *world) connectorSettings(name string) connector.Config {
	w.t.Helper()
	dir := w.t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, w.directory.CAPEM, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return connector.Config{
		Name: name, Tenant: "contoso", Version: "test", Cloud: filepath.Join(w.cfg.State, "cloud.json"), State: dir,
		Directory: []string{"ldaps://" + w.directory.Address}, DirectoryCA: ca,
		BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
		Concurrency: 50, BindTimeout: 10 * time.Second, ConnectTimeout: 2 * time.Second,
		Observe: "127.0.0.1:0", RegistrationToken: w.token(),
	}
}

// run has a connector run until stop is called; ended is what Run returned.
func (w *world) run(cfg connector.Config) (attached chan struct{}, ended chan error, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	attached, ended = make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- connector.Run(ctx, slog.New(slog.NewTextHandler(&w.log, nil)), cfg, func(observe.Ready) { close(attached) })
	}()
	return attached, ended, cancel
}

// connect runs a connector within this process until the test ends.
func (w *world) connect(name, source string) {
	w.t.Helper()
	cfg := w.connectorSettings(name)
	cfg.Source = source
	_, ended, cancel := w.run(cfg)
	w.t.Cleanup(func() {
		cancel()
		err := <-ended
		if want := w.ends[name]; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			w.t.Errorf("%s ended with %v; expected %q", name, err, want)
		}
	})
}

// attached waits until so many connectors are.
func (w *world) attached(n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d connectors are attached", n), func() bool {
		there := 0
		for _, c := range w.counters().Connectors {
			if c.Attached {
				there++
			}
		}
		return there == n
	})
}

func (w *world) counters() observe.TenantCounters {
	w.t.Helper()
	var c observe.CloudCounters
	if err := w.observe.Get(context.Background(), "/counters", &c); err != nil {
		w.t.Fatal(err)
	}
	return c.Tenants[0]
}

// attempts is how many sign-ins a connector was given.
func (w *world) attempts(name string) uint64 {
	for _, c := range w.counters().Connectors {
		if c.Name == name {
			return c.Attempts
		}
	}
	return 0
}

// signIn is one sign-in of a user with the right password.
func (w *world) signIn() error {
	form := url.Values{"grant_type": {"password"}, "client_id": {"test"}, "username": {user}, "password": {password}, "scope": {"openid"}}
	r, err := w.users.Post("https://"+w.ready.Ports["443"]+"/contoso/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		var e struct {
			Codes []int `json:"error_codes"`
		}
		_ = json.Unmarshal(body, &e)
		return fmt.Errorf("HTTP %d, codes %v", r.StatusCode, e.Codes)
	}
	return nil
}
