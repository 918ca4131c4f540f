package cloudsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"ptabench/wire"
)

// agent is a connector that has registered.
type agent struct {
	*cloud
	name        string
	certificate *tls.Certificate // nil shows none
}

// register makes a connector of contoso.
func (c *cloud) register(name string) *agent {
	c.Helper()
	a, err := c.tryRegister("contoso", name, c.registrationToken("contoso"))
	if err != nil {
		c.Fatalf("registering %s: %v", name, err)
	}
	return a
}

func (c *cloud) registrationToken(tenant string) string {
	c.Helper()
	var t struct{ Token string }
	if err := c.observe.Post(context.Background(), "/tenants/"+tenant+"/registration-tokens", nil, &t); err != nil {
		c.Fatal(err)
	}
	c.secret(t.Token)
	return t.Token
}

func (c *cloud) tryRegister(tenant, name, token string) (*agent, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	a := &agent{cloud: c, name: name}
	conn, err := a.dial("9090")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waits)
	defer cancel()
	resp, err := wire.NewRegistrationClient(conn).Register(ctx, &wire.RegisterRequest{
		Tenant: tenant, Name: name, Token: token, CsrDer: csr, Version: "fake",
	})
	if err != nil {
		return nil, err
	}
	a.certificate = &tls.Certificate{Certificate: [][]byte{resp.GetCertificateDer()}, PrivateKey: key}
	return a, nil
}

// dial connects to a documented port.
func (a *agent) dial(port string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	config := &tls.Config{RootCAs: a.ca, MinVersion: tls.VersionTLS13}
	if a.certificate != nil {
		// Also one that the server does not ask for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return a.certificate, nil }
	}
	return grpc.NewClient("passthrough:///"+a.ready.Ports[port],
		append(opts, grpc.WithTransportCredentials(credentials.NewTLS(config)))...)
}

// given is a sign-in as the connector got it, opened.
type given struct {
	id       uint64
	attempt  uint32
	user     string
	password string
	budget   time.Duration
}

// link is one session of a connector.
type link struct {
	*agent
	port    string // of requests
	key     hpke.PrivateKey
	welcome *wire.Welcome
	ctx     context.Context
	cancel  context.CancelFunc
	conns   []*grpc.ClientConn
	raw     chan net.Conn // below the request stream
	work    sync.WaitGroup
	silent  atomic.Bool // sends no more heartbeats
	gone    chan struct{}
	why     error // why the request stream ended, once gone is closed

	// respond answers a sign-in; false leaves it without an answer.
	respond atomic.Value // func(given) (wire.Result, bool)
	held    chan given   // those without an answer
	queue   chan *wire.Answer

	sendMu   sync.Mutex
	sent     bool // all that there is to send
	requests grpc.BidiStreamingClient[wire.ConnectorMessage, wire.CloudMessage]

	mu    sync.Mutex
	seals []int // passwords opened under each context
	took  int
}

// password is what every user's is, unless a test says otherwise.
const password = "correct-horse-battery-staple"

// check is how a connector answers: by the password.
func check(g given) (wire.Result, bool) {
	if g.password == password {
		return wire.Result_RESULT_ACCEPTED, true
	}
	return wire.Result_RESULT_WRONG_PASSWORD, true
}

func hold(given) (wire.Result, bool) { return 0, false }

func always(r wire.Result) func(given) (wire.Result, bool) {
	return func(given) (wire.Result, bool) { return r, true }
}

// listen begins a session without a response stream.
func (a *agent) listen(port string, change ...func(*wire.Hello)) (*link, error) {
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	l := &link{agent: a, port: port, key: key, raw: make(chan net.Conn, 16), gone: make(chan struct{}),
		held: make(chan given, 1000), queue: make(chan *wire.Answer, 1000)}
	l.respond.Store(check)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	hello := &wire.Hello{Tenant: "contoso", Version: "fake", Concurrency: 100,
		HpkePublicKey: key.PublicKey().Bytes(), HpkeKem: uint32(hpke.MLKEM768X25519().ID())}
	for _, f := range change {
		f(hello)
	}
	fail := func(err error) (*link, error) {
		l.close()
		return nil, err
	}
	conn, err := a.dial(port, grpc.WithContextDialer(func(ctx context.Context, at string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err == nil {
			l.raw <- nc
		}
		return nc, err
	}))
	if err != nil {
		return fail(err)
	}
	l.conns = append(l.conns, conn)
	if l.requests, err = wire.NewRequestsClient(conn).Listen(l.ctx); err != nil {
		return fail(err)
	}
	_ = l.requests.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Hello{Hello: hello}})
	m, err := l.requests.Recv()
	if err != nil {
		return fail(err)
	}
	if l.welcome = m.GetWelcome(); l.welcome == nil {
		return fail(fmt.Errorf("the first message is %T", m.GetKind()))
	}
	l.work.Go(l.receive)
	l.work.Go(l.beat)
	a.Cleanup(l.close)
	return l, nil
}

// begin is listen for when it must work.
func (a *agent) begin(change ...func(*wire.Hello)) *link {
	a.Helper()
	l, err := a.listen("9352", change...)
	if err != nil {
		a.Fatalf("%s: %v", a.name, err)
	}
	return l
}

// attach begins a session with a response stream and waits until the cloud
// has noticed.
func (a *agent) attach() *link {
	a.Helper()
	l := a.begin()
	before := len(a.happened("connector-attached"))
	l.answer("10100")
	eventually(a, a.name+" is attached", func() bool { return len(a.happened("connector-attached")) > before })
	return l
}

func (l *link) close() {
	l.cancel()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.work.Wait()
}

// reset ends the connection of the request stream as a killed process does.
func (l *link) reset() {
	nc := <-l.raw
	_ = nc.(*net.TCPConn).SetLinger(0)
	_ = nc.Close()
}

// ended waits until the cloud has ended the session.
func (l *link) ended() error {
	l.Helper()
	select {
	case <-l.gone:
		return l.why
	case <-time.After(waits):
		l.Fatalf("the session of %s does not end", l.name)
		return nil
	}
}

func (l *link) send(m *wire.ConnectorMessage) {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	if !l.sent { // a stream that is closed would be ended by it
		_ = l.requests.Send(m) // receive learns why not
	}
}

// closeSend says that nothing more comes.
func (l *link) closeSend() {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	l.sent = true
	_ = l.requests.CloseSend()
}

func (l *link) status(reachable, draining bool) {
	l.send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Status{Status: &wire.Status{
		DirectoryReachable: reachable, Draining: draining}}})
}

func (l *link) interval() time.Duration {
	return time.Duration(l.welcome.GetHeartbeatIntervalNs())
}

func (l *link) beat() {
	tick := time.NewTicker(l.interval())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !l.silent.Load() {
				l.send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}})
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// receive reads the request stream: opens what it brings and answers it.
func (l *link) receive() {
	defer close(l.gone)
	var recipient *hpke.Recipient
	for {
		m, err := l.requests.Recv()
		if err != nil {
			l.why = err
			return
		}
		if s := m.GetSeal(); s != nil {
			recipient, err = hpke.NewRecipient(s.GetEnc(), l.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("ptabench seal 1"))
			if err != nil {
				l.Errorf("%s: the sealing context does not open: %v", l.name, err)
				return
			}
			l.mu.Lock()
			l.seals = append(l.seals, 0)
			l.mu.Unlock()
		}
		for _, s := range m.GetBatch().GetSignIns() {
			l.take(recipient, s)
		}
	}
}

func (l *link) take(recipient *hpke.Recipient, s *wire.SignIn) {
	var aad [12]byte
	binary.BigEndian.PutUint64(aad[:], s.GetId())
	binary.BigEndian.PutUint32(aad[8:], s.GetAttempt())
	opened, err := recipient.Open(aad[:], s.GetPassword())
	if err != nil {
		l.Errorf("%s: a password does not open: %v", l.name, err)
		return
	}
	l.mu.Lock()
	l.took++
	l.seals[len(l.seals)-1]++
	l.mu.Unlock()
	g := given{s.GetId(), s.GetAttempt(), s.GetUser(), string(opened), time.Duration(s.GetBudgetNs())}
	if r, ok := l.respond.Load().(func(given) (wire.Result, bool))(g); ok {
		l.reply(g, r)
		return
	}
	l.held <- g
}

func (l *link) reply(g given, r wire.Result) {
	l.queue <- &wire.Answer{Id: g.id, Attempt: g.attempt, Result: r, ConnectorNs: 3_000_000, DirectoryNs: 2_000_000}
}

// holding waits for a sign-in that the connector has and does not answer.
func (l *link) holding() given {
	l.Helper()
	select {
	case g := <-l.held:
		return g
	case <-time.After(waits):
		l.Fatalf("%s is given nothing", l.name)
		return given{}
	}
}

func (l *link) taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took
}

// responses is one response stream of a session.
type responses struct {
	end   context.CancelFunc
	acked atomic.Uint64
	beats atomic.Bool // stops the heartbeats when it is true
	gone  chan struct{}
	why   error
}

// ended waits until the stream has ended, and expects a word in its error.
func (r *responses) ended(t testing.TB, word string) {
	t.Helper()
	select {
	case <-r.gone:
		if code := status.Code(r.why); code != codes.Aborted && code != codes.Unauthenticated || !strings.Contains(r.why.Error(), word) {
			t.Errorf("a response stream ended with %v; expected %s", r.why, word)
		}
	case <-time.After(waits):
		t.Fatalf("a response stream does not end: %s", word)
	}
}

// answer opens a response stream.
func (l *link) answer(port string) *responses {
	l.Helper()
	r, err := l.tryAnswer(port, l.welcome.GetSession())
	if err != nil {
		l.Fatalf("%s: response stream: %v", l.name, err)
	}
	return r
}

// tryAnswer returns once the cloud has acknowledged the stream.
func (l *link) tryAnswer(port, session string) (*responses, error) {
	conn, err := l.dial(port)
	if err != nil {
		return nil, err
	}
	l.conns = append(l.conns, conn)
	ctx, end := context.WithCancel(l.ctx)
	r := &responses{end: end, gone: make(chan struct{})}
	stream, err := wire.NewResponsesClient(conn).Answer(ctx)
	if err != nil {
		end()
		return nil, err
	}
	_ = stream.Send(&wire.AnswerMessage{Kind: &wire.AnswerMessage_Open{Open: &wire.Open{Session: session}}})
	if _, err := stream.Recv(); err != nil {
		end()
		return nil, err
	}
	l.work.Go(func() {
		defer close(r.gone)
		defer end()
		for {
			ack, err := stream.Recv()
			if err != nil {
				r.why = err
				return
			}
			r.acked.Store(ack.GetReceived())
		}
	})
	l.work.Go(func() {
		tick := time.NewTicker(l.interval())
		defer tick.Stop()
		for {
			m := &wire.AnswerMessage{Kind: &wire.AnswerMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
			select {
			case a := <-l.queue:
				if ctx.Err() != nil { // the next stream's
					l.queue <- a
					return
				}
				m.Kind = &wire.AnswerMessage_Batch{Batch: &wire.AnswerBatch{Answers: []*wire.Answer{a}}}
			case <-tick.C:
				if l.silent.Load() || r.beats.Load() {
					continue
				}
			case <-ctx.Done():
				return
			}
			if stream.Send(m) != nil {
				return
			}
		}
	})
	return r, nil
}
