package signin

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever comes as a query, an answer goes nowhere but to the client.
func FuzzAuthorizationRequest(f *testing.F) {
	o := open(f, Limits{})
	for _, seed := range []string{"", query(), query("redirect_uri", "http://127.0.0.1@evil.example/callback"), query("redirect_uri", "https://app.example/signed-in", "client_id", "web"),
		query() + "&redirect_uri=x", "%zz", ";", query("redirect_uri", "http://[::1]:1/callback"), query("prompt", "none", "max_age", "99999999999")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		req, problem := o.parseRequest(text)
		if req.redirect == nil {
			if problem == nil {
				t.Fatal("a request without a redirect URI is good")
			}
			return
		}
		u, err := url.Parse(req.redirect.String())
		if err != nil || u.User != nil {
			t.Fatalf("redirect %q", req.redirect)
		}
		switch u.Hostname() {
		case "127.0.0.1", "::1", "localhost":
			if u.Scheme != "http" {
				t.Fatalf("redirect %q", u)
			}
		default:
			if u.String() != web.Redirects[0] {
				t.Fatalf("redirect %q", u)
			}
		}
		if problem == nil && (len(req.challenge) != challengeSize || len(req.scopes) == 0 || len(req.state) > maxState) {
			t.Fatalf("request %+v", req)
		}
	})
}

// The token endpoint grants nothing to those who have nothing.
func FuzzExchange(f *testing.F) {
	o := open(f, Limits{})
	for _, seed := range []string{"", "grant_type=authorization_code&client_id=ptabench-setup&code=x&redirect_uri=http://127.0.0.1/callback&code_verifier=" + verifier,
		"grant_type=refresh_token&client_id=ptabench-setup&refresh_token=x", "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=ptabench-setup&device_code=x", "%", "a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if _, problem := o.Exchange("contoso", body); problem == nil || problem.Status < 400 || problem.Word == "" {
			t.Fatalf("%q: %v", body, problem)
		}
	})
}

// A user code is read as one or not at all.
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"", "BCDF-GHJK", "bcdf ghjk", "AAAA-AAAA", "ſ", "ＢＣＤＦ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, ok := readUserCode(text)
		if ok != (code != "") || ok && (len(code) != 9 || code[4] != '-' || strings.Trim(code, userCodeLetters+"-") != "") {
			t.Fatalf("%q became %q", text, code)
		}
		if again, _ := readUserCode(code); ok && again != code {
			t.Fatalf("%q became %q", code, again)
		}
	})
}
