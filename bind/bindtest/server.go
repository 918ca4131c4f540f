package bindtest

import (
	"bufio"
	"crypto/tls"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Server is a TLS listener on loopback that can be stopped and started again
// on its port, as a directory that crashes is.
type Server struct {
	Address string
	CAPEM   []byte
	// Accepted counts connections.
	Accepted atomic.Int64

	t       testing.TB
	config  *tls.Config
	handle  func(net.Conn)
	wg      sync.WaitGroup
	mu      sync.Mutex
	ln      net.Listener
	open    map[net.Conn]struct{}
	sources map[string]int
	stopped bool
}

// Serve calls handle with each connection, in a goroutine of its own.
func Serve(t testing.TB, handle func(net.Conn)) *Server {
	t.Helper()
	certificate, ca := Certificate(t)
	s := &Server{
		Address: "127.0.0.1:0",
		CAPEM:   ca,
		t:       t,
		config:  &tls.Config{Certificates: []tls.Certificate{certificate}},
		handle:  handle,
		open:    map[net.Conn]struct{}{},
		sources: map[string]int{},
	}
	s.Start()
	t.Cleanup(func() {
		s.Stop()
		s.wg.Wait()
	})
	return s
}

// Start listens, on the port that it had before.
func (s *Server) Start() {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.ln, s.Address, s.stopped = ln, ln.Addr().String(), false
	s.mu.Unlock()
	s.wg.Go(func() { s.accept(ln) })
}

// Stop closes the listener and every connection.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	_ = s.ln.Close()
	s.Disconnect()
}

// Sources are the addresses that were dialled from, and how often.
func (s *Server) Sources() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.sources)
}

// Disconnect closes every connection.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

func (s *Server) accept(ln net.Listener) {
	for {
		raw, err := ln.Accept()
		if err != nil {
			return
		}
		s.Accepted.Add(1)
		host, _, _ := net.SplitHostPort(raw.RemoteAddr().String())
		s.mu.Lock()
		s.sources[host]++
		if s.stopped {
			s.mu.Unlock()
			_ = raw.Close()
			continue
		}
		s.open[raw] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			nc := tls.Server(raw, s.config)
			s.handle(buffered{nc, bufio.NewReader(nc)})
			_ = raw.Close()
			s.mu.Lock()
			delete(s.open, raw)
			s.mu.Unlock()
		})
	}
}

// buffered spares the LDAP server, which reads byte by byte, a call per byte.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
