package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
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

// trustOffice is a renewal service with everything behind it. It lets in
// whoever shows a certificate of the authority, as a connection does that is
// older than what has become of the certificate since.
type trustOffice struct {
	t         *testing.T
	at        *clock
	store     *state.Store
	authority *Authority
	address   string
	pool      *x509.CertPool

	mu      sync.Mutex
	log     bytes.Buffer
	denied  []string
	renewed []state.Connector
	removed []state.Connector
}

func (o *trustOffice) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Write(p)
}

func openTrust(t *testing.T) *trustOffice {
	o := &trustOffice{t: t, at: &clock{at: noon}, pool: x509.NewCertPool()}
	var err error
	if o.store, err = state.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	o.authority = newTestAuthority(t, o.store, o.at.now)
	o.pool.AppendCertsFromPEM(o.authority.PEM())
	config := o.authority.ServerTLS()
	config.ClientAuth = tls.RequireAnyClientCert
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.WaitForHandlers(true))
	wire.RegisterTrustServer(server, &Trust{
		Authority: o.authority, Store: o.store, Lifetime: 180 * 24 * time.Hour, Now: o.at.now,
		Log: slog.New(slog.NewJSONHandler(o, nil)),
		Denied: func(d Denial, by Claims) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.denied = append(o.denied, fmt.Sprint(d, " ", by.Tenant, " ", by.Name))
		},
		Renewed: func(c state.Connector) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.renewed = append(o.renewed, c)
		},
		Removed: func(c state.Connector) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.removed = append(o.removed, c)
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		if err := o.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// connector registers one, whose certificate it returns.
func (o *trustOffice) connector(name string) tls.Certificate {
	o.t.Helper()
	id := Identity{Tenant: "contoso", Name: name, ID: "id-of-" + name}
	c := issued(o.t, o.authority, id, time.Hour)
	token, err := o.store.IssueToken("contoso", o.at.now())
	if err != nil {
		o.t.Fatal(err)
	}
	err = o.store.Register(token, state.Connector{ID: id.ID, Tenant: id.Tenant, Name: name, Serial: Serial(c.Leaf),
		NotAfter: c.Leaf.NotAfter, RegisteredAt: o.at.now()}, c.Leaf.RawSubjectPublicKeyInfo, o.at.now())
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *trustOffice) client(shows tls.Certificate) wire.TrustClient {
	o.t.Helper()
	conn, err := grpc.NewClient(o.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: o.pool, Certificates: []tls.Certificate{shows}, Time: o.at.now})))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close() })
	return wire.NewTrustClient(conn)
}

func newKey() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func TestRenew(t *testing.T) {
	o := openTrust(t)
	old := o.connector("connector-1")
	o.at.pass(10 * time.Minute)
	key := newKey()
	answer, err := o.client(old).Renew(t.Context(), &wire.RenewRequest{CsrDer: request(t, key, nil), Version: "0.2.0",
		ConnectorTimeNs: o.at.now().Add(ClockTolerance).UnixNano()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(answer.GetCertificateDer())
	if err != nil {
		t.Fatal(err)
	}
	want := Identity{Tenant: "contoso", Name: "connector-1", ID: "id-of-connector-1"}
	if id, err := IdentityOf(c); err != nil || id != want || !c.NotAfter.Equal(o.at.now().Add(180*24*time.Hour)) {
		t.Errorf("it is for %+v until %v, %v", id, c.NotAfter, err)
	}
	if !c.PublicKey.(*ecdsa.PublicKey).Equal(key.Public()) || answer.GetCloudTimeNs() != o.at.now().UnixNano() {
		t.Error("it is for another key, or the cloud's time is not there")
	}
	for _, serial := range []string{Serial(old.Leaf), Serial(c)} {
		if r, found := o.store.Known(serial); !found || !r.Accepts(serial, o.at.now()) {
			t.Errorf("%s is not good", serial)
		}
	}
	if len(o.renewed) != 1 || len(o.denied) != 0 {
		t.Errorf("renewed %+v, denied %v", o.renewed, o.denied)
	}
}

func TestRenewDenies(t *testing.T) {
	named := func(name string) func(*x509.CertificateRequest) {
		return func(c *x509.CertificateRequest) { c.Subject = pkix.Name{CommonName: name} }
	}
	for _, tc := range []struct {
		name   string
		change func(o *trustOffice, shows *tls.Certificate, q *wire.RenewRequest)
		code   codes.Code
		denied string
		text   string
	}{
		{"another connector's certificate", func(o *trustOffice, shows *tls.Certificate, q *wire.RenewRequest) {
			*shows = o.connector("connector-2")
			q.CsrDer = request(o.t, newKey(), named("connector-1"))
		}, codes.PermissionDenied, "renewal-for-another-connector contoso connector-2", "expected CN=connector-2"},
		{"a removed one", func(o *trustOffice, _ *tls.Certificate, _ *wire.RenewRequest) {
			_, _, _ = o.store.Remove("contoso", "connector-1", "", noon)
		}, codes.Unauthenticated, "certificate-not-current contoso connector-1", "not that of a registered connector"},
		{"a revoked one", func(o *trustOffice, _ *tls.Certificate, _ *wire.RenewRequest) {
			if _, _, err := o.store.Revoke("contoso", "connector-1", noon); err != nil {
				o.t.Fatal(err)
			}
		}, codes.Unauthenticated, "certificate-revoked contoso connector-1", "revoked: register the connector again"},
		{"an expired one", func(o *trustOffice, _ *tls.Certificate, _ *wire.RenewRequest) { o.at.pass(time.Hour + 1) },
			codes.Unauthenticated, "certificate-expired contoso connector-1", "expired on 2026-01-02T13:00:00Z: register the connector again"},
		{"a server's", func(o *trustOffice, shows *tls.Certificate, _ *wire.RenewRequest) { *shows = o.authority.server },
			codes.Unauthenticated, "certificate-of-no-connector  ", "no connector's"},
		{"a superseded one", func(o *trustOffice, shows *tls.Certificate, _ *wire.RenewRequest) {
			_, err := o.store.Renew(Serial(shows.Leaf), "0b", noon.Add(time.Hour), "", noon)
			if err = errors.Join(err, o.store.Used("0b", noon)); err != nil {
				o.t.Fatal(err)
			}
		}, codes.Unauthenticated, "renewal-certificate-superseded contoso connector-1", "its successor is in use"},
		{"the same key", func(o *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) { q.CsrDer = request(o.t, ecKey(), nil) },
			codes.InvalidArgument, "renewal-key-not-new contoso connector-1", "expected a new one"},
		{"a weak key", func(o *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) {
			q.CsrDer = request(o.t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), nil)
		}, codes.InvalidArgument, "renewal-unfit-key contoso connector-1", "P-256"},
		{"no request", func(_ *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) { q.CsrDer = nil },
			codes.InvalidArgument, "renewal-malformed-csr contoso connector-1", "malformed certificate request"},
		{"a hostile version", func(_ *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) { q.Version = "1\n2" },
			codes.InvalidArgument, "renewal-malformed-version contoso connector-1", "version"},
		{"a clock that is ahead", func(_ *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) {
			q.ConnectorTimeNs = noon.Add(ClockTolerance + time.Minute).UnixNano()
		}, codes.FailedPrecondition, "renewal-clock-skew contoso connector-1",
			"differ by 11m0s: the connector's says 2026-01-02T12:11:00Z, the cloud's 2026-01-02T12:00:00Z; expected at most 10m0s"},
		{"a clock that is behind", func(_ *trustOffice, _ *tls.Certificate, q *wire.RenewRequest) {
			q.ConnectorTimeNs = noon.Add(-ClockTolerance - time.Minute).UnixNano()
		}, codes.FailedPrecondition, "renewal-clock-skew contoso connector-1", "differ by 11m0s: the connector's says 2026-01-02T11:49:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := openTrust(t)
			shows, q := o.connector("connector-1"), &wire.RenewRequest{CsrDer: request(t, newKey(), nil)}
			tc.change(o, &shows, q)
			before := o.store.Connectors("contoso")
			_, err := o.client(shows).Renew(t.Context(), q)
			if status.Code(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("answered %v; expected %v with %q", err, tc.code, tc.text)
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			if !slices.Equal(o.denied, []string{tc.denied}) {
				t.Errorf("denials %q; expected %q", o.denied, tc.denied)
			}
			if !strings.Contains(o.log.String(), "renewal denied") {
				t.Errorf("the log says %q", o.log.String())
			}
			if after := o.store.Connectors("contoso"); !slices.Equal(after, before) || len(o.renewed) != 0 {
				t.Errorf("recorded %+v; expected %+v", after, before)
			}
		})
	}
}

func TestDeregister(t *testing.T) {
	o := openTrust(t)
	one, other := o.connector("connector-1"), o.connector("connector-2")
	client := o.client(one)
	if _, err := client.Deregister(t.Context(), &wire.DeregisterRequest{}); err != nil {
		t.Fatal(err)
	}
	if left := o.store.Connectors("contoso"); len(left) != 1 || left[0].Serial != Serial(other.Leaf) {
		t.Errorf("left %+v", left)
	}
	if len(o.removed) != 1 || o.removed[0].Name != "connector-1" {
		t.Errorf("removed %+v", o.removed)
	}
	_, err := client.Renew(t.Context(), &wire.RenewRequest{CsrDer: request(t, newKey(), nil)})
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("renewed after that: %v", err)
	}
	if _, err := client.Deregister(t.Context(), &wire.DeregisterRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("deregistered twice: %v", err)
	}
}
