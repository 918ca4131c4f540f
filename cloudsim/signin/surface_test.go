package signin

import (
	"context"
	"crypto/rand"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/cloudsim/token"
)

const (
	adminUser     = "admin@contoso.test"
	adminPassword = "Administrator-1-secret"
	annUser       = "ann@contoso.test"
	annPassword   = "Ann-1-secret"
)

// web is an app with an address of its own, beside the setup client.
var web = Client{ID: "web", Name: "Web app", Redirects: []string{"https://app.example/signed-in"}}

// office is a surface with a cloud of made-up users behind it.
type office struct {
	*Surface
	testing.TB
	server  *httptest.Server
	signer  *token.Signer
	log     lockedText
	mu      sync.Mutex
	at      time.Time // its clock
	answer  Answer    // to whoever gives a right password
	asked   []Attempt
	refused map[string]int
	// standings are of users of contoso, as hash sync has them.
	standings map[string]Standing
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type keeper struct{}

func (keeper) Keep(_ string, f func() ([]byte, error)) ([]byte, error) { return f() }

// open serves until the test ends. No password may be in its log then.
func open(t testing.TB, limits Limits) *office {
	t.Helper()
	signer, err := token.New(keeper{})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{TB: t, signer: signer, at: time.Now(), refused: make(map[string]int), standings: make(map[string]Standing),
		answer: Answer{Method: "pass-through", Connector: "connector-1"}}
	mux := http.NewServeMux()
	o.server = httptest.NewUnstartedServer(mux)
	o.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	o.server.StartTLS()
	t.Cleanup(o.server.Close)
	host := strings.TrimPrefix(o.server.URL, "https://")
	o.Surface = New(o, slog.New(slog.NewJSONHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Config{
		Host: host, Administrators: []Administrator{{adminUser, "contoso"}, {"root@federated.test", "federated"}}, Password: NewPassword([]byte(adminPassword)),
		Clients: []Client{web}, Limits: limits, Now: o.now,
	})
	o.Routes(mux)
	mux.HandleFunc("POST /{tenant}"+token.TokenPath, o.tokens)
	mux.HandleFunc("GET /{tenant}"+token.DiscoveryPath, func(w http.ResponseWriter, r *http.Request) {
		tenant, _ := o.Tenant(r.PathValue("tenant"))
		document, err := tenant.Issuer.Discovery()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	mux.HandleFunc("GET /{tenant}"+token.KeysPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(signer.JWKS()) })
	t.Cleanup(func() {
		for _, secret := range []string{adminPassword, annPassword} {
			if strings.Contains(o.log.String(), secret) {
				t.Errorf("the log has a password: %s", o.log.String())
			}
		}
	})
	return o
}

// tokens is the token endpoint as the cloud has it, for other grants than the
// password's.
func (o *office) tokens(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.Error(err)
	}
	tokens, problem := o.Exchange(r.PathValue("tenant"), string(body))
	if problem != nil {
		o.Denied(problem.Reason)
		writeJSON(w, problem.Status, map[string]any{"error": problem.Word, "error_description": problem.Text, "error_codes": []int{problem.Code}})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": tokens.Access, "id_token": tokens.ID,
		"refresh_token": tokens.Refresh, "expires_in": int(tokens.Lifetime / time.Second), "scope": tokens.Scope})
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = o.at.Add(d)
}

func (o *office) issuer(tenant string) *token.Issuer {
	return o.signer.Issuer(strings.TrimPrefix(o.server.URL, "https://"), tenant)
}

// Tenant implements Cloud.
func (o *office) Tenant(name string) (Tenant, bool) {
	for _, known := range []string{"contoso", "fabrikam", "federated"} {
		if name == token.TenantID(known) {
			name = known
		}
	}
	switch name {
	case "contoso", "fabrikam":
		return Tenant{Name: name, Issuer: o.issuer(name), Standing: o.stands}, true
	case "federated":
		return Tenant{Name: name, Issuer: o.issuer(name), Federated: true, Passive: "https://fs.example/adfs/ls/"}, true
	case "lost":
		return Tenant{Name: name, Issuer: o.issuer(name), Federated: true}, true
	}
	return Tenant{}, false
}

func (o *office) stands(user string) Standing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.standings[user]
}

func (o *office) sync(user string, to Standing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.standings[user] = to
}

// TenantOf implements Cloud.
func (o *office) TenantOf(user string) (Tenant, bool) {
	_, domain, _ := strings.Cut(user, "@")
	return o.Tenant(strings.TrimSuffix(strings.ToLower(domain), ".test"))
}

// SignIn implements Cloud.
func (o *office) SignIn(_ context.Context, a Attempt) Answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, a)
	if a.Response != "" {
		return o.vouch(a)
	}
	if a.Password != annPassword {
		return Answer{Code: codeWrongPassword, Method: "pass-through"}
	}
	answer := o.answer
	answer.User = strings.ToLower(a.User)
	return answer
}

// Denied implements Cloud.
func (o *office) Denied(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused[reason]++
}

func (o *office) denials(reason string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused[reason]
}

func (o *office) expectDenied(reason string, n int) {
	o.Helper()
	if got := o.denials(reason); got != n {
		o.Errorf("%s was counted %d times; expected %d; all: %v", reason, got, n, o.refused)
	}
}

// browser is somebody's, with cookies, who goes where forms lead but not off
// this cloud.
type browser struct {
	*office
	client *http.Client
}

func (o *office) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		o.Fatal(err)
	}
	c := *o.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(q *http.Request, _ []*http.Request) error {
		if q.URL.Scheme+"://"+q.URL.Host != o.server.URL {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &browser{o, &c}
}

// shown is a page that came, or the redirect away from here.
type shown struct {
	status int
	header http.Header
	text   string
	away   *url.URL
}

func (b *browser) do(q *http.Request) shown {
	b.Helper()
	r, err := b.client.Do(q)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.Fatal(err)
	}
	s := shown{status: r.StatusCode, header: r.Header, text: string(text)}
	if r.StatusCode == http.StatusSeeOther {
		if s.away, err = r.Location(); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func (b *browser) get(path string) shown {
	b.Helper()
	q, err := http.NewRequest(http.MethodGet, b.server.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(q)
}

var (
	formPattern   = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// send fills the form of a page in, as a browser would, and presses a button.
func (b *browser) send(s shown, step string, fields ...string) shown {
	b.Helper()
	form := formPattern.FindStringSubmatch(s.text)
	if form == nil {
		b.Fatalf("no form in %d %s", s.status, s.text)
	}
	values := url.Values{"step": {step}}
	for _, h := range hiddenPattern.FindAllStringSubmatch(s.text, -1) {
		values.Set(h[1], html.UnescapeString(h[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	q, err := http.NewRequest(http.MethodPost, b.server.URL+html.UnescapeString(form[1]), strings.NewReader(values.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(q)
}

// signIn goes through user name and password.
func (b *browser) signIn(s shown, user, password string) shown {
	b.Helper()
	s = b.send(s, "user", "user", user)
	if !strings.Contains(s.text, `type="password"`) {
		b.Fatalf("after the user name: %d %s", s.status, s.text)
	}
	return b.send(s, "password", "password", password)
}

func (b *browser) expect(s shown, status int, texts ...string) {
	b.Helper()
	if s.status != status {
		b.Errorf("status %d; expected %d: %s", s.status, status, s.text)
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			b.Errorf("the page lacks %q: %s", text, s.text)
		}
	}
}

// query is a good authorization request of the setup client, changed: a value
// "-" leaves a parameter out.
func query(change ...string) string {
	q := url.Values{"client_id": {"ptabench-setup"}, "response_type": {"code"}, "redirect_uri": {"http://127.0.0.1:40000/callback"},
		"scope": {"openid profile"}, "state": {"state-1"}, "nonce": {"nonce-1"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "-" {
			q.Del(change[i])
		}
	}
	return q.Encode()
}

// verifier is that of the challenge above: the example of RFC 7636.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func authorizePath(change ...string) string {
	return "/contoso/oauth2/v2.0/authorize?" + query(change...)
}

// random is a text that nobody knows.
func random() string { return rand.Text() }
