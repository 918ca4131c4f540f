package cloudsim

import (
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ptabench/cloudsim/token"
)

// still is a simulator that does not listen: its tenants are by hash sync, and
// one is federated with a server that is nowhere.
func still(t testing.TB) *server {
	t.Helper()
	cfg := settings(t)
	cfg.Tenants[0].Method, cfg.Tenants[1].Method = HashSync, HashSync
	cfg.Tenants = append(cfg.Tenants, Tenant{Name: "woodgrove", Domains: []string{"woodgrove.test"}, Method: Federation, Fallback: Off, Metadata: "https://127.0.0.1:1/m.xml"})
	srv, err := newServer(slog.New(slog.DiscardHandler), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.state.Close() })
	for _, t := range srv.tenants {
		t.issuer = srv.signer.Issuer("127.0.0.1:443", t.Name)
	}
	if err := srv.openSurface("127.0.0.1:443"); err != nil {
		t.Fatal(err)
	}
	return srv
}

// Whatever comes to the port of users, it is answered, and as the fault of who
// sent it; nobody is signed in.
func FuzzUserPort(f *testing.F) {
	mux := still(f).userMux()
	federated := "grant_type=" + url.QueryEscape(token.SAML1Grant) + "&assertion="
	for _, seed := range []struct{ method, path, header, body string }{
		{"GET", "/", "", ""},
		{"POST", "/contoso/oauth2/v2.0/token", "", "grant_type=password&username=a%40contoso.test&password=x"},
		{"POST", "/organizations/oauth2/v2.0/token", "Basic YTpi", "grant_type=refresh_token&refresh_token=x&client_id=" + clientID},
		{"POST", "/contoso/oauth2/v2.0/token", "", federated + base64.StdEncoding.EncodeToString([]byte("<a/>"))},
		{"POST", "/woodgrove/oauth2/v2.0/token", "", federated + "PEFzc2VydGlvbi8%2B"},
		{"GET", "/common/UserRealm/a%40woodgrove.test?api-version=1.0", "", ""},
		{"GET", "/common/UserRealm/%00", "", ""},
		{"GET", "/common/discovery/instance?authorization_endpoint=https%3A%2F%2F127.0.0.1%3A443%2Fcommon", "", ""},
		{"GET", "/contoso/oauth2/v2.0/authorize?client_id=ptabench-setup&redirect_uri=http%3A%2F%2F127.0.0.1%2F", "", ""},
		{"GET", "/contoso/oauth2/v2.0/logout?id_token_hint=e30.e30.e30&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%2F", "", ""},
		{"GET", "/oidc/userinfo", "Bearer e30.e30.e30", ""},
		{"POST", "/woodgrove/federation", "", "wa=wsignin1.0&wctx=x&wresult=%3Ca%2F%3E"},
		{"PUT", "/contoso/admin/sign-in-method", "Bearer x", `{"method":"none"}`},
		{"POST", "/contoso/oauth2/v2.0/devicecode", "", "client_id=ptabench-setup&scope=openid"},
	} {
		f.Add(seed.method, seed.path, seed.header, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, header, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || method == "" {
			return // net/http answers these itself
		}
		q := &http.Request{Method: method, URL: u, RequestURI: path, Host: "127.0.0.1:443", RemoteAddr: "192.0.2.1:1", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {formType}, "Authorization": {header}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		q = q.WithContext(t.Context())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, q)
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable || w.Code == 0 || strings.Contains(w.Body.String(), `"access_token"`) {
			t.Fatalf("%s %q, %q, %q: %d %s", method, path, header, body, w.Code, w.Body)
		}
	})
}

// What hash sync sends is read as what it says or refused, and what is refused
// is not quoted: it may be a hash.
func FuzzReadAccounts(f *testing.F) {
	line := account("ann@contoso.test", password, false)
	for _, seed := range []string{"", line, line + line, "{}", `{"upn":"a","salt":"AA=="}`, "null", `{"from":{},"to":{"source":"x"}}` + "\n" + line, `{"upn":1}`, `[`} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, ranged bool) {
		_, accounts, err := readAccounts(strings.NewReader(body), ranged)
		if err != nil && len(body) > 200 && strings.Contains(err.Error(), body[:200]) {
			t.Fatalf("%v quotes what came", err)
		}
		for _, a := range accounts {
			if err == nil && a.UPN == "" {
				t.Fatalf("%q has an account without a name", body)
			}
		}
	})
}

// An assertion is found in a form in one place only.
func FuzzAssertionIn(f *testing.F) {
	for _, seed := range []string{"", "assertion=YQ", "assertion=YQ==", "assertion=YQ&assertion=YQ", "assertion=-_%2B%2F", "a;b", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		text, err := assertionIn(body)
		if values, bad := url.ParseQuery(body); err == nil && (bad != nil || len(values["assertion"]) != 1 || len(text) > len(body)) {
			t.Fatalf("%q gave %q", body, text)
		}
	})
}
