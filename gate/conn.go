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

// The bits of a connection's state. None is set while its gates are open.
const (
	outStalled uint32 = 1 << iota // reads wait
	inStalled                     // writes wait
	outHeld                       // reads go through the flow
	inHeld                        // writes go through the flow
	isEnded                       // closed or reset by this side
)

// longAgo is a deadline that interrupts what waits in the kernel.
var longAgo = time.Unix(1, 0)

// lingerLimit bounds how long a connection that is closed goes on delivering
// what was written to it; a stall in its way does not count.
const lingerLimit = 30 * time.Second

// A conn is an accepted connection with a gate before it. Like a TLS
// connection, its usual user, it expects one reader and one writer at a time:
// more are safe, but a fault may interleave what they transfer.
//
// A gate has two ways: out is what the peer that dialled sends, so what is
// read here, and in is what it is sent. While one is stalled, bytes stay in
// the kernel, those of a read that was under way in its flow, and writes wait.
// While one is degraded, its bytes pass through its flow, and a goroutine moves
// them between flow and kernel: it begins with the first bytes and ends when
// the flow is open and empty, or the connection ends. Deadlines hold, and Close
// ends every wait.
type conn struct {
	net.Conn // the kernel's
	listener *listener
	source   netip.Addr
	number   uint64 // of the listener's connections: seeds its flows

	state atomic.Uint32 // written under mu

	mu              sync.Mutex
	readBy, writeBy time.Time     // deadlines
	changed         chan struct{} // closed when anything here changes; nil unless somebody waits
	out, in         flow
	writeErr        error     // what the kernel said of bytes that were accepted
	cause           error     // why it ended: net.ErrClosed, or a reset
	lingers         bool      // closed, which its peer must not see yet
	flushBy         time.Time // what is held is dropped then; zero for never
}

// await waits until a way is not stalled. It returns early, and says why, when
// the connection ends or the deadline, a field of c, passes. mu is held.
func (c *conn) await(stalled uint32, deadline *time.Time) error {
	for {
		if err := c.over(deadline); err != nil {
			return err
		}
		if c.state.Load()&stalled == 0 {
			return nil
		}
		c.sleep(*deadline)
	}
}

// over reports why an operation with that deadline must end; mu is held.
func (c *conn) over(deadline *time.Time) error {
	if c.cause != nil {
		return c.cause
	}
	if !deadline.IsZero() && time.Until(*deadline) <= 0 {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// sleep lets go of mu until something changes, or until the earliest of the
// given times that is not zero.
func (c *conn) sleep(until ...time.Time) {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	changed := c.changed
	var first time.Time
	for _, t := range until {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	var passed <-chan time.Time
	if !first.IsZero() {
		timer := time.NewTimer(time.Until(first))
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
	if c.state.Load()&outHeld != 0 {
		return nil // the kernel's is the flow's until that is over
	}
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
	if c.state.Load()&(inStalled|inHeld) != 0 {
		return nil // the kernel's stays in the past, or the flow's, until that is over
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close ends the connection for this side at once, and for the peer when no
// gate holds it back: then what was written before is delivered, and the close
// after it.
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
	if c.state.Load()&(inStalled|inHeld) != 0 && c.writeErr == nil && g.lingering < maxLingering {
		g.lingering++
		c.lingers = true
		c.in.pushEnd(time.Now(), closes, nil)
		c.pumpOut()
		return c.Conn.SetReadDeadline(longAgo)
	}
	c.in.drop()
	c.listener.remove(c)
	return c.Conn.Close()
}

// end makes every operation of this side return the cause; mu is held.
func (c *conn) end(cause error) {
	c.cause = cause
	c.out.drop()
	c.state.Or(isEnded)
	c.announce()
}

// apply puts the gates that are set in force: what they stall and how they
// shape either way. Gates.mu is held.
func (c *conn) apply(f force) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, now := c.state.Load(), time.Now()
	c.out.reshape(now, f.out, c.number<<1)
	c.in.reshape(now, f.in, c.number<<1|1)
	c.stall(outStalled, f.stallOut)
	c.stall(inStalled, f.stallIn)
	c.settle()
	if was != c.state.Load() || c.out.busy() || c.in.busy() {
		c.announce()
	}
}

// stall sets or clears a bit; mu is held, and settle follows.
func (c *conn) stall(bit uint32, on bool) {
	if on {
		c.state.Or(bit)
	} else {
		c.state.And(^bit)
	}
}

// settle brings the state and the kernel's deadlines in line with stalls and
// flows: a deadline in the past interrupts what went into the kernel before a
// fault, so that nothing more gets past it. mu is held.
func (c *conn) settle() {
	was := c.state.Load()
	c.stall(outHeld, c.out.busy())
	c.stall(inHeld, c.in.busy())
	now := c.state.Load()
	if c.cause != nil && !c.lingers {
		return
	}
	// These fail only on a connection that is gone.
	if c.cause == nil {
		switch {
		case was&outHeld == 0 && now&outHeld != 0, c.out.pumped && !c.out.shaped():
			_ = c.Conn.SetReadDeadline(longAgo)
		case was&outHeld != 0 && now&outHeld == 0:
			_ = c.Conn.SetReadDeadline(c.readBy)
		}
	}
	switch {
	case now&inStalled != 0, was&inHeld == 0 && now&inHeld != 0:
		_ = c.Conn.SetWriteDeadline(longAgo)
	case now&(inStalled|inHeld) == 0 && !c.lingers:
		_ = c.Conn.SetWriteDeadline(c.writeBy)
	}
}

// flush gives what is held until the given time to be gone.
func (c *conn) flush(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in.busy() {
		return
	}
	c.flushBy = by
	_ = c.Conn.SetWriteDeadline(longAgo) // its goroutine sets the new one
	c.announce()
}

// reset resets the connection for both sides; Gates.mu is held.
func (c *conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.drop()
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
	c.announce()
}
