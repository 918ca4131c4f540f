package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
)

const (
	testToken    = "observe-token-of-this-test"
	testPassword = "service-password-of-this-test"
)

// running is a directory under test.
type running struct {
	t       testing.TB
	cfg     Config
	ready   observe.Ready
	users   *population.Population
	log     *lines
	stop    func() // ends it and waits; may be called twice
	observe *observe.Client
}

// lines is a log that a test can read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// everyState is a share of each state that a small population can have.
var everyState = map[population.State]float64{
	population.Disabled: .05, population.Locked: .05, population.PasswordExpired: .05,
	population.MustChange: .05, population.AccountExpired: .05,
}

func testConfig(t testing.TB) Config {
	return Config{
		Name:       "directory",
		Population: population.Spec{Seed: 11, Users: 200, Domain: "contoso.test", Shares: everyState},
		State:      t.TempDir(), LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0",
		ServicePassword: testPassword, ObserveToken: testToken,
	}
}

// start runs a directory until the test ends.
func start(t testing.TB, cfg Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log := &lines{}
	ready, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, slog.New(slog.NewJSONHandler(log, nil)), cfg, func(r observe.Ready) { ready <- r })
	}()
	r := &running{t: t, cfg: cfg, log: log}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	t.Cleanup(r.stop)
	select {
	case r.ready = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	users, err := population.New(cfg.Population)
	if err != nil {
		t.Fatal(err)
	}
	r.users = users
	r.observe = &observe.Client{Address: r.ready.Ports["observe"], Token: testToken}
	return r
}

// refused runs a directory that must not become ready, and returns why not.
func refused(t *testing.T, cfg Config, log io.Writer) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return Run(ctx, slog.New(slog.NewJSONHandler(log, nil)), cfg, func(observe.Ready) {
		t.Error("the directory became ready")
		cancel()
	})
}

// trust is the TLS configuration of a client that verifies the directory.
func (r *running) trust() *tls.Config {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.ready.CAPEM)) {
		r.t.Fatal("the ready line holds no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// dial connects by LDAPS.
func (r *running) dial() *client.Conn {
	r.t.Helper()
	return r.dialFrom("127.0.0.1")
}

// dialFrom connects by LDAPS from an address of this machine.
func (r *running) dialFrom(source string) *client.Conn {
	r.t.Helper()
	conn, err := r.tryFrom(source)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func (r *running) tryFrom(source string) (*client.Conn, error) {
	conn, err := client.DialURL("ldaps://"+r.ready.Ports["ldaps"], client.DialWithTLSConfig(r.trust()),
		client.DialWithDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 20 * time.Second}))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(20 * time.Second)
	r.t.Cleanup(func() { conn.Close() })
	return conn, nil
}

// service connects and binds as the service account.
func (r *running) service() *client.Conn {
	r.t.Helper()
	conn := r.dial()
	if err := conn.Bind(r.ready.Info["service_dn"], testPassword); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// raw opens a plain TCP connection, or one with TLS.
func (r *running) raw(port string) net.Conn {
	r.t.Helper()
	var (
		conn net.Conn
		err  error
	)
	if port == "ldaps" {
		conn, err = tls.Dial("tcp", r.ready.Ports[port], r.trust())
	} else {
		conn, err = net.Dial("tcp", r.ready.Ports[port])
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *running) counters() observe.DirectoryCounters {
	r.t.Helper()
	var c observe.DirectoryCounters
	if err := r.observe.Get(context.Background(), "/counters", &c); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// in returns the first user in a state.
func (r *running) in(s population.State) int {
	r.t.Helper()
	if len(r.users.In(s)) == 0 {
		r.t.Fatalf("the population has no %s user", s)
	}
	return r.users.In(s)[0]
}

// bind returns the result code of a bind; go-ldap itself refuses to send an
// empty password, so that case is asked for by name.
func bind(t testing.TB, conn *client.Conn, name, password string) uint16 {
	t.Helper()
	_, err := conn.SimpleBind(&client.SimpleBindRequest{Username: name, Password: password, AllowEmptyPassword: true})
	return resultCode(t, err)
}

func resultCode(t testing.TB, err error) uint16 {
	t.Helper()
	if err == nil {
		return client.LDAPResultSuccess
	}
	code, ok := err.(*client.Error)
	if !ok || code.ResultCode >= client.ErrorNetwork {
		t.Fatalf("no answer: %v", err)
	}
	return code.ResultCode
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// readAll reads what the directory says until it closes the connection.
func readAll(t testing.TB, conn net.Conn) []byte {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatal("the directory kept the connection open")
	}
	return answer
}
