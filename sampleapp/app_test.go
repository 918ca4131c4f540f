package sampleapp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/cloudsim"
	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/signin"
	"ptabench/observe"
	"ptabench/sampleapp"
	"ptabench/synchash"
)

const (
	user     = "zoë@contoso.test"
	password = "zoë's secret password"
	within   = 30 * time.Second
	syncing  = "hash-sync-token-of-these-tests"
)

// lockedText takes a log.
type lockedText struct {
	mu sync.Mutex
	b  bytes.Buffer
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

// run runs a role until the test ends.
func run(t *testing.T, role func(ctx context.Context, ready func(observe.Ready)) error) observe.Ready {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() { ended <- role(ctx, func(r observe.Ready) { ready <- r }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	select {
	case r := <-ready:
		return r
	case err := <-ended:
		ended <- nil
		t.Fatalf("not ready: %v", err)
	case <-time.After(within):
		t.Fatal("not ready")
	}
	return observe.Ready{}
}

// stage is a cloud with two tenants whose users it knows by hash sync, and the
// app of one of them.
type stage struct {
	*testing.T
	cloud, app observe.Ready
	roots      *x509.CertPool
	log        *lockedText // of the app
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, log: &lockedText{}}
	cfg := cloudsim.Config{Name: "cloudsim", State: filepath.Join(t.TempDir(), "state"), Listen: "127.0.0.1",
		Tenants: []cloudsim.Tenant{{Name: "contoso", Domains: []string{"contoso.test"}, Method: cloudsim.HashSync, Fallback: cloudsim.Off},
			{Name: "fabrikam", Domains: []string{"fabrikam.test"}, Method: cloudsim.HashSync, Fallback: cloudsim.Off}},
		Queue: dispatch.Settings{Policy: dispatch.LeastOutstanding, Attempts: 3, Deadline: 20 * time.Second, AttemptTimeout: 20 * time.Second,
			Queue: 1000, Threshold: 5, Probe: 50 * time.Millisecond},
		Heartbeat: 100 * time.Millisecond, HeartbeatMisses: 3, SealRollover: time.Hour, SealRolloverCount: 1 << 20,
		CertificateLifetime: time.Hour, CRLValidity: time.Hour, ObserveToken: "observe-token", HashSyncToken: syncing}
	s.cloud = run(t, func(ctx context.Context, ready func(observe.Ready)) error {
		return cloudsim.Run(ctx, slog.New(slog.DiscardHandler), cfg, ready)
	})
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM([]byte(s.cloud.CAPEM)) {
		t.Fatal("no authority")
	}
	for tenant, name := range map[string]string{"contoso": user, "fabrikam": "ben@fabrikam.test"} {
		h := synchash.New(password)
		line, err := json.Marshal(map[string]any{"upn": name, "salt": h.Salt[:], "hash": h.Sum[:]})
		if err != nil {
			t.Fatal(err)
		}
		q, err := http.NewRequest(http.MethodPost, "https://"+s.cloud.Ports["hashsync"]+"/"+tenant+"/hashsync/accounts", bytes.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+syncing)
		s.browser().do(q, http.StatusOK)
	}
	s.app = run(t, func(ctx context.Context, ready func(observe.Ready)) error {
		return sampleapp.Run(ctx, slog.New(slog.NewJSONHandler(s.log, nil)), sampleapp.Config{Name: "app", Listen: "127.0.0.1:0",
			Issuer: s.issuer("contoso"), Roots: s.roots, Client: signin.Sample.ID}, ready)
	})
	return s
}

func (s *stage) issuer(tenant string) string {
	return "https://" + s.cloud.Ports["443"] + "/" + tenant + "/v2.0"
}

func (s *stage) home() string { return "http://" + s.app.Ports["http"] + "/" }

// browser is somebody's, without scripts. It stops at redirects where held says.
type browser struct {
	*stage
	client *http.Client
	held   func(*url.URL) bool
}

func (s *stage) browser() *browser {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	b := &browser{stage: s}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
	s.Cleanup(transport.CloseIdleConnections)
	b.client = &http.Client{Jar: jar, Timeout: within, Transport: transport, CheckRedirect: func(q *http.Request, _ []*http.Request) error {
		if b.held != nil && b.held(q.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// page is what came, and from where.
type page struct {
	at     *url.URL
	text   string
	header http.Header
	next   *url.URL // of a redirect that was held
}

func (b *browser) do(q *http.Request, status int) page {
	b.Helper()
	r, err := b.client.Do(q)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		b.Fatalf("%s: %d, %v; expected %d: %s", q.URL, r.StatusCode, err, status, text)
	}
	p := page{at: r.Request.URL, text: string(text), header: r.Header}
	p.next, _ = r.Location() // none where it is no redirect
	return p
}

func (b *browser) get(at string, status int) page {
	b.Helper()
	q, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(q, status)
}

var (
	actionPattern = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	fieldPattern  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// send fills in the form of a page.
func (b *browser) send(p page, status int, fields ...string) page {
	b.Helper()
	action := actionPattern.FindStringSubmatch(p.text)
	if action == nil {
		b.Fatalf("no form: %s", p.text)
	}
	values := url.Values{}
	for _, field := range fieldPattern.FindAllStringSubmatch(p.text, -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	at, err := p.at.Parse(html.UnescapeString(action[1]))
	if err != nil {
		b.Fatal(err)
	}
	q, err := http.NewRequest(http.MethodPost, at.String(), strings.NewReader(values.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(q, status)
}

func (b *browser) signIn(p page, user string, status int) page {
	b.Helper()
	return b.send(p, status, "step", "password", "user", user, "password", password)
}

func (b *browser) expect(p page, texts ...string) {
	b.Helper()
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			b.Errorf("%s lacks %q: %s", p.at, text, p.text)
		}
	}
}

// Somebody signs in, is greeted by name, and signs out of both.
func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.browser()
	p := b.get(s.home(), 200)
	b.expect(p, "<h1>Welcome</h1>")
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if p.header.Get(name) != want {
			t.Errorf("%s %q", name, p.header.Get(name))
		}
	}
	p = b.signIn(b.get(s.home()+"sign-in", 200), user, 200)
	b.expect(p, "<h1>Hello, zoë</h1>", user)
	if p.at.String() != s.home() {
		t.Errorf("the browser is at %s", p.at)
	}
	b.expect(b.get("https://"+s.cloud.Ports["443"]+"/", 200), "Hello, zoë")
	b.expect(s.browser().get(s.home(), 200), "<h1>Welcome</h1>") // nobody else is
	b.expect(b.get(s.home()+"nowhere", 404), "<h1>Page not found</h1>", `href="/"`)
	p = b.send(b.get(s.home(), 200), 200)
	b.expect(p, "<h1>Welcome</h1>")
	if p.at.Host != s.app.Ports["http"] {
		t.Errorf("after signing out the browser is at %s", p.at)
	}
	b.expect(b.get("https://"+s.cloud.Ports["443"]+"/", 200), `id="user"`)
	for _, secret := range []string{password, "eyJ"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, s.log.String())
		}
	}
}

// Answers that do not belong to a sign-in of this browser sign nobody in.
func TestMixedUp(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, tc := range []struct {
		name, user, says string
		request          func(*url.URL)
		answer           func(url.Values)
	}{
		{"another state", user, "was not begun in this browser", nil, func(q url.Values) { q.Set("state", "x") }},
		{"no state", user, "was not begun in this browser", nil, func(q url.Values) { q.Del("state") }},
		{"another nonce", user, "The answer of the sign-in service could not be used.", change("nonce", "other"), nil},
		{"no nonce", user, "The answer of the sign-in service could not be used.", change("nonce", ""), nil},
		{"another challenge", user, "invalid_grant: AADSTS", change("code_challenge", strings.Repeat("x", 43)), nil},
		{"another code", user, "invalid_grant: AADSTS", nil, func(q url.Values) { q.Set("code", "x") }},
		{"another tenant", "ben@fabrikam.test", "of another issuer", func(u *url.URL) { u.Path = strings.Replace(u.Path, "contoso", "fabrikam", 1) }, nil},
		{"another tenant that is not named", "ben@fabrikam.test", "invalid_grant: AADSTS", func(u *url.URL) { u.Path = strings.Replace(u.Path, "contoso", "fabrikam", 1) },
			func(q url.Values) { q.Del("iss") }},
		{"a problem", user, "The sign-in was cancelled or refused.</p>\n<p class=\"detail\">access_denied: ", nil, func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", "<b>no</b>\x00\u202e")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := s.browser()
			b.stage = &stage{T: t, cloud: s.cloud, app: s.app, roots: s.roots, log: s.log}
			b.held = func(at *url.URL) bool { return at.Path == "/signed-in" || strings.HasSuffix(at.Path, "/authorize") }
			at := b.get(s.home()+"sign-in", 303).next
			if tc.request != nil {
				tc.request(at)
			}
			away := b.signIn(b.get(at.String(), 200), tc.user, 303).next
			q := away.Query()
			if q.Get("code") == "" {
				t.Fatal(away)
			}
			if tc.answer != nil {
				tc.answer(q)
			}
			away.RawQuery = q.Encode()
			b.held = nil
			p := b.get(away.String(), 400)
			b.expect(p, `role="alert"`, tc.says)
			if strings.Contains(p.text, "<b>") || strings.ContainsAny(p.text, "\x00\u202e") {
				t.Errorf("the page shows what came: %s", p.text)
			}
			b.expect(b.get(s.home(), 200), "<h1>Welcome</h1>")
		})
	}
	// What was begun in one browser is not ended in another, nor twice.
	b, other := s.browser(), s.browser()
	b.held = func(at *url.URL) bool { return at.Path == "/signed-in" }
	away := b.signIn(b.get(s.home()+"sign-in", 200), user, 303).next.String()
	other.get(s.home()+"sign-in", 200)
	b.expect(other.get(away, 400), "was not begun in this browser")
	b.expect(b.get(away, 400), "was not begun in this browser")
	// Nor signed out by another site.
	q, err := http.NewRequest(http.MethodPost, s.home()+"sign-out", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	b.do(q, 403)
}

func change(name, value string) func(*url.URL) {
	return func(u *url.URL) {
		q := u.Query()
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := sampleapp.Config{Listen: "127.0.0.1:0", Issuer: "https://127.0.0.1:1/contoso/v2.0", Client: "x"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	err := (&sampleapp.Config{Listen: "0.0.0.0:0", Issuer: "http://127.0.0.1/contoso"}).Validate()
	for _, want := range []string{`listen: "0.0.0.0:0"`, `issuer: "http:`, `client: ""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}
