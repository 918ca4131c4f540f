package cloudsim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/token"
	"ptabench/observe"
	"ptabench/wire"
)

// fallbackSettles is how long pass-through must have answered everybody for
// fallback to count as ended. Under overload the two take turns many times a
// second.
const fallbackSettles = time.Second

// tickInterval is how late a deadline may be noticed.
const tickInterval = 5 * time.Millisecond

// tenant owns the queue of one tenant: it holds the lock around it, runs its
// clock, and carries out its effects.
type tenant struct {
	Tenant
	issuer *token.Issuer
	began  time.Time
	events *observe.Log
	vault  *vault
	hashes hashStore
	policy atomic.Pointer[policy] // how its users sign in
	// client is what federation servers are asked by.
	client  func() (*http.Client, error)
	replays *federation.Replays // of their assertions
	// choosing orders whoever replaces it.
	choosing sync.Mutex
	// deadline of a sign-in on the pass-through path
	deadline time.Duration

	mu     sync.Mutex // guards queue and counts
	queue  *dispatch.Tenant
	counts observe.TenantCounters // of what is answered; the queue counts the rest
	manual atomic.Bool            // the operator has switched hash sync on
	fallen atomic.Bool            // hash sync answers, or did until a moment ago
	hashed atomic.Int64           // when it last answered instead of pass-through, in the tenant's time
}

// hashStore is what fallback needs of the state.
type hashStore interface {
	// Check says what hash sync knows of a user and a password. An account
	// without a hash, which the sync does not carry, matches no password.
	Check(tenant, upn, password string) wire.Result
	// Synced reports whether hash sync ever sent accounts of a tenant.
	Synced(tenant string) bool
}

// request is one sign-in on its way: what the sender of a connector stream
// needs, and where its answer goes.
type request struct {
	user     string
	password []byte // hidden by the vault
	signIn   dispatch.SignIn
	answered chan dispatch.Resolution // holds one, so that Resolve never blocks
}

func newTenant(cfg Tenant, settings dispatch.Settings, began time.Time, v *vault, hashes hashStore, events *observe.Log) *tenant {
	t := &tenant{Tenant: cfg, began: began, vault: v, hashes: hashes, events: events, deadline: settings.Deadline}
	t.replays = federation.NewReplays(federation.MaxReplays)
	t.policy.Store(t.configured())
	settings.Wait = cfg.Fallback != Automatic
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	t.queue = dispatch.New(cfg.Name, settings, random, t)
	return t
}

func (t *tenant) now() time.Duration { return time.Since(t.began) }

// run ticks the queue's clock until the context ends: when something is due, and
// now and then because something may be by then. Each waking takes a processor
// from those who share it.
func (t *tenant) run(ctx context.Context) {
	timer := time.NewTimer(tickInterval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			var wait time.Duration
			t.locked(func(now time.Duration) {
				t.queue.Tick(now)
				wait = t.queue.Due(now) - now
			})
			timer.Reset(max(wait, tickInterval))
		case <-ctx.Done():
			return
		}
	}
}

// locked runs f under the queue's lock, with the time.
func (t *tenant) locked(f func(now time.Duration)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.now())
}

// Give implements dispatch.Effects.
func (t *tenant) Give(c *dispatch.Connector, s *dispatch.SignIn) dispatch.Via {
	return c.Payload.(*session).give(t.now(), s)
}

// Resolve implements dispatch.Effects.
func (t *tenant) Resolve(s *dispatch.SignIn, r dispatch.Resolution) {
	s.Payload.(*request).answered <- r
}

// Event implements dispatch.Effects.
func (t *tenant) Event(e observe.Event) { t.events.Add(e) }

var _ dispatch.Effects = (*tenant)(nil)

// An answer is how a sign-in ended.
type answer struct {
	code        int // 0 when accepted
	failed      bool
	by          Method // who decided; empty when nobody did
	connector   string
	attempts    int
	queued      time.Duration
	inConnector time.Duration // in the connector, the directory included
	directory   time.Duration
}

func (a *answer) outcome() string {
	switch {
	case a.failed:
		return "failed"
	case a.code == 0:
		return "accepted"
	}
	return "refused"
}

// signIn decides one sign-in. It returns within the deadline, and a little
// more when the hash store has to be asked after that.
func (t *tenant) signIn(id uint64, user, password string) answer {
	t.mu.Lock()
	t.counts.Received++
	t.mu.Unlock()
	a := t.decide(id, user, password)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.countAnswer(&a)
	return a
}

// countAnswer takes how a sign-in ended into the tenant's books; mu is held.
func (t *tenant) countAnswer(a *answer) {
	switch {
	case a.failed:
		t.counts.Failed++
	case a.code == 0:
		t.counts.Accepted++
	default:
		t.counts.Refused++
	}
	switch a.by {
	case PassThrough:
		t.counts.PassThrough++
	case HashSync:
		t.counts.HashSync++
	case Federation:
		t.counts.Federation++
	}
}

// refuseLocked answers for an account that is locked: nobody is asked.
func (t *tenant) refuseLocked() answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := answer{code: codeLocked}
	t.counts.Received++
	t.countAnswer(&a)
	return a
}

func (t *tenant) decide(id uint64, user, password string) answer {
	p := t.policy.Load()
	switch {
	case p.method == HashSync, p.method == PassThrough && p.fallback == Manual && t.manual.Load():
		return answer{by: HashSync, code: t.checkHash(user, password)}
	case t.elsewhere(p):
		return answer{code: codeFederated}
	case p.method == federated: // where it is, is not known
		return answer{by: HashSync, code: t.checkHash(user, password)}
	case p.method == nobodyElse: // no directory is connected
		return answer{code: codeUnknownUser}
	}
	r := &request{user: user, password: t.vault.hide(password), answered: make(chan dispatch.Resolution, 1)}
	r.signIn.ID, r.signIn.Payload = id, r
	t.locked(func(now time.Duration) { t.queue.Submit(now, &r.signIn) })
	end := <-r.answered

	a := answer{attempts: r.signIn.Attempts(), queued: end.Queued}
	switch {
	case end.Failure == 0:
		a.by, a.connector = PassThrough, r.signIn.Server
		a.code = refusals[wire.Result(end.Result)]
		a.inConnector, a.directory = end.Connector, end.Directory
		if t.fallen.Load() {
			t.recovered()
		}
	// Where nothing was ever synced there is nobody to answer: that a user is
	// not in such a store says nothing of the user.
	case p.fallsBack(end.Failure) && t.hashes.Synced(t.Name):
		t.hashed.Store(int64(t.now()))
		if t.fallen.CompareAndSwap(false, true) {
			t.events.Add(observe.Event{Kind: observe.FallbackBegan, Tenant: t.Name,
				Cause: end.Failure.String()})
		}
		a.by, a.code = HashSync, t.checkHash(user, password)
	default:
		a.failed, a.code = true, int(end.Failure)
	}
	return a
}

// fallsBack says whether hash sync answers when pass-through failed like this.
func (p *policy) fallsBack(f dispatch.Failure) bool {
	return p.fallback == Automatic || p.fallback == NoneLeft && f == dispatch.NoConnector
}

// checkHash is the code that the hash store answers with.
func (t *tenant) checkHash(user, password string) int {
	return refusals[t.hashes.Check(t.Name, user, password)]
}

// giveUp answers everybody who waits, as if their deadline had passed.
func (t *tenant) giveUp() {
	t.locked(func(now time.Duration) { t.queue.Tick(now + t.deadline) })
}

// recovered notes that pass-through answers everybody again, if it has for a
// while. It is asked with each of its answers.
func (t *tenant) recovered() {
	if t.now()-time.Duration(t.hashed.Load()) < fallbackSettles {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue.Closed() && t.fallen.CompareAndSwap(true, false) {
		t.events.Add(observe.Event{Kind: observe.FallbackEnded, Tenant: t.Name})
	}
}

// counters adds up the queue's figures and the answers'.
func (t *tenant) counters() observe.TenantCounters {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, c := t.queue.Counters(), t.counts
	n.Received, n.Accepted, n.Refused, n.Failed = c.Received, c.Accepted, c.Refused, c.Failed
	n.PassThrough, n.HashSync, n.Federation = c.PassThrough, c.HashSync, c.Federation
	return n
}
