package cloudsim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/cloudsim/dispatch"
	"ptabench/observe"
	"ptabench/page/pagetest"
	"ptabench/synchash"
)

// waits is how long a test waits for what must come.
const waits = 30 * time.Second

const (
	observeToken  = "observe-token-5f0c1d"
	hashSyncToken = "hash-sync-token-77e1a9"
)

// TestMain fails when the simulators of the tests leave goroutines behind.
func TestMain(m *testing.M) {
	if text := os.Getenv(childConfig); text != "" {
		os.Exit(child(text))
	}
	code := pagetest.Main(m)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	var left string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if left = leaked(); left == "" {
			break
		}
	}
	if left != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// childConfig holds the configuration of a simulator, in JSON, in the
// environment of a process that a test started to kill it.
const childConfig = "PTABENCH_TEST_CLOUDSIM"

// child is such a process: it writes its ready line to standard output and
// runs until standard input closes, if nothing kills it.
func child(config string) int {
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := Run(ctx, slog.New(slog.DiscardHandler), cfg, func(r observe.Ready) { _ = json.NewEncoder(os.Stdout).Encode(r) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// leaked returns the stacks of goroutines that run code of ours or of the
// servers, apart from the caller's.
func leaked() string {
	buf := make([]byte, 4<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	var left []string
	for _, s := range stacks[1:] { // the first is the caller's
		for _, word := range []string{"ptabench/", "google.golang.org/grpc", "net/http.", "go.etcd.io/bbolt"} {
			if strings.Contains(s, word) {
				left = append(left, s)
				break
			}
		}
	}
	return strings.Join(left, "\n\n")
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(waits)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", waits, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// lockedBuffer takes the log.
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

// cloud is a whole simulator under test.
type cloud struct {
	testing.TB
	cfg     Config
	ready   observe.Ready
	log     lockedBuffer
	ca      *x509.CertPool
	observe *observe.Client
	users   *http.Client
	cancel  context.CancelFunc
	ended   chan error
	stopped sync.Once

	mu      sync.Mutex
	events  []observe.Event
	secrets []string // that must be found nowhere
}

// settings are those of a simulator whose patience outlasts a busy machine.
func settings(t testing.TB) Config {
	return Config{
		Name: "cloudsim", State: filepath.Join(t.TempDir(), "state"), Listen: "127.0.0.1",
		Tenants: []Tenant{
			{Name: "contoso", Domains: []string{"contoso.test", "Example.test"}, Method: PassThrough, Fallback: Off},
			{Name: "fabrikam", Domains: []string{"fabrikam.test"}, Method: PassThrough, Fallback: Automatic},
		},
		Queue: dispatch.Settings{Policy: dispatch.FirstAvailable, Handoff: true, Attempts: 3, Deadline: 20 * time.Second,
			AttemptTimeout: 20 * time.Second, Queue: 1000, Threshold: 5, Probe: 10 * time.Millisecond},
		Heartbeat: 250 * time.Millisecond, HeartbeatMisses: 20,
		SealRollover: time.Hour, SealRolloverCount: 1 << 20, CertificateLifetime: time.Hour, CRLValidity: time.Hour,
		ObserveToken: observeToken, HashSyncToken: hashSyncToken,
		limits: limits{request: 5 * time.Second, first: 5 * time.Second, shutdown: 20 * time.Second, syncBatch: 1 << 20},
	}
}

// start runs a simulator until the test ends. Afterwards no secret may be in
// its log or its files.
func start(t testing.TB, change ...func(*Config)) *cloud {
	t.Helper()
	cfg := settings(t)
	for _, f := range change {
		f(&cfg)
	}
	c := &cloud{TB: t, cfg: cfg, ended: make(chan error, 1)}
	c.secret(cfg.ObserveToken, cfg.HashSyncToken, password)
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	ready := make(chan observe.Ready, 1)
	log := slog.New(slog.NewJSONHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { c.ended <- Run(ctx, log, cfg, func(r observe.Ready) { ready <- r }) }()
	t.Cleanup(c.end)
	select {
	case c.ready = <-ready:
	case err := <-c.ended:
		c.ended <- err
		t.Fatalf("the simulator ended before it was ready: %v", err)
	case <-time.After(waits):
		t.Fatal("the simulator is not ready")
	}
	c.ca = x509.NewCertPool()
	if !c.ca.AppendCertsFromPEM([]byte(c.ready.CAPEM)) {
		t.Fatal("the ready line has no certificate")
	}
	c.observe = &observe.Client{Address: c.ready.Ports["observe"], Token: cfg.ObserveToken,
		HTTP: &http.Client{Transport: &http.Transport{}}}
	c.users = &http.Client{Timeout: waits, Transport: &http.Transport{MaxIdleConnsPerHost: 64,
		TLSClientConfig: &tls.Config{RootCAs: c.ca}, ForceAttemptHTTP2: false}}
	var watch sync.WaitGroup
	watch.Go(func() {
		_ = c.observe.Events(ctx, func(e observe.Event) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, e)
		})
	})
	t.Cleanup(watch.Wait)
	t.Cleanup(c.end) // runs before watch.Wait
	return c
}

// secret notes texts that must be found nowhere.
func (c *cloud) secret(texts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, texts...)
}

// stop ends the simulator and returns what Run did.
func (c *cloud) stop() error {
	if c.users != nil { // of a connection that nobody used yet, the server waits for a first request
		c.users.CloseIdleConnections()
	}
	c.cancel()
	select {
	case err := <-c.ended:
		c.ended <- err
		return err
	case <-time.After(waits):
		return errors.New("the simulator does not end")
	}
}

func (c *cloud) end() {
	c.stopped.Do(func() {
		c.Helper()
		if err := c.stop(); err != nil {
			c.Errorf("the simulator ended with: %v", err)
		}
		if c.users != nil {
			c.users.CloseIdleConnections()
			c.observe.HTTP.CloseIdleConnections()
		}
		c.findNoSecret()
		if c.Failed() {
			c.Logf("log:\n%s", c.log.String())
		}
	})
}

func (c *cloud) findNoSecret() {
	places := map[string]string{"log": c.log.String()}
	err := filepath.WalkDir(c.cfg.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		places[path] = string(b)
		return err
	})
	if err != nil {
		c.Error(err)
	}
	if c.cfg.SignInLog != "" {
		b, err := os.ReadFile(c.cfg.SignInLog)
		if err != nil {
			c.Error(err)
		}
		places["sign-in log"] = string(b)
	}
	for where, text := range places {
		for _, s := range c.secrets {
			if s != "" && strings.Contains(text, s) {
				c.Errorf("the secret %q is in %s", s, where)
			}
		}
	}
}

// happened returns the events so far that are of a kind.
func (c *cloud) happened(kind observe.Kind) (found []observe.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// event waits for an event of a kind and a cause, any cause if that is empty,
// and returns the first.
func (c *cloud) event(kind observe.Kind, cause string) (found observe.Event) {
	c.Helper()
	eventually(c, fmt.Sprintf("event %s %s", kind, cause), func() bool {
		for _, e := range c.happened(kind) {
			if cause == "" || e.Cause == cause {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func (c *cloud) counters() observe.CloudCounters {
	c.Helper()
	var n observe.CloudCounters
	if err := c.observe.Get(context.Background(), "/counters", &n); err != nil {
		c.Fatal(err)
	}
	return n
}

func (c *cloud) tenant(name string) observe.TenantCounters {
	c.Helper()
	for _, t := range c.counters().Tenants {
		if t.Name == name {
			return t
		}
	}
	c.Fatalf("no counters of %s", name)
	return observe.TenantCounters{}
}

// connector returns the counters of a connector of contoso.
func (c *cloud) connector(name string) observe.ConnectorCounters {
	for _, n := range c.tenant("contoso").Connectors {
		if n.Name == name {
			return n
		}
	}
	return observe.ConnectorCounters{}
}

// denied waits until input was refused for the reason n times.
func (c *cloud) denied(reason string, n uint64) {
	c.Helper()
	var got map[string]uint64
	deadline := time.Now().Add(waits)
	for {
		if got = c.counters().Denied; got[reason] == n {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("denied %v; expected %d times %s", got, n, reason)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// reply is what the sign-in endpoint answered.
type reply struct {
	status int
	header http.Header
	body   []byte
	errorBody
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
	Type   string `json:"token_type"`
	Expiry int    `json:"expires_in"`
	Scope  string `json:"scope"`
}

// code is the answer's AADSTS code, 0 for none.
func (r *reply) code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

func (r *reply) String() string {
	return fmt.Sprintf("%d %.300s %v", r.status, r.body, r.header)
}

// serial numbers the sign-ins of all tests, for their request IDs.
var serial atomic.Uint32

const clientID = "1b730954-1685-4b74-9bfd-dac224a7b894"

func form(user, password string) url.Values {
	return url.Values{"grant_type": {"password"}, "client_id": {clientID}, "scope": {"openid"},
		"username": {user}, "password": {password}}
}

// do sends a request and reads its answer.
func (c *cloud) do(r *http.Request) *reply {
	a, err := c.try(r)
	if err != nil {
		c.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return &reply{}
	}
	return a
}

func (c *cloud) try(r *http.Request) (*reply, error) {
	resp, err := c.users.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &reply{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(a.body, a); err != nil {
			return nil, fmt.Errorf("%s: %w", a.body, err)
		}
	}
	return a, nil
}

func (c *cloud) url(path string) string { return "https://" + c.ready.Ports["443"] + path }

// request is a POST of a form to the token endpoint of a tenant.
func (c *cloud) request(tenant, body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, c.url("/"+tenant+"/oauth2/v2.0/token"), strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Client-Request-Id", fmt.Sprintf("0190b2c4-0000-8000-8000-0000%08x", serial.Add(1)))
	return r
}

// signIn signs in by the tenant that the user's domain tells.
func (c *cloud) signIn(user, password string) *reply {
	c.secret(password)
	return c.do(c.request("organizations", form(user, password).Encode()))
}

// later signs in while the test goes on.
func (c *cloud) later(user, password string) chan *reply {
	answered := make(chan *reply, 1)
	go func() { answered <- c.signIn(user, password) }()
	return answered
}

func (c *cloud) await(answered chan *reply) *reply {
	c.Helper()
	select {
	case r := <-answered:
		return r
	case <-time.After(waits):
		c.Fatal("a sign-in is not answered")
		return nil
	}
}

// expect checks how a sign-in ended: the HTTP status, the code, who decided
// and how many attempts it took.
func (c *cloud) expect(r *reply, status, code int, method Method, connector string, attempts string) {
	c.Helper()
	h := r.header
	if r.status != status || r.code() != code || h.Get(headerMethod) != string(method) ||
		h.Get(headerConnector) != connector || h.Get(headerAttempts) != attempts {
		c.Errorf("got %v;\nexpected %d, code %d, method %q, connector %q, attempts %s",
			r, status, code, method, connector, attempts)
	}
}

// push sends accounts to the hash store, and expects an HTTP status.
func (c *cloud) push(tenant, token, body string, status int) string {
	c.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://"+c.ready.Ports["hashsync"]+"/"+tenant+"/hashsync/accounts",
		strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	a := c.do(r)
	if a.status != status {
		c.Errorf("pushing %.80q: %v; expected %d", body, a, status)
	}
	return string(a.body)
}

// account is a line of a push; without a password it has no hash.
func account(upn, password string, disabled bool) string {
	a := syncedAccount{UPN: upn, Disabled: disabled}
	if password != "" {
		h := synchash.New(password)
		a.Salt, a.Hash = h.Salt[:], h.Sum[:]
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}
