package bind

import "time"

// setDown takes the server out of service, or puts it in. The caller holds the
// lock.
func (p *server) setDown(down bool) {
	p.down = down
	p.up.Store(!down)
	if down {
		p.counters.outages.Add(1)
		p.pool.turned(-1)
		return
	}
	p.pool.turned(1)
}

// suspend takes a server out of service that takes connections and does not
// decide sign-ins, and everything that it has away from it.
func (p *server) suspend(cause error, now time.Time) {
	const longest = time.Minute
	p.mu.Lock()
	if p.closed || p.down {
		p.mu.Unlock()
		return
	}
	p.setDown(true)
	if cause == errSilent {
		p.counters.silences.Add(1)
	}
	wait := p.backoff.Next()
	if p.flaps++; !p.unproven {
		p.flaps = 0
	} else {
		wait = min(time.Second<<min(p.flaps, 6), longest)
	}
	p.retryAt = now.Add(wait)
	p.settle()
	left := p.waiting.drain()
	open := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		open = append(open, c)
	}
	if !p.awake {
		p.awake = true
		poke(p.wake)
	}
	p.mu.Unlock()
	p.log.Warn("directory out of service", "error", cause, "for", wait)
	for _, c := range open {
		c.abandon(cause)
	}
	p.allUnreachable(left)
}

// silent takes a server for hung that answered nothing since something was
// asked long enough ago.
func (p *server) silent(asked, now time.Time) {
	p.mu.Lock()
	silent := p.silentSince(asked, now)
	p.mu.Unlock()
	if silent {
		p.suspend(errSilent, now)
	}
}

// silentSince is whether that is so. The caller holds the lock.
func (p *server) silentSince(asked, now time.Time) bool {
	return p.patience > 0 && !p.down && now.Sub(asked) >= p.patience && p.lastReply.Before(asked)
}

// settleDown notices that no connection is left and none is coming, and
// returns the sign-ins that waited for one. The caller holds the lock.
func (p *server) settleDown(cause error) []*SignIn {
	if p.closed || p.down || len(p.conns) > 0 || p.dialling > 0 {
		return nil
	}
	p.setDown(true)
	p.settle()
	p.log.Warn("directory unreachable", "error", cause)
	return p.waiting.drain()
}
