package gate

import (
	"errors"
	"os"
	"time"
)

// pumpBuffer is how many bytes are moved between a flow and the kernel at once.
const pumpBuffer = 32 << 10

// openOut and openIn are the bits that keep a read and a write from going
// straight to the kernel.
const (
	openOut = outStalled | outHeld | isEnded
	openIn  = inStalled | inHeld | isEnded
)

func (c *conn) Read(p []byte) (int, error) {
	if c.state.Load()&openOut == 0 {
		n, err := c.Conn.Read(p)
		if c.state.Load()&openOut == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.keep(p[:n], err)
	}
	return c.readHeld(p)
}

// keep puts what the kernel returned into the flow, when a fault began
// meanwhile.
func (c *conn) keep(p []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	now := time.Now()
	c.out.push(now, p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.out.pushEnd(now, endsReading, err)
	}
	c.settle()
}

// readHeld reads what the flow holds, once that may be, and from the kernel
// when there is no flow any more.
func (c *conn) readHeld(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.await(outStalled, &c.readBy); err != nil {
			return 0, err
		}
		now := time.Now()
		first, held := c.out.next(now)
		switch {
		case first != nil && held > 0:
			c.sleep(c.readBy, first.due)
		case first != nil && first.end == endsReading:
			return 0, first.err // from now on
		case first != nil:
			n := c.out.copyDue(now, p)
			c.out.discard(n)
			c.settle()
			c.announce() // there is room again
			return n, nil
		case c.out.busy():
			c.pumpIn()
			c.sleep(c.readBy)
		default:
			c.settle()
			c.mu.Unlock()
			n, err := c.Conn.Read(p)
			if c.state.Load()&openOut == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
				c.mu.Lock()
				return n, err
			}
			c.keep(p[:n], err)
			c.mu.Lock()
		}
	}
}

// pumpIn starts the goroutine that reads from the kernel into the flow, if
// there is none; mu is held. From then on the kernel's read deadline is its.
func (c *conn) pumpIn() {
	if c.out.pumped || !c.out.shaped() {
		return
	}
	c.out.pumped = true
	c.listener.gates.pumps.Go(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.readAhead()
		c.out.pumped = false
		if c.cause == nil {
			c.settle()
			if c.state.Load()&outHeld != 0 {
				_ = c.Conn.SetReadDeadline(longAgo) // the rest is read from the flow
			}
		}
		c.announce()
	})
}

// readAhead reads what the peer sends, as far as there is room, until nothing
// slows it any more; mu is held but in the kernel.
func (c *conn) readAhead() {
	buf := make([]byte, pumpBuffer)
	for c.cause == nil && c.out.shaped() {
		room := min(c.out.room(), len(buf))
		if room == 0 {
			c.sleep()
			continue
		}
		_ = c.Conn.SetReadDeadline(time.Time{}) // fails only on a connection that is gone
		c.mu.Unlock()
		n, err := c.Conn.Read(buf[:room])
		c.mu.Lock()
		if c.cause != nil {
			return
		}
		now := time.Now()
		c.out.push(now, buf[:n])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.out.pushEnd(now, endsReading, err)
			c.announce()
			return
		}
		c.announce()
	}
}
