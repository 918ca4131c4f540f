package bind

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"ptabench/backoff"
	"ptabench/wire"
)

// A Pool is the connections to one directory. It is safe for concurrent use.
type Pool struct {
	Counters Counters

	cfg     Config
	lookups *lookups
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	wg      sync.WaitGroup // maintain, and one dial or read per connection
	wake    chan struct{}  // for maintain
	settled chan struct{}  // closed when Min connections were open, or none could be

	mu        sync.Mutex
	conns     map[*conn]struct{}
	idle      []*conn // the last used last: it is warm
	waiting   fifo
	dialling  int
	owed      int // dials to come that replace something lost
	down      bool
	changed   chan struct{} // closed when down changes
	refused   int           // dials in a row that did not succeed
	retryAt   time.Time     // no dial before that
	backoff   backoff.Backoff
	awake     bool // maintain is ticking
	isSettled bool
	closed    bool
}

// Open begins to open Min connections and returns at once; see Settled.
func Open(cfg Config) *Pool {
	p := &Pool{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		settled: make(chan struct{}),
		conns:   map[*conn]struct{}{},
		changed: make(chan struct{}),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.lookups = startLookups(p.ctx, cfg, &p.Counters)
	p.wg.Go(p.maintain)
	p.mu.Lock()
	p.grow(time.Now())
	p.mu.Unlock()
	return p
}

// Settled is closed once the first Min connections are open, or the directory
// turned out not to be reachable.
func (p *Pool) Settled() <-chan struct{} { return p.settled }

// Reachable reports whether the directory could be reached when last tried,
// and a channel that closes when this changes.
func (p *Pool) Reachable() (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.down, p.changed
}

// Size is the number of open connections.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Close closes all connections and waits for everything the pool started.
// Sign-ins it still has are answered DIRECTORY_UNREACHABLE.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	left := p.waiting.drain()
	open := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		open = append(open, c)
	}
	p.mu.Unlock()
	p.stop()
	for _, c := range open {
		c.abandon(errClosing)
	}
	for _, s := range left {
		s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	}
	p.wg.Wait()
	p.lookups.close()
}

// Do asks the directory. While that is not reachable the answer is given at
// once.
func (p *Pool) Do(s *SignIn) {
	switch { // a bind without a name or a password would be anonymous, and succeed
	case len(s.Password) == 0 || len(s.Password) > longestPassword:
		s.answer(wire.Result_RESULT_WRONG_PASSWORD)
		return
	case s.User == "" || len(s.User) > longestUser:
		s.answer(wire.Result_RESULT_UNKNOWN_USER)
		return
	}
	if limit := s.Taken.Add(p.cfg.BindTimeout); limit.Before(s.Deadline) {
		s.Deadline = limit
	}
	p.mu.Lock()
	if p.closed || p.down {
		p.mu.Unlock()
		s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
		return
	}
	if !p.awake {
		p.awake = true
		poke(p.wake)
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		c.assign(s, time.Now(), true)
		p.mu.Unlock()
		c.write(s)
		return
	}
	if p.waiting.len() >= p.cfg.Waiting {
		p.mu.Unlock()
		s.answer(wire.Result_RESULT_OVERLOADED)
		return
	}
	p.waiting.push(s)
	p.grow(time.Now())
	p.mu.Unlock()
}

// grow starts the dials that are due. The caller holds the lock.
func (p *Pool) grow(now time.Time) {
	for !p.closed && p.dialling < maxDials && !now.Before(p.retryAt) {
		n := len(p.conns) + p.dialling
		if n >= p.cfg.Min && (n >= p.cfg.Max || p.waiting.len() <= p.dialling) {
			return
		}
		if p.down && p.dialling > 0 {
			return // one at a time tells whether it is back
		}
		p.dialling++
		if p.owed > 0 {
			p.owed--
			p.Counters.Redials.Add(1)
		}
		p.wg.Go(p.dial)
	}
}

// dial opens a connection and stays to read it.
func (p *Pool) dial() {
	nc, err := dialTLS(p.ctx, p.cfg)
	now := time.Now()
	p.mu.Lock()
	p.dialling--
	if err != nil {
		if !p.closed {
			p.owed++
			// One dial cut short is no outage; a second in a row, or one that
			// met silence, is taken for one.
			if p.refused++; p.refused > 1 || errors.Is(err, context.DeadlineExceeded) {
				p.retryAt = now.Add(p.backoff.Next())
			}
			if len(p.conns) > 0 {
				p.cfg.Log.Warn("dialling the directory", "error", err)
			}
		}
		p.grow(now)
		left := p.settleDown(err)
		if !p.awake { // for maintain to dial again
			p.awake = true
			poke(p.wake)
		}
		p.mu.Unlock()
		unreachable(left)
		return
	}
	if p.closed {
		p.mu.Unlock()
		_ = nc.Close()
		return
	}
	c := &conn{pool: p, nc: nc, raw: nc.NetConn()}
	p.conns[c] = struct{}{}
	p.backoff.Reset()
	p.refused = 0
	p.retryAt = time.Time{}
	if p.down {
		p.down = false
		close(p.changed)
		p.changed = make(chan struct{})
		p.cfg.Log.Info("directory reachable")
	}
	if len(p.conns) >= p.cfg.Min {
		p.settle()
	}
	next, hopeless := p.next(c, now)
	p.grow(now)
	p.mu.Unlock()
	timedOut(hopeless)
	if next != nil {
		c.write(next)
	}
	c.read()
}

// settleDown notices that no connection is left and none is coming, and
// returns the sign-ins that waited for one. The caller holds the lock.
func (p *Pool) settleDown(cause error) []*SignIn {
	if p.closed || p.down || len(p.conns) > 0 || p.dialling > 0 {
		return nil
	}
	p.down = true
	close(p.changed)
	p.changed = make(chan struct{})
	p.settle()
	p.cfg.Log.Warn("directory unreachable", "error", cause)
	return p.waiting.drain()
}

// settle says that the pool is as ready as it gets. The caller holds the lock.
func (p *Pool) settle() {
	if !p.isSettled {
		p.isSettled = true
		close(p.settled)
	}
}

// next gives the free connection c its next sign-in, which the caller must
// write, or makes it idle. Sign-ins not worth a bind are returned, to be
// answered. The caller holds the lock.
func (p *Pool) next(c *conn, now time.Time) (next *SignIn, hopeless []*SignIn) {
	for {
		s := p.waiting.pop()
		if s == nil {
			p.idle = append(p.idle, c)
			return nil, hopeless
		}
		if s.hopeless(now) {
			hopeless = append(hopeless, s)
			continue
		}
		c.assign(s, now, false)
		return s, hopeless
	}
}

// replied takes the directory's answer to what c was asked.
func (p *Pool) replied(c *conn, r reply) error {
	now := time.Now()
	p.mu.Lock()
	s := c.current
	if s == nil || r.id != c.id || r.id != c.asking.Load() || r.op != tagBindResponse {
		p.mu.Unlock()
		if r.id == 0 && r.op == tagExtendedResponse {
			return errFarewell
		}
		return errUnasked
	}
	next, hopeless := p.next(c, now)
	if next == nil {
		c.current = nil
	}
	p.mu.Unlock()

	p.Counters.Replies.Add(1)
	s.Directory += now.Sub(s.asked)
	p.judge(s, r)
	timedOut(hopeless)
	if next != nil {
		c.write(next)
	}
	return nil
}

// judge turns the directory's reply into an answer.
func (p *Pool) judge(s *SignIn, r reply) {
	switch {
	case r.code == codeSuccess:
		s.answer(wire.Result_RESULT_ACCEPTED)
	case !refuses(r.code): // busy, unavailable, unwilling, and what else is no verdict
		s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	default:
		if result, ok := byDiagnostic(r.diagnostic); ok {
			s.answer(result)
			return
		}
		p.lookups.add(s)
	}
}

// lost takes a connection that broke out of the pool, and does what is right
// for the sign-in it carried: another try when the directory cannot have seen
// this one, or when the connection had been idle, and so may have been dead
// for longer than anybody knew.
func (p *Pool) lost(c *conn, cause error) {
	wrote := c.condemn()
	now := time.Now()
	p.mu.Lock()
	delete(p.conns, c)
	for i, idle := range p.idle {
		if idle == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	s := c.current
	c.current = nil
	if s != nil {
		s.Directory += now.Sub(s.asked)
	}
	retry := s != nil && !p.closed && !s.retried && cause != errTimeout && (!wrote || c.pooled) && !s.hopeless(now)
	if retry {
		s.retried = true
		p.waiting.pushFront(s)
	}
	if !p.closed {
		p.owed++
	}
	p.grow(now)
	left := p.settleDown(cause)
	p.mu.Unlock()

	unreachable(left)
	switch {
	case s == nil || retry:
	case cause == errTimeout || s.hopeless(now):
		s.answer(wire.Result_RESULT_DIRECTORY_TIMEOUT)
	default:
		s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	}
}

// maintain ends what is overdue and redials, while there is anything to watch.
func (p *Pool) maintain() {
	for {
		select {
		case <-p.wake:
		case <-p.ctx.Done():
			return
		}
		ticker := time.NewTicker(tick)
		for p.sweep(time.Now()) {
			select {
			case <-ticker.C:
			case <-p.ctx.Done():
				ticker.Stop()
				return
			}
		}
		ticker.Stop()
	}
}

// sweep is one tick. It reports whether another is needed.
func (p *Pool) sweep(now time.Time) bool {
	var stuck []*conn
	p.mu.Lock()
	overdue := p.waiting.hopeless(now)
	if len(p.idle) < len(p.conns) {
		for c := range p.conns {
			if c.current != nil && now.After(c.current.Deadline) {
				stuck = append(stuck, c)
			}
		}
	}
	p.grow(now)
	// A sign-in that lost its connection waits for a new one, not for an idle
	// one, which may have died with it. What is still idle after a while has not.
	var ready []*conn
	for p.waiting.len() > 0 && len(p.idle) > 0 && now.Sub(p.waiting.at(0).asked) > 5*tick {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		c.assign(p.waiting.pop(), now, true)
		ready = append(ready, c)
	}
	asked := make([]*SignIn, len(ready))
	for i, c := range ready {
		asked[i] = c.current
	}
	more := len(p.idle) < len(p.conns) || p.waiting.len() > 0 || p.dialling > 0 || len(p.conns) < p.cfg.Min
	p.awake = more
	p.mu.Unlock()
	timedOut(overdue)
	for i, c := range ready {
		c.write(asked[i])
	}
	for _, c := range stuck {
		c.abandon(errTimeout)
	}
	return more
}

func unreachable(all []*SignIn) {
	for _, s := range all {
		s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	}
}

func timedOut(all []*SignIn) {
	for _, s := range all {
		s.answer(wire.Result_RESULT_DIRECTORY_TIMEOUT)
	}
}

// poke wakes whoever waits on c, now or the next time.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// dialTLS connects and verifies the directory.
func dialTLS(ctx context.Context, cfg Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	raw, err := cfg.Dial(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	nc := tls.Client(raw, cfg.TLS)
	if err := nc.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS with the directory at %s: %w", cfg.Address, err)
	}
	return nc, nil
}
