package cloudsim

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/authority"
	"ptabench/observe"
	"ptabench/wire"
)

// revoke revokes a connector of contoso.
func (c *cloud) revoke(name string) (r revocationReply) {
	c.Helper()
	if err := c.observe.Post(context.Background(), "/tenants/contoso/connectors/"+name+"/revoke", nil, &r); err != nil {
		c.Fatal(err)
	}
	return r
}

// list gets the revocation list from where a certificate says.
func (c *cloud) list(from *x509.Certificate) *x509.RevocationList {
	c.Helper()
	if len(from.CRLDistributionPoints) != 1 {
		c.Fatalf("%v says that the list is at %v", from.Subject, from.CRLDistributionPoints)
	}
	r, err := c.users.Get(from.CRLDistributionPoints[0])
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	rl, err := x509.ParseRevocationList(b)
	if err != nil {
		c.Fatal(err)
	}
	block, _ := pem.Decode([]byte(c.ready.CAPEM))
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		c.Fatal(err)
	}
	if err := rl.CheckSignatureFrom(ca); err != nil {
		c.Fatal(err)
	}
	return rl
}

func (a *agent) leaf() *x509.Certificate {
	a.Helper()
	leaf, err := x509.ParseCertificate(a.certificate.Certificate[0])
	if err != nil {
		a.Fatal(err)
	}
	return leaf
}

func serials(l *x509.RevocationList) string {
	var all []string
	for _, e := range l.RevokedCertificateEntries {
		all = append(all, fmt.Sprintf("%x", e.SerialNumber))
	}
	return strings.Join(all, " ")
}

// A revoked connector loses its streams at once, what it had in hand goes to
// another, and it gets in by no port any more, after a restart too.
func TestRevoke(t *testing.T) {
	t.Parallel()
	c := start(t)
	bad, other := c.register("connector-1"), c.register("connector-2")
	l := bad.attach()
	l.respond.Store(hold)
	answered := c.later(user, password)
	l.holding()
	good := other.attach()

	r := c.revoke("connector-1")
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-2", "2")
	if err := l.ended(); !strings.Contains(err.Error(), "revoked") {
		t.Errorf("its session ended with %v", err)
	}
	if e := c.event(observe.ConnectorLost, "revoked"); e.Connector != "connector-1" {
		t.Errorf("lost: %+v", e)
	}
	if e := c.event(observe.HandedOff, "revoked"); e.Connector != "connector-1" || e.Count != 1 {
		t.Errorf("handed off: %+v", e)
	}
	serial := authority.Serial(bad.leaf())
	if r.Connector != "connector-1" || r.Serial != serial || time.Since(time.Unix(0, r.RevokedAtNS)) > waits {
		t.Errorf("the operator is told %+v", r)
	}
	for _, from := range []*x509.Certificate{bad.leaf(), c.serverLeaf()} {
		if got := c.list(from); serials(got) != serial || got.Number.Uint64() < r.List {
			t.Errorf("list %v names %s; expected %s", got.Number, serials(got), serial)
		}
	}
	if again := c.revoke("connector-1"); again.RevokedAtNS != r.RevokedAtNS || again.Serial != r.Serial {
		t.Errorf("once more: %+v; expected %+v", again, r)
	}
	refused := func(c *cloud, a *agent) {
		t.Helper()
		for i, port := range []string{"9350", "9352", "5671", "10100", "10120"} {
			if l, err := a.listen(port); err == nil {
				l.close()
				t.Errorf("port %s gives it a stream", port)
			}
			eventually(t, "it is counted", func() bool { return c.counters().Denied["certificate-revoked"] >= uint64(i+1) })
		}
	}
	refused(c, bad)
	if good.taken() != 1 {
		t.Errorf("connector-2 took %d", good.taken())
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, func(cfg *Config) { cfg.State = c.cfg.State })
	refused(again, &agent{cloud: again, name: bad.name, certificate: bad.certificate})
	next := again.list(again.serverLeaf())
	if serials(next) != serial || next.Number.Uint64() <= r.List {
		t.Errorf("after a restart, list %v names %s", next.Number, serials(next))
	}
	// Only a new registration makes it good again.
	again.register("connector-1").attach()
	again.expect(again.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
}

func (c *cloud) serverLeaf() *x509.Certificate {
	c.Helper()
	resp, err := c.users.Get(c.url("/contoso/discovery/v2.0/keys"))
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.TLS.PeerCertificates[0]
}

// A stream that a revoked connector asks for on a connection that it has is
// refused like a new connection.
func TestRevokedOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").begin()
	responses := l.answer("10100")
	c.revoke("connector-1")
	responses.ended(t, "revoked")
	if _, err := l.tryAnswer("10100", l.welcome.GetSession()); err == nil {
		t.Error("it got a response stream")
	}
	stream, err := wireListen(l)
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a request stream on the same connection: %v", err)
	}
	if n := c.counters().Denied["certificate-revoked"]; n < 2 {
		t.Errorf("%d refusals counted", n)
	}
}

// A certificate that another registration replaced is on the list at once.
func TestReplacedIsListed(t *testing.T) {
	t.Parallel()
	c := start(t)
	old := c.register("connector-1")
	if got := serials(c.list(c.serverLeaf())); got != "" {
		t.Errorf("before: %s", got)
	}
	c.register("connector-1")
	want := authority.Serial(old.leaf())
	eventually(t, "it is listed", func() bool { return serials(c.list(c.serverLeaf())) == want })
}

func TestRevokeWhoIsNotThere(t *testing.T) {
	t.Parallel()
	c := start(t)
	for path, want := range map[string]int{
		"/tenants/nobody/connectors/connector-1/revoke":  404,
		"/tenants/contoso/connectors/connector-1/revoke": 404,
		"/tenants/contoso/connectors/%20/revoke":         404,
	} {
		if got := c.call("POST", path, "", observeToken); got != want {
			t.Errorf("%s: %d; expected %d", path, got, want)
		}
		if got := c.call("POST", path, "", "not-the-token"); got != 401 {
			t.Errorf("%s without the token: %d", path, got)
		}
	}
}

// Port 80 serves the list by plain HTTP, and nothing else.
func TestPort80(t *testing.T) {
	t.Parallel()
	c := start(t)
	at := "http://" + c.ready.Ports["80"]
	if got := c.serverLeaf().CRLDistributionPoints; len(got) != 1 || got[0] != at+"/crl/ca.crl" {
		t.Errorf("the list is said to be at %v; it is at %s", got, at)
	}
	for path, want := range map[string]int{"/crl/ca.crl": 200, "/crl/ca.pem": 200, "/": 404, "/contoso/discovery/v2.0/keys": 404, "/counters": 404} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequest(method, at+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := c.do(r); a.status != want {
				t.Errorf("%s %s: %d; expected %d", method, path, a.status, want)
			}
		}
	}
	if n := c.counters().Denied["unknown-path"]; n != 6 {
		t.Errorf("%d refusals counted", n)
	}
}

func TestReachable(t *testing.T) {
	for _, tc := range []struct {
		listen string
		ports  map[string]string
		at     string
		want   string
	}{
		{"127.0.0.1", nil, "127.0.0.1:80", "127.0.0.1:80"},
		{"0.0.0.0", nil, "[::]:80", "127.0.0.1:80"},
		{"0.0.0.0", map[string]string{"443": "cloud.contoso.test:443"}, "0.0.0.0:80", "cloud.contoso.test:80"},
		{"::", map[string]string{"443": "[2001:db8::1]:443"}, "[::]:80", "[2001:db8::1]:80"},
	} {
		if got := (&Config{Listen: tc.listen, Ports: tc.ports}).reachable(tc.at); got != tc.want {
			t.Errorf("%s, %v: %s; expected %s", tc.listen, tc.ports, got, tc.want)
		}
	}
}

// wireListen asks for one more request stream on the connection of the first.
func wireListen(l *link) (grpc.BidiStreamingClient[wire.ConnectorMessage, wire.CloudMessage], error) {
	return wire.NewRequestsClient(l.conns[0]).Listen(l.ctx)
}
