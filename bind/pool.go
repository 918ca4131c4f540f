package bind

import (
	"sync"
	"sync/atomic"
	"time"

	"ptabench/wire"
)

// A Pool is the connections to the servers of one directory. It is safe for
// concurrent use.
//
// Of several servers the order chooses among those in service. A sign-in that a
// server cannot decide, for whatever reason but that its time is over, goes on
// to the next that it has not been to. So the longest that a server which hangs
// can cost a sign-in is ServerTimeout; and then everything is taken from it, it
// gets no sign-ins, and is tried aside, by binds of the service account, until
// it answers one. A password that was sent to a server which then hung may have
// been counted there, so a wrong one can count twice.
type Pool struct {
	cfg     Config
	servers []*server
	names   nameCache
	turn    atomic.Uint32 // where balanced begins to look

	mu        sync.Mutex
	up        int           // servers in service
	unsettled int           // servers
	changed   chan struct{} // closed when up becomes 0 or ceases to be
	settled   chan struct{}
	closed    bool
}

// Open begins to open Min connections to each server and returns at once; see
// Settled.
func Open(cfg Config) *Pool {
	if cfg.NameAttribute == "" {
		cfg.NameAttribute = defaultNameAttribute
	}
	if cfg.ServerTimeout <= 0 {
		cfg.ServerTimeout = cfg.BindTimeout / time.Duration(len(cfg.Servers))
	}
	p := &Pool{cfg: cfg, changed: make(chan struct{}), settled: make(chan struct{}), up: len(cfg.Servers), unsettled: len(cfg.Servers)}
	for i := range cfg.Servers {
		p.servers = append(p.servers, newServer(p, i))
	}
	for _, s := range p.servers {
		s.start()
	}
	return p
}

// Settled is closed once the first Min connections are open to each server, or
// it turned out not to be reachable.
func (p *Pool) Settled() <-chan struct{} { return p.settled }

// Reachable reports whether a server was in service when last tried, and a
// channel that closes when this changes.
func (p *Pool) Reachable() (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up > 0, p.changed
}

// Size is the number of open connections.
func (p *Pool) Size() int {
	n := 0
	for _, s := range p.servers {
		n += s.size()
	}
	return n
}

// Counts is what was done to all servers.
func (p *Pool) Counts() Counts {
	var sum Counts
	for _, s := range p.servers {
		sum.Add(s.counters.counts())
	}
	return sum
}

// A ServerState is one server as it stands.
type ServerState struct {
	Server
	InService   bool
	Connections int
	Outstanding int     // sign-ins that it has
	Dialect     Dialect // Auto while that is not known
	Counts
}

// Servers are all, in the order of the configuration.
func (p *Pool) Servers() []ServerState {
	all := make([]ServerState, len(p.servers))
	for i, s := range p.servers {
		all[i] = ServerState{
			Server: s.Server, InService: s.inService(), Connections: s.size(), Outstanding: int(s.load.Load()),
			Dialect: s.manner.Load().dialect, Counts: s.counters.counts(),
		}
	}
	return all
}

// Close closes all connections and waits for everything the pool started.
// Sign-ins it still has are answered DIRECTORY_UNREACHABLE.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range p.servers {
		wg.Go(s.close)
	}
	wg.Wait()
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Do asks the directory. While that is not reachable the answer is given at
// once.
func (p *Pool) Do(s *SignIn) {
	switch { // a bind without a name or a password would be anonymous, and succeed
	case !sayable(s.Password):
		s.answer(wire.Result_RESULT_WRONG_PASSWORD)
		return
	case s.User == "" || len(s.User) > longestUser || !speakable(s.User):
		s.answer(wire.Result_RESULT_UNKNOWN_USER)
		return
	}
	if limit := s.Taken.Add(p.cfg.BindTimeout); limit.Before(s.Deadline) {
		s.Deadline = limit
	}
	first := p.servers[0]
	if len(p.servers) > 1 {
		if first = p.choose(0); first == nil {
			s.answer(wire.Result_RESULT_DIRECTORY_UNREACHABLE)
			return
		}
	}
	first.do(s)
}

// choose is the server for a sign-in that has been to some already, nil when
// none is left.
func (p *Pool) choose(tried uint32) *server {
	if p.cfg.Order == Balanced {
		var best *server
		turn := int(p.turn.Add(1) % uint32(len(p.servers)))
		for i := range p.servers { // who begins is the first among equals
			s := p.servers[(turn+i)%len(p.servers)]
			if tried&s.bit == 0 && s.inService() && (best == nil || s.load.Load() < best.load.Load()) {
				best = s
			}
		}
		return best
	}
	for _, s := range p.servers {
		if tried&s.bit == 0 && s.inService() {
			return s
		}
	}
	return nil
}

// others reports whether a server is in service that a sign-in has not been to.
func (p *Pool) others(tried uint32) bool {
	for _, s := range p.servers {
		if tried&s.bit == 0 && s.inService() {
			return true
		}
	}
	return false
}

// move gives a sign-in that from could not decide to another server, and
// reports whether there is one.
func (p *Pool) move(s *SignIn, from *server, now time.Time) bool {
	if len(p.servers) == 1 || s.over(now) || p.isClosed() {
		return false
	}
	next := p.choose(s.tried)
	if next == nil {
		return false
	}
	from.load.Add(-1)
	from.counters.moved.Add(1)
	next.do(s)
	return true
}

// turned notes that a server came into service, or went out of it.
func (p *Pool) turned(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.up > 0
	p.up += by
	if was != (p.up > 0) {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

func (p *Pool) serverSettled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unsettled--; p.unsettled == 0 {
		close(p.settled)
	}
}
