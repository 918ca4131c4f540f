package hashsync

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/onprem/directory"
	"ptabench/population"
)

const (
	syncPassword = "sync-password-of-this-test"
	observeToken = "observe-token-of-this-test"
	within       = 30 * time.Second
)

// premises is a directory with a sync account.
type premises struct {
	t       testing.TB
	users   *population.Population
	ready   observe.Ready
	state   string
	observe *observe.Client
}

func newPremises(t testing.TB, users int) *premises {
	p := &premises{t: t, state: t.TempDir()}
	share := .1
	if users > 1000 {
		share = 0
	}
	cfg := directory.Config{
		Name: "directory", State: p.state, LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0",
		Population: population.Spec{Seed: 7, Users: users, Domain: "contoso.test", Shares: map[population.State]float64{
			population.Disabled: share, population.Locked: share, population.PasswordExpired: share, population.MustChange: share, population.AccountExpired: share}},
		ServicePassword: "x", SyncPassword: syncPassword, ObserveToken: observeToken,
	}
	var err error
	if p.users, err = population.New(cfg.Population); err != nil {
		t.Fatal(err)
	}
	p.ready = run(t, func(ctx context.Context, ready func(observe.Ready)) error {
		return directory.Run(ctx, slog.New(slog.DiscardHandler), cfg, ready)
	}).ready
	p.observe = &observe.Client{Address: p.ready.Ports["observe"], Token: observeToken}
	return p
}

// change has something happen to a user.
func (p *premises) change(user int, kind population.EventKind) {
	p.t.Helper()
	want := observe.AccountChange{User: p.users.UPN(user), Kind: string(kind)}
	if err := p.observe.Post(p.t.Context(), "/accounts", want, nil); err != nil {
		p.t.Fatal(err)
	}
}

// role is one that runs until the test ends, or earlier.
type role struct {
	ready observe.Ready
	stop  func() error // ends it and waits
}

func run(t testing.TB, serve func(context.Context, func(observe.Ready)) error) *role {
	t.Helper()
	r, ended := begin(t, serve)
	select {
	case r.ready = <-ended.ready:
	case err := <-ended.err:
		ended.err <- err
		t.Fatalf("it ended before it was ready: %v", err)
	case <-time.After(within):
		t.Fatal("it is not ready")
	}
	return r
}

type outcome struct {
	ready chan observe.Ready
	err   chan error
}

// begin does not wait until it is ready.
func begin(t testing.TB, serve func(context.Context, func(observe.Ready)) error) (*role, outcome) {
	ctx, cancel := context.WithCancel(context.Background())
	o := outcome{make(chan observe.Ready, 1), make(chan error, 1)}
	go func() { o.err <- serve(ctx, func(r observe.Ready) { o.ready <- r }) }()
	stop := sync.OnceValue(func() error { cancel(); return <-o.err })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return &role{stop: stop}, o
}

func (p *premises) config(c *fakeCloud) Config {
	return Config{
		Name: "hashsync", State: p.t.TempDir(), Observe: "127.0.0.1:0", Source: "embedded",
		Directory: "ldaps://" + p.ready.Ports["ldaps"], DirectoryCA: p.state + "/ca.pem", BindDN: p.ready.Info["sync_dn"], BaseDN: p.ready.Info["base_dn"],
		URL: c.server.URL, CAFile: c.ca(), Tenants: []Tenant{{Name: "contoso"}}, Interval: 20 * time.Millisecond, Batch: 16,
		SyncPassword: syncPassword, HashSyncToken: testToken, ObserveToken: observeToken,
	}
}

func serving(cfg Config) func(context.Context, func(observe.Ready)) error {
	return func(ctx context.Context, ready func(observe.Ready)) error {
		return Run(ctx, slog.New(slog.DiscardHandler), cfg, ready)
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not so in %v: %s", within, what)
		}
	}
}

// differs says how the cloud's accounts differ from what should have been
// carried of the population; empty when they do not.
func (p *premises) differs(c *fakeCloud) string {
	var wrong []string
	for i := range p.users.Len() {
		a, found := c.account(p.users.UPN(i))
		state := p.users.State(i)
		switch {
		case !found:
			wrong = append(wrong, p.users.UPN(i)+" is missing")
		case a.disabled != (state == population.Disabled):
			wrong = append(wrong, fmt.Sprintf("%s, who is %s, is disabled: %v", p.users.UPN(i), state, a.disabled))
		case a.hasHash != (state != population.MustChange):
			wrong = append(wrong, fmt.Sprintf("%s, who is %s, has a hash: %v", p.users.UPN(i), state, a.hasHash))
		case a.hasHash && !a.hash.Matches(p.users.Password(i)):
			wrong = append(wrong, p.users.UPN(i)+" has another hash")
		}
	}
	return strings.Join(wrong, "; ")
}

func counters(t testing.TB, r *role) (n observe.HashSyncCounters) {
	t.Helper()
	client := &observe.Client{Address: r.ready.Ports["observe"], Token: observeToken}
	if err := client.Get(t.Context(), "/counters", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCarries: all of it first, then what changes, and nothing else.
func TestCarries(t *testing.T) {
	p, c := newPremises(t, 120), newFakeCloud(t)
	r := run(t, serving(p.config(c)))
	if wrong := p.differs(c); wrong != "" {
		t.Fatalf("when it is ready: %s", wrong)
	}
	if n := counters(t, r); n.Full != 1 || n.Sent != 120 || n.Withheld != uint64(len(p.users.In(population.MustChange))) || n.Cursors["contoso"] != 120 {
		t.Errorf("counters %+v", n)
	}
	active := p.users.In(population.Active)
	changed, disabled, locked, demanded := active[0], active[1], active[2], active[3]
	p.change(changed, population.ChangePassword)
	p.change(disabled, population.Disable)
	p.change(locked, population.Lock)
	p.change(demanded, population.DemandChange)
	enabled := p.users.In(population.Disabled)[0]
	p.change(enabled, population.Enable)
	has := func(user int) synced { a, _ := c.account(p.users.UPN(user)); return a }
	eventually(t, "the new password is in the cloud", func() bool { return has(changed).hash.Matches(p.users.VersionOf(changed, 1)) })
	eventually(t, "the cloud knows who is disabled", func() bool { return has(disabled).disabled && !has(enabled).disabled })
	eventually(t, "a password that must be changed is in the cloud no more", func() bool { return !has(demanded).hasHash })
	eventually(t, "everything was looked at", func() bool { return counters(t, r).Cursors["contoso"] == 125 })
	if has(locked).taken != 1 || has(locked).disabled {
		t.Errorf("of the locked account %+v was carried", has(locked))
	}
	for _, user := range []int{changed, disabled, demanded, enabled} {
		if n := has(user).taken; n != 2 {
			t.Errorf("%s travelled %d times, want 2", p.users.UPN(user), n)
		}
	}
	n := counters(t, r)
	if n.Full != 1 || n.Sent != 124 || n.Same != 1 || n.OldestMaxNS <= 0 || n.OldestMaxNS > int64(within) {
		t.Errorf("counters %+v", n)
	}
}

// TestStandingLag: the cloud learns of a new password at once, and of who is
// disabled only when that is due.
func TestStandingLag(t *testing.T) {
	p, c := newPremises(t, 40), newFakeCloud(t)
	cfg := p.config(c)
	cfg.StandingInterval = time.Hour
	r := run(t, serving(cfg))
	changed, disabled := p.users.In(population.Active)[0], p.users.In(population.Active)[1]
	p.change(disabled, population.Disable)
	p.change(changed, population.ChangePassword)
	eventually(t, "the new password is in the cloud", func() bool {
		a, _ := c.account(p.users.UPN(changed))
		return a.hash.Matches(p.users.VersionOf(changed, 1))
	})
	if a, _ := c.account(p.users.UPN(disabled)); a.disabled || a.taken != 1 {
		t.Errorf("the disabled account is %+v in the cloud", a)
	}
	eventually(t, "what stands back has an age", func() bool { return counters(t, r).OldestNS > 0 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.StandingInterval = 0
	run(t, serving(cfg))
	eventually(t, "the account is disabled in the cloud", func() bool { a, _ := c.account(p.users.UPN(disabled)); return a.disabled })
	if wrong := c.takenTwice(map[string]bool{p.users.UPN(disabled): true, p.users.UPN(changed): true}); wrong != "" {
		t.Error(wrong)
	}
}

// takenTwice names accounts that travelled more than once, but for some.
func (c *fakeCloud) takenTwice(but map[string]bool) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wrong []string
	for name, a := range c.accounts {
		if _, upn, _ := strings.Cut(name, " "); a.taken != 1 && !but[upn] {
			wrong = append(wrong, fmt.Sprintf("%s travelled %d times", upn, a.taken))
		}
	}
	return strings.Join(wrong, "; ")
}

// TestKilled ends the agent again and again while a batch is on its way, before
// or after the cloud took it, by a cloud that is not there now and then: in the
// end each account has travelled once.
func TestKilled(t *testing.T) {
	p, c := newPremises(t, 120), newFakeCloud(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var (
		mu     sync.Mutex
		random = rand.New(rand.NewPCG(seed, 0))
		kill   func()
		kills  int
	)
	maybe := func(p float64) bool {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() >= p {
			return false
		}
		kills++
		kill()
		return true
	}
	c.before = func(batch int) int {
		maybe(.3)
		if batch%5 == 0 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	c.after = func(int) bool { return maybe(.3) }
	cfg := p.config(c)
	cfg.Batch = 8
	for done := false; !done; {
		ctx, cancel := context.WithCancel(t.Context())
		mu.Lock()
		kill = cancel
		mu.Unlock()
		err := serving(cfg)(ctx, func(observe.Ready) { done = true; cancel() })
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
	if kills < 5 {
		t.Errorf("ended %d times, which proves nothing", kills)
	}
	if wrong := p.differs(c); wrong != "" {
		t.Error(wrong)
	}
	if wrong := c.takenTwice(nil); wrong != "" {
		t.Error(wrong)
	}
}

// TestBackPressure: while the cloud does not answer, no more is read than is on
// its way.
func TestBackPressure(t *testing.T) {
	p, c := newPremises(t, 160), newFakeCloud(t)
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	c.before = func(batch int) int {
		if batch == 0 {
			held <- struct{}{}
			<-hold
		}
		return 0
	}
	cfg := p.config(c)
	var reads atomic.Int64
	from, err := cfg.open()
	if err != nil {
		t.Fatal(err)
	}
	config, err := trust("hash-sync-ca", cfg.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{cfg: cfg, log: slog.New(slog.DiscardHandler), from: &countedSource{from, &reads}, to: newCloud(cfg.URL, cfg.HashSyncToken, config),
		counts: newCounts(), carry: newCarried(), cursors: make(map[string]cursor)}
	ended := make(chan error, 1)
	go func() { ended <- a.cycle(t.Context()) }()
	<-held
	eventually(t, "the agent has read ahead", func() bool { return reads.Load() >= 3 })
	time.Sleep(100 * time.Millisecond) // in which it must read nothing
	if n := reads.Load(); n > 4 {
		t.Errorf("read %d batches while the first was on its way", n)
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if wrong := p.differs(c); wrong != "" {
		t.Error(wrong)
	}
}

type countedSource struct {
	source
	reads *atomic.Int64
}

func (s *countedSource) changes(ctx context.Context, after, upTo uint64, limit int) ([]change, uint64, error) {
	s.reads.Add(1)
	return s.source.changes(ctx, after, upTo, limit)
}

// TestGivesUp: what nobody but an operator can mend ends an agent that was never
// ready, and says what it is.
func TestGivesUp(t *testing.T) {
	p, c := newPremises(t, 20), newFakeCloud(t)
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"the sync account's password":  {func(c *Config) { c.SyncPassword = "another" }, "binding as"},
		"the cloud's token":            {func(c *Config) { c.HashSyncToken = "another" }, "401"},
		"the directory's authority":    {func(c *Config) { c.DirectoryCA = c.CAFile }, "certificate"},
		"the cloud's authority":        {func(c *Config) { c.CAFile = c.DirectoryCA }, "certificate"},
		"an account that may not look": {func(c *Config) { c.BindDN = p.ready.Info["service_dn"] }, "binding as"},
	}
	for about, tt := range tests {
		t.Run(about, func(t *testing.T) {
			cfg := p.config(c)
			tt.change(&cfg)
			err := serving(cfg)(t.Context(), func(observe.Ready) { t.Error("it is ready") })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			for _, secret := range []string{cfg.SyncPassword, cfg.HashSyncToken} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("a secret in %v", err)
				}
			}
		})
	}
}

// TestTenants: accounts travel to the tenant of their domain.
func TestTenants(t *testing.T) {
	p, c := newPremises(t, 30), newFakeCloud(t)
	cfg := p.config(c)
	cfg.Tenants = []Tenant{{Name: "contoso", Domains: []string{"CONTOSO.test"}}, {Name: "fabrikam", Domains: []string{"fabrikam.test"}}}
	run(t, serving(cfg))
	if wrong := p.differs(c); wrong != "" {
		t.Error(wrong)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.accounts) != 30 || !c.cursors["fabrikam"].Complete || c.cursors["fabrikam"].Passwords != 30 {
		t.Errorf("%d accounts, cursors %+v", len(c.accounts), c.cursors)
	}
}

// TestCloudLosesItsState: all is sent again.
func TestCloudLosesItsState(t *testing.T) {
	p, c := newPremises(t, 40), newFakeCloud(t)
	r := run(t, serving(p.config(c)))
	c.mu.Lock()
	clear(c.cursors)
	clear(c.accounts)
	c.mu.Unlock()
	eventually(t, "the cloud has everything again", func() bool { return p.differs(c) == "" })
	if n := counters(t, r); n.Full != 2 {
		t.Errorf("counters %+v", n)
	}
}
