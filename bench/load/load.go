// Package load makes sign-ins and measures them. Arrivals are open-loop: each
// is due when a schedule says, however late the answers before it are, and its
// response time counts from then. vegeta's library carries the attack; due
// times, stamps, connections and judgement are this package's own, because
// vegeta stamps a sign-in when a worker takes it and so leaves out the time it
// waited for one.
package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// DefaultMaxWorkers is how many sign-ins can be under way at once unless a
// Config says otherwise: six seconds of silence at 3,000/s.
const DefaultMaxWorkers = 20_000

// firstWorkers wait for the first arrivals; vegeta adds more when all are busy.
const firstWorkers = 64

// Config says which sign-ins to make, when, and to whom.
type Config struct {
	URL     string         // of the token endpoint, https
	OpenURL string         // of the same host; asked once, with GET, on each pooled connection before the first arrival
	Roots   *x509.CertPool // of all that sign-ins connect to
	Scope   string         // that clients ask for; with openid the cloud signs an id token too

	// Tenants are those that users sign in to, TenantOf whose each domain of the
	// population is. Without any there is one tenant, at URL.
	Tenants  []Tenant
	TenantOf []int

	Population    *population.Population
	Mix           map[scenarios.Intent]float64 // shares, which add up to 1
	Changed       int                          // users who changed their password last, and may still type the former one
	Accounts      Accounts                     // what becomes of users meanwhile; nil for nothing
	PasswordFirst bool                         // the directory may tell who is refused anyway that the password is wrong, when it is
	Connectors    []string                     // names, in the order of the Server numbers of samples
	Federation    []string                     // likewise, the federation servers
	Seed          uint64

	Arrivals scenarios.Arrivals
	Rate     float64 // per second
	Warmup   time.Duration
	Duration time.Duration // after the warm-up
	Timeout  time.Duration // how long a client waits for its answer

	Pool       int // connections kept; 0 makes a new one for each sign-in
	MaxWorkers int // sign-ins under way at once; DefaultMaxWorkers when 0

	// Sink is given each sign-in when it ended, one at a time, in about the
	// order in which they ended. It holds up whichever sign-ins end meanwhile.
	Sink func(results.Sample)
	// Verify checks the signature of one id token in 256, unless it is nil.
	Verify func(token []byte) error
}

// A Generator makes the sign-ins of one run.
type Generator struct {
	cfg      Config
	schedule *Schedule
	mix      *mix
	tenants  *tenants
	openURL  *url.URL // without a pool, of no use
	reader   reader
	dialer   *dialer // of all connections to the cloud
	tally    tally
	sink     sync.Mutex // held while the sink is called

	// watch sees what vegeta itself measured. Tests compare.
	watch func(*vegeta.Result)
}

// New plans a load. It reports what of the Config is impossible, all at once,
// and opens nothing.
func New(cfg Config) (*Generator, error) {
	if cfg.MaxWorkers == 0 {
		cfg.MaxWorkers = DefaultMaxWorkers
	}
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	target, err := url.Parse(cfg.URL)
	check(err == nil && target.Scheme == "https" && target.Host != "", "url %q: expected an https address", cfg.URL)
	check(cfg.Pool >= 0, "pool %d: expected 0 or more", cfg.Pool)
	openURL, err := url.Parse(cfg.OpenURL)
	check(cfg.Pool == 0 || err == nil && target != nil && openURL.Scheme == "https" && openURL.Host == target.Host,
		"url %q to open connections with: expected an https address of the same host and port as %q", cfg.OpenURL, cfg.URL)
	check(cfg.MaxWorkers >= 1, "max workers %d: expected 1 or more", cfg.MaxWorkers)
	check(cfg.Warmup >= 0, "warm-up %v: expected 0 or more", cfg.Warmup)
	check(cfg.Duration > 0, "duration %v: expected more than 0", cfg.Duration)
	check(cfg.Timeout > 0, "timeout %v: expected more than 0", cfg.Timeout)
	check(len(cfg.Connectors) <= 255, "connectors %d: expected at most 255", len(cfg.Connectors))
	check(len(cfg.Federation) <= 255, "federation servers %d: expected at most 255", len(cfg.Federation))
	check(len(cfg.Tenants) <= 255, "tenants %d: expected at most 255", len(cfg.Tenants))
	check(cfg.Sink != nil, "sink: missing")
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("planning the load: %w", err)
	}
	schedule, err := NewSchedule(cfg.Arrivals, cfg.Rate, cfg.Warmup+cfg.Duration, cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("planning the load: %w", err)
	}
	mix, err := newMix(cfg.Population, cfg.Mix, cfg.Changed, cfg.Seed)
	if err != nil {
		return nil, fmt.Errorf("planning the load: %w", err)
	}
	tenants, err := newTenants(&cfg, target)
	if err != nil {
		return nil, fmt.Errorf("planning the load: %w", err)
	}
	dialer := newDialer(target, &tls.Config{RootCAs: cfg.Roots}, cfg.Pool > 0)
	tenants.pools(dialer, cfg.Pool)
	g := &Generator{
		cfg: cfg, schedule: schedule, mix: mix, tenants: tenants, openURL: openURL, dialer: dialer,
		reader: reader{connectors: numbers(cfg.Connectors), federation: numbers(cfg.Federation)},
	}
	g.tally.planned.Store(uint64(schedule.Len()))
	return g, nil
}

// Planned is how many sign-ins are due from an instant of the plan until its
// end, counted from time 0: Planned(0) without the warm-up, Planned(-warmup)
// with it.
func (g *Generator) Planned(from time.Duration) int {
	return g.schedule.Len() - g.schedule.Before(from+g.cfg.Warmup)
}

// Overdue is how many arrivals are due and not sent yet, at a time of the plan
// counted from time 0.
func (g *Generator) Overdue(at time.Duration) int {
	return max(0, g.schedule.Before(at+g.cfg.Warmup)-int(g.tally.sent.Load()+g.tally.outcomes[results.OutcomeUnsent].Load()))
}

// RequestID is the client request id of a sign-in.
func (g *Generator) RequestID(seq uint32) string { return g.tenants.all[0].post.id(seq) }

// Progress can be asked for at any time.
func (g *Generator) Progress() Progress {
	p := g.tally.progress()
	p.Handshakes = g.dialer.handshakes.Load()
	return p
}

// numbers are those of names in samples, from 1.
func numbers(names []string) map[string]uint8 {
	by := make(map[string]uint8, len(names))
	for i, name := range names {
		by[name] = uint8(i + 1)
	}
	return by
}

// Connect asks federation servers where they take passwords, and opens the
// pooled connections, 16 handshakes at a time. Without a pool it opens none.
func (g *Generator) Connect(ctx context.Context) error {
	err := g.connect(ctx)
	if err != nil {
		g.close()
	}
	return err
}

func (g *Generator) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for _, f := range g.tenants.farms() {
		if err := f.connect(ctx, &tls.Config{RootCAs: g.cfg.Roots, MinVersion: tls.VersionTLS12}, g.cfg.Pool, g.tenants.all[0].post.idPrefix); err != nil {
			return err
		}
	}
	if g.cfg.Pool == 0 {
		return nil
	}
	for i := range g.tenants.all {
		if err := g.tenants.all[i].conns.open(ctx, g.openURL); err != nil {
			return err
		}
	}
	return nil
}

// Run makes the sign-ins. The plan begins at start, and time 0 of the samples
// is start plus the warm-up. Run returns when each sign-in of the plan was
// given to the sink, at the latest a client timeout after the plan's end.
//
// When the context ends, sign-ins under way become unknown and the plan ends
// there: what was due until then and not sent is unsent, what would have been
// due later was never planned, and Run returns the context's cause.
//
// A Generator runs once.
func (g *Generator) Run(ctx context.Context, start time.Time) error {
	defer g.close()
	for _, f := range g.tenants.farms() {
		if f.conns == nil {
			return fmt.Errorf("federation servers at %s: expected a Connect before", f.MEX)
		}
	}
	pacer, err := newPacer(ctx, g.schedule, start)
	if err != nil {
		return err
	}
	defer pacer.alarm.close()
	defer g.abortAfter(ctx)()
	client := attackClient(g, ctx, start)
	attacker := vegeta.NewAttacker(
		vegeta.Client(client),
		vegeta.Workers(firstWorkers),
		vegeta.MaxWorkers(uint64(g.cfg.MaxWorkers)),
	)
	// The target is of no consequence: the client makes its own requests.
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "GET", URL: "/"})
	for result := range attacker.Attack(target, pacer, 0, "") {
		if g.watch != nil {
			g.watch(result)
		}
	}

	planned := g.schedule.Len()
	if ctx.Err() != nil {
		planned = max(pacer.released, g.schedule.Before(time.Since(start)))
		g.tally.planned.Store(uint64(planned))
	}
	for n := pacer.released; n < planned; n++ {
		g.unsent(uint32(n))
	}
	return context.Cause(ctx)
}

// connections are all, to the cloud and to federation servers.
func (g *Generator) connections() (all []*connections) {
	for i := range g.tenants.all {
		all = append(all, g.tenants.all[i].conns)
	}
	for _, f := range g.tenants.farms() {
		if f.conns != nil {
			all = append(all, f.conns)
		}
	}
	return all
}

// abortAfter ends all exchanges when the context ends, until it is told to stop.
func (g *Generator) abortAfter(ctx context.Context) (stop func()) {
	var stops []func()
	for _, p := range g.connections() {
		stops = append(stops, p.abortAfter(ctx))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// close closes all connections.
func (g *Generator) close() {
	for _, p := range g.connections() {
		p.close()
	}
}

// unsent records an arrival that nobody could send in time.
func (g *Generator) unsent(seq uint32) {
	kind, user := g.mix.at(seq)
	g.record(&results.Sample{
		Seq: seq, User: user, Intent: kind, Outcome: results.OutcomeUnsent,
		Due:    int64(g.schedule.Due(int(seq)) - g.cfg.Warmup),
		Tenant: g.tenants.ofUser(kind, user).number,
	})
}

func (g *Generator) record(s *results.Sample) {
	g.tally.count(s)
	g.sink.Lock()
	defer g.sink.Unlock()
	g.cfg.Sink(*s)
}
