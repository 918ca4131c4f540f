package signed

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"ptabench/ports"
)

// issuer is a CA of a test.
type issuer struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &issuer{t, cert, key, pool}
}

func (i *issuer) issue(key crypto.Signer, use x509.ExtKeyUsage, names ...string) *tls.Certificate {
	i.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: i.cert.NotBefore, NotAfter: i.cert.NotAfter,
		DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{use}}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, key.Public(), i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ec(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func good(now time.Time) *Bootstrap {
	b := &Bootstrap{Format: 1, Version: 7, Tenant: "contoso", IssuedAt: now, ValidUntil: now.Add(time.Hour), Endpoints: map[string]string{},
		Timers: Timers{HeartbeatNS: 250e6, StatusIntervalNS: 600e9, ReconnectMaxNS: 1e9}, MinConnectorVersion: "0.1.0"}
	for _, p := range ports.Cloud() {
		b.Endpoints[p] = "192.0.2.1:" + p
	}
	return b
}

func TestBootstrap(t *testing.T) {
	ca, other := newIssuer(t), newIssuer(t)
	now := time.Now().Truncate(time.Second)
	cloud := ca.issue(ec(t), x509.ExtKeyUsageCodeSigning, BootstrapSigner)
	alter := func(text []byte) []byte { // another payload under the same signature
		parts := bytes.Split(text, []byte("."))
		payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(payload, []byte("192.0.2.1:9350"), []byte("192.0.2.9:9350"), 1)
		if bytes.Equal(changed, payload) {
			t.Fatal("nothing was altered")
		}
		parts[1] = []byte(base64.RawURLEncoding.EncodeToString(changed))
		return bytes.Join(parts, []byte("."))
	}
	report := func(by *tls.Certificate) []byte {
		text, err := SignReport(&Report{Tenant: "contoso", SentAt: now}, by)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := []struct {
		name   string
		by     *tls.Certificate
		change func(*Bootstrap)
		text   func([]byte) []byte
		want   Reason
	}{
		{name: "good"},
		{name: "without timers or a minimum version", change: func(b *Bootstrap) { b.Timers, b.MinConnectorVersion = Timers{}, "" }},
		{name: "altered", text: alter, want: BadSignature},
		{name: "another CA", by: other.issue(ec(t), x509.ExtKeyUsageCodeSigning, BootstrapSigner), want: BadSignature},
		{name: "a connector's certificate", by: ca.issue(ec(t), x509.ExtKeyUsageClientAuth), want: BadSignature},
		{name: "a server's certificate", by: ca.issue(ec(t), x509.ExtKeyUsageServerAuth, "ptabench-cloud"), want: BadSignature},
		{name: "a report", text: func([]byte) []byte { return report(cloud) }, want: Malformed},
		{name: "no signature", text: func([]byte) []byte { return []byte(`{"format":1}`) }, want: Malformed},
		{name: "algorithm none", text: func(b []byte) []byte {
			parts := bytes.Split(b, []byte("."))
			return []byte(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"`+bootstrapType+`"}`)) + "." + string(parts[1]) + ".")
		}, want: Malformed},
		{name: "empty", text: func([]byte) []byte { return nil }, want: Malformed},
		{name: "oversized", text: func(b []byte) []byte { return append(b, bytes.Repeat([]byte("A"), MaxBootstrap)...) }, want: Oversized},
		{name: "newer format", change: func(b *Bootstrap) { b.Format = 2 }, want: Malformed},
		{name: "no version", change: func(b *Bootstrap) { b.Version = 0 }, want: Malformed},
		{name: "another tenant", change: func(b *Bootstrap) { b.Tenant = "fabrikam" }, want: WrongTenant},
		{name: "ends before it begins", change: func(b *Bootstrap) { b.ValidUntil = b.IssuedAt }, want: Malformed},
		{name: "nonsense for a version", change: func(b *Bootstrap) { b.MinConnectorVersion = "newest" }, want: Malformed},
		{name: "a timer below zero", change: func(b *Bootstrap) { b.Timers.StatusIntervalNS = -1 }, want: BadTimers},
		{name: "a reconnect wait that hammers", change: func(b *Bootstrap) { b.Timers.ReconnectMaxNS = 1 }, want: BadTimers},
		{name: "a reconnect wait without end", change: func(b *Bootstrap) { b.Timers.ReconnectMaxNS = int64(time.Hour) }, want: BadTimers},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, by := good(now), cloud
			if tt.change != nil {
				tt.change(b)
			}
			if tt.by != nil {
				by = tt.by
			}
			text, err := SignBootstrap(b, by)
			if err != nil {
				t.Fatal(err)
			}
			if tt.text != nil {
				text = tt.text(text)
			}
			got, err := VerifyBootstrap(text, ca.pool, "contoso", now)
			if ReasonOf(err) != tt.want || (err == nil) != (tt.want == "") {
				t.Fatalf("got %v; want %q", err, tt.want)
			}
			if err == nil && (got.Version != b.Version || !got.IssuedAt.Equal(b.IssuedAt) || !maps.Equal(got.Endpoints, b.Endpoints) || got.Timers != b.Timers) {
				t.Errorf("got %+v; want %+v", got, b)
			}
		})
	}
}

func TestFresh(t *testing.T) {
	now := time.Now()
	b := good(now)
	for _, tt := range []struct {
		at   time.Duration
		want Reason
	}{
		{-MaxSkew - time.Second, ClockSkew}, {-MaxSkew + time.Second, ""}, {0, ""},
		{time.Hour + MaxSkew - time.Second, ""}, {time.Hour + MaxSkew + time.Second, Expired},
	} {
		if err := b.Fresh(now.Add(tt.at)); ReasonOf(err) != tt.want {
			t.Errorf("%v after it was issued: %v; want %q", tt.at, err, tt.want)
		}
	}
}

func TestFollows(t *testing.T) {
	now := time.Now()
	kept := good(now)
	for _, tt := range []struct {
		name    string
		version uint64
		issued  time.Duration
		want    Reason
	}{
		{"the same", 7, 0, ""}, {"signed later", 7, time.Second, ""}, {"signed before", 7, -time.Second, RolledBack},
		{"a later version by a clock set back", 8, -time.Hour, ""}, {"an earlier version signed later", 6, time.Hour, RolledBack},
	} {
		b := good(now.Add(tt.issued))
		b.Version = tt.version
		if err := b.Follows(kept); ReasonOf(err) != tt.want {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
	if err := kept.Follows(nil); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		name     string
		loopback bool
		change   func(map[string]string)
		want     string // "" when they are believed
	}{
		{"good", false, func(map[string]string) {}, ""},
		{"no fast path", false, func(e map[string]string) { delete(e, "9350") }, ""},
		{"a port nobody knows", false, func(e map[string]string) { e["7"] = "192.0.2.1:7" }, ""},
		{"another host", false, func(e map[string]string) { e["9350"] = "cloud-2.example:443" }, ""},
		{"IPv6", false, func(e map[string]string) { e["9350"] = "[2001:db8::1]:9350" }, ""},
		{"loopback from loopback", true, func(e map[string]string) { e["9350"] = "127.0.0.1:9350" }, ""},
		{"no registration", false, func(e map[string]string) { delete(e, "9090") }, "expected port 9090"},
		{"no request port", false, func(e map[string]string) {
			for _, p := range ports.Requests() {
				delete(e, p)
			}
		}, "expected port one of [9350 9352 5671]"},
		{"no response port", false, func(e map[string]string) {
			for _, p := range ports.Responses() {
				delete(e, p)
			}
		}, "expected port 10100 to 10120"},
		{"no bootstrap", false, func(e map[string]string) { delete(e, "443"); delete(e, "8080") }, "8080"},
		{"no port", false, func(e map[string]string) { e["9350"] = "192.0.2.1" }, "expected host:port"},
		{"port 0", false, func(e map[string]string) { e["9350"] = "192.0.2.1:0" }, "1 to 65535"},
		{"port 70000", false, func(e map[string]string) { e["9350"] = "192.0.2.1:70000" }, "1 to 65535"},
		{"no host", false, func(e map[string]string) { e["9350"] = ":9350" }, "name or address"},
		{"a path for a host", false, func(e map[string]string) { e["9350"] = "a/b:9350" }, "name or address"},
		{"everybody's address", false, func(e map[string]string) { e["9350"] = "0.0.0.0:9350" }, "one host"},
		{"multicast", false, func(e map[string]string) { e["9350"] = "224.0.0.1:9350" }, "one host"},
		{"loopback from elsewhere", false, func(e map[string]string) { e["9350"] = "127.0.0.1:9350" }, "another host than this one"},
		{"mapped loopback from elsewhere", false, func(e map[string]string) { e["9350"] = "[::ffff:127.0.0.1]:9350" }, "another host than this one"},
		{"two ports at one address", false, func(e map[string]string) { e["9352"] = e["9350"] }, "is port 9350 already"},
	} {
		b := good(time.Now())
		tt.change(b.Endpoints)
		err := b.CheckEndpoints(tt.loopback)
		if (err == nil) != (tt.want == "") || err != nil && (ReasonOf(err) != BadEndpoints || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	ca := newIssuer(t)
	now := time.Now()
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	client, byRSA := ca.issue(ec(t), x509.ExtKeyUsageClientAuth), ca.issue(long, x509.ExtKeyUsageClientAuth)
	for _, tt := range []struct {
		name   string
		by     *tls.Certificate
		change func(*Report)
		want   Reason
	}{
		{"good", client, func(*Report) {}, ""},
		{"RSA", byRSA, func(*Report) {}, ""},
		{"a server's certificate", ca.issue(ec(t), x509.ExtKeyUsageServerAuth, "x"), func(*Report) {}, BadSignature},
		{"another CA", newIssuer(t).issue(ec(t), x509.ExtKeyUsageClientAuth), func(*Report) {}, BadSignature},
		{"another tenant", client, func(r *Report) { r.Tenant = "fabrikam" }, WrongTenant},
		{"from long ago", client, func(r *Report) { r.SentAt = now.Add(-MaxSkew - time.Second) }, ClockSkew},
		{"from the future", client, func(r *Report) { r.SentAt = now.Add(MaxSkew + time.Second) }, ClockSkew},
		{"a long version", client, func(r *Report) { r.Version = strings.Repeat("1", 256) }, Malformed},
		{"oversized", client, func(r *Report) { r.Host = strings.Repeat("h", MaxReport) }, Oversized},
		{"uptime below zero", client, func(r *Report) { r.UptimeNS = -1 }, Malformed},
	} {
		r := &Report{Tenant: "contoso", SentAt: now, Version: "0.1.0", Authentications: 3}
		tt.change(r)
		text, err := SignReport(r, tt.by)
		if err != nil {
			t.Fatal(err)
		}
		got, by, err := VerifyReport(text, ca.pool, "contoso", now)
		if ReasonOf(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
		if err == nil && (got.Authentications != 3 || !bytes.Equal(by.Raw, tt.by.Certificate[0])) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

func TestOlder(t *testing.T) {
	for _, tt := range []struct {
		version, than string
		want          bool
	}{
		{"0.1.0", "0.1.1", true}, {"0.9.0", "0.10.0", true}, {"1.2", "1.2.1", true}, {"v1.2.3", "1.2.3", false},
		{"0.1.1", "0.1.0", false}, {"0.1.0", "", false}, {"test", "9.9.9", false}, {"1.0.0-rc1", "1.0.0", false},
	} {
		if got := Older(tt.version, tt.than); got != tt.want {
			t.Errorf("%s older than %s: %v", tt.version, tt.than, got)
		}
	}
}
