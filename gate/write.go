package gate

import (
	"errors"
	"os"
	"time"
)

func (c *conn) Write(p []byte) (int, error) {
	n := 0
	if c.state.Load()&openIn == 0 {
		var err error
		n, err = c.Conn.Write(p)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, c.explain(err)
		}
	}
	// A fault interrupts a write in the kernel by its deadline, so that nothing
	// more gets past it. Its rest follows through the flow, or when a stall is
	// over.
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.await(inStalled, &c.writeBy); err != nil {
			return n, err
		}
		switch {
		case c.writeErr != nil:
			return n, c.writeErr
		case !c.in.busy():
			c.settle()
			c.mu.Unlock()
			m, err := c.Conn.Write(p[n:])
			c.mu.Lock()
			n += m
			if err == nil {
				return n, nil
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				if c.cause != nil {
					err = c.cause
				}
				return n, err
			}
		case n == len(p), c.in.room() > 0:
			m := min(c.in.room(), len(p)-n)
			c.in.push(time.Now(), p[n:n+m])
			n += m
			c.pumpOut()
			if n == len(p) {
				return n, nil
			}
		default:
			c.sleep(c.writeBy) // as for room in a socket's buffer
		}
	}
}

// CloseWrite ends this side's bytes, after those that are held.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.await(inStalled, &c.writeBy); err != nil {
		return err
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if c.in.busy() {
		c.in.pushEnd(time.Now(), halfCloses, nil)
		c.pumpOut()
		return nil
	}
	return half.CloseWrite()
}

// pumpOut starts the goroutine that writes what the flow holds to the kernel,
// or wakes it; mu is held. From then on the kernel's write deadline is its.
func (c *conn) pumpOut() {
	c.announce()
	if c.in.pumped {
		return
	}
	c.in.pumped = true
	c.listener.gates.pumps.Go(func() {
		c.mu.Lock()
		c.writeBehind()
		c.in.pumped = false
		closing := c.lingers
		if c.cause == nil {
			c.settle()
			if c.state.Load()&inHeld != 0 {
				_ = c.Conn.SetWriteDeadline(longAgo)
			}
		}
		c.announce()
		c.mu.Unlock()
		if closing {
			c.finish()
		}
	})
}

// finish closes a connection that lingered, once all it was to deliver is
// gone, or has taken too long: then the peer sees a reset.
func (c *conn) finish() {
	g := c.listener.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lingers {
		return
	}
	if len(c.in.pieces) > 0 {
		c.in.drop()
		setLinger(c.Conn)
	}
	c.letGo()
}

// writeBehind writes what the flow holds, each byte when it is due, until
// nothing slows the flow and it is empty, or the connection ends; mu is held
// but in the kernel.
func (c *conn) writeBehind() {
	var buf []byte // most connections that linger hold nothing but their end
	for c.cause == nil || c.lingers {
		if c.state.Load()&inStalled != 0 {
			c.sleep()
			continue
		}
		now := time.Now()
		if c.lingers && c.flushBy.IsZero() {
			c.flushBy = now.Add(lingerLimit)
		}
		if !c.flushBy.IsZero() && !now.Before(c.flushBy) {
			c.giveUp()
			return
		}
		first, held := c.in.next(now)
		switch {
		case first == nil && !c.in.shaped():
			return
		case first == nil:
			c.sleep()
		case held > 0:
			c.sleep(first.due, c.flushBy)
		case first.end == closes:
			c.in.pop()
			return
		case first.end == halfCloses:
			c.in.pop()
			if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // the peer is gone, which reads and writes tell
			}
		default:
			if buf == nil {
				buf = make([]byte, pumpBuffer)
			}
			n := c.in.copyDue(now, buf)
			_ = c.Conn.SetWriteDeadline(c.flushBy) // fails only on a connection that is gone
			c.mu.Unlock()
			n, err := c.Conn.Write(buf[:n])
			c.mu.Lock()
			if c.cause != nil && !c.lingers {
				return // reset meanwhile: nothing is held any more
			}
			c.in.discard(n)
			c.announce() // there is room again
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				c.writeErr = err
				c.in.drop()
				return
			}
		}
	}
}

// giveUp ends a connection whose held bytes took too long; mu is held. One that
// lingers is finished by its goroutine.
func (c *conn) giveUp() {
	if c.lingers {
		return
	}
	c.writeErr = os.ErrDeadlineExceeded
	c.in.drop()
	setLinger(c.Conn)
	_ = c.Conn.Close()
}
