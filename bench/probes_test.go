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
	held := make(chan net.Conn, 16) // or they would be collected, and so closed
	nobody := serve(func(c net.Conn) { held <- c })
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

// TestAdminSignIn: an administrator is given a code only by a cloud that knows
// it again.
func TestAdminSignIn(t *testing.T) {
	const code = `{"device_code":"a","user_code":"BCDF-GHJK"}`
	for _, c := range []struct{ name, device, token, want string }{
		{"waits for the administrator", code, `{"error":"authorization_pending"}`, scenarios.SignInAnswered},
		{"does not know the code", code, `{"error":"invalid_grant"}`, scenarios.SignInFails},
		{"gives none", `{"error":"temporarily_unavailable"}`, `{"error":"authorization_pending"}`, scenarios.SignInFails},
		{"is somebody else", "<html>", `{"error":"authorization_pending"}`, scenarios.SignInFails},
	} {
		cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/contoso/devicecode" && r.PostFormValue("client_id") != "":
				_, _ = io.WriteString(w, c.device)
			case r.URL.Path == "/contoso/token" && r.PostFormValue("device_code") == "a":
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, c.token)
			}
		}))
		u := &user{base: cloud.URL + "/contoso/", http: cloud.Client()}
		if got := u.adminSignIn(t.Context()); got != c.want {
			t.Errorf("a cloud that %s: %s, want %s", c.name, got, c.want)
		}
		cloud.Close()
		if got := u.adminSignIn(t.Context()); got != scenarios.SignInFails {
			t.Errorf("no cloud: %s", got)
		}
	}
}
