package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/bind"
	"ptabench/observe"
	"ptabench/onprem/directory"
	"ptabench/onprem/samba"
	"ptabench/onprem/slapd"
	"ptabench/wire"
)

// kinds are those that must conform.
var kinds = []struct {
	name   string
	server directory.Server // nil for the test directory
}{
	{"embedded", nil},
	{"slapd", slapd.Server{}},
	{"samba", samba.Server{}},
}

// requireAll is set where a kind that cannot be tested is a failure.
const requireAll = "PTABENCH_REQUIRE_DIRECTORY_TESTS"

const (
	servicePassword = "the service account's own: 4711"
	patience        = 30 * time.Second // for what takes a moment, on a busy machine
)

// A served is a directory that runs.
type served struct {
	cfg    directory.Config
	server directory.Server
	ready  observe.Ready
	stop   context.CancelFunc
	ended  chan error
}

// serve starts a directory of a kind over users, until the test ends. Kinds that
// cannot run here skip the test, unless none may.
func serve(t testing.TB, server directory.Server, users string) *served {
	t.Helper()
	cfg := directory.Config{
		Name: "directory", State: t.TempDir(), UsersFile: users, Cache: cache(t),
		LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0",
		ServicePassword: servicePassword, ObserveToken: "observer",
	}
	cfg.Population.Domain = "contoso.test"
	if server != nil {
		if err := cfg.ValidateFor(server); err != nil {
			if os.Getenv(requireAll) != "" {
				t.Fatal(err)
			}
			t.Skipf("%s is set where this must run: %v", requireAll, err)
		}
	}
	s := &served{cfg: cfg, server: server}
	s.start(t)
	t.Cleanup(func() { s.end(t) })
	return s
}

// cache is that of everybody, where there is one: a domain takes seconds to
// make.
func cache(t testing.TB) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(dir, "ptabench", "directories")
}

func (s *served) start(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.ended = stop, make(chan error, 1)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	ready := make(chan observe.Ready, 1)
	tell := func(r observe.Ready) { ready <- r }
	go func() { // ends by stop, and end waits for it
		if s.server == nil {
			s.ended <- directory.Run(ctx, log, s.cfg, tell)
		} else {
			s.ended <- directory.RunServer(ctx, log, s.cfg, s.server, tell)
		}
	}()
	select {
	case s.ready = <-ready:
	case err := <-s.ended:
		s.ended <- err
		t.Fatalf("ended before it was ready: %v", err)
	}
}

// end stops it and waits, for as often as it is called.
func (s *served) end(t testing.TB) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("ended with: %v", err)
		}
		s.ended <- nil
	case <-time.After(patience):
		t.Fatalf("did not end in %v", patience)
	}
}

// again starts it at the same addresses.
func (s *served) again(t testing.TB) {
	t.Helper()
	s.cfg.LDAP, s.cfg.LDAPS = s.ready.Ports["ldap"], s.ready.Ports["ldaps"]
	s.start(t)
}

// pool asks it as a connector does.
func (s *served) pool(t testing.TB, change func(*bind.Config)) *bind.Pool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.ready.CAPEM)) {
		t.Fatal("no authority")
	}
	servers, err := bind.ParseServers([]string{"ldaps://" + s.ready.Ports["ldaps"]})
	if err != nil {
		t.Fatal(err)
	}
	dialect, err := bind.ParseDialect(s.ready.Info["dialect"])
	if err != nil {
		t.Fatal(err)
	}
	cfg := bind.Config{
		Servers: servers, Dialect: dialect, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		Dial: (&net.Dialer{}).DialContext, Min: 2, Max: 64, BindTimeout: patience, DialTimeout: patience, Waiting: 1024,
		Account: s.ready.Info["service_dn"], Password: servicePassword, BaseDN: s.ready.Info["base_dn"],
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	pool := bind.Open(cfg)
	t.Cleanup(pool.Close)
	<-pool.Settled()
	return pool
}

// ask asks about one sign-in.
func ask(pool *bind.Pool, user, password string) wire.Result {
	answer := make(chan wire.Result, 1)
	now := time.Now()
	pool.Do(&bind.SignIn{
		User: user, Password: []byte(password), Taken: now, Deadline: now.Add(patience),
		Answer: func(_ *bind.SignIn, r wire.Result) { answer <- r },
	})
	return <-answer
}

// usersFile writes users to a file.
func usersFile(t testing.TB, users [][]string) string {
	t.Helper()
	var text strings.Builder
	w := csv.NewWriter(&text)
	if err := w.WriteAll(users); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
