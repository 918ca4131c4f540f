package bind

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// grow starts the dials that are due. The caller holds the lock.
func (p *server) grow(now time.Time) {
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
			p.counters.redials.Add(1)
		}
		p.wg.Go(p.dial)
	}
}

// dial opens a connection and stays to read it.
func (p *server) dial() {
	probe := p.patience > 0 && !p.inService()
	c, err := p.connect(probe)
	now := time.Now()
	p.mu.Lock()
	p.dialling--
	if err != nil {
		if !p.closed {
			p.owed++
			// One dial cut short is no outage; a second in a row, or one that
			// met silence, is taken for one.
			if p.refused++; p.refused > 1 || timedOut(err) {
				p.retryAt = now.Add(p.backoff.Next())
			}
			if len(p.conns) > 0 {
				p.log.Warn("dialling the directory", "error", err)
			}
		}
		p.grow(now)
		left := p.settleDown(err)
		if !p.awake { // for maintain to dial again
			p.awake = true
			poke(p.wake)
		}
		p.mu.Unlock()
		p.allUnreachable(left)
		return
	}
	if p.closed {
		p.mu.Unlock()
		_ = c.nc.Close()
		return
	}
	if p.down && p.patience > 0 && !probe { // it went out of service while this was dialled, which proves nothing
		p.owed++
		p.grow(now)
		p.mu.Unlock()
		_ = c.raw.Close()
		return
	}
	p.conns[c] = struct{}{}
	p.backoff.Reset()
	p.refused = 0
	p.retryAt = time.Time{}
	if p.down {
		p.unproven = probe
		p.setDown(false)
		p.log.Info("directory reachable")
	}
	if len(p.conns) >= p.cfg.Min {
		p.settle()
	}
	nameless := p.nameless()
	next, hopeless := p.next(c, now)
	p.grow(now)
	p.mu.Unlock()
	p.allLate(hopeless, now)
	for _, s := range nameless {
		p.route(s, now)
	}
	if next != nil {
		c.write(next)
	}
	c.read()
}

// connect opens a connection, on the first finds out how the server is to be
// spoken to, and on a probe whether it answers binds.
func (p *server) connect(probe bool) (*conn, error) {
	nc, err := p.dialTLS(p.ctx)
	if err != nil {
		return nil, err
	}
	c := newClient(nc)
	stop := c.closeWith(p.ctx)
	defer stop()
	if err := p.greet(c, probe); err != nil {
		c.close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return &conn{pool: p, nc: nc, raw: nc.NetConn(), id: c.id, controls: p.manner.Load().controls}, nil
}

func (p *server) greet(c *client, probe bool) error {
	if m := p.manner.Load(); m.dialect == Auto {
		found, err := m.detect(c, time.Now().Add(p.cfg.DialTimeout))
		if err != nil {
			return err
		}
		if p.manner.CompareAndSwap(m, &found) {
			p.log.Info("directory's dialect", "dialect", found.dialect)
		}
	}
	if !probe {
		return nil
	}
	p.counters.probes.Add(1)
	r, err := c.bind(p.cfg.Account, p.cfg.Password, time.Now().Add(p.patience))
	if err == nil && r.code != codeSuccess && !refuses(r.code) {
		err = &refusedError{"trying whether the directory is back", r.code}
	}
	return err
}

// dialTLS connects to the server and verifies it.
func (p *server) dialTLS(ctx context.Context) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.DialTimeout)
	defer cancel()
	raw, err := p.cfg.Dial(ctx, "tcp", p.Address)
	if err != nil {
		return nil, err
	}
	nc := tls.Client(raw, p.tls)
	if err := nc.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS with the directory at %s: %w", p.Address, err)
	}
	return nc, nil
}
