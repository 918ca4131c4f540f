package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/docs/grafana"
	"ptabench/observe"
	"ptabench/wire"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the LDAP server library logs each connection that ends
	os.Exit(m.Run())
}

const (
	patience    = 15 * time.Second // until a test gives up waiting
	ann         = "ann@contoso.test"
	annSecret   = "ann's secret password"
	wrongSecret = "what is not ann's password"
	token       = "the token that reads the counters"
)

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// A running connector under test.
type running struct {
	t     testing.TB
	cfg   Config
	log   *lockedBuffer
	ready chan observe.Ready
	ended chan error
	stop  context.CancelFunc
	at    string // its observe address, once ready
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

func users() map[string]bindtest.User { return map[string]bindtest.User{ann: {Password: annSecret}} }

// settings are those of a connector of this cloud and directory.
func settings(t testing.TB, c *fakeCloud, d *bindtest.Server) Config {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, d.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{
		Name: "connector-1", Tenant: "contoso", Version: "test", Cloud: c.file, State: filepath.Join(t.TempDir(), "state"),
		Directory: []string{"ldaps://" + d.Address}, DirectoryCA: ca,
		BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
		Concurrency: 50, BindTimeout: 5 * time.Second, ConnectTimeout: 2 * time.Second,
		Observe: "127.0.0.1:0", ObserveToken: token, RegistrationToken: c.token(),
	}
}

// start runs a connector until the test ends.
func start(t testing.TB, cfg Config) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, cfg: cfg, log: &lockedBuffer{}, ready: make(chan observe.Ready, 1), ended: make(chan error, 1), stop: stop}
	go func() {
		r.ended <- Run(ctx, slog.New(slog.NewJSONHandler(r.log, nil)), cfg, func(o observe.Ready) { r.ready <- o })
	}()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-r.ended:
			if err != nil {
				t.Errorf("the connector ended with: %v", err)
			}
		case <-time.After(patience):
			t.Error("the connector does not end")
		}
		if t.Failed() {
			t.Logf("log of the connector:\n%s", r.log)
		}
	})
	return r
}

// serving waits until the connector is ready.
func (r *running) serving() *running {
	r.t.Helper()
	select {
	case ready := <-r.ready:
		r.at = ready.Ports["observe"]
	case err := <-r.ended:
		r.ended <- nil
		r.t.Fatalf("the connector ended before it was ready: %v", err)
	case <-time.After(patience):
		r.t.Fatal("the connector is not ready")
	}
	return r
}

func (r *running) counters() observe.AgentCounters {
	r.t.Helper()
	var c observe.AgentCounters
	client := observe.Client{Address: r.at, Token: token}
	if err := client.Get(r.t.Context(), "/counters", &c); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func expectResult(t *testing.T, c *fakeCloud, id uint64, want wire.Result) {
	t.Helper()
	if got := c.result(id); got != want {
		t.Errorf("sign-in %d: %v, want %v", id, got, want)
	}
}

func TestSignIns(t *testing.T) {
	c := newFakeCloud(t)
	d := bindtest.NewDirectory(t, map[string]bindtest.User{
		ann:     {Password: annSecret},
		"bob@c": {Password: "x", Refused: true, Attributes: map[string]string{"userAccountControl": "514", "pwdLastSet": "1"}},
	})
	cfg := settings(t, c, d.Server)
	cfg.Source = "127.0.0.9"
	r := start(t, cfg).serving()
	s := c.session(1)
	if s.port != "9352" || s.source != cfg.Source {
		t.Errorf("attached on port %s from %s, want 9352 from %s", s.port, s.source, cfg.Source)
	}
	if h := s.hello; h.Tenant != "contoso" || h.Version != "test" || h.Concurrency != 50 || h.HpkeKem != 0x647a || h.Protocol != 2 {
		t.Errorf("hello: %v", h)
	}
	s.give(given{id: 1, user: ann, password: annSecret}, given{id: 2, user: ann, password: wrongSecret}, given{id: 3, user: "bob@c", password: "x"})
	s.give(given{id: 4, user: "nobody@c", password: "x"}, given{id: 5, user: ann})
	if err := s.seal(); err != nil { // a new context, from the next on
		t.Fatal(err)
	}
	s.give(given{id: 6, user: ann, password: annSecret})
	for id, want := range map[uint64]wire.Result{
		1: wire.Result_RESULT_ACCEPTED, 2: wire.Result_RESULT_WRONG_PASSWORD, 3: wire.Result_RESULT_DISABLED,
		4: wire.Result_RESULT_UNKNOWN_USER, 5: wire.Result_RESULT_WRONG_PASSWORD, 6: wire.Result_RESULT_ACCEPTED,
	} {
		expectResult(t, c, id, want)
	}
	c.mu.Lock()
	if a := c.answers[1][0]; a.Attempt != 1 || a.DirectoryNs == 0 || a.ConnectorNs < a.DirectoryNs {
		t.Errorf("answer %v: want attempt 1, and more time in the connector than the directory's part of it", a)
	}
	c.mu.Unlock()
	got := r.counters()
	if got.Taken != 6 || got.Answers != 6 || got.Binds != 5 || got.BindReplies != 5 || got.ReasonLookups != 3 || got.CloudSessions != 1 ||
		got.Results["accepted"] != 2 || got.Results["wrong_password"] != 2 || got.Results["disabled"] != 1 || got.Results["unknown_user"] != 1 ||
		got.InFlight != 0 || !got.DirectoryReachable || got.Resent != 0 {
		t.Errorf("counters: %+v", got)
	}
	checkMetrics(t, r)
	// The directory, too, is dialled from there: binds, look-ups and all.
	if from := d.Sources(); len(from) != 1 || from[cfg.Source] < 3 {
		t.Errorf("the directory was dialled from %v; want %s only", from, cfg.Source)
	}
}

// metricsText is what /metrics says.
func (r *running) metricsText() string {
	r.t.Helper()
	resp, err := http.Get("http://" + r.at + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func checkMetrics(t *testing.T, r *running) {
	t.Helper()
	text := r.metricsText()
	for _, want := range []string{
		"(# PTA authentications)", "(# PTA failed authentications)", "(# PTA successful authentications)", "(# PTA authentication errors)",
		"\nptabench_connector_authentications_total 6\n", "\nptabench_connector_authentications_failed_total 4\n",
		"\nptabench_connector_authentications_successful_total 2\n", "\nptabench_connector_authentication_errors_total 0\n",
		"\nptabench_connector_in_flight 0\n", "\nptabench_connector_directory_seconds_count 5\n",
		"\nptabench_connector_results_total{result=\"disabled\"} 1\n", "\nptabench_connector_directory_reachable 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	for _, name := range grafana.Metrics("ptabench_connector_") {
		if !strings.Contains(text, "\n# TYPE "+name+" ") {
			t.Errorf("/metrics lacks %s, which the dashboard shows", name)
		}
	}
}

func TestConcurrency(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	release := d.Hold()
	defer release()
	cfg := settings(t, c, d.Server)
	cfg.Concurrency = 3
	start(t, cfg).serving()
	s := c.session(1)
	var all []given
	for id := uint64(1); id <= 5; id++ {
		all = append(all, given{id: id, user: ann, password: annSecret})
	}
	s.give(all...)
	expectResult(t, c, 4, wire.Result_RESULT_OVERLOADED)
	expectResult(t, c, 5, wire.Result_RESULT_OVERLOADED)
	release()
	for id := uint64(1); id <= 3; id++ {
		expectResult(t, c, id, wire.Result_RESULT_ACCEPTED)
	}
	s.give(given{id: 6, user: ann, password: annSecret})
	expectResult(t, c, 6, wire.Result_RESULT_ACCEPTED) // the refused ones were opened in turn
}

func TestWhatDoesNotOpen(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	s.give(given{id: 1, user: ann, garbage: true}, given{id: 2, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_CANNOT_OPEN)
	expectResult(t, c, 2, wire.Result_RESULT_ACCEPTED)
	var all []given
	for id := uint64(10); id < 10+unopened; id++ {
		all = append(all, given{id: id, user: ann, garbage: true})
	}
	s.give(all...)
	again := c.session(2) // with keys that fit
	if bytes.Equal(again.hello.HpkePublicKey, s.hello.HpkePublicKey) {
		t.Error("the new session has the old key")
	}
	again.give(given{id: 20, user: ann, password: annSecret})
	expectResult(t, c, 20, wire.Result_RESULT_ACCEPTED)
	if d.Binds(ann) != 2 {
		t.Errorf("%d binds, want only those of the 2 passwords that open", d.Binds(ann))
	}
}

func TestDirectoryDownAndUp(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	r := start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	d.Stop()
	eventually(t, "the cloud is told that the directory is away", func() bool {
		st := s.lastStatus()
		return st != nil && !st.DirectoryReachable && !st.Draining
	})
	s.give(given{id: 1, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	if r.counters().DirectoryReachable {
		t.Error("the counters call the directory reachable")
	}
	d.Start()
	eventually(t, "the cloud is told that it is back", func() bool { return s.lastStatus().DirectoryReachable })
	s.give(given{id: 2, user: ann, password: annSecret})
	expectResult(t, c, 2, wire.Result_RESULT_ACCEPTED)
	if got := r.counters(); got.DirectoryRedials == 0 || got.CloudSessions != 1 {
		t.Errorf("counters: %+v; want redials, in one session", got)
	}
}

func TestStartsWithoutDirectory(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	d.Stop()
	start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	eventually(t, "the cloud is told", func() bool { return s.lastStatus() != nil && !s.lastStatus().DirectoryReachable })
}

func TestDrain(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	release := d.Hold()
	defer release()
	r := start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	s.give(given{id: 1, user: ann, password: annSecret})
	eventually(t, "the bind is held", func() bool { return d.Binds(ann) == 1 })
	r.stop()
	eventually(t, "the cloud is told", func() bool { return s.lastStatus() != nil && s.lastStatus().Draining })
	s.give(given{id: 2, user: ann, password: wrongSecret}) // given before the cloud had read that
	select {
	case err := <-r.ended:
		t.Fatalf("ended with sign-ins in hand: %v", err)
	case <-time.After(3 * c.interval): // long enough to leave, if it did not wait
	}
	release()
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			t.Errorf("ended with %v, want nil", err)
		}
	case <-time.After(patience):
		t.Fatal("did not end")
	}
	expectResult(t, c, 1, wire.Result_RESULT_ACCEPTED)
	expectResult(t, c, 2, wire.Result_RESULT_WRONG_PASSWORD)
	if strings.Contains(r.log.String(), "drained not in time") { // it waits for what is not acknowledged
		t.Error("gave up draining")
	}
	<-s.done
	if !s.closed.Load() {
		t.Error("the connector broke the request stream off; want it closed in order")
	}
}

func TestStopsWhileNothingAnswers(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	c.block(append([]string{registrationPort}, requestPorts...)...)
	r := start(t, cfg)
	eventually(t, "it tries to register", func() bool { return strings.Contains(r.log.String(), "registering") })
	r.stop() // the cleanup sees that it ends, without an error
	c.unblock(registrationPort)
	cfg.RegistrationToken = c.token()
	r = start(t, cfg)
	eventually(t, "it tries to attach", func() bool { return strings.Contains(r.log.String(), "attaching") })
}

func TestNoSecretIsWritten(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	r := start(t, cfg).serving()
	s := c.session(1)
	s.give(given{id: 1, user: ann, password: annSecret}, given{id: 2, user: ann, password: wrongSecret})
	c.result(1)
	c.result(2)
	d.Stop()
	s.end()
	c.session(2).give(given{id: 3, user: ann, password: annSecret})
	c.result(3)
	counters, err := json.Marshal(r.counters())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	err = <-r.ended
	r.ended <- err
	written := map[string]string{"log": r.log.String(), "counters": string(counters)}
	for _, dir := range []string{cfg.State} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			written[f.Name()] = string(text)
		}
	}
	if len(written) != 4 || len(written["log"]) < 100 {
		t.Fatalf("looked at %d places, the log %d bytes long; want 4, and a log", len(written), len(written["log"]))
	}
	for where, text := range written {
		for _, secret := range []string{annSecret, wrongSecret, cfg.RegistrationToken, cfg.BindPassword, token} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %q", where, secret)
			}
		}
	}
}

func TestMistakesInTheConfiguration(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	good := settings(t, c, d.Server)
	if err := good.Validate(); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	nonsense := filepath.Join(t.TempDir(), "nonsense")
	if err := os.WriteFile(nonsense, []byte(`{"ports":{"9350":"here"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := Config{
		Name: "a b", Cloud: nonsense, Directory: []string{"ldap://127.0.0.1"}, DirectoryCA: nonsense, BindDN: "service", Source: "here",
		DirectoryOrder: "any", DirectoryDialect: "french", DirectoryNames: "{name}", NameAttribute: "a=*", ServerTimeout: -1,
		Concurrency: -1, Pool: -1, ConnectTimeout: -1, MaxPasswordAge: -1, Observe: "here", State: "",
	}
	err := Run(t.Context(), slog.New(slog.DiscardHandler), bad, func(observe.Ready) { t.Error("ready") })
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	for _, flag := range []string{
		"--name", "--tenant", "--cloud", "--state", "--directory ", "--directory-ca", "--directory-order", "--directory-dialect",
		"--directory-names", "--directory-name-attribute", "--directory-server-timeout", "--bind-dn", "--base-dn", "PTABENCH_DIRECTORY_PASSWORD",
		"--source", "--concurrency", "--pool", "--bind-timeout", "--connect-timeout", "--max-password-age", "--observe",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+flag) {
			t.Errorf("no line begins with %s:\n%v", flag, err)
		}
	}
	if pool, err := readCertificates(""); pool != nil || err != nil {
		t.Errorf("without a file: %v, %v, expected the system's authorities", pool, err)
	}
	for _, tt := range []struct {
		file, want string
	}{
		{"", "expected a file"},
		{nonsense + "-that-is-not-there", "no such file"},
		{c.file, ""},
	} {
		if _, err := readEndpoints(tt.file); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("cloud file %q: %v, want %q", tt.file, err, tt.want)
		}
	}
}
