package gate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// reopenEvery is how often a listener tries to open again when its address was
// taken while it was closed, which the reservation makes unlikely.
const reopenEvery = 20 * time.Millisecond

// A listener has one address for life. While a gate refuses every peer it is
// closed, and its address kept from others. Its fields are guarded by the
// Gates' mutex, the first four aside.
type listener struct {
	gates   *Gates
	port    string // documented
	network string
	addr    net.Addr

	inner   net.Listener // nil while refusing, or not open again yet
	refuses bool
	reserve func()        // lets go of the address, nil when none is kept
	changed chan struct{} // closed and replaced when inner or closed change
	closed  bool          // for good
	conns   map[*conn]struct{}

	accepted uint64 // connections so far
}

// Listen opens a listener for a documented port, such as "443". The address
// may have port 0; the listener then keeps the one it was given. Closing it
// for good leaves its connections alone.
func (g *Gates) Listen(network, address, port string) (net.Listener, error) {
	inner, err := listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listening for port %s: %w", port, err)
	}
	l := &listener{
		gates: g, port: port, network: network, addr: inner.Addr(),
		inner:   inner,
		changed: make(chan struct{}),
		conns:   make(map[*conn]struct{}),
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners[l] = struct{}{}
	l.settle()
	return l, nil
}

// listen opens a plain TCP listener: Go's are MPTCP by default, and on such
// sockets neither a linger of 0 nor a socket filter does what it says.
func listen(network, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), network, address)
}

func (l *listener) Addr() net.Addr { return l.addr }

// Accept waits for a connection that no gate resets. While the port is refused
// it waits for it to open again.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.open()
		if err != nil {
			return nil, err
		}
		nc, err := inner.Accept()
		if err != nil {
			if l.replaced(inner) {
				continue
			}
			return nil, err
		}
		if c := l.admit(nc); c != nil {
			return c, nil
		}
	}
}

// Close closes the listener for good.
func (l *listener) Close() error {
	g := l.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.closed {
		return l.errClosed("close")
	}
	l.closed = true
	var err error
	if l.inner != nil {
		err = l.inner.Close()
		l.inner = nil
	}
	l.release()
	l.forget()
	l.announce()
	return err
}

// open returns the listener underneath once there is one.
func (l *listener) open() (net.Listener, error) {
	for {
		l.gates.mu.Lock()
		if !l.closed && !l.refuses && l.inner == nil {
			l.reopen()
		}
		inner, closed, changed, refuses := l.inner, l.closed, l.changed, l.refuses
		l.gates.mu.Unlock()
		switch {
		case closed:
			return nil, l.errClosed("accept")
		case inner != nil:
			return inner, nil
		case refuses:
			<-changed
		default:
			select {
			case <-changed:
			case <-time.After(reopenEvery):
			}
		}
	}
}

// replaced reports whether inner is no longer what the listener accepts from,
// so that its error means nothing.
func (l *listener) replaced(inner net.Listener) bool {
	l.gates.mu.Lock()
	defer l.gates.mu.Unlock()
	return l.inner != inner
}

// admit passes a new connection through the gates; nil when one reset it.
func (l *listener) admit(nc net.Conn) net.Conn {
	source := sourceOf(nc)
	g := l.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.closed {
		_ = nc.Close()
		return nil
	}
	if g.admit(l.port, source) {
		closeWithReset(nc)
		return nil
	}
	l.accepted++
	c := &conn{Conn: nc, listener: l, source: source, number: l.accepted}
	c.apply(g.force(l.port, source))
	l.conns[c] = struct{}{}
	return c
}

// settle opens or closes the listener as the gates that are set ask.
func (l *listener) settle() {
	l.refuses = false
	for _, n := range l.gates.gates {
		l.refuses = l.refuses || n.closes(l.port)
	}
	switch {
	case l.closed:
	case l.refuses && l.inner != nil:
		_ = l.inner.Close()
		l.inner = nil
		l.reserve = reserve(l.addr)
		l.announce()
	case !l.refuses && l.inner == nil:
		l.reopen()
		l.announce() // when that did not work, Accept goes on trying
	}
}

// reopen listens again at the same address, if that is free.
func (l *listener) reopen() {
	inner, err := listen(l.network, l.addr.String())
	l.release() // afterwards: it does not stand in our own way
	if err == nil {
		l.inner = inner
	}
}

func (l *listener) release() {
	if l.reserve != nil {
		l.reserve()
		l.reserve = nil
	}
}

func (l *listener) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// remove forgets a connection that is closed.
func (l *listener) remove(c *conn) {
	delete(l.conns, c)
	l.forget()
}

// forget lets the Gates forget a listener that is closed for good, once its
// last connection is.
func (l *listener) forget() {
	if l.closed && len(l.conns) == 0 {
		delete(l.gates.listeners, l)
	}
}

func (l *listener) errClosed(op string) error {
	return &net.OpError{Op: op, Net: l.network, Addr: l.addr, Err: net.ErrClosed}
}

// sourceOf is the address that the peer dialled from, the zero Addr if it is
// no IP address.
func sourceOf(nc net.Conn) netip.Addr {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// closeWithReset closes a connection so that its peer sees a reset.
func closeWithReset(nc net.Conn) {
	setLinger(nc)
	_ = nc.Close()
}

// setLinger makes the close of a connection a reset.
func setLinger(nc net.Conn) {
	if tcp, ok := nc.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is gone
	}
}
