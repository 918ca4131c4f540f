package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ptabench/cloudsim/token"
)

// No answer goes to an address that is not the client's.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	for _, at := range []string{
		"", "https://evil.example/callback", "http://evil.example/callback", "//evil.example/callback", "/callback", "callback",
		"http://127.0.0.1@evil.example/callback", "http://user@127.0.0.1/callback", "http://127.0.0.1.evil.example/callback",
		"http://127.0.0.1:40000/callback/../other", "http://127.0.0.1:40000/Callback", "http://127.0.0.1:40000/callback/",
		"http://127.0.0.1:40000/%63allback", "http://127.0.0.1:40000/callback?x=1", "http://127.0.0.1:40000/callback?", "http://127.0.0.1:40000/callback#x",
		"https://127.0.0.1:40000/callback", "http://127.0.0.1:0/callback", "http://127.0.0.1:99999/callback", "http://127.0.0.1:+1/callback",
		"http://127.0.0.2:1/callback", "http://[::2]:1/callback", "http://[localhost]:1/callback", "http://0.0.0.0:1/callback", "http://127.1:1/callback",
		"http:127.0.0.1/callback", "http:\\\\127.0.0.1/callback", "http://127.0.0.1\\@evil.example/callback", "http://127.0.0.1:1/callback\n", " http://127.0.0.1:1/callback",
		"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://127.0.0.1:1/callback;x", strings.Repeat("x", 3000),
	} {
		page := b.get(authorizePath("redirect_uri", at))
		if page.status != 400 || page.away != nil || !strings.Contains(page.text, "AADSTS50011") {
			t.Errorf("%.80q: %d, %v", at, page.status, page.away)
		}
	}
	for _, at := range []string{"http://127.0.0.1:1/callback", "http://localhost:65535/callback", "http://[::1]:40000/callback",
		"http://127.0.0.1/callback", "http://[::1]/callback", "http://127.0.0.1:40000", "http://127.0.0.1:40000/"} {
		page := b.get(authorizePath("redirect_uri", at))
		b.expect(page, 200, "Sign in")
		u, _ := url.Parse(at)
		if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' "+source(u)+";") {
			t.Errorf("%s: policy %s", at, csp)
		}
	}
	// An app's own address is one address.
	if _, good := web.redirect("https://app.example/signed-in"); !good {
		t.Error("an app's own address is refused")
	}
	for _, at := range []string{"https://app.example:444/signed-in", "https://app.example/signed-in?x=1", "http://app.example/signed-in", "http://127.0.0.1/signed-in"} {
		if _, good := web.redirect(at); good {
			t.Errorf("%s: taken", at)
		}
	}
}

// What is wrong with a request is told the client, at its own address.
func TestBadAuthorizationRequests(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	for _, tc := range []struct{ name, query, word, reason string }{
		{"no response type", query("response_type", "-"), "invalid_request", "missing-parameter"},
		{"a token", query("response_type", "token"), "unsupported_response_type", "unsupported-response-type"},
		{"a code and a token", query("response_type", "code id_token"), "unsupported_response_type", "unsupported-response-type"},
		{"by message", query("response_mode", "web_message"), "invalid_request", "unsupported-response-mode"},
		{"no challenge", query("code_challenge", "-", "code_challenge_method", "-"), "invalid_request", "no-challenge"},
		{"plain", query("code_challenge_method", "plain"), "invalid_request", "no-challenge"},
		{"short challenge", query("code_challenge", "abc"), "invalid_request", "no-challenge"},
		{"challenge of other letters", query("code_challenge", strings.Repeat("+", 43)), "invalid_request", "no-challenge"},
		{"no scope", query("scope", "-"), "invalid_scope", "unknown-scope"},
		{"scopes nobody knows", query("scope", "root"), "invalid_scope", "unknown-scope"},
		{"long state", query("state", strings.Repeat("s", 2049)), "invalid_request", "oversized-parameter"},
		{"long nonce", query("nonce", strings.Repeat("n", 1025)), "invalid_request", "oversized-parameter"},
		{"control characters", query("nonce", "a\x00b"), "invalid_request", "malformed-parameter"},
		{"twice", query() + "&nonce=2", "invalid_request", "repeated-parameter"},
		{"prompt", query("prompt", "none login"), "invalid_request", "malformed-prompt"},
		{"another prompt", query("prompt", "password"), "invalid_request", "malformed-prompt"},
		{"max_age", query("max_age", "-1"), "invalid_request", "malformed-max-age"},
		{"request object", query("request", "a.b.c"), "request_not_supported", "unsupported-request"},
		{"request object elsewhere", query("request_uri", "https://evil.example"), "request_uri_not_supported", "unsupported-request"},
		{"nobody there", query("prompt", "none"), "login_required", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := o.denials(tc.reason)
			page := b.get("/contoso/oauth2/v2.0/authorize?" + tc.query)
			if page.away == nil || page.away.Host != "127.0.0.1:40000" || page.away.Query().Get("error") != tc.word || page.away.Query().Get("code") != "" {
				t.Fatalf("%d, to %v: %s", page.status, page.away, page.text)
			}
			if q := page.away.Query(); len(q.Get("state")) > 0 && q.Get("state") != "state-1" || q.Get("iss") != o.server.URL+"/contoso/v2.0" {
				t.Errorf("answer %v", page.away)
			}
			if tc.reason != "" && o.denials(tc.reason) != before+1 {
				t.Errorf("%s was not counted", tc.reason)
			}
		})
	}
	for _, tc := range []struct {
		name, path, code string
		status           int
	}{
		{"client", authorizePath("client_id", "evil"), "AADSTS700016", 400},
		{"no client", authorizePath("client_id", "-"), "AADSTS700016", 400},
		{"client twice", authorizePath() + "&client_id=ptabench-setup", "AADSTS9000411", 400},
		{"redirect twice", authorizePath() + "&redirect_uri=https://evil.example", "AADSTS9000411", 400},
		{"tenant", "/nowhere/oauth2/v2.0/authorize?" + query(), "AADSTS90002", 404},
		{"escapes", "/contoso/oauth2/v2.0/authorize?client_id=%zz", "AADSTS90014", 400},
		{"too long", "/contoso/oauth2/v2.0/authorize?x=" + strings.Repeat("x", maxQuery), "AADSTS90014", 400},
	} {
		if page := b.get(tc.path); page.status != tc.status || page.away != nil || !strings.Contains(page.text, tc.code) {
			t.Errorf("%s: %d, %v, %s", tc.name, page.status, page.away, page.text)
		}
	}
}

// code signs ann in and returns the code.
func (o *office) code(change ...string) string {
	o.Helper()
	b := o.browser()
	page := b.signIn(b.get(authorizePath(change...)), annUser, annPassword)
	if page.away == nil || page.away.Query().Get("code") == "" {
		o.Fatalf("no code: %v %s", page.away, page.text)
	}
	return page.away.Query().Get("code")
}

// A code is bound to who asked for it, and to a minute.
func TestBadCodes(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	redeem := func(code string, change ...string) string {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"ptabench-setup"}, "code": {code},
			"redirect_uri": {"http://127.0.0.1:40000/callback"}, "code_verifier": {verifier}}
		tenant := "contoso"
		for i := 0; i < len(change); i += 2 {
			switch {
			case change[i] == "tenant":
				tenant = change[i+1]
			case change[i] == "pass":
				d, err := time.ParseDuration(change[i+1])
				if err != nil {
					t.Fatal(err)
				}
				o.pass(d)
			default:
				if form.Set(change[i], change[i+1]); change[i+1] == "-" {
					form.Del(change[i])
				}
			}
		}
		_, problem := o.Exchange(tenant, form.Encode())
		if problem == nil {
			return "tokens"
		}
		return problem.Word + " " + problem.Reason
	}
	if got := redeem(o.code()); got != "tokens" {
		t.Fatalf("a good code: %s", got)
	}
	for _, tc := range []struct {
		name   string
		change []string
		want   string
		spent  bool // the code is used up by it
	}{
		{"another verifier", []string{"code_verifier", strings.Repeat("v", 43)}, "invalid_grant code-verifier-wrong", true},
		{"a short verifier", []string{"code_verifier", "v"}, "invalid_grant code-verifier-wrong", true},
		{"another redirect", []string{"redirect_uri", "http://127.0.0.1:40001/callback"}, "invalid_grant code-for-another-redirect", true},
		{"another client", []string{"client_id", "web"}, "invalid_grant code-of-another-client", true},
		{"another tenant", []string{"tenant", "fabrikam"}, "invalid_grant grant-of-another-tenant", true},
		{"no tenant", []string{"tenant", "nowhere"}, "invalid_request unknown-tenant", false},
		{"no client", []string{"client_id", "-"}, "invalid_request missing-parameter", false},
		{"an unknown client", []string{"client_id", "evil"}, "unauthorized_client unknown-client", false},
		{"no verifier", []string{"code_verifier", "-"}, "invalid_request missing-parameter", false},
		{"no redirect", []string{"redirect_uri", "-"}, "invalid_request missing-parameter", false},
		{"another grant", []string{"grant_type", "implicit"}, "unsupported_grant_type unsupported-grant", false},
		{"another code", []string{"code", "x"}, "invalid_grant code-unknown", false},
		{"a very long code", []string{"code", strings.Repeat("x", 5000)}, "invalid_grant code-unknown", false},
		{"a minute later", []string{"pass", "60s"}, "invalid_grant code-unknown", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code := o.code()
			if got := redeem(code, tc.change...); got != tc.want {
				t.Errorf("%s; expected %s", got, tc.want)
			}
			if got := redeem(code); (got == "tokens") == tc.spent {
				t.Errorf("then: %s", got)
			}
		})
	}
	for _, body := range []string{"grant_type=authorization_code&client_id=ptabench-setup&client_id=web", "grant_type=%zz", "grant_type=refresh_token&client_id=ptabench-setup&refresh_token=x",
		"grant_type=refresh_token&client_id=ptabench-setup", "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=ptabench-setup&device_code=x"} {
		if _, problem := o.Exchange("contoso", body); problem == nil || problem.Status != http.StatusBadRequest {
			t.Errorf("%s: %v", body, problem)
		}
	}
	// A store that is full refuses; it forgets nothing that is good.
	full := open(t, Limits{Codes: 1})
	full.code()
	b := full.browser()
	page := b.signIn(b.get(authorizePath()), annUser, annPassword)
	if page.away == nil || page.away.Query().Get("error") != "temporarily_unavailable" {
		t.Errorf("a code too many: %v", page.away)
	}
}

// Who exchanges a token while another request ends its family gets nothing: the
// successor would outlive the family.
func TestEndedWhileExchanged(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	g := grant{family: random(), tenant: "contoso", Grant: token.Grant{Client: Setup.ID, User: annUser, Scopes: []string{token.Offline}}}
	if tokens, problem := o.mint(g, "contoso"); problem != nil || tokens.Refresh == "" {
		t.Fatalf("before: %v, %v", tokens, problem)
	}
	o.revoke(g.family)
	tokens, problem := o.mint(g, "contoso")
	if problem == nil || problem.Reason != "grant-ended" || tokens.Refresh != "" || o.refresh.order.Len() != 0 {
		t.Errorf("after: %v, %v, %d tokens", tokens, problem, o.refresh.order.Len())
	}
}

// Device codes that may not be.
func TestBadDevices(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{Devices: 2})
	ask := func(tenant, body string) int {
		r, err := o.server.Client().Post(o.server.URL+"/"+tenant+"/oauth2/v2.0/devicecode", "application/x-www-form-urlencoded", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	good := "client_id=ptabench-setup&scope=openid"
	for _, tc := range []struct {
		tenant, body string
		status       int
	}{
		{"nowhere", good, 400}, {"contoso", "", 400}, {"contoso", "client_id=evil&scope=openid", 400}, {"contoso", "client_id=web&scope=openid", 400},
		{"contoso", "client_id=ptabench-setup", 400}, {"contoso", good + "&scope=openid", 400}, {"contoso", "%zz", 400},
		{"contoso", good + "&x=" + strings.Repeat("x", maxForm), 400}, {"contoso", "client_id=ptabench-setup&scope=" + strings.Repeat("x", maxScope+1), 400},
		{"contoso", good, 200}, {"common", good, 200}, {"contoso", good, 503},
	} {
		if got := ask(tc.tenant, tc.body); got != tc.status {
			t.Errorf("%s %.60s: %d; expected %d", tc.tenant, tc.body, got, tc.status)
		}
	}
	o.expectDenied("too-many-devices", 1)
	// No address alone takes all the room.
	all, now := devices{byCode: make(map[hashOf]*device), byUser: make(map[string]*device)}, o.now()
	for i := range devicesOfOne + 1 {
		if _, ok := all.add(&device{from: "192.0.2.1", expires: now.Add(time.Minute)}, now, usualLimits.Devices); ok != (i < devicesOfOne) {
			t.Fatalf("device %d of one address: %v", i, ok)
		}
	}
	if _, ok := all.add(&device{from: "192.0.2.2", expires: now.Add(time.Minute)}, now, usualLimits.Devices); !ok {
		t.Error("another address finds no room")
	}
	// Guessing is bounded, and only with the first form may a code be tried.
	b := o.browser()
	page := b.get("/device")
	for range usualLimits.Failures {
		page = b.send(page, "code", "user_code", "BBBB-BBBB")
		b.expect(page, 200, "AADSTS70018")
	}
	b.expect(b.send(page, "code", "user_code", "BBBB-BBBB"), 200, "AADSTS90033")
	o.expectDenied("user-code-guessed", 1)
	o.pass(time.Minute)
	b.expect(b.send(b.get("/device"), "user", "user_code", "CCCC-CCCC", "user", annUser), 200, "AADSTS50196")
	for _, typed := range []string{"", "x", "BBBB-BBBBB", "AAAA-AAAA", "ＢＢＢＢ-ＢＢＢＢ", strings.Repeat("B", 100), "<script>"} {
		b.expect(b.send(b.get("/device"), "code", "user_code", typed), 200, "AADSTS70018")
	}
}
