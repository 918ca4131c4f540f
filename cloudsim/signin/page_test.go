package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Every page says of itself what browsers are to forbid it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	for _, path := range []string{"/", "/device", authorizePath(), "/sign-out", "/contoso/oauth2/v2.0/logout", authorizePath("client_id", "evil")} {
		page := b.get(path)
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8"} {
			if got := page.header.Get(name); got != want {
				t.Errorf("%s: %s %q; expected %q", path, name, got, want)
			}
		}
		csp := page.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(page.text, "<script") || strings.Contains(page.text, "style=") || !strings.Contains(page.text, `<html lang="en">`) {
			t.Errorf("%s: %s", path, page.text)
		}
	}
	page := b.get("/")
	for _, cookie := range page.header.Values("Set-Cookie") {
		if !strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
			t.Errorf("cookie %s", cookie)
		}
	}
	page = b.signIn(page, annUser, annPassword)
	b.expect(page, 200, "Hello, ann", "connector-1", "pass-through")
	other := o.browser()
	other.expect(other.signIn(other.get("/"), strings.ToUpper(annUser), annPassword), 200, "Hello, ann", annUser) // however it is typed
	for _, name := range []string{sessionCookie, formCookie} {
		if !strings.HasPrefix(name, "__Host-") {
			t.Errorf("cookie %s", name)
		}
	}
}

// Labels, errors and focus are there for those who do not see the page.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	page := b.get("/")
	b.expect(page, 200, `<label for="user">`, `id="user"`, `autocomplete="username"`, "<h1>", "autofocus")
	page = b.send(page, "user", "user", "nobody@nowhere.test")
	b.expect(page, 200, `role="alert"`, `aria-invalid="true" aria-describedby="error"`, "<title>Error: ", "AADSTS50059")
	page = b.send(page, "user", "user", annUser)
	b.expect(page, 200, `<label for="password">`, `autocomplete="current-password"`, annUser)
	// The first button is the one that Enter presses.
	if first := strings.Index(page.text, "<button"); !strings.HasPrefix(page.text[first:], `<button name="step" value="password"`) {
		t.Errorf("the first button: %s", page.text[first:])
	}
}

// A form from elsewhere, of another browser or of yesterday does nothing.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b, other := o.browser(), o.browser()
	page := b.get("/")
	post := func(b *browser, site, seal string) shown {
		form := url.Values{"step": {"password"}, "user": {annUser}, "password": {annPassword}, "csrf": {seal}}
		q, err := http.NewRequest(http.MethodPost, o.server.URL+"/", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Sec-Fetch-Site", site)
		return b.do(q)
	}
	seal := hiddenPattern.FindStringSubmatch(page.text)[2]
	b.expect(post(b, "cross-site", seal), 403, "AADSTS90014")
	b.expect(post(b, "same-site", seal), 403)
	other.get("/")
	b.expect(post(other, "same-origin", seal), 400, "AADSTS50196")
	b.expect(post(b, "same-origin", ""), 400, "AADSTS50196")
	b.expect(post(b, "same-origin", "!"), 400, "AADSTS50196")
	device := hiddenPattern.FindStringSubmatch(b.get("/device").text)[2]
	b.expect(post(b, "same-origin", device), 400, "AADSTS50196")
	o.pass(time.Hour)
	b.expect(post(b, "same-origin", seal), 400, "AADSTS50196")
	if len(o.asked) != 0 {
		t.Errorf("a forged form reached a directory: %v", o.asked)
	}
	o.expectDenied("form-of-another-site", 2)
	o.expectDenied("sign-in-form-expired", 5)
	q, _ := http.NewRequest(http.MethodDelete, o.server.URL+"/", nil)
	b.expect(b.do(q), 405)
	q, _ = http.NewRequest(http.MethodPost, o.server.URL+"/", strings.NewReader("x="+strings.Repeat("x", maxForm)))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.expect(b.do(q), 400)
}

// What people type that no account is.
func TestBadNames(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	page := b.get(authorizePath())
	for name, code := range map[string]string{
		"": "AADSTS900144", "ann": "AADSTS50059", "ann@nowhere.test": "AADSTS50059", "ann@fabrikam.test": "AADSTS50020",
		"a\x00b@contoso.test": "AADSTS90014", "a\u0085b@contoso.test": "AADSTS90014", "a\u202eb@contoso.test": "AADSTS90014", "a\u2066b@contoso.test": "AADSTS90014", "\xff@contoso.test": "AADSTS90014", strings.Repeat("n", 10_000) + "@contoso.test": "AADSTS90014",
		"ann@lost.test": "AADSTS50020",
	} {
		b.expect(b.send(page, "user", "user", name), 200, code)
		b.expect(b.send(page, "password", "user", name, "password", annPassword), 200, code)
	}
	for password, code := range map[string]string{"": "AADSTS900144", "\xff": "AADSTS50126", strings.Repeat("p", 5000): "AADSTS50126"} {
		b.expect(b.send(page, "password", "user", annUser, "password", password), 200, code)
	}
	if len(o.asked) != 0 {
		t.Errorf("it reached a directory: %v", o.asked)
	}
	hostile := `"><script>alert(1)</script>@contoso.test`
	if page := b.send(page, "user", "user", hostile); strings.Contains(page.text, "<script") {
		t.Errorf("a name is markup: %s", page.text)
	}
	// Nothing is pretended of a federated user.
	home := b.get("/")
	b.expect(b.send(home, "user", "user", "ann@lost.test"), 200, "AADSTS50107")
	b.expect(b.send(home, "user", "user", "ann@federated.test"), 200, "https://fs.example/adfs/ls/?username=ann%40federated.test&amp;wa=wsignin1.0&amp;wtrealm=")
}

// After ten wrong passwords an administrator is locked for a minute, then for two.
func TestLockout(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	try := func(password, want string) {
		t.Helper()
		b.expect(b.send(b.get(authorizePath()), "password", "user", adminUser, "password", password), 200, want)
	}
	fail := func() {
		t.Helper()
		for range 10 {
			try("wrong", "AADSTS50126")
		}
	}
	fail()
	try(adminPassword, "AADSTS50053")
	try(strings.ToUpper(adminPassword), "AADSTS50053")
	o.pass(time.Minute)
	fail()
	o.pass(time.Minute)
	try(adminPassword, "AADSTS50053")
	o.pass(time.Minute)
	page := b.send(b.get(authorizePath()), "password", "user", strings.ToUpper(adminUser[:3])+adminUser[3:], "password", adminPassword)
	if page.away == nil || page.away.Query().Get("code") == "" {
		t.Errorf("after it: %s", page.text)
	}
	o.expectDenied("sign-in-locked", 3)
	if len(o.asked) != 0 {
		t.Error("the cloud was asked for an administrator's password")
	}

	// A path that fails is no failure of the user's.
	l := newLockout(usualLimits, 2)
	for range 100 {
		if !l.enter("ann", o.now()) {
			t.Fatal("locked without a wrong password")
		}
		l.undecided("ann")
	}
	// Those who are watched are so many and no more.
	l = newLockout(Limits{Failures: 1, Lock: time.Minute, LockMost: time.Minute}, 2)
	for _, name := range []string{"a", "b", "c"} {
		l.enter(name, o.now())
	}
	if len(l.kept.held) != 2 || l.kept.order.Len() != 2 || l.enter("c", o.now()) {
		t.Errorf("%d watched", len(l.kept.held))
	}
}

// No crowd of others has an administrator's failures forgotten.
func TestLockoutOfAdministrators(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{Failures: 2, Watched: 2})
	b := o.browser()
	try := func(user, want string) {
		t.Helper()
		b.expect(b.send(b.get(authorizePath()), "password", "user", user, "password", "wrong"), 200, want)
	}
	try(adminUser, "AADSTS50126")
	try(adminUser, "AADSTS50126")
	for _, other := range []string{"ann", "ben", "eve"} {
		try(other+"@contoso.test", "AADSTS50126")
	}
	try(strings.ToUpper(adminUser), "AADSTS50053")
}

// One address may send so many forms.
func TestPace(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{Burst: 3, Posts: 1})
	b := o.browser()
	page := b.get("/")
	for range 3 {
		b.expect(b.send(page, "user", "user", annUser), 200)
	}
	b.expect(b.send(page, "user", "user", annUser), 429, "AADSTS90033")
	o.pass(time.Second)
	b.expect(b.send(page, "user", "user", annUser), 200)
	for from, want := range map[string]string{"192.0.2.1:7": "192.0.2.1", "[2001:db8::1]:7": "2001:db8::", "[2001:db8::2]:7": "2001:db8::", "@": "@"} {
		if got := clientOf(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s is %s; expected %s", from, got, want)
		}
	}
}

// A session signs in to other apps, with the user's agreement where any program
// may be at the other end; it ends.
func TestSession(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	b.signIn(b.get("/"), annUser, annPassword)
	page := b.get(authorizePath())
	b.expect(page, 200, "Continue to ptabench setup?", annUser)
	page = b.send(page, "continue")
	if page.away == nil || page.away.Query().Get("code") == "" {
		t.Errorf("no code: %s", page.text)
	}
	if page = b.get(authorizePath("prompt", "none")); page.away == nil || page.away.Query().Get("error") != "interaction_required" {
		t.Errorf("without a prompt: %v", page.away)
	}
	own := []string{"client_id", "web", "redirect_uri", "https://app.example/signed-in"}
	for _, prompt := range []string{"-", "none"} {
		if page = b.get(authorizePath(append(own, "prompt", prompt)...)); page.away == nil || page.away.Query().Get("code") == "" {
			t.Errorf("an app at its own address, prompt %s: %v", prompt, page.away)
		}
	}
	o.pass(time.Minute)
	b.expect(b.get(authorizePath(append(own, "prompt", "consent")...)), 200, "Continue to Web app?")
	page = b.get(authorizePath(append(own, "prompt", "none", "max_age", "30")...))
	if page.away == nil || page.away.Query().Get("error") != "login_required" {
		t.Errorf("without a prompt, and too long ago: %v", page.away)
	}
	for _, change := range [][]string{{"prompt", "login"}, {"max_age", "30"}, {"max_age", "0"}} {
		page = b.get(authorizePath(append(own, change...)...))
		b.expect(page, 200, `id="user"`)
		b.expect(b.send(page, "continue"), 200, `id="user"`)
	}
	// Who is no administrator can't become one by a session.
	page = b.get(authorizePath("scope", "tenant.manage"))
	b.expect(page, 200, `id="user"`)
	b.expect(b.send(page, "continue"), 200, `id="user"`)
	b.expect(b.send(page, "password", "user", annUser, "password", annPassword), 200, "AADSTS50105")
	if page = b.send(page, "cancel"); page.away == nil || page.away.Query().Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", page.away)
	}
	// Nor a user of another tenant.
	b.expect(b.get("/fabrikam/oauth2/v2.0/authorize?"+query()), 200, `id="user"`)

	page = b.get("/contoso/oauth2/v2.0/logout")
	b.expect(page, 200, "Sign out?", annUser)
	b.expect(b.get("/"), 200, "Hello, ann") // asking is not doing
	b.expect(b.send(page, ""), 200, "You have signed out")
	b.expect(b.get("/"), 200, `id="user"`)
	b.signIn(b.get("/"), annUser, annPassword)
	o.pass(8 * time.Hour)
	b.expect(b.get("/"), 200, `id="user"`)
	b.expect(b.get("/sign-out"), 200, "Nobody is signed in")
}

// Sessions are so many; the oldest gives way.
func TestStore(t *testing.T) {
	t.Parallel()
	s, now := newStore[int](2), time.Now()
	later := now.Add(time.Hour)
	first, second, third := s.addOver(1, now, later), s.addOver(2, now, later), s.addOver(3, now, later)
	if _, found := s.get(first, now); found {
		t.Error("the oldest is still there")
	}
	if v, found := s.get(second, now); !found || v != 2 {
		t.Error("the second is gone")
	}
	if _, ok := s.add(4, now, later); ok || len(s.held) != 2 {
		t.Error("one more than there may be")
	}
	if _, found := s.get(third, later); found {
		t.Error("an expired one is there")
	}
	if _, ok := s.add(5, later, later.Add(time.Hour)); !ok || len(s.held) != 1 || s.order.Len() != 1 {
		t.Error("expired ones take room")
	}
}
