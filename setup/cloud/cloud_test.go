package cloud_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/setup/cloud"
	"ptabench/setup/cloud/cloudtest"
)

const patience = 30 * time.Second

func TestRead(t *testing.T) {
	c := cloudtest.New(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name, at, ca, want string // in the error; empty for none
	}{
		{"file", c.File, "", ""},
		{"file and CA", c.File, c.CAFile, ""},
		{"host", "cloud.contoso.test", c.CAFile, ""},
		{"host and port", "127.0.0.1:4443", c.CAFile, ""},
		{"URL", "https://cloud.contoso.test/", c.CAFile, ""},
		{"IPv6", "[::1]:4443", c.CAFile, ""},
		{"nothing", "", "", "--cloud"},
		{"no CA", "cloud.contoso.test", "", "--cloud-ca"},
		{"CA that is none", "cloud.contoso.test", file("none.pem", "no"), "--cloud-ca"},
		{"no TLS", "http://cloud.contoso.test", c.CAFile, "expected host"},
		{"path", "https://cloud.contoso.test/tenant", c.CAFile, "expected host"},
		{"password", "https://u:p@cloud.contoso.test", c.CAFile, "expected host"},
		{"no such file", filepath.Join(dir, "no.json"), "", "no such file"},
		{"no JSON", file("bad.json", "{"), "", "ready line"},
		{"no ports", file("ports.json", `{"ports":{"9090":"127.0.0.1:1"}}`), "", "expected 443 or 8080"},
		{"no address", file("at.json", `{"ports":{"443":"x"}}`), "", "host:port"},
		{"no CA in it", file("ca.json", `{"ports":{"443":"127.0.0.1:1"}}`), "", "ca_pem"},
	} {
		_, err := cloud.Read(test.at, test.ca, "contoso", patience)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; expected %q", test.name, err, test.want)
		}
	}
}

func TestAssumesDocumentedPortsOfAnAddress(t *testing.T) {
	c := cloudtest.New(t)
	at, err := cloud.Read(c.Address, c.CAFile, cloudtest.Tenant, patience)
	if err != nil {
		t.Fatal(err)
	}
	at.Locate(t.Context())
	if at.Guessed == nil || at.Endpoints["443"] != c.Address || at.Endpoints["10120"] != "127.0.0.1:10120" {
		t.Errorf("%v, %v", at.Guessed, at.Endpoints)
	}
}

func newCloud(t *testing.T) (*cloudtest.Cloud, *cloud.Cloud) {
	t.Helper()
	c := cloudtest.New(t)
	at, err := cloud.Read(c.File, "", cloudtest.Tenant, patience)
	if err != nil {
		t.Fatal(err)
	}
	return c, at
}

// TestBrowserThatIsNotOurs visits the redirect address as others on the host
// could: only who knows the state is heard.
func TestBrowserThatIsNotOurs(t *testing.T) {
	_, at := newCloud(t)
	get := func(address string) int {
		answer, err := http.Get(address)
		if err != nil {
			t.Error(err)
			return 0
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	_, err := at.SignInByBrowser(t.Context(), cloudtest.Administrator, func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return
		}
		q := u.Query()
		back := q.Get("redirect_uri")
		for _, bad := range []string{"?code=stolen", "?code=stolen&state=guess", "?error=access_denied&state="} {
			if status := get(back + bad); status != http.StatusNotFound {
				t.Errorf("%s: status %d, expected 404", bad, status)
			}
		}
		if status := get(back + "?error=access_denied&error_description=no&state=" + q.Get("state")); status != http.StatusOK {
			t.Errorf("with the state: status %d", status)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("%v: expected access_denied", err)
	}
}

func TestSignInEndsWithItsContext(t *testing.T) {
	_, at := newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := at.SignInByBrowser(ctx, "", func(string) { cancel() })
	if err == nil {
		t.Error("signed in without anybody")
	}
	ctx, cancel = context.WithCancel(t.Context())
	if _, err = at.SignInByDevice(ctx, func(string, string, time.Time) { cancel() }); err == nil {
		t.Error("signed in without anybody")
	}
}

func TestAdministratorsAPI(t *testing.T) {
	c, at := newCloud(t)
	a, err := at.SignInByPassword(t.Context(), cloudtest.Administrator, cloudtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if !a.Outlasts(time.Minute) || a.Outlasts(time.Hour) {
		t.Error("expected a sign-in of ten minutes")
	}
	want := cloud.SignInMethod{Method: cloud.PassThrough, HashSyncBackup: true}
	if err := a.SetSignInMethod(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := a.SignInMethod(t.Context()); err != nil || got != want {
		t.Errorf("%+v, %v; expected %+v", got, err, want)
	}
	if token, err := a.NewRegistrationToken(t.Context()); err != nil || token.Token != "one-time" || token.Expires.IsZero() {
		t.Errorf("%v, %v", token.Expires, err)
	}
	c.Attach("dc1")
	if list, err := a.Connectors(t.Context()); err != nil || len(list.Connectors) != 1 || !list.Connectors[0].Serving {
		t.Errorf("%+v, %v", list, err)
	}
	c.RefuseMethod()
	err = a.SetSignInMethod(t.Context(), want)
	if err == nil || !strings.Contains(err.Error(), "400 Bad Request: that method is not to be had") || strings.Contains(err.Error(), cloudtest.AccessToken) {
		t.Errorf("%v", err)
	}
}
