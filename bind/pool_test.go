package bind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the LDAP server library logs each connection that ends
	os.Exit(m.Run())
}

const (
	accepted    = wire.Result_RESULT_ACCEPTED
	wrong       = wire.Result_RESULT_WRONG_PASSWORD
	unknown     = wire.Result_RESULT_UNKNOWN_USER
	unreached   = wire.Result_RESULT_DIRECTORY_UNREACHABLE
	silent      = wire.Result_RESULT_DIRECTORY_TIMEOUT
	patience    = 10 * time.Second // until a test gives up waiting
	annSecret   = "ann's secret"
	annsName    = "ann@contoso.test"
	wrongSecret = "not the secret of anybody"
)

func config(t testing.TB, s *bindtest.Server) Config {
	t.Helper()
	dialer := &net.Dialer{}
	return Config{
		Servers:     []Server{{Address: s.Address, Name: "127.0.0.1"}},
		Dialect:     Attributes,
		TLS:         bindtest.TrustOnly(t, s.CAPEM),
		Dial:        dialer.DialContext,
		Min:         1,
		Max:         4,
		BindTimeout: patience,
		DialTimeout: patience,
		Account:     bindtest.ServiceDN,
		Password:    bindtest.ServicePassword,
		BaseDN:      bindtest.BaseDN,
		Waiting:     100,
		Log:         slog.New(slog.DiscardHandler),
	}
}

func open(t testing.TB, cfg Config) *Pool {
	t.Helper()
	p := Open(cfg)
	t.Cleanup(p.Close)
	select {
	case <-p.Settled():
	case <-time.After(patience):
		t.Fatal("the pool did not settle")
	}
	return p
}

// ask puts a question; the channel yields its answer.
func ask(p *Pool, user, password string, with ...func(*SignIn)) <-chan wire.Result {
	answer := make(chan wire.Result, 1)
	now := time.Now()
	s := &SignIn{
		User: user, Password: []byte(password), Taken: now, Deadline: now.Add(patience),
		Answer: func(_ *SignIn, r wire.Result) { answer <- r },
	}
	for _, f := range with {
		f(s)
	}
	p.Do(s)
	return answer
}

func expectAnswer(t *testing.T, what string, answer <-chan wire.Result, want wire.Result) {
	t.Helper()
	select {
	case got := <-answer:
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	case <-time.After(2 * patience):
		t.Fatalf("%s: no answer", what)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnswersOfADirectoryWithoutDiagnostics(t *testing.T) {
	const right = "the right password of this user"
	fresh := fmt.Sprint(filetime(time.Now().Add(-time.Hour)))
	user := func(attributes ...string) bindtest.User {
		u := bindtest.User{Password: right, Refused: len(attributes) > 0, Attributes: map[string]string{"userAccountControl": "512", "pwdLastSet": fresh}}
		for i := 0; i < len(attributes); i += 2 {
			u.Attributes[attributes[i]] = attributes[i+1]
		}
		return u
	}
	d := bindtest.NewDirectory(t, map[string]bindtest.User{
		"active@c":   user(),
		"disabled@c": user("userAccountControl", "514"),
		"locked@c":   user("lockoutTime", fresh),
		"bit@c":      user("msDS-User-Account-Control-Computed", "16"),
		"expired@c":  user("msDS-User-Account-Control-Computed", "8388608"),
		"change@c":   user("pwdLastSet", "0"),
		"gone@c":     user("accountExpires", fresh),
	})
	p := open(t, config(t, d.Server))
	for _, tt := range []struct {
		user, password string
		want           wire.Result
	}{
		{"active@c", right, accepted},
		{"active@c", wrongSecret, wrong},
		{"active@c", "", wrong},
		{"nobody@c", right, unknown},
		{"", right, unknown},
		{strings.Repeat("u", longestUser+1), right, unknown},
		{"active@c", strings.Repeat("p", longestPassword+1), wrong},
		{"disabled@c", right, wire.Result_RESULT_DISABLED},
		{"locked@c", right, wire.Result_RESULT_LOCKED},
		{"bit@c", wrongSecret, wire.Result_RESULT_LOCKED},
		{"expired@c", right, wire.Result_RESULT_PASSWORD_EXPIRED},
		{"change@c", right, wire.Result_RESULT_MUST_CHANGE},
		{"gone@c", right, wire.Result_RESULT_ACCOUNT_EXPIRED},
	} {
		expectAnswer(t, fmt.Sprintf("%.20s with %.20s", tt.user, tt.password), ask(p, tt.user, tt.password), tt.want)
	}
	if n := d.Binds(""); n != 9 {
		t.Errorf("%d binds reached the directory, want the 9 that it could answer", n)
	}
	if b, r, l := p.Counts().Binds, p.Counts().Replies, p.Counts().Lookups; b != 9 || r != 9 || l != 8 {
		t.Errorf("counted %d binds, %d replies, %d look-ups; want 9, 9, 8", b, r, l)
	}
}

func TestDiagnosticSparesTheLookup(t *testing.T) {
	s := bindtest.Script(t, func(b bindtest.Bind) ([]byte, bool) {
		return b.Reply(49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data "+b.Name+", v1db1"), true
	})
	p := open(t, config(t, s))
	expectAnswer(t, "data 775", ask(p, "775", "x"), wire.Result_RESULT_LOCKED)
	expectAnswer(t, "data 530", ask(p, "530", "x"), wire.Result_RESULT_LOGON_HOURS)
	if n := p.Counts().Lookups; n != 0 {
		t.Errorf("%d look-ups, want none", n)
	}
}

func TestLookupThatCannotBeMadeStillRefuses(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	var logged bytes.Buffer
	cfg := config(t, d.Server)
	cfg.Password = "the wrong service password"
	cfg.Log = slog.New(slog.NewJSONHandler(&logged, nil))
	p := open(t, cfg)
	for range 3 {
		expectAnswer(t, "refused", ask(p, annsName, wrongSecret), wrong)
	}
	p.Close()
	if n := strings.Count(logged.String(), "service account"); n != 1 {
		t.Errorf("warned %d times, want once:\n%s", n, &logged)
	}
	for _, secret := range []string{cfg.Password, annSecret, wrongSecret} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("a secret is in the log:\n%s", &logged)
		}
	}
}

func TestPathFailures(t *testing.T) {
	const busy, unavailable, unwilling = 51, 52, 53 // RFC 4511, appendix A
	for _, code := range []int{1, 2, busy, unavailable, unwilling, 80} {
		d := bindtest.NewDirectory(t, nil)
		d.AnswerWith(code)
		p := open(t, config(t, d.Server))
		expectAnswer(t, fmt.Sprintf("result code %d", code), ask(p, annsName, annSecret), unreached)
		if n := d.Binds(annsName); n != 1 {
			t.Errorf("result code %d: %d binds; what was answered is not asked again", code, n)
		}
	}
}

// A directory that closed idle connections is found out before it matters.
func TestConnectionsClosedWhileIdle(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	cfg := config(t, d.Server)
	cfg.Min = 2
	p := open(t, cfg)
	for range 5 {
		before := d.Accepted.Load()
		d.Disconnect()
		expectAnswer(t, "after a disconnect", ask(p, annsName, annSecret), accepted)
		eventually(t, "new connections are open, and no dial is under way to be cut", func() bool {
			s := p.servers[0]
			s.mu.Lock()
			defer s.mu.Unlock()
			return d.Accepted.Load() >= before+2 && len(s.conns) >= 2 && s.dialling == 0
		})
	}
	if n := p.Counts().Redials; n < 10 {
		t.Errorf("%d redials, want at least 10", n)
	}
	if reachable, _ := p.Reachable(); !reachable {
		t.Error("the directory counts as unreachable")
	}
}

func TestWhatIsAskedAgain(t *testing.T) {
	var binds atomic.Int64
	for _, tt := range []struct {
		name  string
		first func(bindtest.Bind) []byte // the first bind's answer, then the connection closes
		want  wire.Result
		binds int64
	}{
		{"closed without an answer", func(bindtest.Bind) []byte { return nil }, accepted, 2},
		{"notice of disconnection", func(bindtest.Bind) []byte {
			return []byte("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00")
		}, accepted, 2},
		{"garbage", func(bindtest.Bind) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, accepted, 2},
		{"another message ID", func(b bindtest.Bind) []byte {
			r := b.Reply(0, "")
			r[11]++
			return r
		}, accepted, 2},
		{"an answer, then closed", func(b bindtest.Bind) []byte { return b.Reply(0, "") }, accepted, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			binds.Store(0)
			s := bindtest.Script(t, func(b bindtest.Bind) ([]byte, bool) {
				if binds.Add(1) == 1 {
					return tt.first(b), false
				}
				return b.Reply(0, ""), true
			})
			p := open(t, config(t, s))
			expectAnswer(t, "the sign-in", ask(p, annsName, annSecret), tt.want)
			if n := binds.Load(); n != tt.binds {
				t.Errorf("%d binds, want %d", n, tt.binds)
			}
		})
	}
	t.Run("only once", func(t *testing.T) {
		binds.Store(0)
		s := bindtest.Script(t, func(bindtest.Bind) ([]byte, bool) { binds.Add(1); return nil, false })
		p := open(t, config(t, s))
		expectAnswer(t, "the sign-in", ask(p, annsName, annSecret), unreached)
		if n := binds.Load(); n != 2 {
			t.Errorf("%d binds, want 2", n)
		}
	})
}

func TestReplyInPieces(t *testing.T) {
	s := bindtest.Serve(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err != nil {
			return
		}
		reply := []byte("\x30\x84\x00\x00\x20\x12\x02\x04\x00\x00\x00\x01\x61\x82\x20\x08\x0a\x01\x00\x04\x00\x04\x81\x00")
		reply = append(reply, "\x87\x82\x1f\xfc"...)
		reply = append(reply, make([]byte, 0x1ffc)...)
		for len(reply) > 0 {
			n := min(len(reply), 700)
			if _, err := c.Write(reply[:n]); err != nil {
				return
			}
			reply = reply[n:]
		}
		_, _ = c.Read(buf)
	})
	p := open(t, config(t, s))
	expectAnswer(t, "a reply of 8 KiB in pieces", ask(p, annsName, annSecret), accepted)
}

func TestTimeout(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	release := d.Hold()
	defer release()
	cfg := config(t, d.Server)
	cfg.Max = 2
	cfg.BindTimeout = 50 * time.Millisecond
	p := open(t, cfg)
	var answers []<-chan wire.Result
	for range 6 {
		answers = append(answers, ask(p, annsName, annSecret))
	}
	for i, a := range answers {
		expectAnswer(t, fmt.Sprintf("sign-in %d", i), a, silent)
	}
	if n := d.Binds(annsName); n > 2 {
		t.Errorf("%d binds over 2 connections, want no second one on any", n)
	}
	release()
	eventually(t, "the pool serves again", func() bool { return <-ask(p, annsName, annSecret) == accepted })
}

func TestBudgetEndsTheWait(t *testing.T) {
	d := bindtest.NewDirectory(t, nil)
	release := d.Hold()
	defer release()
	cfg := config(t, d.Server)
	cfg.Max = 1
	p := open(t, cfg)
	held := ask(p, "first@c", "x")
	eventually(t, "the first bind is held", func() bool { return d.Binds("first@c") == 1 })
	short := func(s *SignIn) { s.Deadline = s.Taken.Add(20 * time.Millisecond) }
	gone := func(s *SignIn) { s.Gone = func() bool { return true } }
	expectAnswer(t, "budget over", ask(p, "second@c", "x", short), silent)
	expectAnswer(t, "nobody waits", ask(p, "third@c", "x", gone), silent)
	release()
	expectAnswer(t, "the first", held, unknown)
	if d.Binds("second@c")+d.Binds("third@c") != 0 {
		t.Error("a sign-in that nobody waited for was bound")
	}
}

func TestDirectoryDownAndUp(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	p := open(t, config(t, d.Server))
	expectAnswer(t, "before", ask(p, annsName, annSecret), accepted)

	d.Stop()
	eventually(t, "unreachable", func() bool { r, _ := p.Reachable(); return !r })
	reachable, changed := p.Reachable()
	if reachable {
		t.Fatal("reachable again with nobody listening")
	}
	expectAnswer(t, "while down", ask(p, annsName, annSecret), unreached)

	d.Start()
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("nobody was told of the return")
	}
	expectAnswer(t, "after", ask(p, annsName, annSecret), accepted)
	if p.Counts().Redials == 0 {
		t.Error("no redial was counted")
	}
}

func TestDownFromTheStart(t *testing.T) {
	d := bindtest.NewDirectory(t, nil)
	d.Stop()
	p := open(t, config(t, d.Server)) // settles all the same
	expectAnswer(t, "a sign-in", ask(p, annsName, annSecret), unreached)
}

func TestUntrustedDirectory(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	_, other := bindtest.Certificate(t)
	cfg := config(t, d.Server)
	cfg.TLS = bindtest.TrustOnly(t, other)
	expectAnswer(t, "another CA", ask(open(t, cfg), annsName, annSecret), unreached)
	cfg = config(t, d.Server)
	cfg.Servers[0].Name = "another.test"
	expectAnswer(t, "another name", ask(open(t, cfg), annsName, annSecret), unreached)
	if n := d.Binds(""); n != 0 {
		t.Errorf("%d passwords were sent to a directory that was not verified", n)
	}
}

func TestGrowth(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	release := d.Hold()
	defer release()
	cfg := config(t, d.Server)
	cfg.Min, cfg.Max, cfg.Waiting = 2, 10, 5
	var dialling, peak atomic.Int64
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		for n := dialling.Add(1); ; {
			if old := peak.Load(); n <= old || peak.CompareAndSwap(old, n) {
				break
			}
		}
		defer dialling.Add(-1)
		return dial(ctx, network, address)
	}
	p := open(t, cfg)
	if n := p.Size(); n != 2 {
		t.Errorf("%d connections at first, want 2", n)
	}
	var answers []<-chan wire.Result
	for range 10 {
		answers = append(answers, ask(p, annsName, annSecret))
		want := len(answers)
		eventually(t, fmt.Sprintf("%d binds are held", want), func() bool { return d.Binds(annsName) == want })
	}
	if n := p.Size(); n != 10 {
		t.Errorf("%d connections for 10 sign-ins at once, want 10", n)
	}
	for range 5 {
		answers = append(answers, ask(p, annsName, annSecret))
	}
	expectAnswer(t, "one more than may wait", ask(p, annsName, annSecret), wire.Result_RESULT_OVERLOADED)
	release()
	for i, a := range answers {
		expectAnswer(t, fmt.Sprintf("sign-in %d", i), a, accepted)
	}
	if n := p.Size(); n != 10 {
		t.Errorf("%d connections stay, want 10", n)
	}
	if n := peak.Load(); n > maxDials {
		t.Errorf("%d dials at once, want at most %d", n, maxDials)
	}
}

// One handshake cut short, with the directory there, is not an outage.
func TestOneCutDialIsNoOutage(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	cfg := config(t, d.Server)
	var dials atomic.Int64
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err == nil && dials.Add(1) == 1 {
			_ = c.Close()
		}
		return c, err
	}
	p := open(t, cfg)
	if reachable, _ := p.Reachable(); !reachable || dials.Load() != 2 {
		t.Errorf("reachable %v after %d dials, want true after 2", reachable, dials.Load())
	}
	expectAnswer(t, "a sign-in", ask(p, annsName, annSecret), accepted)
}

func TestCheckAccount(t *testing.T) {
	d := bindtest.NewDirectory(t, nil)
	cfg := config(t, d.Server)
	if err := open(t, cfg).CheckAccount(t.Context()); err != nil {
		t.Errorf("the right password: %v", err)
	}
	cfg.Password = "the wrong service password"
	err := open(t, cfg).CheckAccount(t.Context())
	if !errors.Is(err, ErrAccount) || strings.Contains(err.Error(), cfg.Password) {
		t.Errorf("a wrong password: %v; expected %v, and not the password", err, ErrAccount)
	}
	p := open(t, cfg)
	d.Stop()
	if err := p.CheckAccount(t.Context()); err != nil {
		t.Errorf("without a directory: %v; expected nothing to be said of the password", err)
	}

	// A directory that never answers is asked no longer than a dial may take,
	// nor than the caller is there.
	hangs := bindtest.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	cfg = config(t, hangs)
	cfg.DialTimeout = 100 * time.Millisecond
	if err := open(t, cfg).CheckAccount(t.Context()); err != nil {
		t.Errorf("a directory that hangs: %v", err)
	}
	cfg.DialTimeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	p = open(t, cfg)
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := p.CheckAccount(ctx); err != nil {
		t.Errorf("a caller who left: %v", err)
	}
}
