package cloudsim

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/rollout"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/state"
	"ptabench/cloudsim/token"
	"ptabench/gate"
	"ptabench/observe"
	"ptabench/wire"
)

// server is a running simulator.
type server struct {
	wire.UnimplementedRequestsServer
	wire.UnimplementedResponsesServer

	cfg       Config
	log       *slog.Logger
	began     time.Time
	events    *observe.Log
	state     *state.Store
	authority *authority.Authority
	gates     *gate.Gates
	lists     *authority.Lists
	signer    *token.Signer
	bootstrap *bootstrapper
	reports   reports
	rollout   *rollout.Book
	updateKey ed25519.PublicKey // that updates are signed by; nil when there are none
	stopped   context.Context   // ends when updates are watched no more
	signInLog *signInLog
	surface   *signin.Surface
	host      string             // of every URL at the sign-in port, once it is known
	lockout   *lockout.Book      // nil where no account is ever locked
	tenants   map[string]*tenant // by name
	domains   map[string]*tenant // by domain, lower case
	tenantIDs map[string]*tenant // by the ID in tokens
	portOf    map[string]string  // portKey of a listener to its documented port
	lastID    atomic.Uint64      // of a sign-in
	// refusalsSaid keeps refused connectors from filling the log.
	refusalsSaid authority.Sample
	streams      sync.WaitGroup // goroutines of connector streams

	mu       sync.Mutex
	sessions map[string]*session // by id
	current  map[string]*session // by owner: a connector's newest session
	refused  map[string]uint64   // bad input by reason
	// updateSaid is when the last message about an update was sent, by owner.
	updateSaid map[string]time.Time
}

// peerIdentity is who dialled, by certificate.
type peerIdentity struct {
	tenant, name, id string
	serial           string // of its certificate
	expires          time.Time
	port             string // documented port that was dialled
}

// identify checks the certificate of a connector stream and that it was
// dialled on one of the ports meant for it.
func (srv *server) identify(ctx context.Context, ports []string) (peerIdentity, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return peerIdentity{}, status.Error(codes.Internal, "a stream without a peer")
	}
	who, serial, err := authority.PeerIdentity(p)
	if err != nil {
		srv.denied(string(authority.DeniedCertificateMalformed), 1)
		return peerIdentity{}, status.Error(codes.Unauthenticated, err.Error())
	}
	if srv.state.Withdrawn(serial) { // since the connection was made
		srv.denied(string(authority.DeniedCertificateRevoked), 1)
		return peerIdentity{}, status.Error(codes.Unauthenticated, "the certificate is revoked: the connector must be registered again")
	}
	if !srv.known(serial) { // replaced since the connection was made
		srv.denied(string(authority.DeniedCertificateReplaced), 1)
		return peerIdentity{}, status.Error(codes.Unauthenticated, "the certificate is not that of a registered connector")
	}
	expires := authority.PeerExpiry(p)
	if time.Now().After(expires) { // since the connection was made
		srv.denied(string(authority.DeniedCertificateExpired), 1)
		return peerIdentity{}, status.Error(codes.Unauthenticated, "the certificate has expired: the connector must be registered again")
	}
	port := srv.documentedPort(p.LocalAddr)
	if !slices.Contains(ports, port) {
		srv.denied("wrong-port", 1)
		return peerIdentity{}, status.Errorf(codes.PermissionDenied, "port %s: this stream belongs on one of %v", port, ports)
	}
	return peerIdentity{tenant: who.Tenant, name: who.Name, id: who.ID, serial: serial, expires: expires, port: port}, nil
}

// known reports whether a certificate is that of a registered connector.
func (srv *server) known(serial string) bool {
	c, ok := srv.state.Known(serial)
	return ok && c.Accepts(serial, time.Now())
}

// documentedPort is which port a connection came in by; empty for none.
func (srv *server) documentedPort(local net.Addr) string {
	if port, ok := srv.portOf[local.String()]; ok {
		return port
	}
	if tcp, ok := local.(*net.TCPAddr); ok { // the listener may be on every address
		return srv.portOf[portKey(&net.TCPAddr{Port: tcp.Port})]
	}
	return ""
}

// portKey is host:port of a listener, without the host when that is every
// address.
func portKey(listener net.Addr) string {
	if tcp, ok := listener.(*net.TCPAddr); ok && (tcp.IP == nil || tcp.IP.IsUnspecified()) {
		return ":" + strconv.Itoa(tcp.Port)
	}
	return listener.String()
}

// owner is what a connector has one session by: its name, which a new
// registration takes over, so that two of one name never serve at once.
func (p peerIdentity) owner() string { return p.tenant + "/" + p.name }

// enter makes s the connector's session, in place of an older one. One that s
// succeeds goes on: until s is attached as before, and then for what it has.
func (srv *server) enter(s *session, succeeds string) {
	srv.mu.Lock()
	// Not only the newest one: a successor that never came to stand may be there.
	if old := srv.sessions[succeeds]; old != nil && old != s && old.peer.owner() == s.peer.owner() && old.peer.id == s.peer.id && !old.retired.Load() {
		s.before.Store(old)
	}
	srv.current[s.peer.owner()], srv.sessions[s.id] = s, s
	before := s.before.Load()
	var replaced []*session
	for _, o := range srv.sessions {
		if o != s && o != before && o.peer.owner() == s.peer.owner() && (!o.retired.Load() || before == nil) {
			replaced = append(replaced, o)
		}
	}
	srv.mu.Unlock()
	for _, o := range replaced {
		if o.peer.id == s.peer.id {
			o.ended(errReplaced)
		} else {
			o.ended(errRevoked)
		}
	}
}

func (srv *server) leave(s *session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s.id)
	for _, o := range srv.sessions { // or a chain of all that ever were would be kept
		o.before.CompareAndSwap(s, nil)
	}
	if srv.current[s.peer.owner()] != s {
		return
	}
	delete(srv.current, s.peer.owner())
	if before := s.before.Load(); before != nil { // it may be succeeded once more
		srv.current[s.peer.owner()] = before
	}
}

func (srv *server) session(id string) *session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

// endSessions ends every connector session.
func (srv *server) endSessions(cause error) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for _, s := range srv.sessions {
		s.ended(cause)
	}
}

// denied counts n pieces of input that were refused.
func (srv *server) denied(reason string, n uint64) (soFar uint64) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.refused[reason] += n
	return srv.refused[reason]
}

// counters is what the simulator counted since it started.
func (srv *server) counters() observe.CloudCounters {
	c := observe.CloudCounters{Denied: make(map[string]uint64)}
	c.RevocationList.Number, c.RevocationList.Revoked = srv.lists.Published()
	for _, t := range srv.cfg.Tenants {
		c.Tenants = append(c.Tenants, srv.tenants[t.Name].counters())
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for reason, n := range srv.refused {
		c.Denied[reason] = n
	}
	return c
}

// listenAddress is where a documented port listens: as configured, or on a
// free port.
func (c *Config) listenAddress(port string) string {
	if at, ok := c.Ports[port]; ok {
		return at
	}
	return net.JoinHostPort(c.Listen, "0")
}

// hosts are the addresses that the configuration names, for the simulator's
// own certificate.
func (c *Config) hosts() (hosts []string) {
	add := func(host string) {
		ip := net.ParseIP(host)
		if host != "" && (ip == nil || !ip.IsUnspecified()) && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	add(c.Listen)
	for _, at := range c.Ports {
		host, _, _ := net.SplitHostPort(at) // Validate has checked it
		add(host)
	}
	return slices.DeleteFunc(hosts, func(h string) bool { return h == "127.0.0.1" || h == "::1" || h == "localhost" })
}

// microseconds are what response headers count in.
func microseconds(d time.Duration) string {
	return strconv.FormatInt(max(d, 0).Microseconds(), 10)
}
