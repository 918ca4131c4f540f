package cloudsim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"ptabench/bind/bindtest"
	"ptabench/cloudsim/signin"
	"ptabench/observe"
	"ptabench/onprem/adfs"
	"ptabench/onprem/adfs/farm"
	"ptabench/page/pagetest"
)

// These tests have the cloud and the federation server of this program meet,
// which share no code, with the client library of Microsoft and a browser
// between them.

// street is a port that leads to whatever serves behind it, as a balancer does:
// it is known before that.
type street struct {
	net.Listener
	to atomic.Pointer[string]
}

func newStreet(t testing.TB) *street {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &street{Listener: l}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.lead(c) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return s
}

func (s *street) lead(from net.Conn) {
	defer from.Close()
	at := s.to.Load()
	if at == nil {
		return
	}
	to, err := net.Dial("tcp", *at)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
	from.Close()
	<-done
}

// federationOf is a cloud and a federation server that know each other, as an
// administrator would have it: each is told where the other is, and the cloud
// where the server's authority will be found.
type federationOf struct {
	*cloud
	at      string // the server's https address
	server  observe.Ready
	observe *observe.Client
	http    *http.Client // of users: trusts both
}

func federate(t *testing.T) *federationOf {
	t.Helper()
	d := bindtest.NewDirectory(t, map[string]bindtest.User{
		"ann@contoso.test": {Password: password},
		"lou@contoso.test": {Password: password, Refused: true, Attributes: map[string]string{"userAccountControl": "512", "lockoutTime": "133000000000000000"}},
	})
	dir := t.TempDir()
	directoryCA, shared, public := filepath.Join(dir, "directory.pem"), filepath.Join(dir, "farm"), newStreet(t)
	if err := os.WriteFile(directoryCA, d.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	// To browsers, another site than the cloud's 127.0.0.1.
	host := net.JoinHostPort("localhost", strconv.Itoa(public.Addr().(*net.TCPAddr).Port))
	f := &federationOf{at: "https://" + host}
	f.cloud = start(t, func(cfg *Config) {
		cfg.Tenants[0].Method, cfg.Tenants[0].Metadata = Federation, f.at+"/FederationMetadata/2007-06/FederationMetadata.xml"
		cfg.Trust = []string{filepath.Join(shared, "ca.pem")} // is not there yet
	})
	ctx, stop := context.WithCancel(context.Background())
	said, ended := make(chan observe.Ready, 1), make(chan error, 1)
	cfg := adfs.Config{
		Name: "adfs-1", State: filepath.Join(dir, "adfs-1"), Farm: shared, Listen: "127.0.0.1:0", Observe: "127.0.0.1:0", Public: host,
		Directories: []string{"ldaps://" + d.Address}, DirectoryCA: directoryCA, Dialect: "attributes",
		BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
		Parties: []string{f.url("/contoso/v2.0") + "=" + f.url("/contoso/federation")}, Terms: farm.DefaultTerms,
		Concurrency: 64, Pool: 8, BindTimeout: 10 * time.Second, ConnectTimeout: 5 * time.Second, ConnectionAge: time.Hour, ObserveToken: observeToken,
	}
	go func() {
		ended <- adfs.Run(ctx, slog.New(slog.DiscardHandler), cfg, func(r observe.Ready) { said <- r })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the federation server ended: %v", err)
		}
	})
	select {
	case f.server = <-said:
	case err := <-ended:
		ended <- err
		t.Fatalf("the federation server ended: %v", err)
	case <-time.After(waits):
		t.Fatal("the federation server is not ready")
	}
	https := f.server.Ports["https"]
	public.to.Store(&https)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(f.server.CAPEM)) || !roots.AppendCertsFromPEM([]byte(f.ready.CAPEM)) {
		t.Fatal("no certificates")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	f.http = &http.Client{Timeout: waits, Transport: transport}
	f.observe = &observe.Client{Address: f.server.Ports["observe"], Token: observeToken, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	t.Cleanup(transport.CloseIdleConnections)
	return f
}

// change has the server change its signing keys.
func (f *federationOf) change(how string) {
	f.Helper()
	if err := f.observe.Post(context.Background(), "/signing/"+how, nil, nil); err != nil {
		f.Fatal(err)
	}
}

// The client library of Microsoft signs a federated user in by a password: user
// realm, MEX, WS-Trust 1.3, and the grant by an assertion of SAML 1.1. It goes
// on through a rollover of the server's key.
func TestMSALFederated(t *testing.T) {
	t.Parallel()
	f := federate(t)
	acquire := func(address, user, with string) (msal.AuthResult, msal.Client, error) {
		client := f.msal(address, signin.CommandLine.ID, msal.WithHTTPClient(f.http))
		//lint:ignore SA1019 it is what is tested
		r, err := client.AcquireTokenByUsernamePassword(t.Context(), []string{graphRead}, user, with)
		return r, client, err
	}
	n := uint64(0)
	in := func(address string) {
		t.Helper()
		r, client, err := acquire(address, "ann@contoso.test", password)
		who := good(t, r, err, "contoso", "ann@contoso.test")
		n++
		if r, err := client.AcquireTokenSilent(t.Context(), []string{graphRead}, msal.WithSilentAccount(who)); err != nil || r.AccessToken == "" {
			t.Errorf("from the cache: %v", err)
		}
		if _, err = client.AcquireTokenSilent(t.Context(), []string{graphRead}, msal.WithSilentAccount(who), msal.WithClaims(`{"access_token":{}}`)); err != nil {
			t.Errorf("by the refresh token: %v", err)
		}
		if got := f.tenant("contoso"); got.Federation != n || got.Accepted != n || got.Received != n {
			t.Errorf("counters %+v; expected %d", got, n)
		}
	}
	in("contoso")
	in("organizations")
	for _, how := range []string{"next", "promote"} {
		f.change(how)
		in("contoso")
	}
	for user, with := range map[string]string{"ann@contoso.test": "wrong", "lou@contoso.test": password, "nobody@contoso.test": password} {
		if _, _, err := acquire("contoso", user, with); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", user, err)
		}
	}
	// No wrong password came here.
	if got := f.tenant("contoso"); got.Received != n {
		t.Errorf("counters %+v", got)
	}
}

var (
	inputPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	postPattern  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// press sends the form of a page, with what a person types, to where it is to go.
func press(t *testing.T, v *http.Client, at *url.URL, page string, typed ...string) (*url.URL, string) {
	t.Helper()
	action := postPattern.FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("no form at %s: %s", at, page)
	}
	to, err := at.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	fields := url.Values{}
	for _, f := range inputPattern.FindAllStringSubmatch(page, -1) {
		fields.Set(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	for i := 0; i < len(typed); i += 2 {
		fields.Set(typed[i], typed[i+1])
	}
	r, err := v.PostForm(to.String(), fields)
	if err != nil {
		t.Fatal(err)
	}
	return r.Request.URL, read(t, r)
}

// A person without scripts goes from the cloud's page to the server's and back,
// with a wrong password first.
func TestADFSVisit(t *testing.T) {
	t.Parallel()
	f := federate(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &http.Client{Timeout: waits, Transport: f.http.Transport, Jar: jar}
	get := func(at string) (*url.URL, string) {
		t.Helper()
		r, err := v.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		return r.Request.URL, read(t, r)
	}
	at, page := get(f.url("/"))
	_, page = press(t, v, at, page, "step", "user", "user", "ann@contoso.test")
	at, page = get(leads(t, page).String())
	if !strings.HasPrefix(at.String(), f.at+"/adfs/ls/") || !strings.Contains(page, `value="ann@contoso.test"`) {
		t.Fatalf("at %s: %s", at, page)
	}
	if at, page = press(t, v, at, page, "user", "ann@contoso.test", "password", "wrong"); !strings.Contains(page, `role="alert"`) {
		t.Errorf("a wrong password: %s", page)
	}
	at, page = press(t, v, at, page, "user", "ann@contoso.test", "password", password)
	if at, page = press(t, v, at, page); at.String() != f.url("/contoso/federation") {
		t.Fatalf("at %s: %s", at, page)
	}
	if at, page = get(f.url("") + leads(t, page).String()); at.Path != "/" || !strings.Contains(page, "Hello, ann") || !strings.Contains(page, "federation") {
		t.Errorf("at %s: %s", at, page)
	}
	if n := f.tenant("contoso"); n.Received != 1 || n.Federation != 1 {
		t.Errorf("counters %+v", n)
	}
}

// A browser does so too, with what it has to say on cookies of other sites and
// on where forms may lead.
func TestADFSInABrowser(t *testing.T) {
	tab := pagetest.Open(t)
	f := federate(t)
	tab.Run(t, security.SetIgnoreCertificateErrors(true), chromedp.Navigate(f.url("/")))
	tab.Run(t, chromedp.SendKeys("#user", "ann@contoso.test"))
	tab.Click(t, "button.main")
	tab.Until(t, `location.pathname == "/adfs/ls/" && document.querySelector("#password")`)
	tab.Run(t, chromedp.SendKeys("#password", "wrong"))
	tab.Click(t, "button.main")
	tab.Until(t, `document.querySelector("[role=alert]")`)
	tab.Shot(t, "federation-wrong.png")
	tab.Run(t, chromedp.SendKeys("#password", password))
	tab.Click(t, "button.main")
	tab.Until(t, `document.querySelector("h1")?.textContent == "Hello, ann"`)
	tab.Shot(t, "federation-signed-in.png")
	if text := pagetest.Value[string](t, tab, `document.body.innerText`); !strings.Contains(text, "federation") || !strings.Contains(text, "ann@contoso.test") {
		t.Errorf("the page: %s", text)
	}
	if at := pagetest.Value[string](t, tab, `location.href`); at != f.url("/") {
		t.Errorf("at %s", at)
	}
	if errs := tab.Errors(); len(errs) > 0 {
		t.Errorf("the browser complained: %q", errs)
	}
}
