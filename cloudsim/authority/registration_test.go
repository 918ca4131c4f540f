package authority

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/state"
	"ptabench/wire"
)

// office is a registration service with everything behind it.
type office struct {
	t      *testing.T
	dir    string
	at     *clock
	store  *state.Store
	client wire.RegistrationClient
	stop   func()

	mu     sync.Mutex
	log    bytes.Buffer
	denied []string // reason, tenant, name
}

func openOffice(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir(), at: &clock{at: noon}}
	o.start()
	t.Cleanup(func() { o.stop() })
	return o
}

func (o *office) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Write(p)
}

func (o *office) start() {
	o.t.Helper()
	store, err := state.Open(o.dir)
	if err != nil {
		o.t.Fatal(err)
	}
	o.store = store
	a := newTestAuthority(o.t, store, o.at.now)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(a.ServerTLS())))
	wire.RegisterRegistrationServer(server, &Registration{
		Authority: a,
		Store:     store,
		Lifetime:  180 * 24 * time.Hour,
		Tenant:    func(name string) bool { return name == "contoso" || name == "fabrikam" },
		Now:       o.at.now,
		Log:       slog.New(slog.NewJSONHandler(o, nil)),
		Denied: func(d Denial, by Claims) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.denied = append(o.denied, fmt.Sprint(d, " ", by.Tenant, " ", by.Name))
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM())
	config := credentials.NewTLS(&tls.Config{RootCAs: pool, Time: o.at.now})
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(config))
	if err != nil {
		o.t.Fatal(err)
	}
	o.client = wire.NewRegistrationClient(conn)
	o.stop = func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			o.t.Errorf("serving: %v", err)
		}
		if err := store.Close(); err != nil {
			o.t.Error(err)
		}
	}
}

func (o *office) token(tenant string) string {
	o.t.Helper()
	token, err := o.store.IssueToken(tenant, o.at.now())
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

// form is a request that would be granted.
func (o *office) form() *wire.RegisterRequest {
	return &wire.RegisterRequest{
		Tenant: "contoso", Name: "connector-1", Token: o.token("contoso"),
		CsrDer: request(o.t, ecKey(), nil), Version: "0.1.0",
	}
}

func TestRegister(t *testing.T) {
	o := openOffice(t)
	q := o.form()
	first, err := o.client.Register(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	serial := func(der []byte) string {
		t.Helper()
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		id, err := IdentityOf(c)
		if err != nil || id.Tenant != "contoso" || id.Name != "connector-1" {
			t.Errorf("it is for %+v, %v", id, err)
		}
		ca, err := x509.ParseCertificate(first.GetCaDer())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
		return Serial(c)
	}
	old := serial(first.GetCertificateDer())
	c, found := o.store.Known(old)
	if !found || c.ID != first.GetConnectorId() || c.Version != "0.1.0" || !c.RegisteredAt.Equal(noon) || !c.NotAfter.Equal(noon.Add(180*24*time.Hour)) {
		t.Errorf("known %v as %+v", found, c)
	}

	// The same key may ask again, as when the answer was lost: it gets another
	// certificate in place of the first.
	repeated, err := o.client.Register(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if _, found := o.store.Known(old); found {
		t.Error("the certificate that was lost is known")
	}
	old = serial(repeated.GetCertificateDer())

	// After a restart the certificate is known, and the token is used still, by
	// any other key.
	o.stop()
	o.start()
	if _, found := o.store.Known(old); !found {
		t.Error("the connector is forgotten after a restart")
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stolen := o.form()
	stolen.Token, stolen.CsrDer = q.Token, request(t, other, nil)
	if _, err := o.client.Register(t.Context(), stolen); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the token once more: %v", err)
	}

	// A connector that lost its state registers again, by a new token.
	second, err := o.client.Register(t.Context(), o.form())
	if err != nil {
		t.Fatal(err)
	}
	if _, found := o.store.Known(old); found {
		t.Error("the replaced certificate is known")
	}
	if _, found := o.store.Known(serial(second.GetCertificateDer())); !found {
		t.Error("the new certificate is not known")
	}
	if first.GetConnectorId() == second.GetConnectorId() || len(o.store.Connectors("contoso")) != 1 {
		t.Errorf("connectors %+v", o.store.Connectors("contoso"))
	}
}

// occupy has other connectors register on the hosts, by certain rules.
func (o *office) occupy(rules state.Rules, hosts ...string) {
	o.t.Helper()
	o.store.SetRules(rules)
	for i, host := range hosts {
		q := o.form()
		q.Name, q.HostName = fmt.Sprint("other-", i), host
		if _, err := o.client.Register(o.t.Context(), q); err != nil {
			o.t.Fatal(err)
		}
	}
}

func TestRegisterDenies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(o *office, q *wire.RegisterRequest)
		code   codes.Code
		denied string // reason, tenant, name
		text   string
	}{
		{"an unknown tenant", func(_ *office, q *wire.RegisterRequest) { q.Tenant = "evil\ncorp" },
			codes.NotFound, "registration-unknown-tenant  ", "there is no such tenant"},
		{"no name", func(_ *office, q *wire.RegisterRequest) { q.Name = "" },
			codes.InvalidArgument, "registration-malformed-name contoso ", "connector name"},
		{"a hostile name", func(_ *office, q *wire.RegisterRequest) { q.Name = "connector-1\n{\"level\":\"INFO\"}" },
			codes.InvalidArgument, "registration-malformed-name contoso ", "connector name"},
		{"a long name", func(_ *office, q *wire.RegisterRequest) { q.Name = strings.Repeat("x", 65) },
			codes.InvalidArgument, "registration-malformed-name contoso ", "connector name"},
		{"a hostile version", func(_ *office, q *wire.RegisterRequest) { q.Version = "1\n2" },
			codes.InvalidArgument, "registration-malformed-name contoso connector-1", "version"},
		{"no token", func(_ *office, q *wire.RegisterRequest) { q.Token = "" },
			codes.Unauthenticated, "registration-token-unknown contoso connector-1", "not known"},
		{"a long token", func(_ *office, q *wire.RegisterRequest) { q.Token = strings.Repeat("x", maxToken+1) },
			codes.Unauthenticated, "registration-token-unknown contoso connector-1", "not known"},
		{"another tenant's token", func(o *office, q *wire.RegisterRequest) { q.Token = o.token("fabrikam") },
			codes.Unauthenticated, "registration-token-of-another-tenant contoso connector-1", "another tenant"},
		{"a late token", func(o *office, q *wire.RegisterRequest) { o.at.pass(state.TokenLifetime) },
			codes.Unauthenticated, "registration-token-expired contoso connector-1", "expired"},
		{"no request", func(_ *office, q *wire.RegisterRequest) { q.CsrDer = nil },
			codes.InvalidArgument, "registration-malformed-csr contoso connector-1", "malformed certificate request"},
		{"another name in the request", func(o *office, q *wire.RegisterRequest) {
			q.CsrDer = request(o.t, ecKey(), func(c *x509.CertificateRequest) { c.Subject.CommonName = "connector-2" })
		}, codes.InvalidArgument, "registration-unfit-subject contoso connector-1", "expected CN=connector-1"},
		{"a hostile host name", func(_ *office, q *wire.RegisterRequest) { q.HostName = "host\n1" },
			codes.InvalidArgument, "registration-malformed-host-name contoso connector-1", "host name"},
		{"a clock that is ahead", func(_ *office, q *wire.RegisterRequest) {
			q.ConnectorTimeNs = noon.Add(ClockTolerance + time.Second).UnixNano()
		}, codes.FailedPrecondition, "registration-clock-skew contoso connector-1", "differ by 10m1s"},
		{"a clock that is behind", func(_ *office, q *wire.RegisterRequest) {
			q.ConnectorTimeNs = noon.Add(-ClockTolerance - time.Second).UnixNano()
		}, codes.FailedPrecondition, "registration-clock-skew contoso connector-1", "differ by 10m1s"},
		{"a key of another kind", func(o *office, q *wire.RegisterRequest) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				o.t.Fatal(err)
			}
			q.CsrDer = request(o.t, key, nil)
		}, codes.InvalidArgument, "registration-unfit-key contoso connector-1", "Ed25519; expected"},
		{"a key that is too short", func(o *office, q *wire.RegisterRequest) {
			q.CsrDer = request(o.t, must(rsa.GenerateKey(rand.Reader, 1024)), nil)
		}, codes.InvalidArgument, "registration-unfit-key contoso connector-1", "RSA of 1024 bits; expected 2048 to 4096"},
		{"a host that has a connector", func(o *office, q *wire.RegisterRequest) {
			o.occupy(state.Rules{OnePerHost: true}, "host-1")
			q.HostName = "host-1"
		}, codes.ResourceExhausted, "registration-host-has-a-connector contoso connector-1", "host host-1 has connector other-0"},
		{"one more than there may be", func(o *office, q *wire.RegisterRequest) {
			o.occupy(state.Rules{Limit: 2}, "host-1", "host-2")
		}, codes.ResourceExhausted, "registration-too-many-connectors contoso connector-1", "as many connectors as it may, active or not; remove one first: 2"},
		{"a weak key", func(o *office, q *wire.RegisterRequest) {
			q.CsrDer = request(o.t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), nil)
		}, codes.InvalidArgument, "registration-unfit-key contoso connector-1", "P-256"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := openOffice(t)
			q := o.form()
			good := q.Token
			tc.change(o, q)
			_, err := o.client.Register(t.Context(), q)
			if status.Code(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("answered %v; expected %v with %q", err, tc.code, tc.text)
			}
			o.mu.Lock()
			denied, log := o.denied, o.log.String()
			o.mu.Unlock()
			if len(denied) != 1 || denied[0] != tc.denied {
				t.Errorf("denials %q; expected %q", denied, tc.denied)
			}
			if strings.Contains(log, good) || strings.Contains(log, q.GetToken()) && q.GetToken() != "" {
				t.Error("a token is in the log")
			}
			for line := range strings.Lines(log) {
				if !json.Valid([]byte(line)) {
					t.Errorf("log line %q is no JSON", line)
				}
			}
			// A mistake does not cost the token.
			if tc.code == codes.InvalidArgument {
				if err := o.store.CheckToken("contoso", good, o.at.now()); err != nil {
					t.Errorf("the token: %v", err)
				}
			}
			for _, c := range o.store.Connectors("contoso") {
				if c.Name == q.GetName() {
					t.Error("a connector was recorded")
				}
			}
		})
	}
}

// A token that many use at once registers one of them.
func TestRegisterAtOnce(t *testing.T) {
	o := openOffice(t)
	token := o.token("contoso")
	csr := request(t, ecKey(), nil)
	var wg sync.WaitGroup
	results := make(chan error, 16)
	for i := range cap(results) {
		wg.Go(func() {
			_, err := o.client.Register(t.Context(), &wire.RegisterRequest{
				Tenant: "contoso", Name: fmt.Sprint("connector-", i), Token: token, CsrDer: csr,
			})
			results <- err
		})
	}
	wg.Wait()
	close(results)
	granted := 0
	for err := range results {
		switch status.Code(err) {
		case codes.OK:
			granted++
		case codes.Unauthenticated:
		default:
			t.Errorf("answered %v", err)
		}
	}
	if granted != 1 || len(o.store.Connectors("contoso")) != 1 {
		t.Errorf("granted %d, recorded %+v", granted, o.store.Connectors("contoso"))
	}
}

// The simulator's own trouble is not told to the peer, and not blamed on it.
func TestRegisterWithABrokenStore(t *testing.T) {
	dir := t.TempDir()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := newTestAuthority(t, store, func() time.Time { return noon })
	token, err := store.IssueToken("contoso", noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var denied []Denial
	r := &Registration{
		Authority: a, Store: store, Lifetime: time.Hour,
		Tenant: func(string) bool { return true }, Now: func() time.Time { return noon },
		Log:    slog.New(slog.DiscardHandler),
		Denied: func(d Denial, _ Claims) { denied = append(denied, d) },
	}
	_, err = r.Register(t.Context(), &wire.RegisterRequest{
		Tenant: "contoso", Name: "connector-1", Token: token, CsrDer: request(t, ecKey(), nil),
	})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "database") {
		t.Errorf("answered %v", err)
	}
	if len(denied) != 1 || denied[0] != DeniedStateUnwilling {
		t.Errorf("denials %q", denied)
	}
}

// A peer that went away meanwhile costs no token.
func TestRegisterCancelled(t *testing.T) {
	o := openOffice(t)
	q := o.form()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := newTestAuthority(t, o.store, o.at.now)
	r := &Registration{
		Authority: a, Store: o.store, Lifetime: time.Hour,
		Tenant: func(string) bool { return true }, Now: o.at.now, Log: slog.New(slog.DiscardHandler),
		Denied: func(d Denial, _ Claims) { t.Errorf("denied: %s", d) },
	}
	if _, err := r.Register(ctx, q); status.Code(err) != codes.Canceled {
		t.Errorf("answered %v", err)
	}
	if err := o.store.CheckToken("contoso", q.Token, noon); err != nil {
		t.Errorf("the token: %v", err)
	}
}
