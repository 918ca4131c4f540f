package cloudsim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/state"
	"ptabench/cloudsim/token"
	"ptabench/gate"
	"ptabench/observe"
	"ptabench/whole"
	"ptabench/wire"
)

// Bounds of the listeners. They keep a slow or greedy peer from holding more
// than its share.
const (
	handshakeTimeout = 10 * time.Second
	maxHeader        = 16 << 10
	maxMessage       = 1 << 20
	// window is fixed: to estimate one, gRPC answers each message with a ping.
	window         = 1 << 20
	maxPeerStreams = 16          // of one connector connection
	idleTimeout    = time.Minute // of a gRPC connection without a stream
	lastMoment     = time.Second // for what is still there after that
	eventsKept     = 1 << 16
	listenAgain    = 20 * time.Millisecond // after an address was in use
)

// limits is how long the simulator waits for others, and how much it takes.
type limits struct {
	request   time.Duration // for a whole request of a user, or of hash sync
	first     time.Duration // for the first message of a connector stream
	shutdown  time.Duration // for what is in hand when it is to stop
	listen    time.Duration // for a port that is in use: a simulator that was killed may have had it
	returns   time.Duration // see returns, which 0 stands for
	syncBatch int64         // bytes that hash sync may send at once
}

var usualLimits = limits{request: 10 * time.Second, first: 5 * time.Second, shutdown: 6 * time.Second, listen: 2 * time.Second, syncBatch: 16 << 20}

// Run serves until the context ends, then answers what is in hand and returns.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if cfg.limits == (limits{}) {
		cfg.limits = usualLimits
	}
	srv, err := newServer(log, cfg)
	if err != nil {
		return err
	}
	err = srv.run(ctx, ready)
	return errors.Join(err, srv.signInLog.close(), srv.state.Close())
}

// ownToken makes an observe token when none was given, for whoever runs the
// simulator by hand.
func (c *Config) ownToken() error {
	if c.ObserveToken != "" {
		return nil
	}
	c.ObserveToken = rand.Text()
	name := filepath.Join(c.State, "observe.token")
	if err := os.WriteFile(name, []byte(c.ObserveToken+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the observe token: %w", err)
	}
	return nil
}

func newServer(log *slog.Logger, cfg Config) (_ *server, err error) {
	srv := &server{cfg: cfg, log: log, began: time.Now(), events: observe.NewLog(eventsKept),
		gates: gate.New(), tenants: make(map[string]*tenant), domains: make(map[string]*tenant), tenantIDs: make(map[string]*tenant),
		portOf: make(map[string]string), sessions: make(map[string]*session),
		current: make(map[string]*session), refused: make(map[string]uint64)}
	if srv.state, err = state.Open(cfg.State); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			srv.state.Close()
		}
	}()
	// The state is this simulator's from here on, and nothing was written before.
	if err = srv.cfg.ownToken(); err != nil {
		return nil, err
	}
	srv.state.SetRules(cfg.rules())
	if srv.authority, err = authority.New(srv.state, time.Now, cfg.hosts()...); err != nil {
		return nil, err
	}
	if srv.signer, err = token.New(srv.state); err != nil {
		return nil, err
	}
	if srv.lockout, err = lockout.New(cfg.Lockout); err != nil {
		return nil, err
	}
	v, err := newVault()
	if err != nil {
		return nil, err
	}
	for _, t := range cfg.Tenants {
		owner := newTenant(t, cfg.Queue, srv.began, v, srv.state, srv.events)
		owner.client = srv.federationClient
		srv.tenants[t.Name], srv.tenantIDs[token.TenantID(t.Name)] = owner, owner
		for _, d := range t.Domains {
			srv.domains[strings.ToLower(d)] = owner
		}
	}
	if err := srv.openRollout(); err != nil {
		return nil, err
	}
	if err := srv.loadPolicies(); err != nil {
		return nil, err
	}
	srv.signInLog, err = openSignInLog(cfg.SignInLog)
	return srv, err
}

// listen opens every port and returns what the ready line says of them.
func (srv *server) listen(ctx context.Context) (map[string]net.Listener, observe.Ready, error) {
	r := observe.Ready{Role: "cloudsim", Name: srv.cfg.Name, PID: os.Getpid(), Version: srv.cfg.Version, Ports: make(map[string]string),
		CAPEM: string(srv.authority.PEM()), Info: map[string]string{"administrator_password_file": srv.cfg.passwordPath()}}
	listeners := make(map[string]net.Listener)
	bound, stop := context.WithTimeout(ctx, srv.cfg.limits.listen)
	defer stop()
	soon, stopSoon := context.WithTimeout(bound, srv.cfg.limits.listen/2)
	defer stopSoon()
	last := srv.cfg.lastPorts()
	for _, port := range Ports() {
		l, err := srv.listenLast(bound, soon, port, last[port])
		if err != nil {
			closeAll(listeners)
			return nil, r, fmt.Errorf("port %s: %w", port, err)
		}
		listeners[port], r.Ports[port] = l, l.Addr().String()
		srv.portOf[portKey(l.Addr())] = port
	}
	return listeners, r, nil
}

// listenOn opens one port, and while its address is in use tries again until
// the context ends. Connections of a simulator that was killed do not keep an
// address in use, but it was free while nobody listened, and the kernel may
// have given it to a connection that soon ends.
func (srv *server) listenOn(ctx context.Context, port, at string) (net.Listener, error) {
	open := func() (net.Listener, error) { return srv.gates.Listen("tcp", at, port) }
	if port == observePort { // a gate must not shut out whoever clears it
		open = func() (net.Listener, error) { return net.Listen("tcp", at) }
	}
	for {
		l, err := open()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(listenAgain):
		}
	}
}

func closeAll(listeners map[string]net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// run opens every port, says that the simulator serves, and serves.
func (srv *server) run(ctx context.Context, ready func(observe.Ready)) error {
	defer srv.gates.Close()
	listeners, r, err := srv.listen(ctx)
	if err != nil {
		return err
	}
	// Certificates name the address of port 80, so it comes before anything
	// that shows or issues one.
	if err := srv.publishLists(r.Ports[revocationPort]); err != nil {
		closeAll(listeners)
		return err
	}
	if srv.bootstrap, err = srv.newBootstrapper(r); err != nil {
		closeAll(listeners)
		return err
	}
	if err := srv.publish(r); err != nil {
		closeAll(listeners)
		return err
	}
	// What users and clients are told to go to is to be had there.
	signIn := srv.cfg.reachable(r.Ports[signInPort])
	for _, t := range srv.tenants {
		t.issuer = srv.signer.Issuer(signIn, t.Name)
	}
	if err := srv.openSurface(signIn); err != nil {
		closeAll(listeners)
		return err
	}

	var work sync.WaitGroup // everything that ends with the servers
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer work.Wait()
	defer cancel()
	var endUpdates context.CancelFunc
	srv.stopped, endUpdates = context.WithCancel(running)
	defer endUpdates()
	for _, t := range srv.tenants {
		work.Go(func() { t.run(running) })
	}
	work.Go(func() { srv.signInLog.run(running) })

	failed := make(chan error, len(listeners))
	serve := func(what string, f func() error) {
		work.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	users := srv.httpServer(srv.userMux())
	users.TLSConfig = srv.authority.ServerTLS()
	bootstrap := srv.httpServer(srv.bootstrapMux())
	bootstrap.TLSConfig, bootstrap.IdleTimeout = srv.authority.ServerTLS(), idleTimeout
	accounts := srv.httpServer(srv.syncMux())
	accounts.TLSConfig = srv.authority.ServerTLS()
	admin := srv.httpServer(srv.admin(metricsHandler(srv.counters)))
	admin.WriteTimeout = 0 // event streams stay open, until nobody is to watch any more
	watched, endWatch := context.WithCancel(running)
	admin.BaseContext = func(net.Listener) context.Context { return watched }
	serve("port 443", func() error { return users.ServeTLS(listeners[signInPort], "", "") })
	serve("port 8080", func() error { return bootstrap.ServeTLS(listeners[bootstrapPort], "", "") })
	serve("hash sync", func() error { return accounts.ServeTLS(listeners[hashSyncPort], "", "") })
	serve("observe", func() error { return admin.Serve(listeners[observePort]) })
	lists := srv.httpServer(srv.lists)
	lists.IdleTimeout = idleTimeout
	serve("port 80", func() error { return lists.Serve(listeners[revocationPort]) })
	work.Go(func() { srv.lists.Run(running) })

	trust := srv.grpcServer(srv.authority.ConnectorCredentials(srv.known, srv.connectorDenied))
	wire.RegisterTrustServer(trust, srv.trust())
	serve("port 9091", func() error { return trust.Serve(listeners[renewalPort]) })
	work.Go(func() { srv.watchConnectors(running) })

	registration := srv.grpcServer(credentials.NewTLS(srv.authority.ServerTLS()))
	wire.RegisterRegistrationServer(registration, &authority.Registration{
		Authority: srv.authority, Store: srv.state, Lifetime: srv.cfg.CertificateLifetime,
		Tenant: func(name string) bool { return srv.tenants[name] != nil },
		Now:    time.Now, Log: srv.log, Denied: srv.registrationDenied, Administrator: srv.administrator,
	})
	serve("port 9090", func() error { return registration.Serve(listeners[registrationPort]) })

	connectors := srv.grpcServer(srv.authority.ConnectorCredentials(srv.known, srv.connectorDenied))
	wire.RegisterRequestsServer(connectors, srv)
	wire.RegisterResponsesServer(connectors, srv)
	for _, port := range slices.Concat(requestPorts, responsePorts) {
		serve("port "+port, func() error { return connectors.Serve(listeners[port]) })
	}

	served := maps.Clone(r.Ports) // r is who is told's to change
	ready(r)                      // first: in a terminal it is words, and what the log says follows
	srv.log.Info("serving", "ports", served, "tenants", len(srv.tenants))
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	srv.log.Info("draining")
	srv.gates.Close() // what a gate holds back could not end
	bound, stop := context.WithTimeout(context.WithoutCancel(ctx), srv.cfg.limits.shutdown)
	defer stop()
	// Users first: what they sent is answered while connectors are still there.
	err = errors.Join(err, srv.shutdown("port 443", users, bound), srv.shutdown("hash sync", accounts, bound))
	srv.endSessions(errShutdown)
	connectors.Stop()
	registration.Stop()
	trust.Stop()
	err = errors.Join(err, srv.shutdown("port 80", lists, bound), srv.shutdown("port 8080", bootstrap, bound))
	endUpdates()
	srv.streams.Wait()
	endWatch()
	return errors.Join(err, srv.shutdown("observe", admin, bound))
}

// grpcServer makes a server whose Stop waits for its handlers.
func (srv *server) grpcServer(peers credentials.TransportCredentials) *grpc.Server {
	return grpc.NewServer(grpc.Creds(peers), grpc.WaitForHandlers(true), grpc.MaxRecvMsgSize(maxMessage),
		grpc.ConnectionTimeout(handshakeTimeout), grpc.MaxConcurrentStreams(maxPeerStreams),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}))
}

// registrationDenied counts a registration that was refused.
func (srv *server) registrationDenied(d authority.Denial, by authority.Claims) {
	srv.denied(string(d), 1)
	srv.events.Add(observe.Event{Kind: observe.RegistrationDenied, Tenant: by.Tenant, Connector: by.Name, Cause: string(d)})
}

// connectorDenied counts a peer that was refused on a connector port.
func (srv *server) connectorDenied(d authority.Denial, from net.Addr, why error) {
	srv.denied(string(d), 1)
	if authority.Probe(why) {
		srv.log.Debug("probed", "reason", string(d), "from", from.String())
		return
	}
	srv.logConnectorDenied(d, "from", from.String())
}

// logConnectorDenied writes down a sample of connectors that were refused.
func (srv *server) logConnectorDenied(d authority.Denial, more ...any) {
	if leftOut, say := srv.refusalsSaid.Say(d, time.Now()); say {
		srv.log.Warn("connector refused", append([]any{"reason", string(d), "left_out", leftOut}, more...)...)
	}
}

func (srv *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: srv.cfg.limits.request, ReadTimeout: srv.cfg.limits.request,
		WriteTimeout: srv.cfg.Queue.Deadline + 30*time.Second, MaxHeaderBytes: maxHeader,
		IdleTimeout: time.Hour, ErrorLog: slog.NewLogLogger(srv.log.Handler(), slog.LevelDebug)}
}

// shutdown lets a server finish what it has, within bound. Sign-ins that wait
// longer than that are answered then, as if their deadline had passed.
func (srv *server) shutdown(what string, s *http.Server, bound context.Context) error {
	if s.Shutdown(bound) == nil {
		return nil
	}
	for _, t := range srv.tenants {
		t.giveUp()
	}
	moment, stop := context.WithTimeout(context.WithoutCancel(bound), lastMoment)
	defer stop()
	if err := s.Shutdown(moment); err != nil {
		_ = s.Close()
		return fmt.Errorf("%s: draining: %w", what, err)
	}
	srv.log.Warn("drained late", "what", what, "after", srv.cfg.limits.shutdown.String())
	return nil
}

// cloudFile is the ready line, for connectors and for the next start.
const cloudFile = "cloud.json"

// publish writes what connectors and users need to find the simulator. Nothing
// in it is secret. Each file appears whole: a connector may be reading the last
// one.
func (srv *server) publish(r observe.Ready) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cloud.json: %w", err)
	}
	for name, b := range map[string][]byte{cloudFile: append(text, '\n'), "ca.pem": []byte(r.CAPEM)} {
		if err := whole.Bytes(filepath.Join(srv.cfg.State, name), 0o644, b); err != nil {
			return fmt.Errorf("publishing %s: %w", name, err)
		}
	}
	return nil
}
