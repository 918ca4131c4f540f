package directory

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
)

func TestReadyLine(t *testing.T) {
	r := start(t, testConfig(t))
	if r.ready.Role != "directory" || r.ready.Name != "directory" {
		t.Errorf("role %q, name %q", r.ready.Role, r.ready.Name)
	}
	for _, port := range []string{"ldap", "ldaps", "observe"} {
		if _, n, err := net.SplitHostPort(r.ready.Ports[port]); err != nil || n == "0" {
			t.Errorf("port %s = %q", port, r.ready.Ports[port])
		}
	}
	for name, want := range map[string]string{
		"base_dn": base, "service_dn": "cn=ptabench-connector,ou=services," + base, "domain": "contoso.test",
	} {
		if r.ready.Info[name] != want {
			t.Errorf("%s = %q, want %q", name, r.ready.Info[name], want)
		}
	}
	written, err := os.ReadFile(filepath.Join(r.cfg.State, authorityFile))
	if err != nil || string(written) != r.ready.CAPEM {
		t.Errorf("the authority in the state directory is not that of the ready line: %v", err)
	}
}

func TestRestartKeepsIdentity(t *testing.T) {
	cfg := testConfig(t)
	cfg.ServicePassword = "" // so that the directory makes one
	first := start(t, cfg)
	password, err := os.ReadFile(filepath.Join(cfg.State, passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	first.stop()
	second := start(t, cfg)
	if first.ready.CAPEM != second.ready.CAPEM {
		t.Error("the authority changed")
	}
	second.ready.CAPEM = first.ready.CAPEM
	conn := second.dial() // trusts what the first one said
	if err := conn.Bind(second.ready.Info["service_dn"], string(password)); err != nil {
		t.Errorf("binding with the password that the first start made: %v", err)
	}
	for _, secret := range []string{keyFile, passwordFile} {
		info, err := os.Stat(filepath.Join(cfg.State, secret))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %#o", secret, mode)
		}
	}
}

// TestNoPasswordIsWritten looks for every password in every file and the log.
func TestNoPasswordIsWritten(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	for i := range r.users.Len() {
		bind(t, conn, r.users.UPN(i), r.users.Password(i))
		bind(t, conn, r.users.UPN(i), r.users.WrongPassword(i))
	}
	bind(t, conn, r.ready.Info["service_dn"], testPassword)
	r.stop()
	texts := map[string][]byte{"the log": []byte(r.log.String())}
	err := filepath.WalkDir(r.cfg.State, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		texts[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) != 4 { // with the authority, its key and the events
		t.Errorf("files: %d", len(texts))
	}
	for name, text := range texts {
		for i := range r.users.Len() {
			if bytes.Contains(text, []byte(r.users.Password(i))) || bytes.Contains(text, []byte(r.users.WrongPassword(i))) {
				t.Errorf("%s holds a password of user %d", name, i)
			}
		}
		if bytes.Contains(text, []byte(testPassword)) || bytes.Contains(text, []byte(testToken)) {
			t.Errorf("%s holds the service account's password or a token", name)
		}
	}
}

// TestStop holds that a directory answers what it was asked, closes idle
// connections, and listens no more.
func TestStop(t *testing.T) {
	cfg := testConfig(t)
	cfg.Delay = 5 * time.Minute // ends with the directory
	r := start(t, cfg)
	idle, half := r.service(), r.raw("ldap")
	if _, err := half.Write([]byte{tagSequence, 50, tagInteger}); err != nil { // never finished
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", r.ready.Ports["ldaps"]) // never begins its handshake
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	busy, i := r.dial(), r.in(population.Active)
	busy.SetTimeout(time.Minute)
	answered := make(chan error, 1)
	go func() { answered <- busy.Bind(r.users.UPN(i), r.users.Password(i)) }()
	eventually(t, "four connections and a bind", func() bool {
		c := r.counters()
		return c.Open == 4 && c.Binds["success"] == 1
	})
	r.stop()
	if err := <-answered; err != nil {
		t.Errorf("the bind that was under way: %v", err)
	}
	if _, err := find(idle, base, client.ScopeBaseObject, "(objectClass=*)"); err == nil {
		t.Error("an idle connection still answers")
	}
	readAll(t, half)
	readAll(t, silent)
	for _, port := range []string{"ldap", "ldaps", "observe"} {
		if conn, err := net.Dial("tcp", r.ready.Ports[port]); err == nil {
			conn.Close()
			t.Errorf("%s still accepts", port)
		}
	}
}

// TestIdleSessionsEnd holds that a session that waits for its client, between
// messages or within one, ends when told to and need not be cut off.
func TestIdleSessionsEnd(t *testing.T) {
	for name, begun := range map[string][]byte{"between messages": nil, "within a message": {tagSequence, 50}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, peer := net.Pipe()
				defer peer.Close()
				all := newSessions(newCounts(1))
				one := newSession(server, nil, nil, all.counts, slog.New(slog.DiscardHandler), all.remove)
				if !all.add(one) {
					t.Fatal("not added")
				}
				go func() { // as glauth's server would; stop waits for its end
					_, _ = one.Read(make([]byte, 1))
					_ = one.Close()
				}()
				if _, err := peer.Write(begun); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if cut := all.stop(patience / 2); cut != 0 {
					t.Errorf("cut off %d sessions", cut)
				}
			})
		})
	}
}

// TestCutOff holds that a session that will not end is ended.
func TestCutOff(t *testing.T) {
	server, peer := net.Pipe()
	defer peer.Close()
	all := newSessions(newCounts(1))
	one := newSession(server, nil, nil, all.counts, slog.New(slog.DiscardHandler), all.remove)
	if !all.add(one) {
		t.Fatal("not added")
	}
	ended := make(chan struct{})
	go func() { // as glauth's server would, in a write that nobody reads
		defer close(ended)
		_, _ = one.Write([]byte("answer"))
		_ = one.Close()
		_ = one.Close()
	}()
	if cut := all.stop(0); cut != 1 {
		t.Errorf("cut off %d sessions", cut)
	}
	<-ended
	if all.add(newSession(server, nil, nil, all.counts, nil, all.remove)) {
		t.Error("a session was added after the end")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	all := newSessions(newCounts(1))
	for n := range maxSessions {
		if !all.add(&session{}) {
			t.Fatalf("session %d was refused", n)
		}
	}
	if all.add(&session{}) {
		t.Error("one too many was taken")
	}
}

// flaky is a listener that has trouble, then a connection, then ends.
type flaky struct {
	net.Listener
	answers []error
	conn    net.Conn
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.answers) > 0 {
		err := f.answers[0]
		f.answers = f.answers[1:]
		return nil, err
	}
	if f.conn == nil {
		return nil, net.ErrClosed
	}
	conn := f.conn
	f.conn = nil
	return conn, nil
}

func TestAcceptRidesOutErrors(t *testing.T) {
	server, peer := net.Pipe()
	defer peer.Close()
	defer server.Close()
	c := newCounts(1)
	log := &lines{}
	l := &listener{
		Listener: &flaky{answers: []error{errors.New("too many open files"), errors.New("again")}, conn: server},
		accounts: &accounts{counts: c, stop: t.Context()}, sessions: newSessions(c),
		log: slog.New(slog.NewTextHandler(log, nil)), ended: make(chan struct{}),
	}
	if _, err := l.Accept(); err != nil {
		t.Fatalf("no connection: %v", err)
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 2 {
		t.Errorf("%d warnings, want 2", got)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	<-l.ended
}

func TestValidateReportsEveryMistake(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing set", Config{}, []string{"name:", "users 0", `domain ""`, "state:", `ldap ""`, `ldaps ""`, `observe ""`}},
		{"everything wrong", Config{
			Name: "x", State: "x", Delay: -time.Second, LDAP: "127.0.0.1", LDAPS: "127.0.0.1:70000", Observe: "127.0.0.1:ldap",
			Population: population.Spec{Users: 2_000_000, Domain: "contoso test", Shares: map[population.State]float64{population.Locked: 2}},
			HashSync:   HashSync{URL: "http://127.0.0.1", CAFile: "no-such-file"},
		}, []string{
			"users 2000000", "domain", "share of locked users 2", "delay -1s", `ldap "127.0.0.1"`, `"70000"`, `"ldap"`,
			"hash-sync-url", "no-such-file", "hash-sync-tenant", "PTABENCH_HASHSYNC_TOKEN",
		}},
		{"no PEM", Config{HashSync: HashSync{URL: "https://127.0.0.1:1", CAFile: notPEM}}, []string{notPEM + ": expected a certificate"}},
		{"no authority", Config{HashSync: HashSync{URL: "https://127.0.0.1:1"}}, []string{"hash-sync-ca"}},
		{"tenant without an address", Config{HashSync: HashSync{Tenant: "contoso"}}, []string{"hash-sync-url"}},
		{"secrets in the address", Config{HashSync: HashSync{URL: "https://u:p@127.0.0.1:1", CAFile: notPEM}}, []string{"hash-sync-url"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := refused(t, tt.cfg, io.Discard)
			if err == nil {
				t.Fatal("Run accepted the configuration")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not mention %s: %v", want, err)
				}
			}
		})
	}
}

// TestBadState holds that a state directory that cannot be right is refused,
// and left as it is.
func TestBadState(t *testing.T) {
	write := func(name, text string, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	otherAuthority := func(t *testing.T, dir string) {
		id, err := loadIdentity(t.TempDir(), nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		write(authorityFile, string(id.caPEM), 0o644)(t, dir)
	}
	ended := func(t *testing.T, dir string) {
		if _, err := loadIdentity(dir, nil, time.Now().Add(-2*authorityLifetime)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"key that others can read", write(keyFile, "x", 0o644), "expected 0600"},
		{"key that is none", write(keyFile, "x", 0o600), "expected PEM"},
		{"key of odd content", write(keyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600), keyFile},
		{"authority that is none", write(authorityFile, "x", 0o644), "expected PEM"},
		{"authority of another key", otherAuthority, "another key"},
		{"authority that ended", ended, "remove it"},
		{"password that others can read", write(passwordFile, "x", 0o644), "expected 0600"},
		{"password that is empty", write(passwordFile, "\n", 0o600), "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.ServicePassword = ""
			tt.make(t, cfg.State)
			err := refused(t, cfg, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("a file for a directory", func(t *testing.T) {
		cfg := testConfig(t)
		cfg.State = filepath.Join(cfg.State, "file")
		if err := os.WriteFile(cfg.State, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, cfg, io.Discard); err == nil {
			t.Error("Run accepted it")
		}
	})
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := testConfig(t)
	cfg.LDAPS = taken.Addr().String()
	err = refused(t, cfg, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "ldaps: ") {
		t.Errorf("got %v", err)
	}
}
