package telemetry

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// TokenVariable names the environment variable with the token that a request
// for metrics has to present, as a bearer token.
const TokenVariable = "PTABENCH_METRICS_TOKEN"

// A Server serves the metrics of a run at /metrics.
type Server struct {
	listener net.Listener
	server   *http.Server
	work     sync.WaitGroup
	err      error // of serving; read when work is done
}

// Serve serves the metrics on an address, host:port. There is nothing in them
// but numbers and names, so on the loopback interface they need no token;
// elsewhere, and where one is given, they do.
func (r *Run) Serve(address, token string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving metrics: %w", err)
	}
	local := listener.Addr().(*net.TCPAddr).IP.IsLoopback()
	if !local && token == "" {
		return nil, errors.Join(fmt.Errorf("serving metrics on %s: anybody could read them; set %s to a token, or use :PORT for the loopback interface",
			listener.Addr(), TokenVariable), listener.Close())
	}
	metrics := promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", guard(metrics, token, local))
	s := &Server{listener: listener, server: &http.Server{Handler: mux,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}}
	s.work.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	})
	return s, nil
}

// guard lets through who presents the token, where there is one, and on the
// loopback interface who asked for an address of it: a page of a web site whose
// name is turned to this machine did not.
func guard(next http.Handler, token string, local bool) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		switch {
		case token != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			w.Header().Set("WWW-Authenticate", `Bearer realm="ptabench metrics"`)
			http.Error(w, "the bearer token is missing or wrong", http.StatusUnauthorized)
		case local && !ofLoopback(r.Host):
			http.Error(w, "ask for 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func ofLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// URL is where the metrics are.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/metrics" }

// Close ends the serving; who is being served has until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	s.work.Wait()
	return errors.Join(s.err, err)
}
