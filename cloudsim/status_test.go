package cloudsim

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/state"
	"ptabench/observe"
	"ptabench/signed"
)

// send posts a status report to a port and returns the answer.
func (c *cloud) send(port, tenant string, text []byte) (status int, body string) {
	c.Helper()
	r, err := c.users.Post("https://"+c.ready.Ports[port]+"/"+tenant+"/connectors/status", "application/jose", bytes.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// report is signed by a connector.
func (a *agent) report(change ...func(*signed.Report)) []byte {
	a.Helper()
	r := &signed.Report{Tenant: "contoso", SentAt: time.Now(), Version: "0.1.0", Host: "host-1", DirectoryReachable: true, Authentications: 7, Successful: 7}
	for _, f := range change {
		f(r)
	}
	text, err := signed.SignReport(r, a.certificate)
	if err != nil {
		a.Fatal(err)
	}
	return text
}

func (c *cloud) listed(tenant string) []observe.InventoryConnector {
	c.Helper()
	var list observe.Inventory
	if err := c.observe.Get(context.Background(), "/tenants/"+tenant+"/connectors", &list); err != nil {
		c.Fatal(err)
	}
	if list.Tenant != tenant || list.AtNS == 0 || list.Connectors == nil {
		c.Errorf("the list: %+v", list)
	}
	return list.Connectors
}

// A connector that reports and has no session is active and not serving: its
// reports bring it no sign-ins.
func TestReportsMakeNobodyFit(t *testing.T) {
	c := start(t)
	a := c.register("connector-1")
	for _, port := range []string{"443", "8080"} {
		if status, body := c.send(port, "contoso", a.report()); status != http.StatusNoContent {
			t.Fatalf("port %s: %d %s", port, status, body)
		}
	}
	got := c.listed("contoso")
	if len(got) != 1 || got[0].State != observe.StateActive || got[0].Serving || got[0].Status() != "active, not serving" ||
		got[0].LastReport == nil || got[0].LastReport.Authentications != 7 || got[0].Host != "host-1" || got[0].LastSeenNS == 0 {
		t.Errorf("listed: %+v", got)
	}
	if n := c.tenant("contoso"); len(n.Connectors) != 0 {
		t.Errorf("the dispatcher has connectors: %+v", n.Connectors)
	}
	if r := c.signIn("ann@contoso.test", password); r.code() != 80001 {
		t.Errorf("a sign-in: %v; expected that there is no agent, 80001", r)
	}
	if got := c.listed("fabrikam"); len(got) != 0 {
		t.Errorf("fabrikam has %+v", got)
	}
}

func TestStatusRefused(t *testing.T) {
	c := start(t)
	a := c.register("connector-1")
	removed := c.register("connector-2")
	if err := c.observe.Delete(context.Background(), "/tenants/contoso/connectors/connector-2", nil); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	first := a.report(func(r *signed.Report) { r.SentAt = at })
	for i := range 2 { // the same one comes again when its answer was lost
		if status, body := c.send("443", "contoso", first); status != http.StatusNoContent {
			t.Fatalf("time %d: %d %s", i, status, body)
		}
	}
	// Four characters keep the rest of the base64 text what it was.
	altered := bytes.Replace(a.report(), []byte("."), []byte(".e30g"), 1)
	for _, tt := range []struct {
		name   string
		tenant string
		text   []byte
		status int
		reason string
	}{
		{"older than the last", "contoso", a.report(func(r *signed.Report) { r.SentAt = at.Add(-time.Second) }), http.StatusConflict, "status-replayed"},
		{"altered", "contoso", altered, http.StatusForbidden, "status-bad-signature"},
		{"nonsense", "contoso", []byte("{}"), http.StatusBadRequest, "status-malformed"},
		{"for another tenant", "fabrikam", a.report(), http.StatusBadRequest, "status-wrong-tenant"},
		{"of another tenant", "fabrikam", a.report(func(r *signed.Report) { r.Tenant = "fabrikam" }), http.StatusForbidden, "status-unknown-connector"},
		{"of one that is removed", "contoso", removed.report(), http.StatusGone, "status-connector-gone"},
		{"by a clock that is wrong", "contoso", a.report(func(r *signed.Report) { r.SentAt = at.Add(time.Hour) }), http.StatusBadRequest, "status-clock-skew"},
		{"oversized", "contoso", bytes.Repeat([]byte("A"), signed.MaxReport+1), http.StatusRequestEntityTooLarge, "status-oversized"},
		{"no such tenant", "nobody", first, http.StatusNotFound, "unknown-tenant"},
	} {
		before := c.counters().Denied[tt.reason]
		if status, body := c.send("8080", tt.tenant, tt.text); status != tt.status {
			t.Errorf("%s: %d %s; expected %d", tt.name, status, body, tt.status)
		}
		c.denied(tt.reason, before+1)
	}
	if got := c.listed("contoso"); len(got) != 1 || got[0].LastReport == nil || got[0].LastReport.Authentications != 7 {
		t.Errorf("listed: %+v", got)
	}
}

// Reports of connectors that are gone do not stay.
func TestReportsForgotten(t *testing.T) {
	var rs reports
	for i := range 100 {
		serial := fmt.Sprint(i)
		err := rs.take("contoso/connector-"+serial, report{id: serial, serial: serial}, func(s string) bool { return s == serial })
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(rs.last) != 1 {
		t.Errorf("%d reports are kept; want that of the one connector there is", len(rs.last))
	}
	if _, found := rs.of(state.Connector{Tenant: "contoso", Name: "connector-99", ID: "of a registration since"}); found {
		t.Error("the report of an earlier registration counts")
	}
}

func TestBootstrapDocument(t *testing.T) {
	c := start(t)
	fetch := func(port string) *signed.Bootstrap {
		r, err := c.users.Get("https://" + c.ready.Ports[port] + "/contoso/bootstrap")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/jose" {
			t.Fatalf("port %s: %v, %d %v", port, err, r.StatusCode, r.Header)
		}
		d, err := signed.VerifyBootstrap(text, c.ca, "contoso", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first, second := fetch("8080"), fetch("443")
	if err := second.Follows(first); err != nil {
		t.Error(err)
	}
	for port, at := range first.Endpoints {
		if at != c.ready.Ports[port] {
			t.Errorf("port %s is said to be at %s, and is at %s", port, at, c.ready.Ports[port])
		}
	}
	if len(first.Endpoints) != len(c.ready.Ports)-2 { // observe and hash sync are nobody's but ours
		t.Errorf("%d endpoints of %d ports", len(first.Endpoints), len(c.ready.Ports))
	}
	if want := (signed.Timers{HeartbeatNS: int64(c.cfg.Heartbeat), StatusIntervalNS: 600e9, RenewalPollNS: 6 * 3600e9, BootstrapIntervalNS: 600e9, ReconnectMaxNS: 1e9, UpdateIntervalNS: 3600e9}); first.Timers != want {
		t.Errorf("timers %+v; want %+v", first.Timers, want)
	}
	for path, want := range map[string]int{"/nobody/bootstrap": 404, "/contoso/nothing": 404, "/contoso/connectors/status": 405} {
		r, err := c.users.Get("https://" + c.ready.Ports["8080"] + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("GET %s: %d; want %d", path, r.StatusCode, want)
		}
	}
	// The clock of a cloud may be set back; its documents do not go back with it.
	kept, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	ca, err := authority.New(kept, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ca.IssueSigner(signed.BootstrapSigner)
	if err != nil {
		t.Fatal(err)
	}
	b := &bootstrapper{signer: signer, about: *first}
	later, err := b.document("contoso", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	back, err := b.document("contoso", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	last := opened(t, ca.Pool(), later)
	if err := opened(t, ca.Pool(), back).Follows(last); err != nil {
		t.Error(err)
	}
}

func opened(t *testing.T, ca *x509.CertPool, text []byte) *signed.Bootstrap {
	t.Helper()
	d, err := signed.VerifyBootstrap(text, ca, "contoso", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whoever enters the token sees the inventory, and nothing on the page needs a
// script.
func TestAdminPage(t *testing.T) {
	c := start(t)
	c.register("connector-1")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	base := "http://" + c.ready.Ports["observe"]
	visit := func(method, path string, form url.Values) (int, string, http.Header) {
		t.Helper()
		q, err := http.NewRequest(method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r, err := browser.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script") {
			t.Errorf("%s %s: content security policy %q", method, path, csp)
		}
		if strings.Contains(string(b), observeToken) || strings.Contains(string(b), "<script") || strings.Contains(string(b), "style=") {
			t.Errorf("%s %s has the token, a script or a style in it: %s", method, path, b)
		}
		return r.StatusCode, string(b), r.Header
	}
	if status, text, _ := visit("GET", "/admin/", nil); status != 200 || strings.Contains(text, "connector-1") || !strings.Contains(text, `name="token"`) || !strings.Contains(text, "file observe.token") {
		t.Errorf("without a token: %d %s", status, text)
	}
	if status, text, h := visit("POST", "/admin/enter", url.Values{"token": {"not it"}}); status != 403 || strings.Contains(text, "connector-1") || h.Get("Set-Cookie") != "" {
		t.Errorf("with a wrong token: %d %s", status, text)
	}
	c.denied("admin-token", 1)
	if status, text, _ := visit("POST", "/admin/enter", url.Values{"token": {observeToken}}); status != 200 || !strings.Contains(text, `<td data-column="NAME">connector-1</td>`) || !strings.Contains(text, "active, not serving") {
		t.Errorf("with the token: %d %s", status, text)
	}
	if status, text, _ := visit("GET", "/admin/page.css", nil); status != 200 || !strings.Contains(text, "table") {
		t.Errorf("the style: %d %s", status, text)
	}
	// The cookie opens the page and nothing else.
	counters, err := browser.Get(base + "/counters")
	if err != nil {
		t.Fatal(err)
	}
	counters.Body.Close()
	if counters.StatusCode != http.StatusUnauthorized {
		t.Errorf("the counters by cookie: %d", counters.StatusCode)
	}
	if status, text, _ := visit("POST", "/admin/leave", nil); status != 200 || strings.Contains(text, "connector-1") {
		t.Errorf("after leaving: %d %s", status, text)
	}

	// What a page elsewhere has a browser send is refused, and the cookie says
	// that it is for here only.
	q, err := http.NewRequest("POST", base+"/admin/enter", strings.NewReader(url.Values{"token": {observeToken}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	plain := &http.Client{Transport: browser.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := plain.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if cookie := r.Header.Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || !strings.Contains(cookie, "Path=/admin/") {
		t.Errorf("the cookie: %q", cookie)
	}
	q.Body, _ = q.GetBody()
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	if r, err = plain.Do(q); err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("from another site: %d", r.StatusCode)
	}
}

func TestAdminPageSessions(t *testing.T) {
	p := &page{sessions: map[[32]byte]time.Time{}}
	now := time.Now()
	for i := range 3 * maxPageSessions {
		p.begin([32]byte{byte(i), byte(i >> 8)}, now.Add(time.Duration(i)*time.Second))
	}
	if len(p.sessions) != maxPageSessions {
		t.Errorf("%d sessions; want at most %d", len(p.sessions), maxPageSessions)
	}
	newest := 3*maxPageSessions - 1
	if _, found := p.sessions[[32]byte{byte(newest), byte(newest >> 8)}]; !found {
		t.Error("the newest session is not there")
	}
	p.begin([32]byte{255}, now.Add(2*pageSessionTime))
	if len(p.sessions) != 1 {
		t.Errorf("%d sessions after all but one have ended", len(p.sessions))
	}
}
