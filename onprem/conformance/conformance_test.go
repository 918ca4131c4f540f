package conformance

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ptabench/bind"
	"ptabench/bind/bindtest"
	"ptabench/observe"
	"ptabench/wire"
)

const (
	accepted       = wire.Result_RESULT_ACCEPTED
	wrongPassword  = wire.Result_RESULT_WRONG_PASSWORD
	unknownUser    = wire.Result_RESULT_UNKNOWN_USER
	disabled       = wire.Result_RESULT_DISABLED
	locked         = wire.Result_RESULT_LOCKED
	expired        = wire.Result_RESULT_PASSWORD_EXPIRED
	mustChange     = wire.Result_RESULT_MUST_CHANGE
	accountExpired = wire.Result_RESULT_ACCOUNT_EXPIRED
	unreachable    = wire.Result_RESULT_DIRECTORY_UNREACHABLE
)

const (
	secret   = "Sesame#1"
	unusual  = "pässwörd ∑ 漢字 😀 \"quoted\", a=b;c"
	atDomain = "@contoso.test"
)

// unusualNames are what may stand before the @ and means something to a
// distinguished name, a filter, or whoever thinks that names are ASCII.
var unusualNames = []string{
	"jürgen.groß", "Ωμέγα", "山田太郎", "o'brien", "smith, john", "john+mary", `back\slash`, `quo"te`, "semi;colon",
	"less<more>", "#hash", "equals=sign", "star*", "paren(theses)", "sla/sh", "spaced  out", "per%cent",
}

// users are those of every directory here.
func users(t testing.TB) string {
	list := [][]string{{"plain" + atDomain, secret}, {"unusual" + atDomain, unusual}}
	for _, state := range []string{"disabled", "locked", "expired", "must-change", "account-expired"} {
		list = append(list, []string{state + atDomain, secret, state})
	}
	for _, name := range unusualNames {
		list = append(list, []string{name + atDomain, secret})
	}
	list = append(list, []string{"plain@fabrikam.test", unusual}) // who has a namesake
	return usersFile(t, list)
}

// A question is a sign-in, and the answers that are right.
type question struct {
	name, user, password string
	want                 []wire.Result
}

func questions(kind string) []question {
	q := func(name, user, password string, want ...wire.Result) question {
		return question{name, user + atDomain, password, want}
	}
	all := []question{
		q("right", "plain", secret, accepted),
		q("right, in other letter case", "PLAIN", secret, accepted),
		q("wrong", "plain", "not "+secret, wrongPassword),
		q("password in other letter case", "plain", strings.ToUpper(secret), wrongPassword),
		q("password and more", "plain", secret+" ", wrongPassword),
		// A bind with a name and no password succeeds as nobody's.
		q("empty password", "plain", "", wrongPassword),
		q("password of a NUL", "plain", "\x00", wrongPassword),
		q("password up to a NUL", "plain", secret+"\x00", wrongPassword),
		// Active Directory does not say that a user is unknown.
		q("unknown", "nobody", secret, unknownUser, wrongPassword),
		q("unknown, empty password", "nobody", "", unknownUser, wrongPassword),
		q("disabled", "disabled", secret, disabled),
		q("locked", "locked", secret, locked),
		q("expired", "expired", secret, expired),
		q("must change", "must-change", secret, mustChange),
		q("account expired", "account-expired", secret, accountExpired),
		q("unusual password", "unusual", unusual, accepted),
		q("a part of the unusual password", "unusual", unusual[:len(unusual)-1], wrongPassword),
	}
	// Who is refused anyway may be told the state or that the password is wrong;
	// nobody may be let in.
	for state, is := range map[string]wire.Result{
		"disabled": disabled, "locked": locked, "expired": expired, "must-change": mustChange, "account-expired": accountExpired,
	} {
		all = append(all,
			q(state+", wrong password", state, "not "+secret, is, wrongPassword),
			q(state+", empty password", state, "", is, wrongPassword))
	}
	for _, name := range unusualNames {
		right := []wire.Result{accepted}
		if kind == "samba" && strings.ContainsAny(name, `=\`) {
			// Samba takes such names for names of another form, and so finds nobody.
			right = []wire.Result{wrongPassword}
		}
		all = append(all,
			q("name "+name, name, secret, right...),
			q("name "+name+", wrong password", name, "not "+secret, wrongPassword),
			q("name "+name+" and more", name+"x", secret, unknownUser, wrongPassword))
	}
	for _, name := range []string{
		"*", "pl*", "plain*", "plain)(cn=*", "*)(userPrincipalName=*", "plain)(|(cn=plain", "*))(|(objectClass=*", `\2a`, `plain\00`, "plain\x00",
		"plain,ou=users,dc=contoso,dc=test", "plain+cn=plain", strings.Repeat("a", 10_000), "", " ", "\u202eplain", "plain\n",
	} {
		all = append(all, q("injected "+name[:min(len(name), 30)], name, secret, unknownUser, wrongPassword))
	}
	all = append(all,
		question{"namesake", "plain@fabrikam.test", unusual, []wire.Result{accepted}},
		question{"namesake, password of the other", "plain@fabrikam.test", secret, []wire.Result{wrongPassword}})
	all = append(all, question{"no domain", "plain*", secret, []wire.Result{unknownUser, wrongPassword}})
	return all
}

func TestConformance(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := serve(t, kind.server, users(t))
			if s.ready.Info["kind"] != kind.name {
				t.Errorf("it says that it is of kind %q", s.ready.Info["kind"])
			}
			pool := s.pool(t, nil)
			if err := pool.CheckAccount(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Run("answers", func(t *testing.T) { testAnswers(t, s, pool) })
			t.Run("at once", func(t *testing.T) { testAtOnce(t, s) })
			t.Run("certificate", func(t *testing.T) { testCertificate(t, s) })
			t.Run("account", func(t *testing.T) { testAccount(t, s) })
			t.Run("counts", func(t *testing.T) { testCounts(t, s, pool) })
			t.Run("secrets", func(t *testing.T) { testSecrets(t, s) })
			t.Run("gone and back", func(t *testing.T) { testGoneAndBack(t, s, pool) })
			if kind.server != nil { // the test directory is no process of its own
				t.Run("killed", func(t *testing.T) { testKilled(t, s, pool) })
			}
		})
	}
}

func testAnswers(t *testing.T, s *served, pool *bind.Pool) {
	for _, q := range questions(s.ready.Info["kind"]) {
		if got := ask(pool, q.user, q.password); !slices.Contains(q.want, got) {
			t.Errorf("%s: %v, expected %v", q.name, got, q.want)
		}
	}
}

// testAtOnce has 64 binds at once, each over a connection of its own, right and
// wrong ones mixed.
func testAtOnce(t *testing.T, s *served) {
	const n = 64
	pool := s.pool(t, func(c *bind.Config) { c.Min, c.Max = n, n })
	if got := pool.Size(); got != n {
		t.Errorf("%d connections, expected %d", got, n)
	}
	answers := make([]wire.Result, n)
	var asked sync.WaitGroup
	for i := range n {
		asked.Go(func() {
			password := secret
			if i%4 == 3 {
				password = "wrong"
			}
			answers[i] = ask(pool, "plain"+atDomain, password)
		})
	}
	asked.Wait()
	for i, got := range answers {
		want := accepted
		if i%4 == 3 {
			want = wrongPassword
		}
		if got != want {
			t.Errorf("bind %d: %v, expected %v", i, got, want)
		}
	}
}

func testCertificate(t *testing.T, s *served) {
	_, other := bindtest.Certificate(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(other)
	for name, change := range map[string]func(*bind.Config){
		"another authority": func(c *bind.Config) { c.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} },
		"another name":      func(c *bind.Config) { c.Servers[0].Name = "directory.example" },
	} {
		pool := s.pool(t, change)
		if got := ask(pool, "plain"+atDomain, secret); got != unreachable {
			t.Errorf("%s: %v, expected %v", name, got, unreachable)
		}
		if got := pool.Counts().Binds; got != 0 {
			t.Errorf("%s: %d binds were sent", name, got)
		}
	}
}

// testAccount: a service account that may not bind is found out before it is
// needed.
func testAccount(t *testing.T, s *served) {
	pool := s.pool(t, func(c *bind.Config) { c.Password = "not " + servicePassword })
	if err := pool.CheckAccount(t.Context()); err == nil {
		t.Error("a wrong password of the service account was not found out")
	}
}

// testCounts: what the directory says that it counts, it counts.
func testCounts(t *testing.T, s *served, pool *bind.Pool) {
	before := counters(t, s)
	for range 10 {
		ask(pool, "plain"+atDomain, secret)
	}
	after := counters(t, s)
	want := map[string]observe.DirectoryCounts{"embedded": observe.CountsOutcomes, "slapd": observe.CountsTotal, "samba": observe.CountsNone}[s.ready.Info["kind"]]
	if after.Counts != want {
		t.Fatalf("it counts %q, expected %q", after.Counts, want)
	}
	switch want {
	case observe.CountsOutcomes:
		if got := after.Binds["success"] - before.Binds["success"]; got != 10 {
			t.Errorf("10 binds are %d", got)
		}
	case observe.CountsTotal:
		if got := after.Total - before.Total; got != 10 {
			t.Errorf("10 binds are %d", got)
		}
		if after.Open == 0 || after.Accepted < uint64(after.Open) {
			t.Errorf("connections: %d open, %d accepted", after.Open, after.Accepted)
		}
	}
}

func counters(t *testing.T, s *served) observe.DirectoryCounters {
	t.Helper()
	client := observe.Client{Address: s.ready.Ports["observe"], Token: "observer"}
	var c observe.DirectoryCounters
	if err := client.Get(t.Context(), "/counters", &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// testSecrets: no file of the directory holds a password, and nobody else can
// read those that hold a hash or a key.
func testSecrets(t *testing.T, s *served) {
	files := 0
	err := filepath.WalkDir(s.cfg.State, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, 32<<20)) // a database may be a gigabyte, nearly all a hole
		for _, password := range []string{secret, unusual, servicePassword} {
			if bytes.Contains(text, []byte(password)) {
				t.Errorf("%s holds a password", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 2 {
		t.Errorf("%d files", files)
	}
	kind := filepath.Join(s.cfg.State, s.ready.Info["kind"])
	for _, dir := range []string{kind, filepath.Join(s.cfg.State, "ca.key"), filepath.Join(s.cfg.State, "server.key")} {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", dir, info.Mode())
		}
	}
}

// testKilled: when a server of others dies, so does its role, saying so; and the
// next start, at the same addresses, finds what was provisioned.
func testKilled(t *testing.T, s *served, pool *bind.Pool) {
	kind := s.ready.Info["kind"]
	pids := strings.Split(s.ready.Info["pids"], ",")
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("%d of %v: %v", pid, pids, err)
		}
	}
	select {
	case err := <-s.ended:
		if err == nil || !strings.Contains(err.Error(), kind+" ended: ") || !strings.Contains(err.Error(), "killed") {
			t.Errorf("ended with: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the role goes on")
	}
	s.again(t)
	eventually(t, "accepted after it was killed", func() bool { return ask(pool, "plain"+atDomain, secret) == accepted })
}

func testGoneAndBack(t *testing.T, s *served, pool *bind.Pool) {
	s.end(t)
	eventually(t, "unreachable while it is gone", func() bool { return ask(pool, "plain"+atDomain, secret) == unreachable })
	s.again(t)
	eventually(t, "accepted when it is back", func() bool { return ask(pool, "plain"+atDomain, secret) == accepted })
	for _, q := range questions(s.ready.Info["kind"])[:12] {
		if got := ask(pool, q.user, q.password); !slices.Contains(q.want, got) {
			t.Errorf("after it was gone: %s: %v, expected %v", q.name, got, q.want)
		}
	}
}
