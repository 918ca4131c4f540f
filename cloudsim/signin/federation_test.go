package signin

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

const (
	fedUser  = "ann@federated.test"
	fedLogin = "/federated/oauth2/v2.0/authorize?"
)

// vouch is what a federation server's word comes to here: "USER" or "USER AGE",
// or one that the cloud refuses. mu is held.
func (o *office) vouch(a Attempt) Answer {
	user, age, _ := strings.Cut(a.Response, " ")
	switch user {
	case "forged":
		return Answer{Code: 50013}
	case "unread":
		return Answer{Code: 50003, Failed: true}
	}
	d, _ := time.ParseDuration(age)
	return Answer{Method: "federation", User: user, SignedIn: o.at.Add(-d)}
}

var leadPattern = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)">`)

// lead is where a page takes the browser by itself.
func (b *browser) lead(s shown) *url.URL {
	b.Helper()
	found := leadPattern.FindStringSubmatch(s.text)
	if found == nil || !strings.Contains(s.text, `<a href="`+found[1]+`">`) {
		b.Fatalf("nothing leads on: %d %s", s.status, s.text)
	}
	u, err := url.Parse(html.UnescapeString(found[1]))
	if err != nil {
		b.Fatal(err)
	}
	return u
}

// goAway gets as far as the federation server, and returns what it was asked.
func (b *browser) goAway(page shown, user string) url.Values {
	b.Helper()
	return b.lead(b.send(page, "user", "user", user)).Query()
}

// bring is the form of the federation server's page, sent to where it is to go.
// Browsers send with it the one cookie that is not Lax.
func (b *browser) bring(to string, fields url.Values) shown {
	b.Helper()
	q, err := http.NewRequest(http.MethodPost, to, strings.NewReader(fields.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	q.Header.Set("Origin", "https://fs.example")
	for _, c := range b.client.Jar.Cookies(q.URL) {
		if c.Name == awayCookie {
			q.AddCookie(c)
		}
	}
	client := *b.client
	client.Jar = nil
	alone := &browser{b.office, &client}
	return alone.do(q)
}

func word(asked url.Values, text string) url.Values {
	return url.Values{"wa": {"wsignin1.0"}, "wctx": asked["wctx"], "wresult": {text}}
}

// comeBack goes the whole way back.
func (b *browser) comeBack(asked url.Values, text string) shown {
	b.Helper()
	page := b.bring(asked.Get("wreply"), word(asked, text))
	if page.status != 200 || page.header.Get("Set-Cookie") != "" {
		b.Fatalf("back: %d %v %s", page.status, page.header, page.text)
	}
	return b.get(b.lead(page).String())
}

// A federated user goes away and comes back, and the client gets a code.
func TestFederation(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	asked := b.goAway(b.get(fedLogin+query("client_id", "web", "redirect_uri", web.Redirects[0])), fedUser)
	if asked.Get("wtrealm") != o.issuer("federated").Name() || asked.Get("wreply") != o.server.URL+"/federated/federation" || asked.Get("wfresh") != "" ||
		asked.Get("username") != fedUser || asked.Get("wct") == "" || asked.Get("wa") != "wsignin1.0" {
		t.Errorf("asked %v", asked)
	}
	page := b.comeBack(asked, fedUser)
	if page.away == nil || page.away.Host != "app.example" || page.away.Query().Get("code") == "" || page.away.Query().Get("state") != "state-1" {
		t.Fatalf("back at %v: %s", page.away, page.text)
	}
	// The session is there, for other clients too.
	b.expect(b.get("/"), 200, "Hello, ann", fedUser, "federation")
	// A program of this machine has the user agree.
	b.expect(b.get(fedLogin+query()), 200, "Continue to")
	native := o.browser()
	page = native.comeBack(native.goAway(native.get(fedLogin+query()), fedUser), fedUser)
	native.expect(page, 200, "Continue to")
	if page = native.send(page, "continue"); page.away == nil || page.away.Query().Get("code") == "" {
		t.Errorf("after agreeing: %s", page.text)
	}
}

// A client that wants the password given anew, or lately, gets no older one.
func TestFederationAnew(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	for _, tc := range []struct {
		name, wfresh, word string
		change             []string
		status             int
	}{
		{"anew", "0", fedUser, []string{"prompt", "login"}, http.StatusSeeOther},
		{"anew, by a clock that is behind", "0", fedUser + " 4m", []string{"prompt", "login"}, http.StatusSeeOther},
		{"not anew", "0", fedUser + " 1h", []string{"prompt", "login"}, 400},
		{"lately", "60", fedUser + " 50m", []string{"max_age", "3600"}, http.StatusSeeOther},
		{"not lately", "60", fedUser + " 2h", []string{"max_age", "3600"}, 400},
	} {
		b := o.browser()
		change := append([]string{"client_id", "web", "redirect_uri", web.Redirects[0]}, tc.change...)
		asked := b.goAway(b.get(fedLogin+query(change...)), fedUser)
		if asked.Get("wfresh") != tc.wfresh {
			t.Errorf("%s: wfresh %q", tc.name, asked.Get("wfresh"))
		}
		page := b.bring(asked.Get("wreply"), word(asked, tc.word))
		if tc.status == http.StatusSeeOther {
			page = b.get(b.lead(page).String())
		}
		if page.status != tc.status || (page.away != nil) != (tc.status == http.StatusSeeOther) {
			t.Errorf("%s: %d %s", tc.name, page.status, page.text)
		}
	}
	o.expectDenied("federation-stale", 2)
}

// A device's user agrees here after signing in there.
func TestFederationForADevice(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	r, err := o.server.Client().PostForm(o.server.URL+"/federated/oauth2/v2.0/devicecode", url.Values{"client_id": {Setup.ID}, "scope": {"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var started struct {
		UserCode string `json:"user_code"`
	}
	if err := json.NewDecoder(r.Body).Decode(&started); err != nil {
		t.Fatal(err)
	}
	page := b.send(b.get("/device"), "code", "user_code", started.UserCode)
	page = b.comeBack(b.goAway(page, fedUser), fedUser)
	b.expect(page, 200, "Are you trying to sign in to")
	b.expect(b.send(page, "continue"), 200, "Signed in")
}

// What comes back is refused when it is not what was sent away, and nobody is
// signed in by it.
func TestFederationRefused(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b, other := o.browser(), o.browser()
	begin := func() url.Values { return b.goAway(b.get("/"), fedUser) }
	elsewhere := other.goAway(other.get("/"), fedUser)
	reply := o.server.URL + "/federated/federation"
	used := begin()
	b.comeBack(used, fedUser)
	b.send(b.get("/sign-out"), "")
	old := begin()
	o.pass(awayTime)
	for _, tc := range []struct {
		name, to string
		fields   url.Values
		status   int
		code     string
		reason   string
	}{
		{"no state", reply, word(url.Values{"wctx": {""}}, fedUser), 400, "AADSTS50196", "federation-state"},
		{"a state of nobody's", reply, word(url.Values{"wctx": {random()}}, fedUser), 400, "AADSTS50196", "federation-state"},
		{"a long state", reply, word(url.Values{"wctx": {strings.Repeat("x", 100_000)}}, fedUser), 400, "AADSTS50196", "federation-state"},
		{"a state that is used", reply, word(used, fedUser), 400, "AADSTS50196", "federation-state"},
		{"a state that is old", reply, word(old, fedUser), 400, "AADSTS50196", "federation-state"},
		{"another tenant", o.server.URL + "/contoso/federation", word(begin(), fedUser), 400, "AADSTS50196", "federation-other-tenant"},
		{"no tenant", o.server.URL + "/nowhere/federation", word(begin(), fedUser), 404, "AADSTS90002", "unknown-tenant"},
		{"another's browser", reply, word(elsewhere, fedUser), 400, "AADSTS50196", "federation-state"}, // and old
		{"a sign-out", reply, url.Values{"wa": {"wsignout1.0"}, "wctx": begin()["wctx"], "wresult": {fedUser}}, 400, "AADSTS90014", "federation-malformed"},
		{"nothing", reply, url.Values{}, 400, "AADSTS90014", "federation-malformed"},
		{"two words", reply, url.Values{"wa": {"wsignin1.0"}, "wctx": begin()["wctx"], "wresult": {fedUser, fedUser}}, 400, "AADSTS90014", "federation-malformed"},
		{"two states", reply, url.Values{"wa": {"wsignin1.0"}, "wctx": {begin().Get("wctx"), "x"}, "wresult": {fedUser}}, 400, "AADSTS90014", "federation-malformed"},
		{"too much", reply, word(begin(), strings.Repeat("x", maxReturn)), 400, "AADSTS90014", "malformed-form"},
		{"an administrator", reply, word(begin(), "root@federated.test"), 403, "AADSTS51004", "federation-administrator"},
		{"a forgery", reply, word(begin(), "forged"), 400, "AADSTS50013", ""},
		{"a server that can't be read", reply, word(begin(), "unread"), 503, "AADSTS50003", ""},
	} {
		before := o.denials(tc.reason)
		page := b.bring(tc.to, tc.fields)
		b.expect(page, tc.status, tc.code)
		if strings.Contains(page.text, "http-equiv") || tc.reason != "" && o.denials(tc.reason) != before+1 {
			t.Errorf("%s: %s was counted %d times; %s", tc.name, tc.reason, o.denials(tc.reason)-before, page.text)
		}
	}
	fresh := other.goAway(other.get("/"), fedUser)
	b.expect(b.bring(reply, word(fresh, fedUser)), 400, "AADSTS50196") // another's browser
	o.expectDenied("federation-other-browser", 1)
	// The address that goes on is good in its browser, once, after the word.
	b.expect(other.get("/federated/federation?wctx="+url.QueryEscape(fresh.Get("wctx"))), 400, "AADSTS50196")
	lead := other.lead(other.bring(reply, word(fresh, fedUser))).String()
	b.expect(b.get(lead), 400, "AADSTS50196")
	other.expect(other.get(lead), 200, "Hello, ann")
	other.expect(other.get(lead), 400, "AADSTS50196")
	b.expect(b.get("/federated/federation"), 400, "AADSTS50196")
	// Nobody came in by any of it.
	b.expect(b.get("/"), 200, "<h1>Sign in</h1>")
	// A form from elsewhere is let through here and nowhere else.
	b.expect(b.bring(o.server.URL+"/", url.Values{"step": {"user"}}), 403)
}

// So many may be away, and the one away longest is forgotten for another.
func TestAwayIsBounded(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	first := o.away.addOver(away{}, o.at, o.at.Add(awayTime))
	for range maxAway {
		o.away.addOver(away{}, o.at, o.at.Add(awayTime))
	}
	if _, found := o.away.get(first, o.at); found || o.away.order.Len() != maxAway {
		t.Errorf("%d are away; found %v", o.away.order.Len(), found)
	}
}

// Whatever a browser brings back, nobody is signed in by it who was not sent.
func FuzzReturn(f *testing.F) {
	o := open(f, Limits{Posts: rate.Inf})
	for _, seed := range []string{"", "wa=wsignin1.0&wctx=x&wresult=y", "wa=wsignin1.0&wctx=x&wctx=y&wresult=%zz", "a;b", "wa=wsignoutcleanup1.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q := httptest.NewRequest(http.MethodPost, "/federated/federation", strings.NewReader(body))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		page := httptest.NewRecorder()
		o.server.Config.Handler.ServeHTTP(page, q)
		if page.Code < 400 || len(page.Result().Cookies()) != 0 {
			t.Fatalf("%q: %d %v", body, page.Code, page.Header())
		}
	})
}
