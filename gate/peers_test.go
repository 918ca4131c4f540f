package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"ptabench/observe"
)

// patience bounds every wait of these tests; it is never a pass criterion of
// something that should be fast.
const patience = 10 * time.Second

// silence is how long a peer listens to conclude that nothing comes.
const silence = 60 * time.Millisecond

// The peers of these tests, which like connectors dial from addresses of their own.
const (
	peerA = "127.0.0.11"
	peerB = "127.0.0.12"
)

// port is a listener behind gates whose accepted connections wait in a channel.
type port struct {
	net.Listener
	t        *testing.T
	gates    *Gates
	accepted chan net.Conn
	ended    chan error
}

func openPort(t *testing.T, g *Gates, documented string) *port {
	t.Helper()
	l, err := g.Listen("tcp", "127.0.0.1:0", documented)
	if err != nil {
		t.Fatal(err)
	}
	p := &port{Listener: l, t: t, gates: g, accepted: make(chan net.Conn, 64), ended: make(chan error, 1)}
	var all []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				p.ended <- err
				return
			}
			all = append(all, c)
			p.accepted <- c
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Error("Accept did not return after Close")
		}
		for _, c := range all {
			_ = c.Close()
		}
		g.Close()
	})
	return p
}

// dial connects from a source address; both ends come back.
func (p *port) dial(source string) (client, server net.Conn) {
	p.t.Helper()
	client, err := p.try(source)
	if err != nil {
		p.t.Fatalf("dialling from %s: %v", source, err)
	}
	select {
	case server = <-p.accepted:
	case <-time.After(patience):
		p.t.Fatalf("the connection from %s was not accepted", source)
	}
	return client, server
}

func (p *port) try(source string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	d.SetMultipathTCP(false)
	c, err := d.Dial("tcp", p.Addr().String())
	if err != nil {
		return nil, err
	}
	p.t.Cleanup(func() { _ = c.Close() })
	return c, c.SetDeadline(time.Now().Add(patience))
}

func put(t *testing.T, g *Gates, id string, mode observe.GateMode, ports []string, sources ...string) observe.GateEffect {
	t.Helper()
	e, err := g.Put(observe.Gate{ID: id, Ports: ports, Sources: sources, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func remove(t *testing.T, g *Gates, id string) observe.GateEffect {
	t.Helper()
	e, ok := g.Delete(id)
	if !ok {
		t.Fatalf("there is no gate %q", id)
	}
	return e
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("writing %q: %v", text, err)
	}
}

func expect(t *testing.T, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v; expected %q", b, err, text)
	}
}

// entering tells when a read reaches the kernel, past the gate.
type entering struct {
	net.Conn
	once    sync.Once
	entered chan struct{}
}

func (e *entering) Read(p []byte) (int, error) {
	e.once.Do(func() { close(e.entered) })
	return e.Conn.Read(p)
}

// blockedRead starts a read that is past the gate, waiting for the peer, when
// it returns. Nothing may have been read from the connection before.
func blockedRead(server net.Conn) <-chan string {
	c := server.(*conn)
	e := &entering{Conn: c.Conn, entered: make(chan struct{})}
	c.Conn = e
	read := make(chan string, 1)
	go func() {
		b := make([]byte, 64)
		n, err := server.Read(b)
		read <- fmt.Sprintf("%q, %v", b[:n], err)
	}()
	<-e.entered
	return read
}

// waits reports whether somebody waits for the connection's gate.
func waits(server net.Conn) bool {
	c := server.(*conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed != nil
}

// expectReset wants the next operation of a peer to see a reset, not an end of file.
func expectReset(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read %d bytes, %v; expected a reset", n, err)
	}
}

// expectResetOnDial wants a new connection to be reset, and not refused. When
// the reset is quicker than the dialler's look at its socket, it is the
// dialling that sees it.
func (p *port) expectResetOnDial(source string) {
	p.t.Helper()
	c, err := p.try(source)
	if err == nil {
		expectReset(p.t, c)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("dialling from %s: %v; expected a reset", source, err)
	}
}

func expectSilence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(silence))
	defer func() { _ = c.SetReadDeadline(time.Now().Add(patience)) }()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; expected silence", n, err)
	}
}

func expectEffect(t *testing.T, got observe.GateEffect, injections uint64, byReset bool) {
	t.Helper()
	if got.Injections != injections || got.RefusedByReset != byReset {
		t.Errorf("effect %+v; expected %d injections, refused by reset %v", got, injections, byReset)
	}
}

// expectEmpty wants no connection to be kept, but those of open listeners.
func expectEmpty(t *testing.T, g *Gates) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.listeners {
		if len(l.conns) != 0 {
			t.Errorf("%d connections of port %s are kept", len(l.conns), l.port)
		}
	}
	if g.lingering != 0 {
		t.Errorf("%d connections linger", g.lingering)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// putJSON sets a gate of port 9352 as it comes over the wire.
func putJSON(t *testing.T, g *Gates, text string) observe.GateEffect {
	t.Helper()
	var n observe.Gate
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	n.Ports = []string{"9352"}
	e, err := g.Put(n)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
