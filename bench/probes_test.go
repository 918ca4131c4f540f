package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ptabench/scenarios"
)

// TestReach tells what answers from what refuses and from what is silent.
func TestReach(t *testing.T) {
	serve := func(each func(net.Conn)) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() { // until the listener is closed
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				each(conn)
			}
		}()
		return ln.Addr().String()
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	open := httptest.NewServer(http.NotFoundHandler())
	defer open.Close()
	nobody := serve(func(net.Conn) {})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, c := range []struct {
		name, address string
		within        time.Duration
		want          string
	}{
		{"TLS", secure.Listener.Addr().String(), 10 * time.Second, scenarios.ReachAnswers},
		{"HTTP", open.Listener.Addr().String(), 10 * time.Second, scenarios.ReachAnswers},
		{"nobody listens", closed.Addr().String(), 10 * time.Second, scenarios.ReachRefused},
		{"closed when accepted", serve(func(c net.Conn) { _ = c.Close() }), 10 * time.Second, scenarios.ReachRefused},
		{"reset when accepted", serve(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }), 10 * time.Second, scenarios.ReachRefused},
		{"accepted and silent", nobody, 50 * time.Millisecond, scenarios.ReachSilent},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.within)
		got, err := reach(ctx, func() (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", c.address) })
		cancel()
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	if got, err := reach(t.Context(), func() (net.Conn, error) { return nil, io.ErrNoProgress }); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("what is neither: %q, %v", got, err)
	}
}
