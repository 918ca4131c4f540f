package cloudsim

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/manage"
	"ptabench/cloudsim/signin"
	"ptabench/observe"
	"ptabench/wire"
)

// administratorPassword is that of the administrators, who are not to find it
// in the log.
func (c *cloud) administratorPassword() string {
	c.Helper()
	b, err := os.ReadFile(filepath.Join(c.cfg.State, passwordFile))
	if err != nil {
		c.Fatal(err)
	}
	text := strings.TrimSpace(string(b))
	if info, err := os.Stat(filepath.Join(c.cfg.State, passwordFile)); err != nil || info.Mode().Perm() != 0o600 || len(text) < 26 {
		c.Errorf("the password file: %v, %v", info.Mode(), err)
	}
	return text
}

var (
	sealPattern   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
	actionPattern = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// visitor is a browser without its eyes.
func (c *cloud) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.Fatal(err)
	}
	return &http.Client{Transport: c.users.Transport, Timeout: waits, Jar: jar,
		CheckRedirect: func(q *http.Request, _ []*http.Request) error {
			if q.URL.Host != c.ready.Ports["443"] {
				return http.ErrUseLastResponse
			}
			return nil
		}}
}

// page signs a visitor in at an address, and returns the page that follows or
// where the browser is sent.
func (c *cloud) page(v *http.Client, at, user, password string) (text string, away *url.URL) {
	c.Helper()
	r, err := v.Get(at)
	if err != nil {
		c.Fatal(err)
	}
	first := read(c, r)
	seal, action := sealPattern.FindStringSubmatch(first), actionPattern.FindStringSubmatch(first)
	if seal == nil || action == nil {
		c.Fatalf("no form at %s: %s", at, first)
	}
	r, err = v.PostForm(c.url(html.UnescapeString(action[1])), url.Values{"csrf": {seal[1]}, "step": {"password"}, "user": {user}, "password": {password}})
	if err != nil {
		c.Fatal(err)
	}
	text = read(c, r)
	if r.StatusCode == http.StatusSeeOther {
		away, err = r.Location()
	}
	if err != nil {
		c.Fatal(err)
	}
	return text, away
}

func read(t testing.TB, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// adminToken is what an administrator of a tenant gets by the sign-in page.
func (c *cloud) adminToken(tenant, domain string, scopes ...string) string {
	c.Helper()
	config := oauth2.Config{ClientID: "ptabench-setup", RedirectURL: "http://127.0.0.1:1/callback", Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.url("/" + tenant + "/oauth2/v2.0/authorize"), TokenURL: c.url("/" + tenant + "/oauth2/v2.0/token")}}
	verifier := oauth2.GenerateVerifier()
	text, away := c.page(c.visitor(), config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "admin@"+domain, c.administratorPassword())
	if away == nil || away.Query().Get("code") == "" {
		c.Fatalf("no code: %v %s", away, text)
	}
	ctx := context.WithValue(c.Context(), oauth2.HTTPClient, c.users)
	tokens, err := config.Exchange(ctx, away.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		c.Fatal(err)
	}
	return tokens.AccessToken
}

// An administrator's token registers one connector of the administrator's
// tenant.
func TestRegistrationByAnAdministrator(t *testing.T) {
	t.Parallel()
	c := start(t)
	both := []string{"openid", "connector.register", "tenant.manage"}
	good := c.adminToken("contoso", "contoso.test", both...)
	foreign := c.adminToken("fabrikam", "fabrikam.test", both...)
	scopeless := c.adminToken("contoso", "contoso.test", "tenant.manage")
	plain := c.adminToken("contoso", "contoso.test", "openid")
	c.secret(good, foreign, scopeless, plain)
	if strings.Contains(c.log.String(), c.administratorPassword()) {
		t.Error("the administrators' password is in the log")
	}
	forged := good[:len(good)-4] + "AAAA"
	for _, tc := range []struct {
		name, token, reason string
		code                codes.Code
	}{
		{"of another tenant", foreign, "registration-token-of-another-tenant", codes.Unauthenticated},
		{"without the scope", scopeless, "registration-token-scope", codes.PermissionDenied},
		{"for another audience", plain, "registration-token-audience", codes.Unauthenticated},
		{"with a wrong signature", forged, "registration-token-signature", codes.Unauthenticated},
		{"that is none", "a.b.c", "registration-token-malformed", codes.Unauthenticated},
	} {
		if _, err := c.tryRegister("contoso", "connector-1", tc.token); status.Code(err) != tc.code {
			t.Errorf("a token %s: %v", tc.name, err)
		}
		c.denied(tc.reason, 1)
	}
	if _, err := c.tryRegister("contoso", "connector-1", good); err != nil {
		t.Fatal(err)
	}
	if _, err := c.tryRegister("contoso", "connector-2", good); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a token was good twice: %v", err)
	}
	c.denied("registration-token-used", 1)
	if _, status := c.manage(http.MethodGet, "/contoso/admin/connectors", good, ""); status != 200 {
		t.Errorf("used up for registration, the token manages no more: %d", status)
	}
}

// manage calls the administrator's API.
func (c *cloud) manage(method, path, token, body string) (answer string, status int) {
	c.Helper()
	q, err := http.NewRequest(method, c.url(path), strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	r, err := c.users.Do(q)
	if err != nil {
		c.Fatal(err)
	}
	return read(c, r), r.StatusCode
}

// An administrator chooses the method; sign-ins follow at once, and after a
// restart.
func TestSignInMethod(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.push("contoso", hashSyncToken, account("ann@contoso.test", password, false), 200)
	l := c.register("connector-1").attach()
	l.respond.Store(always(wire.Result_RESULT_LOCKED))
	token := c.adminToken("contoso", "contoso.test", "tenant.manage")
	set := func(body string) manage.Method {
		t.Helper()
		text, status := c.manage(http.MethodPut, "/contoso/admin/sign-in-method", token, body)
		var m manage.Method
		if err := json.Unmarshal([]byte(text), &m); status != 200 || err != nil {
			t.Fatalf("%s: %d %s, %v", body, status, text, err)
		}
		return m
	}
	text, code := c.manage(http.MethodGet, "/contoso/admin/sign-in-method", token, "")
	if code != 200 || !strings.Contains(text, `{"method":"pass-through","hash_sync_backup":false,"federation_metadata":""}`) {
		t.Errorf("as configured: %d %s", code, text)
	}
	c.expect(c.signIn("ann@contoso.test", password), 400, 50053, PassThrough, "connector-1", "1")
	set(`{"method":"hash-sync"}`)
	c.event(observe.MethodChosen, "hash-sync")
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, HashSync, "", "0")
	set(`{"method":"none"}`)
	c.expect(c.signIn("ann@contoso.test", password), 400, 50034, "", "", "0")
	if m := set(`{"method":"federation","federation_metadata":"https://127.0.0.1:1/metadata.xml"}`); m.Warning == "" || m.PassiveEndpoint != "" {
		t.Errorf("metadata that nobody serves: %+v", m)
	}
	c.expect(c.signIn("ann@contoso.test", password), 400, 50107, "", "", "0")
	if text, _ := c.page(c.visitor(), c.url("/"), "ann@contoso.test", password); !strings.Contains(text, "AADSTS50107") || !strings.Contains(text, "federation metadata") {
		t.Errorf("the page of a federated user: %s", text)
	}
	// Hash sync stands in for a federation server that nobody knows the place of,
	// where anything was synced.
	const unread = `{"method":"federation","hash_sync_backup":true,"federation_metadata":"https://127.0.0.1:1/metadata.xml"}`
	if m := set(unread); !m.HashSyncBackup || !strings.Contains(m.Warning, "hash sync answers") {
		t.Errorf("%+v", m)
	}
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, HashSync, "", "0")
	c.expect(c.signIn("ann@contoso.test", "not "+password), 400, 50126, HashSync, "", "0")
	if text, _ := c.page(c.visitor(), c.url("/"), "ann@contoso.test", password); !strings.Contains(text, "Hello, ann") {
		t.Errorf("the page, with backup: %s", text)
	}
	other, _ := c.manage(http.MethodPut, "/fabrikam/admin/sign-in-method", c.adminToken("fabrikam", "fabrikam.test", "tenant.manage"), unread)
	if !strings.Contains(other, "nothing was synced") {
		t.Errorf("a tenant without hash sync: %s", other)
	}
	c.expect(c.signIn("ann@fabrikam.test", password), 400, 50107, "", "", "0")
	// With backup, a failed path falls back.
	if m := set(`{"method":"pass-through","hash_sync_backup":true}`); !m.HashSyncBackup {
		t.Errorf("%+v", m)
	}
	l.respond.Store(always(wire.Result_RESULT_DIRECTORY_UNREACHABLE))
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, HashSync, "", "1")
	set(`{"method":"pass-through"}`)
	c.expect(c.signIn("ann@contoso.test", password), 503, int(dispatch.DirectoryUnreachable), "", "", "1")
	set(`{"method":"hash-sync"}`)

	for _, tc := range []struct {
		name, body, reason string
		status             int
	}{
		{"another method", `{"method":"sms"}`, "admin-malformed-method", 400},
		{"backup of hash sync", `{"method":"hash-sync","hash_sync_backup":true}`, "admin-malformed-method", 400},
		{"federation without metadata", `{"method":"federation"}`, "admin-malformed-method", 400},
		{"metadata by http", `{"method":"federation","federation_metadata":"http://fs.test/x"}`, "admin-malformed-method", 400},
		{"a field that is not known", `{"method":"none","x":1}`, "admin-malformed-method", 400},
		{"two objects", `{"method":"none"}{}`, "admin-malformed-method", 400},
		{"nothing", ``, "admin-malformed-method", 400},
		{"too much", `{"method":"` + strings.Repeat("x", 10_000) + `"}`, "admin-malformed-method", 400},
	} {
		if text, code := c.manage(http.MethodPut, "/contoso/admin/sign-in-method", token, tc.body); code != tc.status || !strings.Contains(text, "invalid_request") {
			t.Errorf("%s: %d %s", tc.name, code, text)
		}
	}
	c.denied("admin-malformed-method", 8)
	registering := c.adminToken("contoso", "contoso.test", "connector.register")
	foreign := c.adminToken("fabrikam", "fabrikam.test", "tenant.manage")
	for _, tc := range []struct {
		token, reason string
		status        int
	}{
		{"", "admin-token-missing", 401}, {"x", "admin-token-malformed", 401}, {registering, "admin-token-scope", 403},
		{foreign, "admin-token-of-another-tenant", 401}, {token[:len(token)-4] + "AAAA", "admin-token-signature", 401},
		{c.registrationToken("contoso"), "admin-token-malformed", 401},
	} {
		before := c.counters().Denied[tc.reason]
		if text, code := c.manage(http.MethodPut, "/contoso/admin/sign-in-method", tc.token, `{"method":"none"}`); code != tc.status {
			t.Errorf("%s: %d %s", tc.reason, code, text)
		}
		c.denied(tc.reason, before+1)
	}

	// A token for a further host.
	text, code = c.manage(http.MethodPost, "/contoso/admin/registration-tokens", token, "")
	var further struct {
		Token   string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(text), &further); code != 201 || err != nil || time.Until(further.Expires) < 30*time.Minute {
		t.Fatalf("%d %s, %v", code, text, err)
	}
	if _, err := c.tryRegister("contoso", "connector-2", further.Token); err != nil {
		t.Error(err)
	}
	text, code = c.manage(http.MethodGet, "/contoso/admin/connectors", token, "")
	var list observe.Inventory
	if err := json.Unmarshal([]byte(text), &list); code != 200 || err != nil || len(list.Connectors) != 2 {
		t.Errorf("%d %s, %v", code, text, err)
	}

	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, func(cfg *Config) { cfg.State = c.cfg.State })
	again.expect(again.signIn("ann@contoso.test", password), 200, 0, HashSync, "", "0")
}

// The page's sign-ins take the path of the password grant and stand in the same
// books.
func TestPageIsInTheBooks(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.SignInLog = filepath.Join(t.TempDir(), "sign-ins.csv") })
	l := c.register("connector-1").attach()
	text, _ := c.page(c.visitor(), c.url("/"), "ann@contoso.test", password)
	for _, want := range []string{"Hello, ann", "pass-through", "connector-1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	l.respond.Store(always(wire.Result_RESULT_LOCKED))
	if text, _ = c.page(c.visitor(), c.url("/"), "ann@contoso.test", password); !strings.Contains(text, "AADSTS50053") {
		t.Errorf("a locked account: %s", text)
	}
	if n := c.tenant("contoso"); n.Received != 2 || n.Accepted != 1 || n.Refused != 1 || n.PassThrough != 2 {
		t.Errorf("counters %+v", n)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.cfg.SignInLog)
	if err != nil {
		t.Fatal(err)
	}
	if log := string(b); !strings.Contains(log, ",contoso,ann@contoso.test,accepted,0,pass-through,connector-1,1") || !strings.Contains(log, ",refused,50053,") {
		t.Errorf("sign-in log %s", log)
	}
}

// Users are told something of every code that they may meet.
func TestEveryCodeHasAText(t *testing.T) {
	codes := []int{codeFederated, codeUnknownUser, 50055, 80014}
	for _, code := range refusals {
		codes = append(codes, code)
	}
	for _, f := range []dispatch.Failure{dispatch.NoConnector, dispatch.DeadlineOver, dispatch.Transient, dispatch.DirectoryUnreachable, dispatch.CannotOpen} {
		codes = append(codes, int(f))
	}
	for _, code := range codes {
		if !signin.Explains(code) {
			t.Errorf("AADSTS%d has no text for users", code)
		}
	}
}

// What is wrong with a configuration of administrators is said before anything
// starts.
func TestAdministratorConfiguration(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"admin", "@contoso.test", "admin@elsewhere.test", "a b@contoso.test", "a\n@contoso.test"} {
		cfg := settings(t)
		cfg.Administrators = []string{name}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "administrator: ") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, text := range []string{"", "\n", "a\nb\n", "a\x00", "\xff", strings.Repeat("x", signin.MaxPassword+1)} {
		cfg := settings(t)
		cfg.AdministratorPasswordFile = filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(cfg.AdministratorPasswordFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.administratorPassword(); err == nil || text != "" && len(text) > 4 && strings.Contains(err.Error(), text) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	cfg := settings(t)
	cfg.AdministratorPasswordFile = filepath.Join(t.TempDir(), "none")
	if _, err := cfg.administratorPassword(); err == nil {
		t.Error("a file that was named and is not there was made up")
	}
	cfg.Administrators = []string{"root@Example.test"}
	if list := cfg.administrators(); len(list) != 2 || list[0] != (signin.Administrator{User: "root@Example.test", Tenant: "contoso"}) || list[1].User != "admin@fabrikam.test" {
		t.Errorf("administrators %+v", list)
	}
}

// Where nothing is, people find a page, and programs a line.
func TestNothingThere(t *testing.T) {
	t.Parallel()
	c := start(t)
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml": "<h1>Page not found</h1>", "application/json": "404 page not found", "": "404 page not found",
	} {
		q, err := http.NewRequest(http.MethodGet, c.url("/contoso/nothing"), nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Accept", accept)
		if r := c.do(q); r.status != 404 || !strings.Contains(string(r.body), want) || strings.Contains(string(r.body), "<h1>") != strings.HasPrefix(want, "<") {
			t.Errorf("Accept %q: %v %s", accept, r, r.body)
		}
	}
	c.denied("unknown-path", 3)
}
