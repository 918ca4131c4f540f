package bind

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/backoff"
	"ptabench/wire"
)

// A server is the connections to one server of the directory.
type server struct {
	Server
	pool     *Pool
	bit      uint32 // among the servers that a sign-in has been to
	cfg      *Config
	log      *slog.Logger
	patience time.Duration // of ServerTimeout; 0 when there is no other server
	counters counters
	load     atomic.Int64 // sign-ins that it has
	up       atomic.Bool  // what down is not, for who holds no lock
	manner   atomic.Pointer[manner]

	lookups *lookups
	tls     *tls.Config
	ctx     context.Context // ends with close
	stop    context.CancelFunc
	wg      sync.WaitGroup // maintain, and one dial or read per connection
	wake    chan struct{}  // for maintain

	mu        sync.Mutex
	conns     map[*conn]struct{}
	idle      []*conn // the last used last: it is warm
	waiting   fifo
	dialling  int
	owed      int // dials to come that replace something lost
	down      bool
	refused   int       // dials in a row that did not succeed
	retryAt   time.Time // no dial before that
	backoff   backoff.Backoff
	lastReply time.Time // to a bind of a user
	noneSince time.Time // when the last connection was lost, or the first was begun
	unproven  bool      // back by a probe, and no user's bind was decided since
	flaps     int       // outages in a row that began so
	awake     bool      // maintain looks again, at the latest at look
	look      time.Time
	isSettled bool
	closed    bool
}

func newServer(p *Pool, i int) *server {
	s := &server{
		Server: p.cfg.Servers[i], pool: p, bit: 1 << i, cfg: &p.cfg, log: p.cfg.Log,
		wake: make(chan struct{}, 1), conns: map[*conn]struct{}{},
	}
	if len(p.cfg.Servers) > 1 {
		s.patience = p.cfg.ServerTimeout
		s.log = s.log.With("server", s.Address)
	}
	m := p.cfg.manner()
	s.manner.Store(&m)
	s.up.Store(true)
	s.tls = p.cfg.TLS.Clone()
	s.tls.ServerName = s.Name
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

func (p *server) start() {
	p.lookups = startLookups(p.ctx, p)
	p.wg.Go(p.maintain)
	p.mu.Lock()
	p.noneSince = time.Now()
	p.grow(p.noneSince)
	p.mu.Unlock()
}

func (p *server) inService() bool { return p.up.Load() }

func (p *server) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// close closes all connections and waits for everything the server's pool
// started.
func (p *server) close() {
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
	p.allUnreachable(left)
	p.wg.Wait()
	p.lookups.close()
}

// do takes a sign-in that it has not had before.
func (p *server) do(s *SignIn) {
	now := time.Now()
	p.load.Add(1)
	s.tried |= p.bit
	s.retried, s.remembered = false, false
	s.until = p.leave(s, now)
	p.route(s, now)
}

// leave is when a sign-in of now must go on to the next server, if there is
// one.
func (p *server) leave(s *SignIn, now time.Time) time.Time {
	if p.patience > 0 {
		if until := now.Add(p.patience); until.Before(s.Deadline) && p.pool.others(s.tried) {
			return until
		}
	}
	return s.Deadline
}

// route finds what a sign-in binds as, and asks.
func (p *server) route(s *SignIn, now time.Time) {
	switch p.manner.Load().names {
	case byTemplate:
		s.name = p.cfg.Names.of(s.User)
	case byLookup:
		if s.name, s.remembered = p.pool.names.get(s.User, now); !s.remembered {
			p.lookups.add(s)
			return
		}
	case byUPN:
		s.name = s.User
	default: // not known before the first connection, which will route it again
		s.name = ""
	}
	p.ask(s, now)
}

// ask puts the question to the server.
func (p *server) ask(s *SignIn, now time.Time) {
	p.mu.Lock()
	if p.closed || p.down {
		p.mu.Unlock()
		p.unreachable(s)
		return
	}
	if s.name == "" && p.manner.Load().names != byDialect { // it has become known
		p.mu.Unlock()
		p.route(s, now)
		return
	}
	if !p.awake || s.until.Before(p.look) {
		p.awake, p.look = true, s.until // once for all of the same end
		poke(p.wake)
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		c.assign(s, now, true)
		p.mu.Unlock()
		c.write(s)
		return
	}
	if p.waiting.len() >= p.cfg.Waiting {
		p.mu.Unlock()
		p.answer(s, wire.Result_RESULT_OVERLOADED)
		return
	}
	p.waiting.push(s)
	p.grow(now)
	p.mu.Unlock()
}

// nameless takes out those that came before it was known what users bind as.
// The caller holds the lock.
func (p *server) nameless() []*SignIn {
	if p.waiting.len() == 0 || p.waiting.at(0).name != "" {
		return nil
	}
	return p.waiting.drain() // before the first connection nobody was given a name
}

// settle says that the pool is as ready as it gets. The caller holds the lock.
func (p *server) settle() {
	if !p.isSettled {
		p.isSettled = true
		p.pool.serverSettled()
	}
}

// next gives the free connection c its next sign-in, which the caller must
// write, or makes it idle. Sign-ins not worth a bind are returned, to be
// answered. The caller holds the lock.
func (p *server) next(c *conn, now time.Time) (next *SignIn, hopeless []*SignIn) {
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
func (p *server) replied(c *conn, r reply) error {
	said := policyNone
	if c.controls != "" {
		var err error
		if said, err = readPolicy(r.controls); err != nil {
			return err
		}
	}
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
	p.lastReply = now
	if p.unproven && decides(r.code) {
		p.unproven = false
	}
	p.mu.Unlock()

	p.counters.replies.Add(1)
	s.Directory += now.Sub(s.asked)
	p.judge(s, r, said, now)
	p.allLate(hopeless, now)
	if next != nil {
		c.write(next)
	}
	return nil
}

// judge turns the directory's reply into an answer.
func (p *server) judge(s *SignIn, r reply, said policyError, now time.Time) {
	switch {
	case r.code == codeSuccess && said == policyChangeAfterReset:
		p.answer(s, wire.Result_RESULT_MUST_CHANGE)
	case r.code == codeSuccess:
		p.answer(s, wire.Result_RESULT_ACCEPTED)
	case !decides(r.code): // busy, unavailable, unwilling, and what else is no verdict
		if r.code == codeUnavailable && p.patience > 0 {
			p.suspend(errAway, now)
		}
		p.unreachable(s)
	default:
		result, final := p.manner.Load().refusal(r, said)
		if final && !s.remembered { // what a remembered name was refused for may be another's
			p.answer(s, result)
			return
		}
		s.refused = result
		p.lookups.add(s)
	}
}

// lost takes a connection that broke out of the pool, and does what is right
// for the sign-in it carried: another try when the directory cannot have seen
// this one, or when the connection had been idle, and so may have been dead
// for longer than anybody knew.
func (p *server) lost(c *conn, cause error) {
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
	if len(p.conns) == 0 {
		p.noneSince = now
	}
	s := c.current
	c.current = nil
	if s != nil {
		s.Directory += now.Sub(s.asked)
	}
	retry := s != nil && !p.closed && !p.down && !s.retried && cause != errTimeout && (!wrote || c.pooled) && !s.hopeless(now)
	if retry {
		s.retried = true
		p.waiting.pushFront(s)
	}
	if !p.closed {
		p.owed++
	}
	p.grow(now)
	left := p.settleDown(cause)
	if !p.closed { // there is more to watch now: what waits, and a dial that may have to wait
		p.awake, p.look = true, now
		poke(p.wake)
	}
	p.mu.Unlock()

	p.allUnreachable(left)
	switch {
	case s == nil || retry:
	case cause == errTimeout || cause == errSilent || s.hopeless(now):
		p.late(s, now)
	default:
		p.unreachable(s)
	}
}

// maintain ends what is overdue and redials, while there is anything to watch.
func (p *server) maintain() {
	for {
		select {
		case <-p.wake:
		case <-p.ctx.Done():
			return
		}
		timer := time.NewTimer(0)
		for {
			wait := p.sweep(time.Now())
			if wait == 0 {
				break
			}
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.wake:
			case <-p.ctx.Done():
				timer.Stop()
				return
			}
		}
		timer.Stop()
	}
}

// rest is how long maintain may wait, 0 for as long as nothing is asked. While
// connections come and go it is a tick; else as long as nobody's time is over,
// because each waking takes a processor from the directory, if it is on the same
// machine. The caller holds the lock.
func (p *server) rest(now time.Time) time.Duration {
	const longest = 10 * tick // those whose answer nobody wants any more are found so late
	if len(p.idle) == len(p.conns) && p.waiting.len() == 0 && p.dialling == 0 && len(p.conns) >= p.cfg.Min && !p.down {
		return 0
	}
	if p.down || p.dialling > 0 || len(p.conns) < p.cfg.Min || p.waiting.len() > 0 && (len(p.conns) < p.cfg.Max || len(p.idle) > 0) {
		return tick
	}
	wait := longest
	if p.patience > 0 {
		wait = min(wait, p.patience/4)
	}
	for i := range p.waiting.len() {
		wait = min(wait, p.waiting.at(i).until.Sub(now))
	}
	for c := range p.conns {
		if c.current != nil {
			wait = min(wait, c.current.until.Sub(now))
		}
	}
	return max(wait, tick)
}

// sweep ends what is overdue. It returns in how long to look again, 0 for never.
func (p *server) sweep(now time.Time) time.Duration {
	var stuck []*conn
	var silence time.Time // when what is overdue was begun, if nothing was answered since
	p.mu.Lock()
	overdue := p.waiting.hopeless(now)
	if len(p.idle) < len(p.conns) {
		for c := range p.conns {
			if c.current != nil && now.After(c.current.until) {
				stuck = append(stuck, c)
				if p.silentSince(c.current.asked, now) {
					silence = c.current.asked
				}
			}
		}
	}
	if len(overdue) > 0 && p.patience > 0 && !p.down && len(p.conns) == 0 && now.Sub(p.noneSince) >= p.patience {
		silence = p.noneSince // no connection comes, and dials may take far longer
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
	wait := p.rest(now)
	p.awake, p.look = wait > 0, now.Add(wait)
	p.mu.Unlock()
	p.allLate(overdue, now)
	for i, c := range ready {
		c.write(asked[i])
	}
	if !silence.IsZero() {
		p.silent(silence, now)
	}
	for _, c := range stuck {
		c.abandon(errTimeout)
	}
	return wait
}

// answer gives a sign-in back.
func (p *server) answer(s *SignIn, r wire.Result) {
	p.load.Add(-1)
	s.answer(r)
}

// unreachable is for a sign-in that this server cannot decide.
func (p *server) unreachable(s *SignIn) {
	if !p.pool.move(s, p, time.Now()) {
		p.answer(s, wire.Result_RESULT_DIRECTORY_UNREACHABLE)
	}
}

// late is for one that this server did not decide in time.
func (p *server) late(s *SignIn, now time.Time) {
	if !p.pool.move(s, p, now) {
		p.answer(s, wire.Result_RESULT_DIRECTORY_TIMEOUT)
	}
}

func (p *server) allUnreachable(all []*SignIn) {
	for _, s := range all {
		p.unreachable(s)
	}
}

func (p *server) allLate(all []*SignIn, now time.Time) {
	for _, s := range all {
		p.late(s, now)
	}
}

// poke wakes whoever waits on c, now or the next time.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
