// Package adfs is a federation server, as AD FS is one: it checks passwords
// against the directory and says in signed tokens who somebody is, to browsers
// (WS-Federation 1.2, passive) and to client libraries (WS-Trust 1.3 with a
// name and a password). It asks the directory as a connector does, by package
// bind, and shares with the other servers of its farm what package farm keeps.
//
// Tokens are made and signed with beevik/etree and russellhaering/goxmldsig
// (November 2026: the only XML signatures in Go that are kept up; both have
// released this year). Requests are read with encoding/xml, which expands and
// fetches nothing. By BenchmarkAssertion the RSA signature is three quarters of
// what a token costs, so nothing is gained by writing the rest by hand.
package adfs

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/bind"
	"ptabench/gate"
	"ptabench/observe"
	"ptabench/onprem/adfs/farm"
	"ptabench/onprem/adfs/saml"
	"ptabench/onprem/places"
)

// The paths, which are those of AD FS.
const (
	passivePath  = "/adfs/ls/"
	trustPath    = "/adfs/services/trust/13/usernamemixed"
	mexPath      = "/adfs/services/trust/mex"
	metadataPath = "/FederationMetadata/2007-06/FederationMetadata.xml"
	probePath    = "/adfs/probe"
	issuerPath   = "/adfs/services/trust"
	stylePath    = "/adfs/portal/style.css"
)

// drainBound is how long requests may take to end when the server does.
const drainBound = 5 * time.Second

// server is a federation server that runs. It is safe for concurrent use.
type server struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	farm    *farm.Farm
	pool    *bind.Pool
	parties map[string]party // by realm
	base    string           // https://host:port that clients know
	issuer  string
	mex     string
	slots   chan struct{} // one for each sign-in at once
	faults  *faults
	gates   *gate.Gates
	counts  *counts
	shown   atomic.Pointer[shown]
}

// shown is what follows from the keys of the farm.
type shown struct {
	keys     *farm.Keys
	signer   *saml.Signer
	metadata string
}

//go:embed mex.xml
var mexText string

// Run serves until the context ends, then finishes what it is at. It calls
// ready when it serves and the directory was tried.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	s := &server{
		cfg: cfg, log: log.With("server", cfg.Name), now: time.Now, slots: make(chan struct{}, cfg.Concurrency),
		faults: newFaults(), gates: gate.New(), counts: newCounts(),
	}
	if s.parties, err = cfg.parties(); err != nil {
		return err
	}
	if s.farm, err = farm.Open(cfg.Farm, cfg.Terms, s.log); err != nil {
		return err
	}
	listeners, ports, err := s.listen()
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range listeners { // those that a server did not take over and close
			_ = l.Close()
		}
	}()
	public := cfg.Public
	if public == "" {
		public = ports["https"]
	}
	cert, caPEM, err := s.certify(public)
	if err != nil {
		return err
	}
	s.at(public)
	if s.pool, err = openPool(cfg, s.log); err != nil {
		return err
	}
	defer s.pool.Close()
	if err := s.checkDirectory(ctx); err != nil || ctx.Err() != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { s.farm.Keep(ctx) })
	web, watch := s.web(), s.quiet(&http.Server{Handler: s.observed(), ReadTimeout: 10 * time.Second})
	secured := tls.NewListener(listeners["https"], &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	running.Go(func() { _ = web.Serve(secured) }) // ends by Shutdown below
	running.Go(func() { _ = watch.Serve(listeners["observe"]) })

	ready(observe.Ready{Role: "adfs", Name: cfg.Name, Ports: ports, CAPEM: string(caPEM), Info: map[string]string{
		"metadata": s.base + metadataPath, "mex": s.base + mexPath, "usernamemixed": s.base + trustPath,
		"passive": s.base + passivePath, "issuer": s.issuer,
	}})
	s.log.Info("serving", "https", ports["https"], "public", s.base, "issuer", s.issuer)
	<-ctx.Done()

	s.gates.Close() // what a gate holds back could not end
	for _, server := range []*http.Server{web, watch} {
		shutdown, done := context.WithTimeout(context.WithoutCancel(ctx), drainBound)
		if server.Shutdown(shutdown) != nil {
			_ = server.Close()
		}
		done()
	}
	running.Wait()
	return nil
}

// at has the server be found at a public host:port.
func (s *server) at(public string) {
	s.base = "https://" + public
	host, _, _ := net.SplitHostPort(public) // valid, as checked
	s.issuer = s.cfg.Issuer
	if s.issuer == "" { // as AD FS writes it: a name, not an address
		s.issuer = "http://" + host + issuerPath
	}
	s.mex = strings.ReplaceAll(mexText, "ENDPOINT", s.base+trustPath)
}

// certify gets a TLS certificate for where the server listens and is known.
func (s *server) certify(public string) (tls.Certificate, []byte, error) {
	var hosts []string
	for _, address := range []string{public, s.cfg.Listen} {
		switch host, _, _ := net.SplitHostPort(address); host {
		case "", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1": // every address, or named already
		default:
			hosts = append(hosts, host)
		}
	}
	return s.farm.Serve(hosts...)
}

// listen opens both listeners or none. That of https has gates before it.
func (s *server) listen() (map[string]net.Listener, map[string]string, error) {
	dir := ""
	if s.cfg.KeepPorts {
		dir = s.cfg.State
	}
	listeners, ports := make(map[string]net.Listener), make(map[string]string)
	var errs []error
	for name, at := range map[string]struct {
		address string
		open    func(network, address string) (net.Listener, error)
	}{
		"https":   {s.cfg.Listen, func(network, address string) (net.Listener, error) { return s.gates.Listen(network, address, "https") }},
		"observe": {s.cfg.Observe, net.Listen},
	} {
		l, err := places.Listen(s.log, dir, name, at.address, at.open)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		listeners[name], ports[name] = l, l.Addr().String()
	}
	if len(errs) == 0 {
		errs = append(errs, places.Keep(dir, ports))
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, nil, err
	}
	return listeners, ports, nil
}

// born is when a connection is to be given up.
type born struct{}

// web is the server of https, which speaks HTTP/1.1 only: what a balancer
// spreads is connections, and over HTTP/2 a client would have one.
func (s *server) web() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+trustPath, s.usernameMixed)
	mux.HandleFunc("GET "+mexPath, func(w http.ResponseWriter, _ *http.Request) { document(w, "text/xml; charset=utf-8", s.mex) })
	mux.HandleFunc("GET "+metadataPath, s.metadata)
	mux.HandleFunc("GET "+probePath, s.probe)
	mux.HandleFunc("GET "+stylePath, serveStyle)
	mux.Handle("/adfs/ls", s.page(s.passive))
	mux.Handle("/adfs/ls/{$}", s.page(s.passive))
	server := s.quiet(&http.Server{ReadTimeout: 15 * time.Second})
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		// Not all at once, or all would come back at once.
		age := time.Duration((0.75 + rand.Float64()/2) * float64(s.cfg.ConnectionAge))
		return context.WithValue(ctx, born{}, time.Now().Add(age))
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[headerServer] = []string{s.cfg.Name}
		if until, ok := r.Context().Value(born{}).(time.Time); ok && time.Now().After(until) {
			w.Header()["Connection"] = []string{"close"}
		}
		mux.ServeHTTP(w, r)
	})
	return server
}

// quiet sets what both servers have in common.
func (s *server) quiet(server *http.Server) *http.Server {
	server.ReadHeaderTimeout = 5 * time.Second
	server.IdleTimeout = 2 * time.Minute
	server.MaxHeaderBytes = 32 << 10
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // health checks hang up on handshakes
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	return server
}

// probe tells a balancer whether sign-ins may come: not while the directory
// cannot be reached from here.
func (s *server) probe(w http.ResponseWriter, _ *http.Request) {
	if up, _ := s.pool.Reachable(); !up {
		http.Error(w, "the directory cannot be reached", http.StatusServiceUnavailable)
		return
	}
	document(w, "text/plain; charset=utf-8", "ok\n")
}

func document(w http.ResponseWriter, kind, text string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text)) // a client that left is no concern
}

func (s *server) metadata(w http.ResponseWriter, _ *http.Request) {
	now, err := s.current()
	if err != nil {
		s.log.Error("signing the metadata", "error", err)
		http.Error(w, "the metadata could not be signed", http.StatusInternalServerError)
		return
	}
	document(w, "application/samlmetadata+xml; charset=utf-8", now.metadata)
}

// current is what follows from the farm's present keys.
func (s *server) current() (*shown, error) {
	keys := s.farm.Keys()
	if now := s.shown.Load(); now != nil && now.keys == keys {
		return now, nil
	}
	next := &shown{keys: keys, signer: saml.NewSigner(keys.Signing.Key, keys.Signing.Certificate)}
	var err error
	next.metadata, err = next.signer.Metadata(saml.Service{
		Issuer: s.issuer, Certificates: keys.Published(),
		Passive: s.base + passivePath, UsernameMixed: s.base + trustPath, MetadataExport: s.base + mexPath,
	})
	if err != nil {
		return nil, err
	}
	s.shown.Store(next)
	return next, nil
}

// token makes an assertion of a user for a realm.
func (s *server) token(version saml.Version, realm, user string, now, signedIn time.Time) (string, error) {
	current, err := s.current()
	if err != nil {
		return "", err
	}
	return current.signer.Assertion(version, saml.Claim{
		Issuer: s.issuer, Audience: realm, User: user, At: now, SignedIn: signedIn, Lifetime: tokenLifetime,
	})
}
