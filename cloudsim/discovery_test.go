package cloudsim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/token"
)

// However a client calls a tenant, the issuer of its tokens is the one that the
// discovery document there tells it to expect.
func TestDiscoveryByAddress(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.register("connector-1").attach()
	id := token.TenantID("contoso")
	for address, issuer := range map[string]string{"contoso": "contoso", "common": "{tenantid}", "organizations": "{tenantid}",
		id: id, strings.ToUpper(id): id, "contoso.test": id, "EXAMPLE.test": id} {
		var doc struct {
			Issuer string `json:"issuer"`
			Token  string `json:"token_endpoint"`
			Keys   string `json:"jwks_uri"`
		}
		r := c.document("/" + address + token.DiscoveryPath)
		if err := json.Unmarshal(r.body, &doc); err != nil || r.status != 200 || doc.Issuer != c.url("/"+issuer+"/v2.0") {
			t.Errorf("%s: %v, %v", address, r, err)
			continue
		}
		var keys jose.JSONWebKeySet
		if r = c.document(strings.TrimPrefix(doc.Keys, c.url(""))); json.Unmarshal(r.body, &keys) != nil || len(keys.Keys) != 1 {
			t.Errorf("%s: keys %v", address, r)
			continue
		}
		q, err := http.NewRequest(http.MethodPost, doc.Token, strings.NewReader(form("ann@contoso.test", password).Encode()))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", formType)
		r = c.do(q)
		parsed, err := jwt.ParseSigned(r.ID, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatalf("%s: %v, %v", address, r, err)
		}
		var claims jwt.Claims
		var more struct {
			Tenant string `json:"tid"`
		}
		if err := parsed.Claims(keys.Keys[0], &claims, &more); err != nil || claims.Issuer != strings.Replace(doc.Issuer, "{tenantid}", more.Tenant, 1) {
			t.Errorf("%s: issuer %s, %v", address, claims.Issuer, err)
		}
	}
	for _, address := range []string{"nowhere", "%7Btenantid%7D", "Contoso", token.TenantID("nowhere")} {
		if r := c.document("/" + address + token.DiscoveryPath); r.status != 400 || r.code() != codeUnknownTenant {
			t.Errorf("%s: %v", address, r)
		}
	}
}

// Wrong passwords lock an account, whichever way they come; whose repeats are
// counted depends on who compares them.
func TestLockoutOfAccounts(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) {
		cfg.Lockout = lockout.Rule{Failures: 4, First: time.Second}
		cfg.Tenants[1].Method = HashSync
	})
	c.register("connector-1").attach()
	c.push("fabrikam", hashSyncToken, account("ben@fabrikam.test", password, false), 200)
	ann, ben := "ann@contoso.test", "ben@fabrikam.test"
	wrong := func(user, text string) {
		t.Helper()
		if r := c.signIn(user, text); r.code() != codeWrongPassword {
			t.Errorf("%s, %s: %v", user, text, r)
		}
	}
	wrong(ann, "a-wrong-guess")
	wrong(ann, "a-wrong-guess")
	wrong(strings.ToUpper(ann), "a-wrong-guess")
	if text, _ := c.page(c.visitor(), c.url("/"), ann, "a-wrong-guess"); !strings.Contains(text, "AADSTS50126") {
		t.Error(text)
	}
	attempts := c.tenant("contoso").Attempts
	c.expect(c.signIn(ann, password), 400, codeLocked, "", "", "0")
	if text, _ := c.page(c.visitor(), c.url("/"), ann, password); !strings.Contains(text, "AADSTS50053") || !strings.Contains(text, "temporarily locked") {
		t.Error(text)
	}
	if n := c.tenant("contoso"); n.Attempts != attempts || n.Received != n.Accepted+n.Refused+n.Failed {
		t.Errorf("of a locked account: %+v", n)
	}
	c.denied("sign-in-locked", 2)
	for range 9 {
		wrong(ben, "a-wrong-guess")
	}
	wrong(ben, "another-wrong-guess")
	wrong(ben, "a-third-wrong-guess")
	if r := c.signIn(ben, password); r.status != 200 {
		t.Errorf("repeats locked: %v", r)
	}
	for _, n := range []string{"1", "2", "3", "4"} {
		wrong(ben, "wrong-guess-number-"+n)
	}
	c.expect(c.signIn(ben, password), 400, codeLocked, "", "", "0")
	eventually(t, "the lock ends", func() bool { return c.signIn(ann, password).status == 200 })
}

// Apps of one's own: one with a server and a secret, one without.
func TestClients(t *testing.T) {
	t.Parallel()
	const at, secret = "https://app.example/signed-in", "a-secret-of-a-client-with-a-server"
	c := start(t, func(cfg *Config) {
		cfg.Clients = []signin.Client{{ID: "web", Name: "web", Redirects: []string{at}, Secret: signin.NewSecret(secret)},
			{ID: "desk", Name: "desk", Redirects: []string{"http://localhost"}, Devices: true}}
	})
	c.register("connector-1").attach()
	c.secret(secret)
	code := func() string {
		t.Helper()
		q := url.Values{"client_id": {"web"}, "response_type": {"code"}, "redirect_uri": {at}, "scope": {"openid"}, "response_mode": {"fragment"}}
		_, away := c.page(c.visitor(), c.url("/contoso/oauth2/v2.0/authorize?"+q.Encode()), "ann@contoso.test", password)
		if away == nil || away.Host != "app.example" || away.RawQuery != "" {
			t.Fatalf("the answer went to %v", away)
		}
		values, err := url.ParseQuery(away.Fragment)
		if err != nil || values.Get("code") == "" {
			t.Fatal(away)
		}
		return values.Get("code")
	}
	redeem := func(header func(*http.Request), more ...string) *reply {
		t.Helper()
		f := url.Values{"grant_type": {"authorization_code"}, "code": {code()}, "redirect_uri": {at}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		q := c.request("contoso", f.Encode())
		if header != nil {
			header(q)
		}
		return c.do(q)
	}
	basic := func(id, secret string) func(*http.Request) {
		return func(q *http.Request) { q.SetBasicAuth(id, secret) }
	}
	for _, tc := range []struct {
		name   string
		header func(*http.Request)
		form   []string
		status int
	}{
		{"in the form", nil, []string{"client_id", "web", "client_secret", secret}, 200},
		{"in the header", basic("web", secret), nil, 200},
		{"in the header, and the ID in both", basic("web", secret), []string{"client_id", "web"}, 200},
		{"wrong", nil, []string{"client_id", "web", "client_secret", "wrong"}, 401},
		{"wrong in the header", basic("web", "wrong"), nil, 401},
		{"none", nil, []string{"client_id", "web"}, 401},
		{"twice", basic("web", secret), []string{"client_secret", secret}, 400},
		{"another's", basic("web", secret), []string{"client_id", "desk"}, 400},
		{"garbage", func(q *http.Request) { q.Header.Set("Authorization", "Basic %") }, []string{"client_id", "web"}, 400},
		{"a public client", nil, []string{"client_id", "desk"}, 400},
	} {
		if r := redeem(tc.header, tc.form...); r.status != tc.status {
			t.Errorf("%s: %v; expected %d", tc.name, r, tc.status)
		}
	}
	// With a user's password too, nobody gets tokens in the name of a client whose
	// secret he does not know.
	attempts := c.tenant("contoso").Received
	for _, tc := range []struct {
		name         string
		header       func(*http.Request)
		form         []string
		status, code int
		audience     string
	}{
		{"secret in the form", nil, []string{"client_id", "web", "client_secret", secret}, 200, 0, "web"},
		{"secret in the header", basic("web", secret), nil, 200, 0, "web"},
		{"no secret", nil, []string{"client_id", "web"}, 401, 7000218, ""},
		{"wrong secret", nil, []string{"client_id", "web", "client_secret", "wrong"}, 401, 7000215, ""},
		{"wrong secret in the header", basic("web", "wrong"), nil, 401, 7000215, ""},
		{"two clients", basic("web", secret), []string{"client_id", "desk"}, 400, 90014, ""},
		{"garbage in the header", func(q *http.Request) { q.Header.Set("Authorization", "Basic %") }, nil, 400, 90014, ""},
		// As x/oauth2 tries first, also for a client without a secret.
		{"a public client in the header", basic("desk", ""), nil, 200, 0, "desk"},
		{"one that nobody knows", nil, []string{"client_id", "anything"}, 200, 0, "anything"},
	} {
		f := form("ann@contoso.test", password)
		f.Del("client_id")
		for i := 0; i < len(tc.form); i += 2 {
			f.Set(tc.form[i], tc.form[i+1])
		}
		q := c.request("contoso", f.Encode())
		if tc.header != nil {
			tc.header(q)
		}
		r := c.do(q)
		if r.status != tc.status || r.code() != tc.code {
			t.Errorf("%s: %v; expected %d, code %d", tc.name, r, tc.status, tc.code)
		}
		if tc.audience != "" && !strings.Contains(payload(t, r.ID), `"aud":"`+tc.audience+`"`) {
			t.Errorf("%s: an id token for %s", tc.name, payload(t, r.ID))
		}
	}
	if n := c.tenant("contoso").Received - attempts; n != 4 {
		t.Errorf("%d passwords were tried; expected those of 4 clients", n)
	}
	v := c.visitor()
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := v.Get(c.url("/contoso/oauth2/v2.0/authorize?client_id=desk&response_type=code&scope=openid&redirect_uri=http://localhost:1"))
	if err != nil {
		t.Fatal(err)
	}
	read(t, r)
	if away, err := r.Location(); err != nil || away.Host != "localhost:1" || !strings.Contains(away.Query().Get("error_description"), "AADSTS9002325") {
		t.Errorf("a public client without a challenge: %v, %v", away, err)
	}
	// What a client is registered with is checked before anything starts.
	cfg := settings(t)
	cfg.Clients = []signin.Client{{ID: "a b"}, {ID: "x", Redirects: []string{"http://app.example", "https://u@app.example", "ftp://x", "https://x#y", ""}},
		{ID: signin.Setup.ID, Redirects: []string{at}}}
	err = cfg.Validate()
	for _, want := range []string{`client: "a b"`, `client a b: 0`, `"http://app.example"`, `"https://u@app.example"`, `"ftp://x"`, `"https://x#y"`, `client x: ""`, `client: "ptabench-setup"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}

// payload is what a token says.
func payload(t *testing.T, text string) string {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", text)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A refresh token is good for as long as hash sync has the account enabled,
// whichever way the password was checked.
func TestRefreshOfADisabledAccount(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Tenants[1].Method = HashSync })
	const ben = "ben@fabrikam.test"
	var kept struct {
		Refresh string `json:"refresh_token"`
	}
	ask := func(f url.Values, code int) {
		t.Helper()
		r := c.do(c.request("fabrikam", f.Encode()))
		if r.code() != code || (r.status == 200) != (code == 0) {
			t.Fatalf("%v; expected code %d", r, code)
		}
		if code != 0 {
			return
		}
		if err := json.Unmarshal(r.body, &kept); err != nil || kept.Refresh == "" {
			t.Fatalf("no refresh token: %v", err)
		}
		c.secret(kept.Refresh)
	}
	refresh := func(code int) {
		t.Helper()
		ask(url.Values{"grant_type": {token.RefreshGrant}, "client_id": {signin.CommandLine.ID}, "refresh_token": {kept.Refresh}}, code)
	}
	c.push("fabrikam", hashSyncToken, account(ben, password, false), 200)
	first := form(ben, password)
	first.Set("client_id", signin.CommandLine.ID)
	first.Set("scope", "openid offline_access")
	ask(first, 0)
	refresh(0)
	c.push("fabrikam", hashSyncToken, account(strings.ToUpper(ben), password, true), 200)
	refresh(codeDisabled)
	c.push("fabrikam", hashSyncToken, account(ben, password, false), 200)
	refresh(0)
	c.push("fabrikam", hashSyncToken, `{"upn":"`+ben+`","deleted":true}`, 200)
	refresh(codeDisabled)
	c.denied("refresh-user-disabled", 2)
}

// The user realm says which way a password has to go, by the domain.
func TestUserRealm(t *testing.T) {
	t.Parallel()
	c := start(t)
	for user, want := range map[string]string{"ann@contoso.test": "Managed", "ANN@Example.TEST": "Managed", "ann@nowhere.test": "Unknown", "ann": "Unknown"} {
		for _, path := range []string{"/common/UserRealm/", "/common/userrealm/"} {
			var answer map[string]string
			r := c.document(path + url.PathEscape(user) + "?api-version=1.0")
			if err := json.Unmarshal(r.body, &answer); err != nil || r.status != 200 || answer["account_type"] != want || answer["federation_metadata_url"] != "" {
				t.Errorf("%s: %v, %v", user, r, err)
			}
		}
	}
	for _, user := range []string{"a%00@contoso.test", "%ff@contoso.test", strings.Repeat("n", 10_000) + "@contoso.test"} {
		if r := c.document("/common/UserRealm/" + user); r.status != 400 {
			t.Errorf("%.40s: %v", user, r)
		}
	}
}
