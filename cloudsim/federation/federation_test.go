package federation

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func with(passive string) string { return metadataDocument(passive, usual().cert) }

func TestMetadata(t *testing.T) {
	t.Parallel()
	m, err := ParseMetadata([]byte(with("https://fs.test/adfs/ls/")))
	if err != nil || m.Passive != "https://fs.test/adfs/ls/" || m.Issuer != issuerName || m.ExchangeOf("https://x/") != "https://fs.test/mex" ||
		len(m.Certificates) != 1 || !m.Certificates[0].Equal(usual().cert) {
		t.Errorf("got %+v, %v", m, err)
	}
	if got := (&Metadata{}).ExchangeOf("https://fs.test:8443/FederationMetadata/2007-06/FederationMetadata.xml"); got != "https://fs.test:8443/adfs/services/trust/mex" {
		t.Errorf("where it does not say: %q", got)
	}
	p384 := newServer(t, ecdsaKey(t, elliptic.P384()))
	two := metadataDocument("https://fs.test/", usual().cert, p384.cert, usual().cert)
	if m, err := ParseMetadata([]byte(two)); err != nil || len(m.Certificates) != 2 {
		t.Errorf("two certificates, one of them twice: %+v, %v", m, err)
	}
	// Keys of other roles, and for other uses, sign nothing.
	for name, text := range map[string]string{
		"of an application": strings.Replace(with("https://fs.test/"), "fed:SecurityTokenServiceType", "fed:ApplicationServiceType", 1),
		"for encryption":    strings.Replace(with("https://fs.test/"), `use="signing"`, `use="encryption"`, 1),
	} {
		if m, err := ParseMetadata([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	short := newServer(t, rsaKey(t, 1024))
	good := with("https://fs.test/")
	for name, text := range map[string]string{
		"nothing":           "",
		"no XML":            "<html",
		"no endpoint":       "<EntityDescriptor/>",
		"plain http":        with("http://fs.test/adfs/ls/"),
		"a script":          with("javascript:alert(1)"),
		"a user":            with("https://user@fs.test/"),
		"no host":           with("https://:443/"),
		"a fragment":        with("https://fs.test/#x"),
		"a long address":    with("https://fs.test/" + strings.Repeat("x", MaxAddress)),
		"an entity":         strings.Replace(with("&x;"), "?>", `?><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>`, 1),
		"a document type":   strings.Replace(good, "?>", `?><!DOCTYPE x>`, 1),
		"too deep":          strings.Repeat("<a>", 10_000),
		"too long":          strings.Repeat(" ", MaxMetadata+1),
		"no issuer":         strings.Replace(good, "entityID", "name", 1),
		"no certificate":    metadataDocument("https://fs.test/"),
		"a short key":       metadataDocument("https://fs.test/", short.cert),
		"no certificate's":  strings.Replace(good, base64.StdEncoding.EncodeToString(usual().cert.Raw), "AAAA", 1),
		"a foreign element": strings.Replace(good, "urn:oasis:names:tc:SAML:2.0:metadata", "urn:x", 1),
	} {
		if got, err := ParseMetadata([]byte(text)); err == nil || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// place serves metadata, and counts how often it is asked.
type place struct {
	*httptest.Server
	document atomic.Pointer[string]
	asked    atomic.Int64
}

func newPlace(t testing.TB, document string) *place {
	p := &place{}
	p.document.Store(&document)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		_, _ = w.Write([]byte(*p.document.Load()))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *place) trust(now func() time.Time) *Trust {
	return NewTrust(p.URL+"/m.xml", func() (*http.Client, error) { return p.Client(), nil }, now)
}

func TestFetch(t *testing.T) {
	t.Parallel()
	s := newPlace(t, with("https://fs.test/adfs/ls/"))
	if got, err := Fetch(t.Context(), s.Client(), s.URL+"/m.xml"); err != nil || got.Passive != "https://fs.test/adfs/ls/" {
		t.Errorf("got %+v, %v", got, err)
	}
	missing := httptest.NewTLSServer(http.NotFoundHandler())
	defer missing.Close()
	for _, at := range []string{missing.URL, "http://fs.test/", "", "https://127.0.0.1:1/"} {
		if _, err := Fetch(t.Context(), s.Client(), at); err == nil {
			t.Errorf("%q: no error", at)
		}
	}
}

// clock is a test's own.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon.UnixNano())
	return c
}

// Metadata is read when it is needed, once, and again when it is old; what was
// read is good while it can't be read again.
func TestTrustReads(t *testing.T) {
	t.Parallel()
	c, p := newClock(), newPlace(t, "<not yet/>")
	trust := p.trust(c.now)
	if trust.Known() != nil || p.asked.Load() != 0 {
		t.Error("it was read before anybody asked")
	}
	for range 3 { // at once, a failure is not tried again
		if _, err := trust.Metadata(t.Context()); err == nil {
			t.Error("it was read")
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	good := with("https://fs.test/")
	p.document.Store(&good)
	c.pass(retry)
	for range 3 {
		if m, err := trust.Metadata(t.Context()); err != nil || m.Passive != "https://fs.test/" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	other := with("https://fs2.test/")
	p.document.Store(&other)
	c.pass(Lifetime)
	if m, err := trust.Metadata(t.Context()); err != nil || m.Passive != "https://fs2.test/" {
		t.Errorf("when it is old: %+v, %v", m, err)
	}
	p.Close()
	for range 3 {
		c.pass(Lifetime)
		if m, err := trust.Metadata(t.Context()); err != nil || m.Passive != "https://fs2.test/" {
			t.Errorf("when it can't be read again: %+v, %v", m, err)
		}
	}
	if n := p.asked.Load(); n != 3 || trust.Reads() != 6 {
		t.Errorf("asked %d times, %d reads", n, trust.Reads())
	}
}

// Those who need it at the same time read it once.
func TestTrustReadsOnceForMany(t *testing.T) {
	t.Parallel()
	release, began := make(chan struct{}), make(chan struct{}, 100)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-release
		_, _ = w.Write([]byte(with("https://fs.test/")))
	}))
	defer s.Close()
	trust := NewTrust(s.URL, func() (*http.Client, error) { return s.Client(), nil }, nil)
	done := make(chan error, 20)
	for range cap(done) {
		go func() {
			_, err := trust.Metadata(t.Context())
			done <- err
		}()
	}
	<-began
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := trust.Metadata(gone); err == nil { // who goes away does not end it for the others
		t.Error("somebody who is gone was answered")
	}
	close(release)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(began) != 0 {
		t.Errorf("it was read %d times", 1+len(began))
	}
}

// A new key is known as soon as somebody is signed in by it, and strangers'
// keys do not have the server asked without end.
func TestRollover(t *testing.T) {
	t.Parallel()
	c, p := newClock(), newPlace(t, with("https://fs.test/"))
	trust, next, stranger := p.trust(c.now), newServer(t, rsaKey(t, 2048)), newServer(t, ecdsaKey(t, elliptic.P256()))
	v := validator()
	believe := func(by server) *Refusal {
		t.Helper()
		_, r := trust.Believe(t.Context(), v, mustRead(t, by.sign(t, saml1(says{}), signing{})))
		return r
	}
	if r := believe(usual()); r != nil {
		t.Error(r)
	}
	if r := believe(next); r == nil || r.Reason != UnknownKey {
		t.Errorf("before it is the server's: %v", r)
	}
	both := metadataDocument("https://fs.test/", usual().cert, next.cert)
	p.document.Store(&both)
	for _, by := range []server{next, usual()} {
		if r := believe(by); r != nil {
			t.Error(r)
		}
	}
	alone := metadataDocument("https://fs.test/", next.cert)
	p.document.Store(&alone)
	if r := believe(usual()); r != nil {
		t.Errorf("the old key, before anybody knows: %v", r)
	}
	c.pass(Lifetime)
	v.Now = noon // the assertions' time stands still
	if r := believe(usual()); r == nil || r.Reason != UnknownKey {
		t.Errorf("the old key, when it is taken back: %v", r)
	}
	before := p.asked.Load()
	for range 100 {
		if r := believe(stranger); r == nil || r.Reason != UnknownKey {
			t.Fatalf("a stranger: %v", r)
		}
	}
	if n := p.asked.Load() - before; n > readsAtOnce {
		t.Errorf("the server was asked %d times for a stranger", n)
	}
	if r := believe(next); r != nil {
		t.Error(r)
	}
	p.Close()
	unread := newPlace(t, "").trust(c.now)
	_, r := unread.Believe(t.Context(), v, mustRead(t, usual().sign(t, saml1(says{}), signing{})))
	if r == nil || r.Reason != NoMetadata || !r.Undecided() || r.Genuine() {
		t.Errorf("a server that can't be read: %v", r)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(with("https://fs.test/adfs/ls/")))
	f.Add([]byte("<PassiveRequestorEndpoint><Address>https://a/"))
	f.Add([]byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x"><IDPSSODescriptor/></EntityDescriptor>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := ParseMetadata(text); err == nil && (CheckAddress(m.Passive) != nil || m.Issuer == "" || len(m.Certificates) == 0 || len(m.Certificates) > maxCertificates) {
			t.Fatalf("%q gave %+v", text, m)
		}
	})
}

// Whatever is made of an assertion, nobody but the one it was made for signs in.
func FuzzAssertion(f *testing.F) {
	m := usual().metadata()
	for _, s := range []string{saml1(says{id: "_1"}), saml2(says{id: "_2"})} {
		signed := usual().sign(f, s, signing{})
		f.Add([]byte(signed))
		f.Add([]byte(s))
	}
	f.Add([]byte(wrapped(usual().sign(f, saml1(says{id: "_3"}), signing{}), saml1(says{id: "_4", user: "bob@contoso.test"}))))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, r := validator().Validate(text, m)
		if r == nil && a.User != "ann@contoso.test" {
			t.Fatalf("%q signs %q in", text, a.User)
		}
		if r != nil && (r.Reason == "" || r.Error() == "") {
			t.Fatalf("%q is refused without a reason", text)
		}
	})
}

func FuzzResponse(f *testing.F) {
	m := usual().metadata()
	f.Add([]byte(response(usual().sign(f, saml1(says{id: "_1"}), signing{}))))
	f.Add([]byte(response(usual().sign(f, saml2(says{id: "_2"}), signing{}))))
	f.Add([]byte(response("")))
	f.Fuzz(func(t *testing.T, text []byte) {
		if a, r := validator().ValidateResponse(text, m); r == nil && a.User != "ann@contoso.test" {
			t.Fatalf("%q signs %q in", text, a.User)
		}
	})
}

// BenchmarkValidate is what one sign-in by an assertion costs here.
func BenchmarkValidate(b *testing.B) {
	for name, make := range map[string]func(says) string{"saml1": saml1, "saml2": saml2} {
		b.Run(name, func(b *testing.B) {
			m, v := usual().metadata(), validator()
			signed := []byte(usual().sign(b, make(says{id: "_1"}), signing{}))
			b.ReportAllocs()
			for b.Loop() {
				v.Replays = NewReplays(1)
				if _, r := v.Validate(signed, m); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}
