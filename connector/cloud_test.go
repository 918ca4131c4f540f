package connector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"ptabench/observe"
	"ptabench/wire"
)

// A fakeCloud speaks the cloud's side of the protocol on real ports.
type fakeCloud struct {
	wire.UnimplementedRegistrationServer
	wire.UnimplementedRequestsServer
	wire.UnimplementedResponsesServer

	t    testing.TB
	file string // the ready line

	// Settings; to be set before a connector comes.
	interval    time.Duration
	misses      uint32
	lifetime    time.Duration      // of certificates
	otherKey    bool               // certificates are for another key than was asked for
	loseReplies int                // to registrations, before one is answered
	silent      atomic.Bool        // neither heartbeats nor acknowledgements
	unacked     atomic.Bool        // acknowledgements stay at 0
	answered    func(*wire.Answer) // called for each answer, instead of keeping it

	lists fakeLists

	answerBeats atomic.Int64 // heartbeats on response streams

	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	server tls.Certificate
	caPEM  []byte
	ports  map[string]string // documented number to host:port
	name   map[string]string // the other way round

	mu         sync.Mutex
	tokens     map[string]bool
	registered []*wire.RegisterRequest
	sessions   []*fakeSession
	byID       map[string]*fakeSession
	answers    map[uint64][]*wire.Answer
	opens      []string // response ports, in the order they were opened
	open       map[string][]net.Conn
	listeners  map[string]net.Listener
	blocked    map[string]bool
	grpc       []*grpc.Server
	wg         sync.WaitGroup
}

func newFakeCloud(t testing.TB) *fakeCloud {
	t.Helper()
	c := &fakeCloud{byID: make(map[string]*fakeSession),
		t: t, interval: 50 * time.Millisecond, misses: 100, lifetime: time.Hour,
		ports: map[string]string{}, name: map[string]string{}, tokens: map[string]bool{},
		answers: map[uint64][]*wire.Answer{}, open: map[string][]net.Conn{}, listeners: map[string]net.Listener{}, blocked: map[string]bool{},
	}
	c.makeCA()
	pool := x509.NewCertPool()
	pool.AddCert(c.ca)
	open := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{c.server}})))
	wire.RegisterRegistrationServer(open, c)
	mutual := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{c.server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	})))
	wire.RegisterRequestsServer(mutual, c)
	wire.RegisterResponsesServer(mutual, c)
	c.grpc = []*grpc.Server{open, mutual}
	for _, port := range append(append([]string{registrationPort}, requestPorts...), responsePorts...) {
		c.unblock(port)
	}
	c.writeFile(t.TempDir())
	t.Cleanup(func() {
		for _, s := range c.grpc {
			s.Stop()
		}
		c.wg.Wait()
	})
	return c
}

func (c *fakeCloud) makeCA() {
	c.t.Helper()
	must := func(err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	var err error
	c.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	c.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake cloud"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c.ca, c.ca, &c.caKey.PublicKey, c.caKey)
	must(err)
	c.ca, err = x509.ParseCertificate(der)
	must(err)
	c.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serverSerial, CRLDistributionPoints: []string{c.serveLists()}, NotBefore: c.ca.NotBefore, NotAfter: c.ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", "ptabench-cloud"},
	}, c.ca, &key.PublicKey, c.caKey)
	must(err)
	c.server = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (c *fakeCloud) writeFile(dir string) {
	c.t.Helper()
	text, err := json.Marshal(observe.Ready{Role: "cloudsim", Name: "cloudsim", Ports: c.ports, CAPEM: string(c.caPEM)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.file = filepath.Join(dir, "cloud.json")
	if err := os.WriteFile(c.file, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// unblock listens on a port, again on the same one.
func (c *fakeCloud) unblock(port string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	address := c.ports[port]
	if address == "" {
		address = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ports[port] = ln.Addr().String()
	c.name[ln.Addr().String()] = port
	c.listeners[port], c.blocked[port] = ln, false
	server := c.grpc[1]
	if port == registrationPort {
		server = c.grpc[0]
	}
	c.wg.Go(func() { _ = server.Serve(&tracked{ln, c, port}) })
}

// block refuses connections to ports and resets those that are open.
func (c *fakeCloud) block(ports ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, port := range ports {
		c.blocked[port] = true
		_ = c.listeners[port].Close()
		for _, conn := range c.open[port] {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		c.open[port] = nil
	}
}

// tracked remembers the connections of a port.
type tracked struct {
	net.Listener
	cloud *fakeCloud
	port  string
}

func (l *tracked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.cloud.mu.Lock()
		defer l.cloud.mu.Unlock()
		if l.cloud.blocked[l.port] { // it came just before
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		} else {
			l.cloud.open[l.port] = append(l.cloud.open[l.port], conn)
		}
	}
	return conn, err
}

// token makes a registration token.
func (c *fakeCloud) token() string {
	token := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[token] = true
	return token
}

func (c *fakeCloud) Register(_ context.Context, r *wire.RegisterRequest) (*wire.RegisterResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.registered = append(c.registered, r)
	if c.loseReplies > 0 {
		c.loseReplies--
		return nil, status.Error(codes.Unavailable, "the reply is lost")
	}
	if !c.tokens[r.Token] {
		return nil, status.Error(codes.PermissionDenied, "the registration token is not valid")
	}
	delete(c.tokens, r.Token)
	csr, err := x509.ParseCertificateRequest(r.CsrDer)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	key := csr.PublicKey
	if c.otherKey {
		other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		key = &other.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: r.Name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(c.lifetime),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.ca, key, c.caKey)
	if err != nil {
		return nil, err
	}
	return &wire.RegisterResponse{ConnectorId: "1", CertificateDer: der, CaDer: c.ca.Raw}, nil
}

func (c *fakeCloud) where(ctx context.Context) (port, source string) {
	p, _ := peer.FromContext(ctx)
	host, _, _ := net.SplitHostPort(p.Addr.String())
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name[p.LocalAddr.String()], host
}

func (c *fakeCloud) Listen(stream grpc.BidiStreamingServer[wire.ConnectorMessage, wire.CloudMessage]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	s := &fakeSession{cloud: c, hello: first.GetHello(), stream: stream, done: make(chan struct{})}
	s.port, s.source = c.where(stream.Context())
	ctx, end := context.WithCancel(stream.Context())
	defer end()
	s.end = end
	defer close(s.done)
	id := rand.Text()
	c.mu.Lock() // before the connector can open the session's response stream
	c.byID[id] = s
	c.mu.Unlock()
	if !c.silent.Load() {
		if err := stream.Send(&wire.CloudMessage{Kind: &wire.CloudMessage_Welcome{Welcome: &wire.Welcome{
			Session: id, HeartbeatIntervalNs: uint64(c.interval), HeartbeatMisses: c.misses,
		}}}); err != nil {
			return err
		}
	}
	if err := s.seal(); err != nil {
		return err
	}
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	c.wg.Go(func() {
		ticker := time.NewTicker(c.interval)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if !c.silent.Load() {
				_ = s.send(&wire.CloudMessage{Kind: &wire.CloudMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}})
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
	received := make(chan error, 1)
	c.wg.Go(func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				s.closed.Store(err.Error() == "EOF")
				received <- err
				return
			}
			s.mu.Lock()
			if m.GetStatus() != nil {
				s.statuses = append(s.statuses, m.GetStatus())
			} else {
				s.beats++
			}
			s.mu.Unlock()
		}
	})
	select {
	case <-received:
		return nil
	case <-ctx.Done():
		return status.Error(codes.Aborted, "the cloud ended it")
	}
}

func (c *fakeCloud) Answer(stream grpc.BidiStreamingServer[wire.AnswerMessage, wire.AnswerAck]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	port, _ := c.where(stream.Context())
	if first.GetOpen().GetSession() == "" {
		return status.Error(codes.InvalidArgument, "a response stream begins with open")
	}
	ctx, end := context.WithCancel(stream.Context())
	defer end()
	c.mu.Lock()
	c.opens = append(c.opens, port)
	if s := c.byID[first.GetOpen().GetSession()]; s != nil {
		s.respond = end
	}
	c.mu.Unlock()
	var received atomic.Uint64
	acks := make(chan struct{}, 1)
	c.wg.Go(func() {
		ticker := time.NewTicker(c.interval)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if n := received.Load(); !c.silent.Load() {
				if c.unacked.Load() {
					n = 0
				}
				_ = stream.Send(&wire.AnswerAck{Received: n})
			}
			select {
			case <-ticker.C:
			case <-acks:
			case <-ctx.Done():
			}
		}
	})
	ended := make(chan error, 1)
	c.wg.Go(func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			if m.GetHeartbeat() != nil {
				c.answerBeats.Add(1)
			}
			batch := m.GetBatch().GetAnswers()
			if c.answered != nil {
				for _, a := range batch {
					c.answered(a)
				}
			} else {
				c.mu.Lock()
				for _, a := range batch {
					c.answers[a.Id] = append(c.answers[a.Id], a)
				}
				c.mu.Unlock()
			}
			if received.Add(uint64(len(batch))); len(batch) > 0 {
				select {
				case acks <- struct{}{}:
				default:
				}
			}
		}
	})
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return status.Error(codes.Aborted, "the cloud ended it")
	}
}

// session waits for the n-th session, counted from 1, that has a response
// stream.
func (c *fakeCloud) session(n int) *fakeSession {
	c.t.Helper()
	var s *fakeSession
	eventually(c.t, fmt.Sprintf("session %d is attached", n), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.sessions) < n || c.sessions[n-1].respond == nil {
			return false
		}
		s = c.sessions[n-1]
		return true
	})
	return s
}

// result waits for the answer to a sign-in.
func (c *fakeCloud) result(id uint64) wire.Result {
	c.t.Helper()
	var r wire.Result
	eventually(c.t, fmt.Sprintf("sign-in %d is answered", id), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.answers[id]) == 0 {
			return false
		}
		r = c.answers[id][0].Result
		return true
	})
	return r
}

func (c *fakeCloud) count(id uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.answers[id])
}

func (c *fakeCloud) opened() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.opens)
}
