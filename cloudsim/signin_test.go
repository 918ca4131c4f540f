package cloudsim

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"ptabench/cloudsim/token"
	"ptabench/wire"
)

// What a connector found becomes a status and a code, and nothing else does.
func TestSignInResults(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Queue.Threshold = 1000 })
	l := c.register("connector-1").attach()
	for _, tc := range []struct {
		result       wire.Result
		status, code int
		word         string
	}{
		{wire.Result_RESULT_ACCEPTED, 200, 0, ""},
		{wire.Result_RESULT_WRONG_PASSWORD, 400, 50126, "invalid_grant"},
		{wire.Result_RESULT_UNKNOWN_USER, 400, 50034, "invalid_grant"},
		{wire.Result_RESULT_DISABLED, 400, 50057, "invalid_grant"},
		{wire.Result_RESULT_LOCKED, 400, 50053, "invalid_grant"},
		{wire.Result_RESULT_PASSWORD_EXPIRED, 400, 50144, "invalid_grant"},
		{wire.Result_RESULT_MUST_CHANGE, 400, 50144, "invalid_grant"},
		{wire.Result_RESULT_ACCOUNT_EXPIRED, 400, 50057, "invalid_grant"},
		{wire.Result_RESULT_LOGON_HOURS, 400, 80012, "invalid_grant"},
		{wire.Result_RESULT_WORKSTATION, 400, 50126, "invalid_grant"},
		{wire.Result_RESULT_DIRECTORY_UNREACHABLE, 503, 80007, "temporarily_unavailable"},
		{wire.Result_RESULT_DIRECTORY_TIMEOUT, 503, 80002, "temporarily_unavailable"},
		{wire.Result_RESULT_CANNOT_OPEN, 503, 80010, "temporarily_unavailable"},
		{wire.Result_RESULT_OVERLOADED, 503, 80005, "temporarily_unavailable"},
		{wire.Result_RESULT_UNSPECIFIED, 503, 80005, "temporarily_unavailable"},
		{wire.Result(99), 503, 80005, "temporarily_unavailable"},
		{wire.Result(-1), 503, 80005, "temporarily_unavailable"},
	} {
		t.Run(tc.result.String(), func(t *testing.T) {
			l.respond.Store(always(tc.result))
			q := c.request("contoso", form("ann@contoso.test", password).Encode())
			id := q.Header.Get("Client-Request-Id")
			r := c.do(q)
			by, connector, times := PassThrough, "connector-1", regexp.MustCompile(`^queue=\d+,connector=3000,directory=2000$`)
			if tc.status == 503 { // nobody decided
				by, connector, times = "", "", regexp.MustCompile(`^queue=\d+,connector=0,directory=0$`)
			}
			c.expect(r, tc.status, tc.code, by, connector, "1")
			if got := r.header.Get(headerTimes); !times.MatchString(got) {
				t.Errorf("times %q", got)
			}
			if got := r.header.Get("Client-Request-Id"); got != id {
				t.Errorf("request id %q; expected %q", got, id)
			}
			if r.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
				t.Errorf("headers %v", r.header)
			}
			if tc.code == 0 {
				return
			}
			checkError(t, r, tc.word, id)
		})
	}
	n := c.tenant("contoso")
	if n.Received != 17 || n.Accepted != 1 || n.Refused != 9 || n.Failed != 7 || n.PassThrough != 10 || n.HashSync != 0 ||
		n.Attempts != 17 || n.InFlight != 0 || n.Queued != 0 {
		t.Errorf("counters %+v", n)
	}
}

// checkError checks the shape of an error, which clients parse.
func checkError(t *testing.T, r *reply, word, id string) {
	t.Helper()
	begins := fmt.Sprintf("AADSTS%d: ", r.code())
	if r.Error != word || len(r.Codes) != 1 || !strings.HasPrefix(r.Description, begins) ||
		strings.HasPrefix(r.Description, begins+" ") || r.CorrelationID != id {
		t.Errorf("error %+v; expected %s, a description that begins with %q, correlation %s", r.errorBody, word, begins, id)
	}
	if _, err := time.Parse("2006-01-02 15:04:05Z", r.Timestamp); err != nil {
		t.Error(err)
	}
	if err := uuid.Validate(r.TraceID); err != nil {
		t.Error(err)
	}
}

// A client that knows nothing but the tenant's discovery document can verify
// what it gets.
func TestTokens(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.register("connector-1").attach()
	get := func(at string) *reply {
		q, err := http.NewRequest(http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.do(q)
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Token  string `json:"token_endpoint"`
		Keys   string `json:"jwks_uri"`
	}
	r := get(c.url("/contoso/v2.0/.well-known/openid-configuration"))
	if err := json.Unmarshal(r.body, &doc); err != nil || r.status != 200 {
		t.Fatalf("discovery: %v, %v", r, err)
	}
	if doc.Token != c.url("/contoso/oauth2/v2.0/token") || doc.Issuer != c.url("/contoso/v2.0") {
		t.Errorf("discovery: %+v", doc)
	}
	var keys jose.JSONWebKeySet
	r = get(doc.Keys)
	if err := json.Unmarshal(r.body, &keys); err != nil || len(keys.Keys) != 1 || !keys.Keys[0].IsPublic() {
		t.Fatalf("keys: %v, %v", r, err)
	}

	user := "Ünsal O'Neil \"the 1st\"@EXAMPLE.test"
	r = c.do(c.request("contoso", form(user, password).Encode()))
	c.expect(r, 200, 0, PassThrough, "connector-1", "1")
	if r.Type != "Bearer" || r.Expiry != 3600 || r.Scope != "openid" || r.Access == "" {
		t.Errorf("answer %s", r.body)
	}
	for what, text := range map[string]string{"id": r.ID, "access": r.Access} {
		parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatalf("%s token: %v", what, err)
		}
		var claims jwt.Claims
		var more struct {
			Name   string `json:"preferred_username"`
			Tenant string `json:"tid"`
		}
		if err := parsed.Claims(keys.Key(parsed.Headers[0].KeyID)[0], &claims, &more); err != nil {
			t.Fatalf("%s token: %v", what, err)
		}
		expected := jwt.Expected{Issuer: doc.Issuer, Time: time.Now()}
		if what == "id" {
			expected.AnyAudience = jwt.Audience{clientID}
		}
		if err := claims.Validate(expected); err != nil {
			t.Errorf("%s token: %v", what, err)
		}
		if more.Name != `ünsal o'neil "the 1st"@example.test` || more.Tenant != token.TenantID("contoso") || claims.Subject == "" {
			t.Errorf("%s token: %+v %+v", what, claims, more)
		}
	}
	for _, path := range []string{"/nobody/v2.0/.well-known/openid-configuration", "/nobody/discovery/v2.0/keys"} {
		if r := get(c.url(path)); r.status != 400 || r.code() != codeUnknownTenant {
			t.Errorf("%s: %v", path, r)
		}
	}
	c.denied("unknown-tenant", 2)
}

// Users are told apart by their domain, under the tenant's name and without.
func TestTenantOfUser(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.register("connector-1").attach()
	for _, tc := range []struct {
		path, user string
		status     int
		code       int
	}{
		{"contoso", "ann@contoso.test", 200, 0},
		{"contoso", "ann@CONTOSO.Test", 200, 0},
		{"contoso", "ann@example.test", 200, 0},
		{"common", "ann@contoso.test", 200, 0},
		{"organizations", "ann@example.TEST", 200, 0},
		{"contoso", "ann@fabrikam.test", 400, codeNoTenantForDomain},
		{"fabrikam", "ann@contoso.test", 400, codeNoTenantForDomain},
		{"contoso", "ann", 400, codeNoTenantForDomain},
		{"contoso", "ann@", 400, codeNoTenantForDomain},
		{"contoso", "ann@contoso.test@contoso.test", 400, codeNoTenantForDomain},
		{"contoso", "ann@contoso.test.", 400, codeNoTenantForDomain},
		{"common", "ann@nowhere.test", 400, codeNoTenantForDomain},
		{"Contoso", "ann@contoso.test", 400, codeUnknownTenant},
		{"nobody", "ann@contoso.test", 400, codeUnknownTenant},
		{"%00", "ann@contoso.test", 400, codeUnknownTenant},
		{"contoso%2fx", "ann@contoso.test", 400, codeUnknownTenant},
	} {
		r := c.do(c.request(tc.path, form(tc.user, password).Encode()))
		if r.status != tc.status || r.code() != tc.code {
			t.Errorf("%s at %s: %v; expected %d, code %d", tc.user, tc.path, r, tc.status, tc.code)
		}
	}
	c.denied("unknown-domain", 7)
	c.denied("unknown-tenant", 4)
}

// Input that is no sign-in is refused with the right words, counted, and
// harms nobody else.
func TestBadSignIns(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").attach()
	const user, secret = "ann@contoso.test", "a-secret-that-was-sent-badly"
	c.secret(secret, password)
	with := func(key, value string) string {
		f := form(user, secret)
		f.Set(key, value)
		return f.Encode()
	}
	without := func(key string) string {
		f := form(user, secret)
		f.Del(key)
		return f.Encode()
	}
	wordOf := map[int]string{codeUnsupportedGrant: "unsupported_grant_type"}
	denied := make(map[string]uint64)
	for _, tc := range []struct {
		name, body   string
		status, code int
		reason       string
		change       func(*http.Request)
	}{
		{"nothing", "", 400, 900144, "missing-parameter", nil},
		{"no grant", without("grant_type"), 400, 900144, "missing-parameter", nil},
		{"no user", without("username"), 400, 900144, "missing-parameter", nil},
		{"no password", without("password"), 400, 900144, "missing-parameter", nil},
		{"empty password", with("password", ""), 400, 900144, "missing-parameter", nil},
		{"empty user", with("username", ""), 400, 900144, "missing-parameter", nil},
		{"another grant", with("grant_type", "client_credentials"), 400, 70003, "unsupported-grant", nil},
		{"grant in capitals", with("grant_type", "Password"), 400, 70003, "unsupported-grant", nil},
		{"grant twice", form(user, secret).Encode() + "&grant_type=refresh_token", 400, 9000411, "repeated-parameter", nil},
		{"password twice", form(user, secret).Encode() + "&password=" + secret, 400, 9000411, "repeated-parameter", nil},
		{"bad escape", "grant_type=password&username=" + user + "&password=" + secret + "%zz", 400, 90014, "malformed-sign-in", nil},
		{"semicolon", "grant_type=password;username=" + user + "&password=" + secret, 400, 90014, "malformed-sign-in", nil},
		{"NUL in the name", with("username", "ann\x00@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"line feed in the name", with("username", "ann\n@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"C1 control in the name", with("username", "ann\u0085@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"a name that turns text around", with("username", "ann\u202e@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"name not UTF-8", with("username", "ann\xff@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"password not UTF-8", with("password", secret+"\xff"), 400, 90014, "malformed-sign-in", nil},
		{"long name", with("username", strings.Repeat("n", 1024)+"@contoso.test"), 400, 90014, "malformed-sign-in", nil},
		{"long password", with("password", secret+strings.Repeat("p", 1024)), 400, 90014, "malformed-sign-in", nil},
		{"oversized", with("padding", strings.Repeat("x", maxBody)), 413, 90014, "oversized-sign-in", nil},
		{"oversized, length not said", with("padding", strings.Repeat("x", maxBody)), 413, 90014, "oversized-sign-in",
			func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(io.MultiReader(r.Body)) }},
		{"JSON", `{"grant_type":"password","username":"` + user + `","password":"` + secret + `"}`, 400, 900144, "missing-parameter",
			func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }},
		{"no content type", form(user, secret).Encode(), 400, 900144, "missing-parameter",
			func(r *http.Request) { r.Header.Del("Content-Type") }},
		{"in the query", "", 400, 900144, "missing-parameter",
			func(r *http.Request) { r.URL.RawQuery = form(user, secret).Encode() }},
		{"GET", "", 405, 900561, "wrong-method", func(r *http.Request) { r.Method, r.Body = http.MethodGet, nil }},
		{"PUT", form(user, secret).Encode(), 405, 900561, "wrong-method", func(r *http.Request) { r.Method = http.MethodPut }},
		{"a method of its own", "", 405, 900561, "wrong-method", func(r *http.Request) { r.Method = "PROPFIND" }},
		{"POST to the keys", "", 405, 900561, "wrong-method", func(r *http.Request) { r.URL.Path = "/contoso/discovery/v2.0/keys" }},
		{"another path", form(user, secret).Encode(), 404, 0, "unknown-path", func(r *http.Request) { r.URL.Path = "/contoso/oauth2/token" }},
		{"the root", "", 400, 0, "sign-in-form-expired", func(r *http.Request) { r.URL.Path = "/" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := c.request("contoso", tc.body)
			if tc.change != nil {
				tc.change(q)
			}
			r := c.do(q)
			if r.status != tc.status || r.code() != tc.code {
				t.Errorf("got %v; expected %d, code %d", r, tc.status, tc.code)
			}
			if tc.status == 405 && r.header.Get("Allow") == "" {
				t.Errorf("headers %v: nothing says what is allowed", r.header)
			}
			for _, h := range []string{headerMethod, headerConnector, headerAttempts, headerTimes} {
				if r.header.Get(h) != "" {
					t.Errorf("%s: %s, though there was no sign-in", h, r.header.Get(h))
				}
			}
			if tc.code != 0 && tc.status != 405 {
				word := wordOf[tc.code]
				if word == "" {
					word = "invalid_request"
				}
				checkError(t, r, word, q.Header.Get("Client-Request-Id"))
			}
			denied[tc.reason]++
			c.denied(tc.reason, denied[tc.reason])
		})
	}
	if n := l.taken(); n != 0 {
		t.Errorf("%d of it went to a connector", n)
	}
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	if n := c.tenant("contoso"); n.Received != 1 {
		t.Errorf("%d sign-ins received; expected the last one alone", n.Received)
	}
}

// A request identifier is echoed as far as it is one; a request without one is
// given one.
func TestClientRequestID(t *testing.T) {
	t.Parallel()
	c := start(t)
	for given, want := range map[string]string{
		"short": "short", strings.Repeat("a", 64): strings.Repeat("a", 64), strings.Repeat("b", 5000): strings.Repeat("b", 64),
		`","error":"`: `","error":"`,
	} {
		q := c.request("contoso", "")
		q.Header.Set("Client-Request-Id", given)
		r := c.do(q)
		if r.header.Get("Client-Request-Id") != want || r.CorrelationID != want {
			t.Errorf("%.20q: %v", given, r)
		}
	}
	r := c.do(c.request("contoso", ""))
	if made := r.header.Get("Client-Request-Id"); len(made) != 36 || r.CorrelationID != made {
		t.Errorf("without one: %v", r)
	}
}

// HTTP/2 is served as well.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.register("connector-1").attach()
	old := c.users.Transport.(*http.Transport)
	c.users.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.ca}, ForceAttemptHTTP2: true}
	t.Cleanup(old.CloseIdleConnections)
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-1", "1")
	r := c.do(c.request("contoso", strings.Repeat("x", maxBody+1)))
	if r.status != 413 {
		t.Errorf("oversized: %v", r)
	}
}

// A body that does not come is waited for so long and no longer, and nobody
// else waits with it.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.limits.request = time.Second })
	c.register("connector-1").attach()
	conn, err := tls.Dial("tcp", c.ready.Ports["443"], &tls.Config{RootCAs: c.ca})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := form("ann@contoso.test", password).Encode()
	fmt.Fprintf(conn, "POST /contoso/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body[:len(body)-1])
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-1", "1")
	if err := conn.SetReadDeadline(time.Now().Add(waits)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 || !resp.Close {
		t.Errorf("status %d, close %v; expected 400 and the end of the connection", resp.StatusCode, resp.Close)
	}
	c.denied("unfinished-sign-in", 1)
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-1", "1")
}

// Bytes that are no TLS at all stop no port.
func TestGarbageOnEveryPort(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").attach()
	for port, at := range c.ready.Ports {
		conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: c.ca, MaxVersion: tls.VersionTLS12})
		if err == nil {
			conn.Close()
			t.Errorf("port %s speaks TLS 1.2", port)
		}
		q, err := http.NewRequest("GET", (&url.URL{Scheme: "http", Host: at, Path: "/"}).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.try(q); err == nil && r.status/100 == 2 {
			t.Errorf("port %s answers plain HTTP: %v", port, r)
		}
	}
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, PassThrough, "connector-1", "1")
	if l.taken() != 1 {
		t.Errorf("the connector got %d sign-ins", l.taken())
	}
}
