package gate

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The bits of a connection's state. None is set while its gate is open.
const (
	isStalled uint32 = 1 << iota
	isStashed        // bytes were read and not delivered
	isEnded          // closed or reset by this side
)

// longAgo is a deadline that interrupts what waits in the kernel.
var longAgo = time.Unix(1, 0)

// A conn is an accepted connection with a gate before it. Like a TLS
// connection, its usual user, it expects one reader and one writer at a time:
// more are safe, but a stall may interleave what they transfer.
//
// While it is stalled, bytes that were sent to it stay in the kernel, those of
// a read that was under way stay here, and writes wait; deadlines hold and
// Close ends every wait.
type conn struct {
	net.Conn // the kernel's
	listener *listener
	source   netip.Addr

	state atomic.Uint32 // written under mu

	mu              sync.Mutex
	readBy, writeBy time.Time     // deadlines
	changed         chan struct{} // closed when anything here changes; nil unless somebody waits
	stash           []byte        // read while stalled, for the next Read
	stashErr        error         // what that read ended with, after the stash
	cause           error         // why it ended: net.ErrClosed, or a reset
	lingers         bool          // closed, which its peer must not see before the stall ends
}

func (c *conn) Read(p []byte) (int, error) {
	if c.state.Load() == 0 {
		n, err := c.Conn.Read(p)
		if c.state.Load() == 0 {
			return n, err
		}
		return c.hold(p, n, err)
	}
	if err := c.await(&c.readBy); err != nil {
		return 0, err
	}
	if n, err, ok := c.unstash(p); ok {
		return n, err
	}
	n, err := c.Conn.Read(p)
	if c.state.Load() == 0 {
		return n, err
	}
	return c.hold(p, n, err)
}

// hold keeps what the kernel returned until the stall is over, or for a later
// Read when this one may not wait as long.
func (c *conn) hold(p []byte, n int, err error) (int, error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, c.explain(err)
	}
	early := c.await(&c.readBy)
	if early == nil {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && (n > 0 || err != nil) {
		c.stash = append(c.stash, p[:n]...)
		c.stashErr = err
		c.state.Or(isStashed)
	}
	return 0, early
}

// unstash delivers what an earlier Read could not.
func (c *conn) unstash(p []byte) (n int, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load()&isStashed == 0 {
		return 0, nil, false
	}
	n = copy(p, c.stash)
	c.stash = c.stash[n:]
	if len(c.stash) > 0 {
		return n, nil, true
	}
	err = c.stashErr
	c.stash, c.stashErr = nil, nil
	c.state.And(^isStashed)
	return n, err, true
}

func (c *conn) Write(p []byte) (int, error) {
	n := 0
	if c.state.Load() == 0 {
		var err error
		n, err = c.Conn.Write(p)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, c.explain(err)
		}
	}
	// A stall interrupts a write in the kernel by its deadline, so that nothing
	// more gets out. Its rest follows when the stall is over.
	for {
		if err := c.await(&c.writeBy); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:])
		n += m
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, c.explain(err)
		}
	}
}

// await waits until the connection is not stalled. It returns early, and says
// why, when the connection ends or the deadline, a field of c, passes.
func (c *conn) await(deadline *time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.cause != nil {
			return c.cause
		}
		left := time.Duration(1)
		if !deadline.IsZero() {
			left = time.Until(*deadline)
		}
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		if c.state.Load()&isStalled == 0 {
			return nil
		}
		c.sleep(left, !deadline.IsZero())
	}
}

// sleep lets go of mu until something changes, or for the given time.
func (c *conn) sleep(left time.Duration, limited bool) {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	var passed <-chan time.Time
	if limited {
		timer := time.NewTimer(left)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-changed:
	case <-passed:
	}
}

// announce wakes whoever waits; mu is held.
func (c *conn) announce() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// explain returns why the connection ended, if this side ended it, else err.
func (c *conn) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	return err
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	c.readBy = t
	c.announce()
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	c.writeBy = t
	c.announce()
	if c.state.Load()&isStalled != 0 {
		return nil // the kernel's stays in the past until the stall is over
	}
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite ends this side's bytes, after a stall that holds them.
func (c *conn) CloseWrite() error {
	if err := c.await(&c.writeBy); err != nil {
		return err
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close ends the connection for this side at once, and for the peer when no
// stall hides it.
func (c *conn) Close() error {
	g := c.listener.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == net.ErrClosed {
		return net.ErrClosed
	}
	wasReset := c.cause != nil
	c.end(net.ErrClosed)
	if wasReset {
		return nil
	}
	if c.state.Load()&isStalled != 0 && g.lingering < maxLingering {
		g.lingering++
		c.lingers = true
		return c.Conn.SetReadDeadline(longAgo)
	}
	c.listener.remove(c)
	return c.Conn.Close()
}

// end makes every operation of this side return the cause; mu is held.
func (c *conn) end(cause error) {
	c.cause = cause
	c.stash, c.stashErr = nil, nil
	c.state.Or(isEnded)
	c.state.And(^isStashed)
	c.announce()
}

// stall begins or ends a stall; Gates.mu is held.
func (c *conn) stall(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on == (c.state.Load()&isStalled != 0) {
		return
	}
	if on {
		c.state.Or(isStalled)
		_ = c.Conn.SetWriteDeadline(longAgo) // fails only on a connection that is gone
		return
	}
	if c.lingers {
		c.letGo()
	} else {
		_ = c.Conn.SetWriteDeadline(c.writeBy)
	}
	c.state.And(^isStalled)
	c.announce()
}

// reset resets the connection for both sides; Gates.mu is held.
func (c *conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lingers {
		setLinger(c.Conn)
		c.letGo()
		return
	}
	c.end(&net.OpError{
		Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError("read", syscall.ECONNRESET),
	})
	c.listener.remove(c)
	closeWithReset(c.Conn)
}

// letGo closes a connection whose close was hidden; Gates.mu and mu are held.
func (c *conn) letGo() {
	c.lingers = false
	c.listener.gates.lingering--
	c.listener.remove(c)
	_ = c.Conn.Close()
}
