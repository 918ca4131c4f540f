package bind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// several is a configuration of many servers.
func several(t testing.TB, servers ...*bindtest.Server) Config {
	t.Helper()
	cfg := config(t, servers[0])
	var trusted []byte
	cfg.Servers = nil
	for _, s := range servers {
		trusted = append(trusted, s.CAPEM...)
		cfg.Servers = append(cfg.Servers, Server{Address: s.Address, Name: "127.0.0.1"})
	}
	cfg.TLS = bindtest.TrustOnly(t, trusted)
	return cfg
}

func twin(t testing.TB) (a, b *bindtest.Directory) {
	t.Helper()
	users := func() map[string]bindtest.User { return map[string]bindtest.User{annsName: {Password: annSecret}} }
	return bindtest.NewDirectory(t, users()), bindtest.NewDirectory(t, users())
}

func inService(p *Pool, i int) func() bool { return func() bool { return p.Servers()[i].InService } }

func outOfService(p *Pool, i int) func() bool {
	return func() bool { return !p.Servers()[i].InService }
}

func TestOrderedServers(t *testing.T) {
	a, b := twin(t)
	p := open(t, several(t, a.Server, b.Server))
	for range 10 {
		expectAnswer(t, "both there", ask(p, annsName, annSecret), accepted)
	}
	if n := b.Binds(""); n != 0 {
		t.Errorf("%d binds at the second server while the first is there", n)
	}

	a.Stop()
	for range 10 {
		expectAnswer(t, "the first down", ask(p, annsName, annSecret), accepted)
	}
	expectAnswer(t, "a wrong password while the first is down", ask(p, annsName, wrongSecret), wrong)
	eventually(t, "the first out of service", outOfService(p, 0))
	if reachable, _ := p.Reachable(); !reachable {
		t.Error("unreachable, with a server left")
	}

	b.Stop()
	eventually(t, "the second out of service", outOfService(p, 1))
	expectAnswer(t, "all down", ask(p, annsName, annSecret), unreached)
	reachable, changed := p.Reachable()
	if reachable {
		t.Error("reachable, with no server left")
	}

	a.Start()
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("nobody was told of the return")
	}
	b.Start()
	eventually(t, "the first is back", inService(p, 0))
	eventually(t, "the second is back", inService(p, 1))
	before := b.Binds("")
	for range 10 {
		expectAnswer(t, "the first back", ask(p, annsName, annSecret), accepted)
	}
	if n := b.Binds("") - before; n != 0 {
		t.Errorf("%d binds at the second server after the first is back", n)
	}
	for i, s := range p.Servers() {
		if s.Outages == 0 || s.Probes == 0 || s.Outstanding != 0 {
			t.Errorf("server %d: %+v; want outages and probes, and nothing outstanding", i, s)
		}
	}
}

func TestBalancedServers(t *testing.T) {
	a, b := twin(t)
	cfg := several(t, a.Server, b.Server)
	cfg.Order = Balanced
	cfg.Max = 40
	p := open(t, cfg)
	releaseA, releaseB := a.Hold(), b.Hold()
	defer releaseB()
	defer releaseA()
	var answers []<-chan wire.Result
	for range 20 {
		answers = append(answers, ask(p, annsName, annSecret))
	}
	eventually(t, "half of the binds are at each", func() bool { return a.Binds("") == 10 && b.Binds("") == 10 })
	for i, s := range p.Servers() {
		if s.Outstanding != 10 {
			t.Errorf("server %d has %d outstanding, want 10", i, s.Outstanding)
		}
	}
	releaseA()
	eventually(t, "the first has nothing left", func() bool { return p.Servers()[0].Outstanding == 0 })
	for range 5 {
		expectAnswer(t, "by the one that is free", ask(p, annsName, annSecret), accepted)
	}
	releaseB()
	for i, answer := range answers {
		expectAnswer(t, fmt.Sprintf("sign-in %d", i), answer, accepted)
	}
	if n := a.Binds(""); n != 15 {
		t.Errorf("%d binds at the server that was free, want 15", n)
	}
}

// A server that hangs delays those that it has, gets no others, and is tried
// aside until it answers again.
func TestServerThatHangs(t *testing.T) {
	a, b := twin(t)
	cfg := several(t, a.Server, b.Server)
	cfg.ServerTimeout = 100 * time.Millisecond
	cfg.Max = 8
	p := open(t, cfg)
	release := a.Hang()
	defer release()
	var answers []<-chan wire.Result
	for range 20 { // some wait for a connection
		answers = append(answers, ask(p, annsName, annSecret))
	}
	for i, answer := range answers {
		expectAnswer(t, fmt.Sprintf("sign-in %d", i), answer, accepted)
	}
	if s := p.Servers()[0]; s.InService || s.Silences != 1 {
		t.Errorf("in service %v after %d silences, want not, after 1", s.InService, s.Silences)
	}
	before := a.Binds("")
	if before > cfg.Max {
		t.Errorf("%d binds went to the server that hangs, over %d connections", before, cfg.Max)
	}
	probes := p.Servers()[0].Probes
	eventually(t, "it is tried", func() bool {
		expectAnswer(t, "meanwhile", ask(p, annsName, annSecret), accepted)
		return p.Servers()[0].Probes >= probes+2
	})
	if n := a.Binds(""); n != before {
		t.Errorf("%d sign-ins were tried on it", n-before)
	}
	release()
	eventually(t, "it is back", inService(p, 0))
	expectAnswer(t, "after", ask(p, annsName, annSecret), accepted)
	if n := a.Binds(""); n != before+1 {
		t.Errorf("%d binds at the server that is back, want 1", n-before)
	}
	if n := p.Counts().Moved; n == 0 || n > 20 {
		t.Errorf("%d sign-ins moved, want those of the 20 that it had", n)
	}
}

// One that answers the service account and no user is left alone for longer
// each time.
func TestServerThatHangsForUsers(t *testing.T) {
	a, b := twin(t)
	cfg := several(t, a.Server, b.Server)
	cfg.ServerTimeout = 50 * time.Millisecond
	p := open(t, cfg)
	defer a.Hold()()
	server := p.servers[0]
	for outage := uint64(1); outage <= 2; outage++ {
		expectAnswer(t, "by the second", ask(p, annsName, annSecret), accepted)
		eventually(t, "out of service", func() bool { return p.Servers()[0].Outages == outage })
		if outage == 1 {
			eventually(t, "back", inService(p, 0))
		}
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.flaps != 1 || time.Until(server.retryAt) < time.Second {
		t.Errorf("%d outages after a probe, and the next in %v; want 1 and more than 1s", server.flaps, time.Until(server.retryAt))
	}
}

// One that lost its connections, and takes no others, costs no more than one
// that hangs, however long a dial may take.
func TestServerThatCannotBeDialled(t *testing.T) {
	a, b := twin(t)
	cfg := several(t, a.Server, b.Server)
	cfg.DialTimeout, cfg.ServerTimeout = time.Hour, 100*time.Millisecond
	var blocked atomic.Bool
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if blocked.Load() && address == a.Address {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return dial(ctx, network, address)
	}
	p := open(t, cfg)
	expectAnswer(t, "before", ask(p, annsName, annSecret), accepted)
	blocked.Store(true)
	a.Disconnect()
	eventually(t, "the first is out of service", func() bool {
		expectAnswer(t, "meanwhile", ask(p, annsName, annSecret), accepted)
		return !p.Servers()[0].InService
	})
	moved := p.Counts().Moved
	for range 10 {
		expectAnswer(t, "after that", ask(p, annsName, annSecret), accepted)
	}
	if n := p.Counts().Moved; n != moved || moved == 0 {
		t.Errorf("%d sign-ins were held by it, and then %d; want some, and none", moved, n-moved)
	}
}

// Slow is not hung: only what takes too long moves on.
func TestOneSlowBindIsNoOutage(t *testing.T) {
	hold := make(chan struct{})
	slow := bindtest.Script(t, func(b bindtest.Bind) ([]byte, bool) {
		if b.Name == annsName {
			<-hold
		}
		return b.Reply(0, ""), true
	})
	defer close(hold)
	_, other := twin(t)
	cfg := several(t, slow, other.Server)
	cfg.ServerTimeout = 500 * time.Millisecond
	p := open(t, cfg)
	answer := ask(p, annsName, annSecret)
	done := make(chan struct{})
	go func() { // until ann's sign-in is answered, below
		defer close(done)
		for len(answer) == 0 {
			expectAnswer(t, "others", ask(p, "bob@contoso.test", "x"), accepted)
		}
	}()
	<-done
	expectAnswer(t, "the slow one, by the other server", answer, accepted)
	if s := p.Servers()[0]; s.Outages != 0 || s.Moved != 1 {
		t.Errorf("%d outages and %d moved, want 0 and 1", s.Outages, s.Moved)
	}
}

func TestWhatMovesToAnotherServer(t *testing.T) {
	const busy, unavailable, unwilling = 51, 52, 53
	for _, tt := range []struct {
		name      string
		script    func(bindtest.Bind) ([]byte, bool)
		moved     bool
		inService bool
	}{
		{"a refusal", func(b bindtest.Bind) ([]byte, bool) { return b.Reply(49, ", data 775,"), true }, false, true},
		{"busy", func(b bindtest.Bind) ([]byte, bool) { return b.Reply(busy, ""), true }, true, true},
		{"unwilling", func(b bindtest.Bind) ([]byte, bool) { return b.Reply(unwilling, ""), true }, true, true},
		{"unavailable", func(b bindtest.Bind) ([]byte, bool) { return b.Reply(unavailable, ""), true }, true, false},
		{"closes on each", func(bindtest.Bind) ([]byte, bool) { return nil, false }, true, true},
		{"garbage", func(bindtest.Bind) ([]byte, bool) { return []byte("220 smtp ready\r\n"), true }, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, b := twin(t)
			cfg := several(t, bindtest.Script(t, tt.script), b.Server)
			p := open(t, cfg)
			want, n := wire.Result_RESULT_LOCKED, 0
			if tt.moved {
				want, n = accepted, 1
			}
			expectAnswer(t, "the sign-in", ask(p, annsName, annSecret), want)
			if got := b.Binds(""); got != n {
				t.Errorf("%d binds at the second server, want %d", got, n)
			}
			if tt.inService == (p.Servers()[0].Outages > 0) && tt.name != "closes on each" && tt.name != "garbage" {
				t.Errorf("%d outages of the first", p.Servers()[0].Outages)
			}
		})
	}
}

func TestWhoseTimeIsOverDoesNotMove(t *testing.T) {
	a, b := twin(t)
	defer a.Hang()()
	cfg := several(t, a.Server, b.Server)
	cfg.ServerTimeout = patience / 2
	p := open(t, cfg)
	short := func(s *SignIn) { s.Deadline = s.Taken.Add(30 * time.Millisecond) }
	expectAnswer(t, "budget over", ask(p, annsName, annSecret, short), silent)
	if n := b.Binds(""); n != 0 {
		t.Errorf("%d binds at the second server for nobody", n)
	}
	if p.Servers()[0].Outages != 0 {
		t.Error("a server is out of service that was given no time")
	}
}

func TestUntrustedServerAmongOthers(t *testing.T) {
	a, b := twin(t)
	cfg := several(t, a.Server, b.Server)
	cfg.TLS = bindtest.TrustOnly(t, b.CAPEM)
	p := open(t, cfg)
	expectAnswer(t, "the sign-in", ask(p, annsName, annSecret), accepted)
	if a.Binds("")+a.ServiceBinds() != 0 {
		t.Error("a password was sent to a server that was not verified")
	}
}

func TestSeveralServersClose(t *testing.T) {
	a, b := twin(t)
	releaseA, releaseB := a.Hang(), b.Hang()
	defer releaseB()
	defer releaseA()
	cfg := several(t, a.Server, b.Server)
	cfg.Names, cfg.ServerTimeout = Names{way: byLookup}, 20*time.Millisecond
	p := open(t, cfg)
	var answers []<-chan wire.Result
	for i := range 50 {
		answers = append(answers, ask(p, fmt.Sprintf("%d@contoso.test", i), "x"))
	}
	p.Close()
	for i, answer := range answers {
		select {
		case r := <-answer:
			if r != unreached && r != silent {
				t.Errorf("sign-in %d: %v", i, r)
			}
		case <-time.After(patience):
			t.Fatalf("sign-in %d has no answer", i)
		}
	}
	expectAnswer(t, "too late", ask(p, annsName, annSecret), unreached)
}

// A directory that shuts down takes no connection any more while it still answers
// on those it has. When these end too, nobody asks, and it must be found again
// all the same.
func TestBackAfterTheLastConnectionEndsIdle(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}})
	cfg := config(t, d.Server)
	dial := cfg.Dial
	var refuse atomic.Bool
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if refuse.Load() {
			return nil, errors.New("refused")
		}
		return dial(ctx, network, address)
	}
	p := open(t, cfg)
	s := p.servers[0]
	under := func(is func() bool) func() bool {
		return func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return is()
		}
	}
	refuse.Store(true)
	release := d.Hold()
	a, b := ask(p, annsName, annSecret), ask(p, annsName, annSecret)
	eventually(t, "no dial for a while", under(func() bool { return s.refused >= 3 }))
	release()
	expectAnswer(t, "the first sign-in", a, accepted)
	expectAnswer(t, "the second sign-in", b, accepted)
	eventually(t, "nothing to watch", under(func() bool { return !s.awake }))
	d.Disconnect()
	eventually(t, "the outage", func() bool { reachable, _ := p.Reachable(); return !reachable })
	refuse.Store(false)
	eventually(t, "the directory's return", func() bool { reachable, _ := p.Reachable(); return reachable })
	expectAnswer(t, "a sign-in afterwards", ask(p, annsName, annSecret), accepted)
}

func TestParseServers(t *testing.T) {
	for _, tt := range []struct {
		urls []string
		want []Server
		err  []string // what is said, one each
	}{
		{[]string{"ldaps://dc1.contoso.test", "ldaps://127.0.0.1:1636/", "ldaps://[::1]:1"},
			[]Server{{"dc1.contoso.test:636", "dc1.contoso.test"}, {"127.0.0.1:1636", "127.0.0.1"}, {"[::1]:1", "::1"}}, nil},
		{nil, nil, []string{"0 servers: expected 1 to 16"}},
		{slices.Repeat([]string{"ldaps://a"}, 17), nil, []string{"17 servers"}},
		{[]string{"ldap://a", "ldaps://b", "ldaps://b:636", "ldaps://u:secret@c", "ldaps://d/x", "", "ldaps://:1", "ldaps://e:0", "ldaps://e:65536"}, nil,
			[]string{`"ldap://a": expected`, `"ldaps://b:636": expected each server once`, `@c": expected`, `"ldaps://d/x"`, `"": expected`, `"ldaps://:1"`,
				`"ldaps://e:0": port 0: expected 1 to 65535`, `"ldaps://e:65536": port 65536`}},
	} {
		got, err := ParseServers(tt.urls)
		if !slices.Equal(got, tt.want) || (err != nil) != (len(tt.err) > 0) {
			t.Errorf("%q: %v, %v", tt.urls, got, err)
			continue
		}
		for _, want := range tt.err {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v\nwant %s in it", tt.urls, err, want)
			}
		}
	}
	for text, want := range map[string]Order{"": Ordered, "ordered": Ordered, "balanced": Balanced, "random": ""} {
		if got, err := ParseOrder(text); got != want || (err != nil) != (want == "") {
			t.Errorf("order %q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]Dialect{"": Auto, "auto": Auto, "attributes": Attributes, "ppolicy": PPolicy, "ad": AD, "AD": ""} {
		if got, err := ParseDialect(text); got != want || (err != nil) != (want == "") {
			t.Errorf("dialect %q: %q, %v", text, got, err)
		}
	}
}
