package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/population"
)

// fake is a server of others that does what a test says.
type fake struct {
	mistake, cannotStart, broken, why error
	ended                             chan struct{}
	setup                             chan Setup
	stopped                           chan struct{}
	anew                              bool
	change                            func(Change) error
}

func newFake() *fake {
	return &fake{ended: make(chan struct{}), setup: make(chan Setup, 1), stopped: make(chan struct{})}
}

func (f *fake) Kind() string          { return "fake" }
func (f *fake) Validate(Config) error { return f.mistake }
func (f *fake) Start(_ context.Context, setup Setup) (Serving, error) {
	f.setup <- setup
	if f.cannotStart != nil {
		return nil, f.cannotStart
	}
	return f, nil
}

func (f *fake) Served() Served {
	return Served{LDAP: "127.0.0.1:1", LDAPS: "127.0.0.1:2", Base: "dc=contoso", ServiceDN: "cn=service", Dialect: "ad", Anew: f.anew, Info: map[string]string{"more": "told"}}
}
func (f *fake) Change(_ context.Context, c Change) error { return f.change(c) }
func (f *fake) PIDs() []int                              { return []int{30, 4} }
func (f *fake) Ended() <-chan struct{}                   { return f.ended }
func (f *fake) Stop() error                              { close(f.stopped); return f.why }
func (f *fake) Counters(context.Context) (observe.DirectoryCounters, error) {
	return observe.DirectoryCounters{Counts: observe.CountsTotal, Total: 7}, f.broken
}

func serverConfig(t *testing.T) Config {
	return Config{
		Name: "directory", State: t.TempDir(), LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0",
		ServicePassword: "secret", ObserveToken: "token", Cache: "/cache",
		Population: population.Spec{Users: 10, Seed: 1, Domain: "contoso.test"},
	}
}

// serveFake runs a server until the test ends and returns what it says when it
// is ready.
func serveFake(t *testing.T, f *fake, cfg Config) (observe.Ready, <-chan error, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended, readies := make(chan error, 1), make(chan observe.Ready, 1)
	go func() {
		ended <- RunServer(ctx, slog.New(slog.DiscardHandler), cfg, f, func(r observe.Ready) { readies <- r })
	}()
	t.Cleanup(func() { stop(); <-f.stopped })
	select {
	case r := <-readies:
		return r, ended, stop
	case err := <-ended:
		t.Fatal(err)
	}
	panic("not reached")
}

func TestServerReady(t *testing.T) {
	f, cfg := newFake(), serverConfig(t)
	ready, ended, stop := serveFake(t, f, cfg)
	for key, want := range map[string]string{
		"base_dn": "dc=contoso", "service_dn": "cn=service", "domain": "contoso.test", "kind": "fake", "dialect": "ad", "pids": "4,30", "more": "told",
	} {
		if ready.Info[key] != want {
			t.Errorf("%s is %q, expected %q", key, ready.Info[key], want)
		}
	}
	if ready.Role != "directory" || ready.Ports["ldap"] != "127.0.0.1:1" || ready.Ports["ldaps"] != "127.0.0.1:2" {
		t.Errorf("%+v", ready)
	}
	if ca, err := os.ReadFile(filepath.Join(cfg.State, "ca.pem")); err != nil || string(ca) != ready.CAPEM {
		t.Errorf("the authority is not that of the state directory: %v", err)
	}
	setup := <-f.setup
	if setup.ServicePassword != "secret" || setup.State != filepath.Join(cfg.State, "fake") || setup.Cache != "/cache" || setup.Users.Len() != 10 {
		t.Errorf("%+v", setup)
	}
	certFile, keyFile, err := setup.Certify("10.1.2.3", "dc1.contoso.test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"10.1.2.3", "dc1.contoso.test", "127.0.0.1"} {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
}

func TestServerEnds(t *testing.T) {
	f := newFake()
	f.why = errors.New("killed")
	_, ended, _ := serveFake(t, f, serverConfig(t))
	close(f.ended)
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "fake ended: killed") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
}

func TestServerDoesNotStart(t *testing.T) {
	f := newFake()
	f.cannotStart = errors.New("no room")
	never := func(observe.Ready) { t.Error("is ready") }
	err := RunServer(t.Context(), slog.New(slog.DiscardHandler), serverConfig(t), f, never)
	if err == nil || err.Error() != "fake: no room" {
		t.Errorf("%v", err)
	}
}

func TestServerObserve(t *testing.T) {
	f := newFake()
	ready, _, _ := serveFake(t, f, serverConfig(t))
	client := observe.Client{Address: ready.Ports["observe"], Token: "token"}
	var counted observe.DirectoryCounters
	if err := client.Get(t.Context(), "/counters", &counted); err != nil || counted.Total != 7 || counted.Counts != observe.CountsTotal {
		t.Errorf("%+v, %v", counted, err)
	}
	for _, path := range []string{"/binds", "/faults", "/gates"} {
		if err := client.Get(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), path+": fake has none") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := client.Put(t.Context(), "/faults/1", observe.BindFault{}, nil); err == nil || !strings.Contains(err.Error(), "501") {
		t.Errorf("a fault: %v", err)
	}
	if err := client.Put(t.Context(), "/hash-store/1", observe.HashFault{Changed: 1}, nil); err == nil || !strings.Contains(err.Error(), "hash sync is not set up") {
		t.Errorf("a fault of the hash store: %v", err)
	}
	if err := (&observe.Client{Address: ready.Ports["observe"], Token: "another"}).Get(t.Context(), "/counters", nil); err == nil {
		t.Error("anybody may see the counters")
	}
	answer, err := http.Get("http://" + ready.Ports["observe"] + "/metrics")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("metrics: %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
	f.broken = errors.New("it does not say")
	if err := client.Get(t.Context(), "/counters", &counted); err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "asking fake: it does not say") {
		t.Errorf("%v", err)
	}
}

// TestServerChanges: an event is kept when the server has made the account so,
// asked for again until then, and made again where the accounts are.
func TestServerChanges(t *testing.T) {
	cfg := serverConfig(t)
	users, err := cfg.users()
	if err != nil {
		t.Fatal(err)
	}
	var asked []Change
	var answer error
	change := func(c Change) error { asked = append(asked, c); return answer }
	serve := func(anew bool) (client observe.Client, end func()) {
		f := newFake()
		f.anew, f.change = anew, change
		ready, ended, stop := serveFake(t, f, cfg)
		return observe.Client{Address: ready.Ports["observe"], Token: "token"}, func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	client, end := serve(true)
	post := func(seq uint64, kind population.EventKind) (applied observe.AppliedChange, err error) {
		want := observe.AccountChange{Seq: seq, User: users.UPN(3), Kind: string(kind)}
		return applied, client.Post(t.Context(), "/accounts", want, &applied)
	}
	answer = errors.New("the line is dead")
	if _, err := post(1, population.ChangePassword); err == nil || observe.Refused(err) || !strings.Contains(err.Error(), "the line is dead") {
		t.Errorf("a server that does not answer: %v", err)
	}
	answer = fmt.Errorf("no such user: %w", ErrRefused)
	if _, err := post(1, population.ChangePassword); !observe.Refused(err) || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("a server that refuses: %v", err)
	}
	answer = nil
	applied, err := post(1, population.ChangePassword)
	if err != nil || applied.Version != 1 {
		t.Errorf("%+v, %v", applied, err)
	}
	password := Change{User: 3, State: population.Active, Password: users.VersionOf(3, 1)}
	if !slices.Equal(asked, []Change{password, password, password}) {
		t.Errorf("asked for %+v", asked)
	}
	if again, err := post(1, population.ChangePassword); err != nil || again != applied || len(asked) != 3 {
		t.Errorf("the same event: %+v, %v, asked %d times", again, err, len(asked))
	}
	if _, err := post(2, population.Lock); err != nil || asked[3] != (Change{User: 3, State: population.Locked}) {
		t.Errorf("%+v, %v", asked[3:], err)
	}
	end()

	asked = nil
	client, end = serve(false)
	if _, err := post(2, population.Lock); err != nil || len(asked) != 0 {
		t.Errorf("the last event after a restart: %v, asked for %+v", err, asked)
	}
	end()
	client, end = serve(true)
	password.State = population.Locked
	if !slices.Equal(asked, []Change{password}) {
		t.Errorf("when the accounts were made anew it is asked for %+v", asked)
	}
	if _, err := post(3, population.Unlock); err != nil {
		t.Error(err)
	}
	end()
}

// TestServerMistakes are all reported at once.
func TestServerMistakes(t *testing.T) {
	f, cfg := newFake(), serverConfig(t)
	f.mistake = errors.New("is not installed")
	cfg.Delay, cfg.BindLog, cfg.Population.Users, cfg.SyncPassword = time.Second, "binds.csv", 0, "secret"
	err := cfg.ValidateFor(f)
	for _, want := range []string{"is not installed", "delay 1s: expected none", `bind-log "binds.csv": expected none`, "users 0", "sync account: expected none"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if err := serverConfig(t).ValidateFor(newFake()); err != nil {
		t.Errorf("without a mistake: %v", err)
	}
}

// TestKeyOf: what makes other users, or the same in other states, has another
// key.
func TestKeyOf(t *testing.T) {
	key := func(change func(*population.Spec)) string {
		spec := serverConfig(t).Population
		change(&spec)
		users, err := population.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		return keyOf(users)
	}
	same := key(func(*population.Spec) {})
	if same != key(func(s *population.Spec) { s.Shares = map[population.State]float64{population.Locked: 0} }) {
		t.Error("equal users have two keys")
	}
	for name, change := range map[string]func(*population.Spec){
		"users":  func(s *population.Spec) { s.Users = 11 },
		"seed":   func(s *population.Spec) { s.Seed = 2 },
		"domain": func(s *population.Spec) { s.Domain = "fabrikam.test" },
		"states": func(s *population.Spec) { s.Shares = map[population.State]float64{population.Locked: 0.1} },
	} {
		if key(change) == same {
			t.Errorf("other %s have the same key", name)
		}
	}
}
