package cloudsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/observe"
	"ptabench/wire"
)

// forge makes a certificate like a connector's, of an authority of its own.
func forge(t *testing.T) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "connector-1", Organization: []string{"contoso"}},
		URIs:    []*url.URL{{Scheme: "ptabench", Host: "contoso", Path: "/1"}},
		IsCA:    true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Whoever is no registered connector gets no stream on any port, and is
// counted.
func TestForeignPeers(t *testing.T) {
	t.Parallel()
	c := start(t)
	replaced := c.register("connector-1")
	open := replaced.begin() // on a connection that outlives its certificate's validity
	current := c.register("connector-1")
	for _, tc := range []struct {
		name   string
		a      *agent
		reason string
	}{
		{"no certificate", &agent{cloud: c}, "handshake-refused"},
		{"forged", &agent{cloud: c, certificate: forge(t)}, "certificate-untrusted"},
		{"the server's", &agent{cloud: c, certificate: serverCertificate(t, c)}, "certificate-untrusted"},
		{"replaced", replaced, "certificate-not-current"},
	} {
		before := c.counters().Denied[tc.reason]
		for i, port := range []string{"9350", "9352", "5671", "10100", "10120"} {
			l, err := tc.a.listen(port)
			if err == nil {
				l.close()
				t.Errorf("%s: port %s gives it a stream", tc.name, port)
			}
			eventually(t, tc.name+" is counted", func() bool { return c.counters().Denied[tc.reason] >= before+uint64(i+1) })
		}
	}
	// The log has a sample of them, and no probes.
	log := c.log.String()
	if n := strings.Count(log, `"msg":"connector refused","reason":"certificate-untrusted"`); n < 1 || n > 9 {
		t.Errorf("%d lines of 10 refusals in a moment; expected fewer", n)
	}
	if strings.Contains(log, `"msg":"connector refused","reason":"handshake-refused"`) {
		t.Error("a peer without a certificate is logged as a connector that was refused")
	}
	if _, err := open.tryAnswer("10100", open.welcome.GetSession()); err == nil {
		t.Error("a replaced certificate opened a response stream")
	}
	// The new one takes the session of the old one over.
	l := current.attach()
	if err := open.ended(); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("the session of the replaced certificate ended with %v", err)
	}
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-1", "1")
	if l.taken() != 1 {
		t.Error("somebody else took the sign-in")
	}
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.CertificateLifetime = time.Second })
	a := c.register("connector-1")
	eventually(t, "the certificate expires", func() bool {
		l, err := a.listen("9350")
		if err == nil {
			l.close()
		}
		return c.counters().Denied["certificate-expired"] > 0
	})
}

// serverCertificate is the one that the simulator shows, without its key.
func serverCertificate(t *testing.T, c *cloud) *tls.Certificate {
	conn, err := tls.Dial("tcp", c.ready.Ports["443"], &tls.Config{RootCAs: c.ca})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return &tls.Certificate{Certificate: [][]byte{conn.ConnectionState().PeerCertificates[0].Raw}, PrivateKey: forge(t).PrivateKey}
}

// A stream that is asked for again, on a connection made before the
// certificate was replaced, is refused.
func TestReplacedOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	c := start(t)
	old := c.register("connector-1")
	l := old.begin()
	c.register("connector-1")
	stream, err := wire.NewRequestsClient(l.conns[0]).Listen(l.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v, %v; expected to be refused", m, err)
	}
	c.denied("certificate-not-current", 1)
}

// What a connector may not say first.
func TestBadFirstMessages(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.limits.first = time.Second })
	a, other := c.register("connector-1"), c.register("connector-2")
	good := other.attach()
	for _, tc := range []struct {
		name   string
		port   string
		change func(*wire.Hello)
		code   codes.Code
		reason string
	}{
		{"another tenant", "9350", func(h *wire.Hello) { h.Tenant = "fabrikam" }, codes.PermissionDenied, "foreign-tenant"},
		{"no tenant", "9352", func(h *wire.Hello) { h.Tenant = "" }, codes.PermissionDenied, "foreign-tenant"},
		{"an endless tenant", "9352", func(h *wire.Hello) { h.Tenant = strings.Repeat("t", 1<<19) }, codes.PermissionDenied, "foreign-tenant"},
		{"no concurrency", "5671", func(h *wire.Hello) { h.Concurrency = 0 }, codes.InvalidArgument, "malformed-hello"},
		{"endless concurrency", "9350", func(h *wire.Hello) { h.Concurrency = 1 << 31 }, codes.InvalidArgument, "malformed-hello"},
		{"no key", "9350", func(h *wire.Hello) { h.HpkePublicKey = nil }, codes.InvalidArgument, "malformed-hello"},
		{"a garbage key", "9350", func(h *wire.Hello) { h.HpkePublicKey = h.HpkePublicKey[1:] }, codes.InvalidArgument, "malformed-hello"},
		{"an unknown KEM", "9350", func(h *wire.Hello) { h.HpkeKem = 0xfffe }, codes.InvalidArgument, "malformed-hello"},
		{"a KEM past 16 bits", "9350", func(h *wire.Hello) { h.HpkeKem |= 1 << 16 }, codes.InvalidArgument, "malformed-hello"},
		{"a hello past the bound", "9350", func(h *wire.Hello) { h.Version = strings.Repeat("v", 2<<20) }, codes.ResourceExhausted, "malformed-hello"},
		{"requests on a response port", "10107", nil, codes.PermissionDenied, "wrong-port"},
	} {
		before := c.counters().Denied[tc.reason]
		change := []func(*wire.Hello){tc.change}
		if tc.change == nil {
			change = nil
		}
		l, err := a.listen(tc.port, change...)
		if err == nil {
			l.close()
		}
		if status.Code(err) != tc.code {
			t.Errorf("%s: %.200v; expected %v", tc.name, err, tc.code)
		}
		c.denied(tc.reason, before+1)
	}

	l := a.begin(func(h *wire.Hello) { h.Version = strings.Repeat("v", 1<<19) }) // is no harm
	for _, tc := range []struct {
		name, port, session string
		code                codes.Code
		reason              string
	}{
		{"no session", "10100", "", codes.NotFound, "unknown-session"},
		{"an unknown session", "10120", "3f3c8a4e-3f1b-4c43-8a11-2a3a54b5c0de", codes.NotFound, "unknown-session"},
		{"an endless session", "10120", strings.Repeat("s", 1<<19), codes.NotFound, "unknown-session"},
		{"another connector's session", "10101", good.welcome.GetSession(), codes.NotFound, "unknown-session"},
		{"responses on a request port", "9350", l.welcome.GetSession(), codes.PermissionDenied, "wrong-port"},
	} {
		before := c.counters().Denied[tc.reason]
		if _, err := l.tryAnswer(tc.port, tc.session); status.Code(err) != tc.code {
			t.Errorf("%s: %.200v; expected %v", tc.name, err, tc.code)
		}
		c.denied(tc.reason, before+1)
	}

	// Streams that begin with something else, or with nothing.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	requests, err := wire.NewRequestsClient(l.conns[0]).Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = requests.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}})
	if _, err := requests.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a heartbeat first: %v", err)
	}
	conn, err := a.dial("10100")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers, err := wire.NewResponsesClient(conn).Answer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = answers.Send(&wire.AnswerMessage{})
	if _, err := answers.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("nothing first: %v", err)
	}
	c.denied("malformed-open", 1)
	silent, err := wire.NewResponsesClient(conn).Answer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := c.counters().Denied["malformed-hello"]
	mute, err := wire.NewRequestsClient(l.conns[0]).Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a silent response stream: %v", err)
	}
	if _, err := mute.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a silent request stream: %v", err)
	}
	c.denied("malformed-open", 2)
	c.denied("malformed-hello", before+1)

	if len(c.log.String()) > 1<<18 {
		t.Errorf("the log has %d bytes: what peers say is not bounded in it", len(c.log.String()))
	}
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-2", "1")
}

// A registration token is good once, for its tenant.
func TestRegistration(t *testing.T) {
	t.Parallel()
	c := start(t)
	token := c.registrationToken("contoso")
	if _, err := c.tryRegister("fabrikam", "connector-1", token); status.Code(err) != codes.Unauthenticated {
		t.Errorf("another tenant's token: %v", err)
	}
	if _, err := c.tryRegister("contoso", "connector-1", token); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]string{"used": token, "unknown": "no-such-token-at-all", "empty": ""} {
		if _, err := c.tryRegister("contoso", "connector-2", bad); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.secret("no-such-token-at-all")
	c.denied("registration-token-used", 1)
	c.denied("registration-token-unknown", 2)
	c.denied("registration-token-of-another-tenant", 1)
	if e := c.event(observe.RegistrationDenied, "registration-token-used"); e.Tenant != "contoso" || e.Connector != "connector-2" {
		t.Errorf("event %+v", e)
	}
}

// Answers to what a connector was not given change nothing.
func TestAnswersNotGiven(t *testing.T) {
	t.Parallel()
	c := start(t)
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(hold)
	two.respond.Store(hold)
	answered := c.later("ann@contoso.test", password)
	g := one.holding()
	for i, forged := range []given{
		{id: g.id, attempt: 1}, // connector-1's
		{id: g.id, attempt: 2}, // nobody's yet
		{id: g.id + 1, attempt: 1},
		{id: 1 << 63, attempt: 1 << 31},
	} {
		two.reply(forged, wire.Result_RESULT_WRONG_PASSWORD)
		c.denied("answer-not-given", uint64(i+1))
	}
	if e := c.event(observe.AnswerNotGiven, ""); e.Tenant != "contoso" || e.Connector != "connector-2" || e.Count != 1 {
		t.Errorf("event %+v", e)
	}
	if n := c.connector("connector-2"); n.NotGiven != 4 || n.Answered != 0 {
		t.Errorf("counters %+v", n)
	}
	one.reply(g, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	one.reply(g, wire.Result_RESULT_WRONG_PASSWORD) // once more
	c.denied("answer-not-given", 5)
	one.respond.Store(check)
	c.expect(c.signIn("ann@contoso.test", "what-is-not-it"), 400, 50126, PassThrough, "connector-1", "1")
	if n := c.tenant("contoso"); n.Received != 2 || n.Accepted != 1 || n.Refused != 1 {
		t.Errorf("counters %+v", n)
	}
}
