package cloudsim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/token"
	"ptabench/onprem/adfs/saml"
)

const fsIssuer = "http://fs.contoso.test/adfs/services/trust"

// signer is a federation server that says whatever a test has it say.
type signer struct {
	testing.TB
	*httptest.Server
	mu    sync.Mutex
	keys  []signingKey // published; the first signs
	asked int
}

type signingKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func newSigningKey(t testing.TB) signingKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "signing"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{key, cert}
}

func newSigner(t testing.TB) *signer {
	f := &signer{TB: t, keys: []signingKey{newSigningKey(t)}}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.metadata))
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *signer) metadata(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	var certs []*x509.Certificate
	for _, k := range f.keys {
		certs = append(certs, k.cert)
	}
	document, err := saml.NewSigner(f.keys[0].key, f.keys[0].cert).Metadata(saml.Service{Issuer: fsIssuer, Certificates: certs,
		Passive: f.URL + "/adfs/ls/", UsernameMixed: f.URL + "/adfs/services/trust/13/usernamemixed", MetadataExport: f.URL + "/adfs/services/trust/mex"})
	if err != nil {
		f.Error(err)
	}
	_, _ = io.WriteString(w, document)
}

// roll has the server sign by another key, which it publishes in place of all
// others or, while more are published, before them.
func (f *signer) roll(keys ...signingKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = keys
}

// says is an assertion about a user, changed by a test before it is signed.
func (f *signer) says(version saml.Version, user string, change ...func(*saml.Claim)) string {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	claim := saml.Claim{Issuer: fsIssuer, Audience: token.FederationAudience, User: user, At: now, SignedIn: now, Lifetime: time.Hour}
	for _, c := range change {
		c(&claim)
	}
	text, err := saml.NewSigner(f.keys[0].key, f.keys[0].cert).Assertion(version, claim)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

// federatedCloud trusts the server for contoso; fabrikam stays as it is. The
// file of its authority is written once the cloud runs.
func federatedCloud(t *testing.T, f *signer, change ...func(*Config)) *cloud {
	t.Helper()
	trust := filepath.Join(t.TempDir(), "ca.pem")
	c := start(t, append([]func(*Config){func(cfg *Config) {
		cfg.Tenants[0].Method, cfg.Tenants[0].Metadata = Federation, f.URL+"/FederationMetadata/2007-06/FederationMetadata.xml"
		cfg.Trust = []string{trust}
		cfg.SignInLog = filepath.Join(t.TempDir(), "sign-ins.csv")
	}}, change...)...)
	c.trust(trust, f)
	return c
}

func (c *cloud) trust(name string, f *signer) {
	c.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}), 0o600); err != nil {
		c.Fatal(err)
	}
}

// bring brings an assertion to the token endpoint.
func (c *cloud) bring(tenant, grant, assertion string) *reply {
	c.Helper()
	body := url.Values{"grant_type": {grant}, "client_id": {clientID}, "scope": {"openid"}, "assertion": {base64.StdEncoding.EncodeToString([]byte(assertion))}}
	return c.do(c.request(tenant, body.Encode()))
}

// The grants by an assertion, of both versions, at every address of a tenant,
// and what they are in the books.
func TestAssertionGrants(t *testing.T) {
	t.Parallel()
	f := newSigner(t)
	c := federatedCloud(t, f)
	n := uint64(0)
	for _, address := range []string{"contoso", "organizations", "common", "contoso.test", token.TenantID("contoso")} {
		for grant, version := range map[string]saml.Version{token.SAML1Grant: saml.SAML11, token.SAML2Grant: saml.SAML20} {
			r := c.bring(address, grant, f.says(version, "ann@contoso.test"))
			c.expect(r, 200, 0, Federation, "", "0")
			if r.Access == "" || r.ID == "" || r.Scope != "openid" {
				t.Errorf("%s: %v", address, r)
			}
			n++
		}
	}
	// One with very many claims is as long as this.
	long := f.says(saml.SAML20, "ann@contoso.test")
	long += strings.Repeat("\n", federation.MaxAssertion-len(long))
	if r := c.bring("contoso", token.SAML2Grant, long+"\n"); r.status != 400 || r.code() != codeAssertionMalformed {
		t.Errorf("one byte too long: %v", r)
	}
	c.expect(c.bring("contoso", token.SAML2Grant, long), 200, 0, Federation, "", "0")
	n++
	url64 := url.Values{"grant_type": {token.SAML2Grant}, "client_id": {clientID},
		"assertion": {base64.RawURLEncoding.EncodeToString([]byte(f.says(saml.SAML20, "ann@contoso.test", func(c *saml.Claim) { c.Audience = f.URL })))}}
	c.expect(c.do(c.request("contoso", url64.Encode())), 400, codeAssertionAudience, Federation, "", "0")
	own := func(claim *saml.Claim) { claim.Audience = c.url("/contoso/v2.0") }
	url64.Set("assertion", base64.RawURLEncoding.EncodeToString([]byte(f.says(saml.SAML20, "ann@contoso.test", own))))
	c.expect(c.do(c.request("contoso", url64.Encode())), 200, 0, Federation, "", "0")
	n++
	// A password has no way here.
	c.expect(c.signIn("ann@contoso.test", password), 400, codeFederated, "", "", "0")
	got := c.tenant("contoso")
	if got.Received != n+2 || got.Accepted != n || got.Refused != 2 || got.Federation != n+1 || got.Failed != 0 {
		t.Errorf("counters %+v; expected %d accepted", got, n)
	}
	if f.asked != 1 {
		t.Errorf("the metadata was read %d times", f.asked)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.cfg.SignInLog)
	if err != nil || strings.Count(string(b), ",contoso,ann@contoso.test,accepted,0,federation,,0") != int(n) {
		t.Errorf("sign-in log %s, %v", b, err)
	}
}

// What is refused at the token endpoint, by which code, and what is counted.
func TestRefusedAssertions(t *testing.T) {
	t.Parallel()
	f := newSigner(t)
	c := federatedCloud(t, f)
	good := f.says(saml.SAML11, "ann@contoso.test")
	c.expect(c.bring("contoso", token.SAML1Grant, good), 200, 0, Federation, "", "0")
	stranger := newSigner(t)
	for _, tc := range []struct {
		name, tenant, assertion string
		code                    int
		by                      Method
		reason                  string
	}{
		{"again", "contoso", good, codeAssertionSignature, Federation, "assertion-replayed"},
		{"again, in white space", "organizations", "\n" + good, codeAssertionSignature, Federation, "assertion-replayed"},
		{"changed", "contoso", strings.Replace(f.says(saml.SAML11, "ann@contoso.test"), "ann@", "bob@", 1), codeAssertionSignature, "", "assertion-signature"},
		{"a stranger's", "contoso", stranger.says(saml.SAML20, "ann@contoso.test"), codeAssertionSignature, "", "assertion-unknown-key"},
		{"unsigned", "contoso", regexp.MustCompile(`<ds:Signature.*</ds:Signature>`).ReplaceAllString(f.says(saml.SAML11, "ann@contoso.test"), ""), codeAssertionMalformed, "", "assertion-unsigned"},
		{"over", "contoso", f.says(saml.SAML11, "ann@contoso.test", func(c *saml.Claim) { c.At = c.At.Add(-time.Hour) }), codeAssertionTime, Federation, "assertion-expired"},
		{"to come", "contoso", f.says(saml.SAML20, "ann@contoso.test", func(c *saml.Claim) { c.At = c.At.Add(time.Hour) }), codeAssertionTime, Federation, "assertion-not-yet-valid"},
		{"of another issuer", "contoso", f.says(saml.SAML11, "ann@contoso.test", func(c *saml.Claim) { c.Issuer = "x:y" }), codeAssertionSignature, Federation, "assertion-issuer"},
		{"another tenant's user, here", "contoso", f.says(saml.SAML11, "ann@fabrikam.test"), codeForeignUser, Federation, "assertion-foreign-domain"},
		{"nobody's user", "contoso", f.says(saml.SAML11, "ann@nowhere.test"), codeForeignUser, Federation, "assertion-foreign-domain"},
	} {
		before := c.counters().Denied[tc.reason]
		r := c.bring(tc.tenant, token.SAML1Grant, tc.assertion)
		c.expect(r, 400, tc.code, tc.by, "", "0")
		if r.Error != "invalid_grant" {
			t.Errorf("%s: %v", tc.name, r)
		}
		c.denied(tc.reason, before+1)
	}
	// What is no sign-in of anybody's is in no tenant's books.
	received := c.tenant("contoso").Received + c.tenant("fabrikam").Received
	for _, tc := range []struct {
		name, tenant, body, reason string
		code                       int
	}{
		{"nobody's", "organizations", f.says(saml.SAML11, "ann@nowhere.test"), "assertion-foreign-domain", codeForeignUser},
		{"nothing", "organizations", "", "assertion-malformed", codeAssertionMalformed},
		{"no XML", "common", "\x00", "assertion-malformed", codeAssertionMalformed},
		{"no tenant", "nowhere", good, "unknown-tenant", codeUnknownTenant},
	} {
		before := c.counters().Denied[tc.reason]
		if r := c.bring(tc.tenant, token.SAML1Grant, tc.body); r.status != 400 || r.code() != tc.code || r.header.Get(headerMethod) != "" {
			t.Errorf("%s: %v", tc.name, r)
		}
		c.denied(tc.reason, before+1)
	}
	for _, body := range []string{"grant_type=" + url.QueryEscape(token.SAML1Grant), "grant_type=" + url.QueryEscape(token.SAML1Grant) + "&assertion=%21%21",
		"grant_type=" + url.QueryEscape(token.SAML2Grant) + "&assertion=YQ&assertion=YQ"} {
		if r := c.do(c.request("contoso", body)); r.status != 400 || r.code() != codeAssertionMalformed {
			t.Errorf("%s: %v", body, r)
		}
	}
	if now := c.tenant("contoso").Received + c.tenant("fabrikam").Received; now != received {
		t.Errorf("%d sign-ins came of nothing", now-received)
	}
	// fabrikam trusts nobody, whoever signs.
	c.expect(c.bring("fabrikam", token.SAML1Grant, f.says(saml.SAML11, "ann@fabrikam.test")), 400, codeAssertionSignature, Federation, "", "0")
	c.expect(c.bring("organizations", token.SAML1Grant, f.says(saml.SAML11, "ann@fabrikam.test")), 400, codeAssertionSignature, Federation, "", "0")
}

// The service goes on while a server rolls its key over, at whatever moment.
func TestSigningKeyRollover(t *testing.T) {
	t.Parallel()
	f := newSigner(t)
	c := federatedCloud(t, f)
	bring := func() *reply {
		return c.bring("contoso", token.SAML1Grant, f.says(saml.SAML11, "ann@contoso.test"))
	}
	c.expect(bring(), 200, 0, Federation, "", "0")
	old, next := f.keys[0], newSigningKey(t)
	f.roll(old, next)
	c.expect(bring(), 200, 0, Federation, "", "0")
	f.roll(next, old)
	c.expect(bring(), 200, 0, Federation, "", "0")
	f.roll(next)
	c.expect(bring(), 200, 0, Federation, "", "0")
	if f.asked != 2 {
		t.Errorf("the metadata was read %d times", f.asked)
	}
}

// A server whose metadata can't be read signs nobody in, and its users are told
// so; it does as soon as it can be read.
func TestUnreadMetadata(t *testing.T) {
	t.Parallel()
	f := newSigner(t)
	trust := filepath.Join(t.TempDir(), "ca.pem")
	c := start(t, func(cfg *Config) {
		cfg.Tenants[0].Method, cfg.Tenants[0].Metadata, cfg.Trust = Federation, f.URL+"/m.xml", []string{trust}
	})
	// Its certificate is nobody's that the cloud knows.
	c.expect(c.bring("contoso", token.SAML1Grant, f.says(saml.SAML11, "ann@contoso.test")), 503, codeFederationUnread, "", "", "0")
	c.denied(string(federation.NoMetadata), 1)
	if text, _ := c.page(c.visitor(), c.url("/"), "ann@contoso.test", password); !strings.Contains(text, "AADSTS50107") {
		t.Errorf("the page: %s", text)
	}
	if n := c.tenant("contoso"); n.Failed != 1 || n.Received != 1 {
		t.Errorf("counters %+v", n)
	}
	if err := os.WriteFile(trust, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := c.bring("contoso", token.SAML1Grant, f.says(saml.SAML11, "ann@contoso.test"))
	c.expect(r, 503, codeFederationUnread, "", "", "0")
	c.trust(trust, f)
	eventually(t, "the metadata is read", func() bool {
		return c.bring("contoso", token.SAML1Grant, f.says(saml.SAML11, "ann@contoso.test")).status == 200
	})
}

// Every reason has a code, and every code a text for programs and for users.
func TestEveryReasonHasACode(t *testing.T) {
	for _, reason := range federation.Reasons() {
		code := assertionCodes[reason]
		if code == 0 || descriptions[code] == "" || !signin.Explains(code) {
			t.Errorf("%s: AADSTS%d", reason, code)
		}
	}
}

var nextPattern = regexp.MustCompile(`<p><a href="([^"]*)">`)

// leads is where a page takes the browser by itself.
func leads(t *testing.T, page string) *url.URL {
	t.Helper()
	found := nextPattern.FindStringSubmatch(page)
	if found == nil || !strings.Contains(page, `<meta http-equiv="refresh" content="0; url=`+found[1]) {
		t.Fatalf("nothing leads on: %s", page)
	}
	u, err := url.Parse(html.UnescapeString(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The whole way of a browser, as a person goes it: the cloud's page, the
// federation server, back, and signed in.
func TestFederatedVisit(t *testing.T) {
	t.Parallel()
	f := newSigner(t)
	c := federatedCloud(t, f)
	v := c.visitor()
	page, _ := c.page(v, c.url("/"), "ann@contoso.test", password)
	to := leads(t, page)
	q := to.Query()
	if to.Scheme+"://"+to.Host+to.Path != f.URL+"/adfs/ls/" || q.Get("wa") != "wsignin1.0" || q.Get("wtrealm") != c.url("/contoso/v2.0") ||
		q.Get("wreply") != c.url("/contoso/federation") || q.Get("username") != "ann@contoso.test" || q.Get("wctx") == "" {
		t.Fatalf("sent to %s", to)
	}
	back := url.Values{"wa": {"wsignin1.0"}, "wctx": {q.Get("wctx")}, "wresult": {`<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"><t:RequestedSecurityToken>` +
		f.says(saml.SAML11, "ann@contoso.test", func(claim *saml.Claim) { claim.Audience = q.Get("wtrealm") }) + `</t:RequestedSecurityToken></t:RequestSecurityTokenResponse>`}}
	r, err := v.PostForm(q.Get("wreply"), back)
	if err != nil {
		t.Fatal(err)
	}
	page = read(t, r)
	if r, err = v.Get(c.url("") + leads(t, page).String()); err != nil {
		t.Fatal(err)
	}
	if page = read(t, r); !strings.Contains(page, "Hello, ann") || !strings.Contains(page, "federation") || r.Request.URL.Path != "/" {
		t.Errorf("at %s: %s", r.Request.URL, page)
	}
	if n := c.tenant("contoso"); n.Received != 1 || n.Accepted != 1 || n.Federation != 1 {
		t.Errorf("counters %+v", n)
	}
	// The same answer again is good for nothing.
	if r, err = v.PostForm(q.Get("wreply"), back); err != nil {
		t.Fatal(err)
	}
	if page = read(t, r); r.StatusCode != 400 || !strings.Contains(page, "AADSTS50196") {
		t.Errorf("again: %d %s", r.StatusCode, page)
	}
}
