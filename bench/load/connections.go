package load

import (
	queue "container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// openTimeout bounds the opening of all connections.
const openTimeout = 30 * time.Second

// connections are the client side of all sign-ins: HTTP/1.1 over TLS. They are
// a pool of at most size, of which the last used is the next to be used, or each
// in turn; when all are busy, sign-ins wait for one in the order they came. With
// size 0 each sign-in has a connection of its own.
type connections struct {
	*dialer
	size int
	// turns has each connection used in turn. Behind a balancer of connections
	// that is how few sign-ins, too, reach all servers.
	turns bool

	mu      sync.Mutex
	all     map[*connection]struct{} // busy and idle
	idle    []*connection            // the last used last
	places  int                      // of the pool, taken: by connections and by those who dial
	waiting queue.List               // of chan *connection, while none is idle and all places are taken
}

func newConnections(with *dialer, size int) *connections {
	return &connections{
		dialer: with,
		size:   size,
		all:    make(map[*connection]struct{}),
	}
}

// signIn sends one sign-in and returns the connection that holds the response,
// to be released. A sign-in is sent twice only when it is certain that nothing
// of it left on a connection that the server had closed: one that may have
// arrived is unknown.
func (p *connections) signIn(ctx context.Context, deadline time.Time, of *request) (*connection, error) {
	for again := false; ; again = true {
		c, err := p.take(ctx, deadline)
		if err != nil {
			return nil, err
		}
		c.request = of.append(c.request[:0])
		sent, err := c.exchange(ctx, deadline)
		if err == nil {
			return c, nil
		}
		kept := !c.used.IsZero()
		p.release(c)
		var late net.Error
		if sent || again || !kept || ctx.Err() != nil || errors.As(err, &late) && late.Timeout() {
			return nil, err
		}
	}
}

// take returns a connection that is nobody else's.
func (p *connections) take(ctx context.Context, deadline time.Time) (*connection, error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1]
			if p.turns {
				c = p.idle[0]
				copy(p.idle, p.idle[1:])
			}
			p.idle[n-1] = nil
			p.idle = p.idle[:n-1]
			p.mu.Unlock()
			if c.stale() {
				c.err = net.ErrClosed
				p.release(c)
				continue
			}
			return c, nil
		}
		if p.places < p.size || p.size == 0 {
			p.places++
			p.mu.Unlock()
			return p.dial(ctx, deadline)
		}
		next := make(chan *connection, 1)
		place := p.waiting.PushBack(next)
		p.mu.Unlock()

		c, err := p.wait(ctx, deadline, next, place)
		if c != nil || err != nil {
			return c, err
		}
		return p.dial(ctx, deadline)
	}
}

// wait returns what comes next: a connection or, if nil, the place of one.
func (p *connections) wait(ctx context.Context, deadline time.Time, next chan *connection, place *queue.Element) (*connection, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	var err error
	select {
	case c := <-next:
		return c, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = context.DeadlineExceeded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case c := <-next: // just now; somebody else's, then
		p.pass(c)
	default:
		p.waiting.Remove(place)
	}
	return nil, err
}

// dial makes a connection in a place that is taken.
func (p *connections) dial(ctx context.Context, deadline time.Time) (*connection, error) {
	conn, err := p.dialer.dial(ctx, deadline)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.pass(nil)
		return nil, err
	}
	c := &connection{conn: conn}
	p.all[c] = struct{}{}
	return c, nil
}

// release gives a connection back after an exchange, and with it the response.
func (p *connections) release(c *connection) {
	if c.err != nil || c.last || p.size == 0 {
		c.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.all, c)
		p.pass(nil)
		return
	}
	if cap(c.raw) > keptBuffer {
		c.raw = nil
	}
	c.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(c)
}

// pass gives a connection, or the place of one, to who waits longest. The
// caller holds mu.
func (p *connections) pass(c *connection) {
	if first := p.waiting.Front(); first != nil {
		p.waiting.Remove(first).(chan *connection) <- c // it has room for one, and gets one
		return
	}
	if c == nil {
		p.places--
		return
	}
	p.idle = append(p.idle, c)
}

// abortAfter ends all exchanges when the context ends, until it is told to stop.
// Exchanges that begin later find the context ended themselves.
func (p *connections) abortAfter(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.all {
			_ = c.conn.SetDeadline(time.Unix(1, 0)) // fails when it is closed
		}
	})
	return func() {
		if !unhook() {
			<-done
		}
	}
}

// close closes all connections, none of which is busy.
func (p *connections) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.close()
		delete(p.all, c)
		p.places--
	}
	p.idle = nil
}

// open fills the pool with connections, each of which has served one GET of
// url, which is on the target.
func (p *connections) open(ctx context.Context, url *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer p.abortAfter(ctx)()
	deadline, _ := ctx.Deadline()
	get := "GET " + url.RequestURI() + " HTTP/1.1\r\nHost: " + url.Host + "\r\n\r\n"
	opened := make([]*connection, p.size)
	var each errgroup.Group
	for i := range opened {
		each.Go(func() error {
			c, err := p.take(ctx, deadline)
			if err == nil {
				opened[i] = c
				c.request = append(c.request[:0], get...)
				_, err = c.exchange(ctx, deadline)
			}
			if err == nil && c.last {
				err = errors.New("the target closes the connection after its answer")
			}
			if err != nil {
				cancel()
			}
			return err
		})
	}
	err := each.Wait()
	// Not sooner, or one connection would serve the next GET as well.
	for _, c := range opened {
		if c != nil {
			p.release(c)
		}
	}
	if err != nil {
		p.close()
		return fmt.Errorf("opening %d connections with GET %s: %w", p.size, url, err)
	}
	return nil
}
