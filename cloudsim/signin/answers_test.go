package signin

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ptabench/cloudsim/token"
)

// An answer comes the way that was asked for, a problem too.
func TestResponseModes(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	page := b.signIn(b.get(authorizePath("response_mode", "fragment")), annUser, annPassword)
	values, err := url.ParseQuery(page.away.Fragment)
	if err != nil || page.away.RawQuery != "" || values.Get("code") == "" || values.Get("state") != "state-1" || values.Get("iss") == "" {
		t.Errorf("fragment: %v, %v", page.away, err)
	}
	page = o.browser().get(authorizePath("response_mode", "fragment", "prompt", "none"))
	if values, err = url.ParseQuery(page.away.Fragment); err != nil || values.Get("error") != "login_required" {
		t.Errorf("a problem by fragment: %v", page.away)
	}
	hostile := `"><script>alert(1)</script>`
	form := func(page shown) url.Values {
		t.Helper()
		csp := page.header.Get("Content-Security-Policy")
		if page.status != 200 || page.away != nil || !strings.Contains(csp, "script-src 'self'") || !strings.Contains(csp, "form-action http://127.0.0.1:40000;") {
			t.Fatalf("%d %v: policy %s", page.status, page.away, csp)
		}
		if strings.Count(page.text, "<script") != 1 || !strings.Contains(page.text, `<form method="post" action="http://127.0.0.1:40000/callback">`) ||
			!strings.Contains(page.text, "<button") || strings.Contains(page.text, "http-equiv") {
			t.Errorf("the form: %s", page.text)
		}
		values := url.Values{}
		for _, field := range hiddenPattern.FindAllStringSubmatch(page.text, -1) {
			values.Set(field[1], html.UnescapeString(field[2]))
		}
		return values
	}
	b = o.browser()
	values = form(b.signIn(b.get(authorizePath("response_mode", "form_post", "state", hostile)), annUser, annPassword))
	if values.Get("code") == "" || values.Get("state") != hostile || values.Get("iss") != o.issuer("contoso").Name() || len(values) != 3 {
		t.Errorf("form: %v", values)
	}
	if _, problem := o.Exchange("contoso", url.Values{"grant_type": {"authorization_code"}, "client_id": {"ptabench-setup"}, "code": {values.Get("code")},
		"redirect_uri": {"http://127.0.0.1:40000/callback"}, "code_verifier": {verifier}}.Encode()); problem != nil {
		t.Errorf("its code: %v", problem)
	}
	values = form(o.browser().get(authorizePath("response_mode", "form_post", "response_type", "token")))
	if values.Get("error") != "unsupported_response_type" || values.Get("code") != "" {
		t.Errorf("a problem by form: %v", values)
	}
	r, err := o.server.Client().Get(o.server.URL + "/sign-in.js")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/javascript") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the script: %d %v", r.StatusCode, r.Header)
	}
}

// Who ticks the box stays signed in for months, and others for as long as the
// browser runs.
func TestStaySignedIn(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	cookie := func(page shown) string {
		t.Helper()
		for _, c := range page.header.Values("Set-Cookie") {
			if strings.HasPrefix(c, sessionCookie+"=") {
				return c
			}
		}
		t.Fatalf("no session: %s", page.text)
		return ""
	}
	own := []string{"client_id", "web", "redirect_uri", "https://app.example/signed-in"}
	in := func(stay string) (*browser, string) {
		b := o.browser()
		page := b.send(b.get(authorizePath(own...)), "user", "user", annUser)
		b.expect(page, 200, `<input id="stay" name="stay" type="checkbox" value="yes">`, `<label for="stay">Stay signed in</label>`)
		page = b.send(page, "password", "password", "wrong", "stay", stay)
		if strings.Contains(page.text, "checked") != (stay != "") {
			t.Errorf("the box after a wrong password: %s", page.text)
		}
		return b, cookie(b.send(page, "password", "password", annPassword, "stay", stay))
	}
	short, c := in("")
	if strings.Contains(c, "Max-Age") || strings.Contains(c, "Expires") {
		t.Errorf("cookie %s", c)
	}
	long, c := in("yes")
	if !strings.Contains(c, "Max-Age=7776000") || !strings.Contains(c, "Secure") || !strings.Contains(c, "HttpOnly") {
		t.Errorf("cookie %s", c)
	}
	o.pass(9 * time.Hour)
	short.expect(short.get("/"), 200, `id="user"`)
	long.expect(long.get("/"), 200, "Hello, ann")
	o.pass(90 * 24 * time.Hour)
	long.expect(long.get("/"), 200, `id="user"`)
	// Signing out ends it, for whoever kept the cookie too.
	long, _ = in("yes")
	kept := long.client.Jar
	at, _ := url.Parse(o.server.URL)
	before := kept.Cookies(at)
	page := long.get("/sign-out")
	long.expect(long.send(page, ""), 200, "You have signed out")
	kept.SetCookies(at, before)
	long.expect(long.get("/"), 200, `id="user"`)
}

// Where a browser goes after it has signed out is an address of a client.
func TestAfterSignOut(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	const logout = "/contoso/oauth2/v2.0/logout"
	own := []string{"client_id", "web", "redirect_uri", "https://app.example/signed-in"}
	tokens := func() (*browser, token.Tokens) {
		b := o.browser()
		page := b.signIn(b.get(authorizePath(own...)), annUser, annPassword)
		got, problem := o.Exchange("contoso", url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "code": {page.away.Query().Get("code")},
			"redirect_uri": {"https://app.example/signed-in"}, "code_verifier": {verifier}}.Encode())
		if problem != nil {
			t.Fatal(problem)
		}
		return b, got
	}
	b, _ := tokens()
	ask := func(more ...string) string {
		q := url.Values{"post_logout_redirect_uri": {"https://app.example/signed-in"}, "state": {"s&1"}}
		for i := 0; i < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return logout + "?" + q.Encode()
	}
	// Without a word of whose session it is, the user is asked.
	page := b.get(ask("client_id", "web"))
	b.expect(page, 200, "Sign out?", annUser)
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://app.example;") {
		t.Errorf("policy %s", csp)
	}
	b.expect(b.send(page, "", "to", "https://evil.example/"), 400, "AADSTS50196")
	b.expect(b.get("/"), 200, "Hello, ann")
	if page = b.send(page, ""); page.away == nil || page.away.String() != "https://app.example/signed-in?state=s%261" {
		t.Errorf("afterwards: %v %s", page.away, page.text)
	}
	b.expect(b.get("/"), 200, `id="user"`)
	// With the user's id token, which may have expired, at once.
	b, got := tokens()
	o.pass(2 * time.Hour)
	if page = b.get(ask("id_token_hint", got.ID)); page.away == nil || page.away.Host != "app.example" {
		t.Errorf("with a hint: %v %s", page.away, page.text)
	}
	b.expect(b.get("/"), 200, `id="user"`)
	// Nobody's session ends by another's token, nor by one that is none.
	b, _ = tokens()
	other, err := o.issuer("contoso").MintGrant(token.Grant{Client: "web", User: "ben@contoso.test", Scopes: []string{"openid"}}, o.now())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := o.issuer("contoso").MintGrant(token.Grant{Client: "web", User: annUser, Scopes: []string{"openid"}}, o.now())
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for hint, counts := range map[string]int{other.ID: 0, mine.Access: 1, mine.ID[:len(mine.ID)-4] + "AAAA": 1, "a.b.c": 1, strings.Repeat("x", 9000): 1} {
		b.expect(b.get(ask("id_token_hint", hint)), 200, "Sign out?")
		refused += counts
	}
	o.expectDenied("sign-out-hint", refused)
	b.expect(b.get(ask("id_token_hint", mine.ID, "client_id", "ptabench-setup")), 200, "Sign out?")
	// An address that is no client's is not gone to.
	for _, at := range []string{"https://evil.example/", "//evil.example", "javascript:alert(1)", "https://app.example.evil.example/signed-in", "https://app.example/signed-in#x",
		"https://app.example/other", "http://127.0.0.1@evil.example/", strings.Repeat("x", 3000)} {
		for _, client := range []string{"", "web", "ptabench-setup", "nobody"} {
			page = b.get(ask("post_logout_redirect_uri", at, "client_id", client))
			b.expect(page, 200, "Sign out?")
			if page.away != nil || strings.Contains(page.text, "evil") || strings.Contains(page.text, `name="to"`) {
				t.Fatalf("%.80s, client %q: %v %s", at, client, page.away, page.text)
			}
		}
	}
	if page = b.get(ask("client_id", "ptabench-setup")); strings.Contains(page.text, `name="to"`) {
		t.Error("another client's address was taken")
	}
	b.expect(b.get(logout+"?state=1&state=2"), 200, "Sign out?")
	b.expect(b.get("/"), 200, "Hello, ann")
}

// Who a user is, is told to whoever has a token for it.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	mint := func(tenant, user string, scopes ...string) token.Tokens {
		t.Helper()
		tokens, err := o.issuer(tenant).MintGrant(token.Grant{Client: "web", User: user, Scopes: scopes}, o.now())
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	ask := func(method, path, authorization string) (int, string, map[string]string) {
		t.Helper()
		q, err := http.NewRequest(method, o.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			q.Header.Set("Authorization", authorization)
		}
		r, err := o.server.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var claims map[string]string
		if err := json.NewDecoder(r.Body).Decode(&claims); err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header.Get("WWW-Authenticate"), claims
	}
	good := mint("contoso", annUser, "openid", "email", "User.Read")
	subject, err := o.issuer("contoso").VerifyUser(good.Access, o.now())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/oidc/userinfo", "/contoso/openid/userinfo", "/common/openid/userinfo"} {
		for _, method := range []string{"GET", "POST"} {
			status, _, claims := ask(method, path, "bearer "+good.Access)
			if status != 200 || claims["sub"] != subject.ID || claims["name"] != "ann" || claims["preferred_username"] != annUser || claims["email"] != annUser {
				t.Errorf("%s %s: %d %v", method, path, status, claims)
			}
		}
	}
	byID, err := o.issuer("contoso").ByID().MintGrant(token.Grant{Client: "web", User: annUser, Scopes: []string{"openid"}}, o.now())
	if err != nil {
		t.Fatal(err)
	}
	if status, _, claims := ask("GET", "/oidc/userinfo", "Bearer "+byID.Access); status != 200 || claims["sub"] != subject.ID || claims["email"] != "" {
		t.Errorf("%d %v", status, claims)
	}
	for _, tc := range []struct {
		name, path, authorization string
		status                    int
		says                      string
	}{
		{"nothing", "/oidc/userinfo", "", 401, "Bearer"},
		{"a password", "/oidc/userinfo", "Basic YTpi", 401, "Bearer"},
		{"an empty token", "/oidc/userinfo", "Bearer ", 401, "Bearer"},
		{"garbage", "/oidc/userinfo", "Bearer x", 401, "invalid_token"},
		{"three parts", "/oidc/userinfo", "Bearer a.b.c", 401, "invalid_token"},
		{"a long one", "/oidc/userinfo", "Bearer " + strings.Repeat("a", 9000), 401, "invalid_token"},
		{"an id token", "/oidc/userinfo", "Bearer " + good.ID, 401, "invalid_token"},
		{"a wrong signature", "/oidc/userinfo", "Bearer " + good.Access[:len(good.Access)-4] + "AAAA", 401, "invalid_token"},
		{"for another service", "/oidc/userinfo", "Bearer " + mint("contoso", annUser, "openid", "api://app/read").Access, 401, "invalid_token"},
		{"for the cloud", "/oidc/userinfo", "Bearer " + mint("contoso", adminUser, "openid", "tenant.manage").Access, 401, "invalid_token"},
		{"of another tenant", "/fabrikam/openid/userinfo", "Bearer " + good.Access, 401, "invalid_token"},
		{"of a tenant that is none", "/oidc/userinfo", "Bearer " + mint("nowhere", annUser, "openid").Access, 401, "invalid_token"},
		{"without the scope", "/oidc/userinfo", "Bearer " + mint("contoso", annUser, "User.Read").Access, 403, "insufficient_scope"},
	} {
		if status, says, claims := ask("GET", tc.path, tc.authorization); status != tc.status || !strings.Contains(says, tc.says) || claims["sub"] != "" {
			t.Errorf("%s: %d %q %v", tc.name, status, says, claims)
		}
	}
	o.pass(time.Hour)
	if status, _, _ := ask("GET", "/oidc/userinfo", "Bearer "+good.Access); status != 401 {
		t.Errorf("an hour later: %d", status)
	}
	if status, _, _ := ask("DELETE", "/oidc/userinfo", "Bearer "+good.Access); status != 405 {
		t.Errorf("DELETE: %d", status)
	}
}

// Which instance and whose realm, as far as the surface alone knows it.
func TestInstanceAndRealm(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	get := func(path string) (int, map[string]any) {
		t.Helper()
		r, err := o.server.Client().Get(o.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, answer
	}
	for at, want := range map[string]string{
		o.server.URL + "/contoso/oauth2/v2.0/authorize": "", o.server.URL + "/common/oauth2/v2.0/authorize": "",
		o.server.URL + "/nowhere/oauth2/v2.0/authorize": "invalid_tenant", o.server.URL: "invalid_tenant",
		"https://evil.example/contoso/oauth2/v2.0/authorize": "invalid_instance", "": "invalid_instance", "%zz": "invalid_instance",
		strings.Replace(o.server.URL, "https", "http", 1) + "/contoso/oauth2/v2.0/authorize": "invalid_instance",
	} {
		status, answer := get("/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(at))
		if want == "" && (status != 200 || !strings.HasPrefix(answer["tenant_discovery_endpoint"].(string), o.server.URL)) || want != "" && (status != 400 || answer["error"] != want) {
			t.Errorf("%s: %d %v", at, status, answer)
		}
	}
	for user, want := range map[string]string{annUser: "Managed", "ann@federated.test": "Federated", "ann@nowhere.test": "Unknown"} {
		status, answer := get("/common/UserRealm/" + url.PathEscape(user) + "?api-version=1.0")
		if status != 200 || answer["account_type"] != want || answer["cloud_audience_urn"] != audienceURN || answer["domain_name"] == "" {
			t.Errorf("%s: %d %v", user, status, answer)
		}
		if want == "Federated" && (answer["federation_protocol"] != "WSTrust" || answer["federation_metadata_url"] != "https://fs.example/adfs/services/trust/mex") {
			t.Errorf("%s: %v", user, answer)
		}
	}
}

// FuzzSignOut leads nowhere but to a client, whatever is asked.
func FuzzSignOut(f *testing.F) {
	o := open(f, Limits{})
	for _, seed := range []string{"", "post_logout_redirect_uri=https://app.example/signed-in&state=1", "post_logout_redirect_uri=http://127.0.0.1:1/callback",
		"post_logout_redirect_uri=https://evil.example", "id_token_hint=a.b.c", "id_token_hint=eyJhbGciOiJFUzI1NiJ9.e30.AA", "%zz", "state=1&state=2", "client_id=web&post_logout_redirect_uri=//x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		v := &visit{Surface: o.Surface, r: &http.Request{URL: &url.URL{RawQuery: query}, RemoteAddr: "127.0.0.1:1"}}
		to, client, _ := o.afterSignOut(v)
		if client != "" {
			t.Fatalf("%q: a hint of nobody's making is believed: %q", query, client)
		}
		if to == "" {
			return
		}
		u, err := url.Parse(to)
		if err != nil || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q leads to %q", query, to)
		}
		if u.Scheme+"://"+u.Host+u.Path != web.Redirects[0] && !(u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost")) {
			t.Fatalf("%q leads to %q", query, to)
		}
	})
}

// FuzzClientHeader never makes one client of another.
func FuzzClientHeader(f *testing.F) {
	o := open(f, Limits{})
	o.clients["secretive"] = Client{ID: "secretive", Secret: NewSecret("a-secret-that-nobody-guesses")}
	for _, seed := range []string{"", "Basic c2VjcmV0aXZlOng=", "Basic !", "Bearer x", "Basic c2VjcmV0aXZlOmEtc2VjcmV0LXRoYXQtbm9ib2R5LWd1ZXNzZXM"} {
		f.Add(seed, "secretive", "x")
		f.Add(seed, "", "")
	}
	f.Fuzz(func(t *testing.T, header, id, secret string) {
		client, problem := o.authenticate(header, map[string]string{"client_id": id, "client_secret": secret})
		if problem != nil {
			return
		}
		if client.ID == "" || client.Secret.some && secret != "a-secret-that-nobody-guesses" && header != "Basic c2VjcmV0aXZlOmEtc2VjcmV0LXRoYXQtbm9ib2R5LWd1ZXNzZXM=" {
			t.Fatalf("%q %q %q: taken for %s", header, id, secret, client.ID)
		}
	})
}
