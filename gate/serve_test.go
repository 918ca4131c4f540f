package gate

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/observe"
)

var stalled = force{stallOut: true, stallIn: true}

// behindGate makes a connection of a pipe, for tests in a bubble.
func behindGate(g *Gates, nc net.Conn) *conn {
	l := &listener{gates: g, port: "443", inner: nil, refuses: true, closed: true,
		changed: make(chan struct{}), conns: make(map[*conn]struct{})}
	c := &conn{Conn: nc, listener: l}
	l.conns[c] = struct{}{}
	g.listeners[l] = struct{}{}
	return c
}

// A TLS connection says goodbye when it is closed. Over a stalled one it gives
// that up at its own deadline, instead of never.
func TestTLSCloseDuringAStallEnds(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	config := certificate.TLS.Clone()
	certificate.Close()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := behindGate(New(), near)
		server := tls.Server(c, config)
		client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		read := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, client)
			read <- err
		}()
		if err := server.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.apply(stalled)
		began := time.Now()
		_ = server.Close()
		if took := time.Since(began); took <= 0 || took > 10*time.Second {
			t.Errorf("closing took %v; expected crypto/tls's own deadline", took)
		}
		select {
		case err := <-read:
			t.Errorf("the peer saw the close during the stall: %v", err)
		default:
		}
		c.apply(force{})
		if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) && err != nil {
			t.Errorf("the peer saw %v", err)
		}
	})
}

// The lingering of closed connections has a bound; past it the peer sees the
// close at once.
func TestLingeringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		g.lingering = maxLingering
		near, far := net.Pipe()
		c := behindGate(g, near)
		c.apply(stalled)
		_ = c.Close()
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer read %v; expected an end of file", err)
		}
	})
}

// net/http serves TLS through gates, before, during and after each fault.
func TestHTTPSThroughGates(t *testing.T) {
	g := New()
	l, err := g.Listen("tcp", "127.0.0.1:0", "443")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	_ = server.Listener.Close()
	server.Listener = l
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer g.Close()
	client := server.Client()
	client.Timeout = patience
	get := func() error {
		resp, err := client.Get(server.URL)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	for _, mode := range []observe.GateMode{observe.GateRefuse, observe.GateReset, observe.GateStall, observe.GateDegrade} {
		if err := get(); err != nil {
			t.Fatalf("before %s: %v", mode, err)
		}
		if mode == observe.GateDegrade {
			if _, err := g.Put(observe.Gate{ID: "f", Ports: []string{"443"}, Mode: mode, DelayNS: int64(20 * ms)}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := get(); err != nil || time.Since(began) < 40*ms {
				t.Errorf("degraded: %v after %v; expected both delays", err, time.Since(began))
			}
			remove(t, g, "f")
			continue
		}
		put(t, g, "f", mode, []string{"443"})
		if mode == observe.GateStall {
			done := make(chan error, 1)
			go func() { done <- get() }()
			select {
			case err := <-done:
				t.Fatalf("answered during a stall: %v", err)
			case <-time.After(silence):
			}
			remove(t, g, "f")
			if err := <-done; err != nil {
				t.Errorf("after the stall: %v", err)
			}
			continue
		}
		if err := get(); err == nil {
			t.Errorf("answered during %s", mode)
		}
		if e := remove(t, g, "f"); e.Injections == 0 {
			t.Errorf("%s reached no connection", mode)
		}
	}
	if err := get(); err != nil {
		t.Errorf("after all: %v", err)
	}
}
