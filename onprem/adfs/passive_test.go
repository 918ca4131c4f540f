package adfs

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
)

// browser is what one keeps and sends, without the looks.
type browser struct {
	*running
	cookies map[string]string
}

func (r *running) browser() *browser { return &browser{r, make(map[string]string)} }

func (b *browser) visit(method, path string, form url.Values, change func(*http.Request)) answered {
	b.t.Helper()
	kind := ""
	if form != nil {
		kind = "application/x-www-form-urlencoded"
	}
	got := b.do(method, path, form.Encode(), kind, func(q *http.Request) {
		for name, value := range b.cookies {
			q.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		if change != nil {
			change(q)
		}
	})
	for _, c := range (&http.Response{Header: got.header}).Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			b.t.Errorf("cookie %v", c)
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return got
}

// sent is the address that the cloud sends a browser to.
func sent(change map[string]string) string {
	q := url.Values{"wa": {"wsignin1.0"}, "wtrealm": {realm}, "wctx": {`state "<&>"`}, "wreply": {reply}}
	for key, value := range change {
		if q.Set(key, value); value == "-" {
			q.Del(key)
		}
	}
	return passivePath + "?" + q.Encode()
}

var (
	formForm  = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	fieldForm = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form reads the form of a page: where it goes, and what it brings along.
func (a *answered) form(t testing.TB) (action string, fields url.Values) {
	t.Helper()
	found := formForm.FindStringSubmatch(a.text)
	if found == nil {
		t.Fatalf("no form (%d): %s", a.status, a.text)
	}
	fields = make(url.Values)
	for _, f := range fieldForm.FindAllStringSubmatch(a.text, -1) {
		fields.Set(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	return html.UnescapeString(found[1]), fields
}

// signIn fills in the form of the sign-in page.
func (b *browser) signIn(at, user, password string) answered {
	b.t.Helper()
	page := b.visit(http.MethodGet, at, nil, nil)
	action, fields := page.form(b.t)
	fields.Set("user", user)
	fields.Set("password", password)
	return b.visit(http.MethodPost, action, fields, nil)
}

// TestBrowser signs in by the page, is known the next time, and signs out.
func TestBrowser(t *testing.T) {
	r := start(t, nil)
	b := r.browser()
	page := b.visit(http.MethodGet, sent(map[string]string{"username": ann}), nil, nil)
	if page.status != http.StatusOK || !strings.Contains(page.text, `value="`+ann+`"`) {
		t.Fatalf("the page: %d %s", page.status, page.text)
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script") || strings.Contains(page.text, "<script") {
		t.Errorf("the sign-in page may run scripts: %s", policy)
	}
	for header, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := page.header.Get(header); got != want {
			t.Errorf("%s: %q, expected %q", header, got, want)
		}
	}
	for user, want := range map[string]struct {
		password string
		code     int
		text     string
	}{
		ann:                     {"wrong", codeWrongPassword, "Incorrect user name or password"},
		"nobody@contoso.test":   {"wrong", codeUnknownUser, "Incorrect user name or password"},
		"locked@contoso.test":   {annsPassword, codeLocked, "locked"},
		"disabled@contoso.test": {annsPassword, codeDisabled, "disabled"},
		"expired@contoso.test":  {annsPassword, codeExpired, "expired"},
		"bob@contoso.test":      {"", codeMissing, "Enter your user name"},
	} {
		got := b.signIn(sent(nil), user, want.password)
		if got.code != fmt.Sprint(want.code) || !strings.Contains(got.text, want.text) || strings.Contains(got.text, "wresult") || !strings.Contains(got.text, `role="alert"`) {
			t.Errorf("%s: code %s: %s", user, got.code, got.text)
		}
	}

	for _, user := range []string{ann, " " + ann + " "} {
		got := r.browser().signIn(sent(nil), user, annsPassword)
		if got.code != "0" {
			t.Fatalf("%q: %s: %s", user, got.code, got.text)
		}
		to, fields := got.form(t)
		if to != reply || fields.Get("wa") != "wsignin1.0" || fields.Get("wctx") != `state "<&>"` {
			t.Errorf("the token goes to %s with %v", to, fields)
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "unsafe") {
			t.Errorf("the page with the token: %s", policy)
		}
		a := r.assertion(fields.Get("wresult"))
		if user := a.FindElement("AttributeStatement/Attribute[@AttributeName='UPN']/AttributeValue").Text(); user != ann {
			t.Errorf("it is about %q", user)
		}
		if to := a.FindElement("//Audience").Text(); to != realm {
			t.Errorf("it is for %q", to)
		}
	}

	if got := b.signIn(sent(nil), ann, annsPassword); got.code != "0" {
		t.Fatalf("signing in: %s", got.text)
	}
	for name, test := range map[string]struct {
		change map[string]string
		known  bool
	}{
		"again":                   {nil, true},
		"as the same":             {map[string]string{"username": strings.ToUpper(ann)}, true},
		"as another":              {map[string]string{"username": "bob@contoso.test"}, false},
		"with the password again": {map[string]string{"wfresh": "0"}, false},
		"within the hour":         {map[string]string{"wfresh": "60"}, true},
		"within three centuries":  {map[string]string{"wfresh": "160000000"}, true},
	} {
		got := b.visit(http.MethodGet, sent(test.change), nil, nil)
		if _, fields := got.form(t); (fields.Get("wresult") != "") != test.known {
			t.Errorf("%s: %s", name, got.text)
		}
	}
	if c := r.counters(); c.Sessions != 4 || c.Accepted != 3 {
		t.Errorf("counters: %+v", c)
	}
	out := b.visit(http.MethodGet, passivePath+"?wa=wsignout1.0&wreply="+url.QueryEscape("https://cloud.contoso.test/signed-out"), nil, nil)
	if !strings.Contains(out.text, "signed out") || !strings.Contains(out.text, `href="https://cloud.contoso.test/signed-out"`) {
		t.Errorf("signing out: %s", out.text)
	}
	if got := b.visit(http.MethodGet, sent(nil), nil, nil); strings.Contains(got.text, "wresult") {
		t.Error("a browser that signed out is known")
	}
	out = b.visit(http.MethodGet, passivePath+"?wa=wsignout1.0&wreply="+url.QueryEscape("https://evil.test/"), nil, nil)
	if strings.Contains(out.text, "evil.test") {
		t.Errorf("signing out leads elsewhere: %s", out.text)
	}
}

// TestWhoMaySend: a browser is served for parties that are known, and a token
// leaves for nowhere else.
func TestWhoMaySend(t *testing.T) {
	const named, registered = "urn:federation:named", "https://other.contoso.test/in?tenant=1"
	r := start(t, func(c *Config) { c.Parties = append(c.Parties, named+"="+registered) })
	for name, test := range map[string]struct {
		change map[string]string
		reason string // empty when it is served
	}{
		"as it should be":             {nil, ""},
		"the registered address":      {map[string]string{"wtrealm": named, "wreply": registered}, ""},
		"no address, one registered":  {map[string]string{"wtrealm": named, "wreply": "-"}, ""},
		"no address, none registered": {map[string]string{"wreply": "-"}, "reply-elsewhere"},
		"another than the registered": {map[string]string{"wtrealm": named, "wreply": "https://other.contoso.test/elsewhere"}, "reply-elsewhere"},
		"another site":                {map[string]string{"wreply": "https://evil.test/"}, "reply-elsewhere"},
		"a site that looks alike":     {map[string]string{"wreply": "https://cloud.contoso.test.evil.test/"}, "reply-elsewhere"},
		"a user in the address":       {map[string]string{"wreply": "https://cloud.contoso.test@evil.test/"}, "reply-elsewhere"},
		"another port":                {map[string]string{"wreply": "https://cloud.contoso.test:8443/"}, "reply-elsewhere"},
		"no TLS":                      {map[string]string{"wreply": "http://cloud.contoso.test/"}, "reply-elsewhere"},
		"a script":                    {map[string]string{"wreply": "javascript:alert(1)"}, "reply-elsewhere"},
		"everybody's cloud":           {map[string]string{"wtrealm": everybodysCloud}, "reply-elsewhere"},
		"nobody's realm":              {map[string]string{"wtrealm": "urn:somebody"}, "unknown-realm"},
		"no realm":                    {map[string]string{"wtrealm": "-"}, "unknown-realm"},
		"no action":                   {map[string]string{"wa": "-"}, "malformed-address"},
		"another action":              {map[string]string{"wa": "wattr1.0"}, "malformed-address"},
		"too much context":            {map[string]string{"wctx": strings.Repeat("x", maxContext+1)}, "malformed-address"},
		"a NUL":                       {map[string]string{"wctx": "\x00"}, "malformed-address"},
		"no number":                   {map[string]string{"wfresh": "soon"}, "malformed-address"},
		"a bidi name":                 {map[string]string{"username": "ann\u202e@contoso.test"}, ""}, // a hint only
	} {
		t.Run(name, func(t *testing.T) {
			before := r.counters()
			got := r.browser().visit(http.MethodGet, sent(test.change), nil, nil)
			served := got.status == http.StatusOK
			if served != (test.reason == "") {
				t.Fatalf("%d: %s", got.status, got.text)
			}
			if strings.Contains(got.text, "evil") || strings.Contains(got.text, "javascript:") || strings.Contains(got.text, "\u202e") {
				t.Errorf("the page says %s", got.text)
			}
			if n := r.counters().Denied[test.reason] - before.Denied[test.reason]; !served && n != 1 {
				t.Errorf("%s was counted %d times", test.reason, n)
			}
		})
	}
	if got := r.browser().visit(http.MethodGet, sent(nil)+"&wtrealm=urn%3Aother", nil, nil); got.status != http.StatusBadRequest {
		t.Errorf("two realms: %d", got.status)
	}
	if got := r.browser().visit(http.MethodGet, passivePath+"?wa=wsignin1.0&wctx="+strings.Repeat("x", maxQuery), nil, nil); got.status != http.StatusBadRequest {
		t.Errorf("a long address: %d", got.status)
	}
}

// TestForgedForms: a form counts when this browser was shown it, for this.
func TestForgedForms(t *testing.T) {
	r := start(t, nil)
	for name, forge := range map[string]func(b *browser, fields url.Values) (action string, change func(*http.Request)){
		"no seal": func(_ *browser, fields url.Values) (string, func(*http.Request)) {
			fields.Del("csrf")
			return sent(nil), nil
		},
		"another browser": func(b *browser, _ url.Values) (string, func(*http.Request)) {
			clear(b.cookies)
			return sent(nil), nil
		},
		"for something else": func(*browser, url.Values) (string, func(*http.Request)) {
			return sent(map[string]string{"wctx": "another"}), nil
		},
		"from another site": func(*browser, url.Values) (string, func(*http.Request)) {
			return sent(nil), func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }
		},
		"too long": func(_ *browser, fields url.Values) (string, func(*http.Request)) {
			fields.Set("more", strings.Repeat("x", maxForm))
			return sent(nil), nil
		},
	} {
		b := r.browser()
		page := b.visit(http.MethodGet, sent(nil), nil, nil)
		_, fields := page.form(t)
		fields.Set("user", ann)
		fields.Set("password", annsPassword)
		action, change := forge(b, fields)
		if got := b.visit(http.MethodPost, action, fields, change); got.code == "0" || strings.Contains(got.text, "wresult") {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if n := r.directory.Binds(""); n != 0 {
		t.Errorf("the directory was asked %d times", n)
	}
	for _, value := range []string{"x", "x.y", strings.Repeat("a", 10_000), "eyJ1c2VyIjoiYW5uQGNvbnRvc28udGVzdCJ9.AAAA"} {
		b := r.browser()
		b.cookies[sessionCookie] = value
		if got := b.visit(http.MethodGet, sent(nil), nil, nil); strings.Contains(got.text, "wresult") {
			t.Errorf("the session %.40q counts", value)
		}
	}
	if got := r.browser().visit(http.MethodDelete, sent(nil), nil, nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", got.status)
	}
}

// TestFarm: what one server of a farm showed a browser, another understands,
// and a token of either is good by the metadata of the other, before and after
// the certificate changes.
func TestFarm(t *testing.T) {
	dir := t.TempDir() + "/farm"
	change := func(c *Config) { c.Farm, c.Public, c.Issuer = dir, "fs.contoso.test:443", "urn:fs.contoso.test" }
	first := start(t, change)
	second := start(t, func(c *Config) { change(c); c.Name = "adfs-2" })
	if first.ready.CAPEM != second.ready.CAPEM {
		t.Error("the authorities differ")
	}
	if at := first.ready.Info["metadata"]; at != "https://fs.contoso.test:443"+metadataPath {
		t.Errorf("metadata at %s", at)
	}
	b := first.browser()
	page := b.visit(http.MethodGet, sent(nil), nil, nil)
	action, fields := page.form(t)
	fields.Set("user", ann)
	fields.Set("password", annsPassword)
	b.running = second
	got := b.visit(http.MethodPost, action, fields, nil)
	if got.code != "0" {
		t.Fatalf("the form of the other: %s", got.text)
	}
	_, fields = got.form(t)
	first.assertion(fields.Get("wresult"))
	b.running = first
	if got := b.visit(http.MethodGet, sent(nil), nil, nil); !strings.Contains(got.text, "wresult") {
		t.Error("the session of the other does not count")
	}

	ctx, good := context.Background(), ask{user: ann, password: annsPassword}
	var before, after observe.SigningCertificates
	if err := first.observe.Get(ctx, "/signing", &before); err != nil {
		t.Fatal(err)
	}
	if err := first.observe.Post(ctx, "/signing/next", nil, &after); err != nil {
		t.Fatal(err)
	}
	if after.Next == nil || after.Signs != before.Signs {
		t.Errorf("after publishing: %+v", after)
	}
	eventually(t, "the other publishes it too", func() bool { return len(second.published()) == 2 })
	old := second.ask(good).text
	if err := first.observe.Post(ctx, "/signing/promote", nil, &after); err != nil {
		t.Fatal(err)
	}
	if after.Before == nil || after.Before.Thumbprint != before.Signs.Thumbprint || after.Signs.Thumbprint == before.Signs.Thumbprint {
		t.Errorf("after promoting: %+v, before %+v", after, before)
	}
	eventually(t, "the other signs by it", func() bool {
		now := second.counters().Signing.Signs.Thumbprint
		return now == after.Signs.Thumbprint
	})
	for _, text := range []string{old, first.ask(good).text, second.ask(good).text} {
		first.assertion(text)
		second.assertion(text)
	}
	if !second.counters().Signing.Signs.Ends.After(time.Now()) {
		t.Error("it has ended")
	}
}
