package cloudsim

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"

	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/token"
)

// These tests have the client library of Microsoft, which knows nothing of this
// cloud but its address and the authority of its certificate.

const (
	msalUser  = "ann@contoso.test"
	graphRead = "User.Read"
)

// msal is a public client of the library, for a tenant as it is addressed.
func (c *cloud) msal(address, id string, more ...msal.Option) msal.Client {
	c.Helper()
	client, err := msal.New(id, append([]msal.Option{msal.WithAuthority(c.url("/" + address)),
		msal.WithHTTPClient(c.users), msal.WithInstanceDiscovery(false)}, more...)...)
	if err != nil {
		c.Fatal(err)
	}
	return client
}

// byPassword is the password grant as the library has it.
func byPassword(t *testing.T, client msal.Client, user, password string) (msal.AuthResult, error) {
	//lint:ignore SA1019 it is what is tested: who uses it has reasons
	return client.AcquireTokenByUsernamePassword(t.Context(), []string{graphRead}, user, password)
}

// bothMethods is a cloud with a user of each managed method: ann of contoso by
// pass-through, ben of fabrikam by hash sync.
func bothMethods(t *testing.T) *cloud {
	t.Helper()
	c := start(t, func(cfg *Config) { cfg.Tenants[1].Method = HashSync })
	c.register("connector-1").attach()
	c.push("fabrikam", hashSyncToken, account("ben@fabrikam.test", password, false), 200)
	return c
}

// good checks what the library made of the tokens, and returns the account.
func good(t *testing.T, r msal.AuthResult, err error, tenant, user string) msal.Account {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	want := token.ObjectID(tenant, user) + "." + token.TenantID(tenant)
	if r.AccessToken == "" || r.IDToken.PreferredUsername != user || r.Account.PreferredUsername != user || r.Account.HomeAccountID != want ||
		r.IDToken.Oid != token.ObjectID(tenant, user) || r.IDToken.TenantID != token.TenantID(tenant) || time.Until(r.ExpiresOn) < 50*time.Minute {
		t.Errorf("tokens of %s: %+v, account %+v", user, r.IDToken, r.Account)
	}
	return r.Account
}

// The password grant, for both methods and each way to call a tenant; then
// tokens from the library's cache, and by its refresh token.
func TestMSALPassword(t *testing.T) {
	t.Parallel()
	c := bothMethods(t)
	for _, tc := range []struct{ address, tenant, user string }{
		{"contoso", "contoso", msalUser},
		{"organizations", "contoso", msalUser},
		{"contoso.test", "contoso", msalUser},
		{token.TenantID("contoso"), "contoso", msalUser},
		{"fabrikam", "fabrikam", "ben@fabrikam.test"},
		{"common", "fabrikam", "ben@fabrikam.test"},
	} {
		t.Run(tc.address, func(t *testing.T) {
			client := c.msal(tc.address, signin.CommandLine.ID)
			r, err := byPassword(t, client, tc.user, password)
			who := good(t, r, err, tc.tenant, tc.user)
			c.secret(r.AccessToken)
			received := c.tenant(tc.tenant).Received
			if r, err = client.AcquireTokenSilent(t.Context(), []string{graphRead}, msal.WithSilentAccount(who)); err != nil || r.AccessToken == "" {
				t.Errorf("from the cache: %v", err)
			}
			// What the user did not sign in for is asked for by the refresh token.
			if r, err = client.AcquireTokenSilent(t.Context(), []string{"Mail.Read"}, msal.WithSilentAccount(who)); err != nil || !slices.Contains(r.GrantedScopes, "Mail.Read") {
				t.Fatalf("another scope: %v, %v", r.GrantedScopes, err)
			}
			// So are claims, anew.
			if r, err = client.AcquireTokenSilent(t.Context(), []string{graphRead}, msal.WithSilentAccount(who), msal.WithClaims(`{"access_token":{}}`)); err != nil {
				t.Errorf("by the refresh token: %v", err)
			}
			good(t, r, err, tc.tenant, tc.user)
			if now := c.tenant(tc.tenant).Received; now != received {
				t.Errorf("%d sign-ins for tokens that need none", now-received)
			}
		})
	}
	for what, try := range map[string][2]string{"AADSTS50126": {msalUser, "wrong"}, "unknown account type": {"ann@nowhere.test", password},
		"AADSTS50034": {"nobody@fabrikam.test", password}} {
		_, err := byPassword(t, c.msal("organizations", signin.CommandLine.ID), try[0], try[1])
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v; expected %s", try[0], err, what)
		}
	}
	// A client that nobody registered gets tokens, and none to come back with.
	r, err := byPassword(t, c.msal("contoso", "8f7e2b1c-0000-4000-8000-000000000001"), msalUser, password)
	good(t, r, err, "contoso", msalUser)
}

var fieldPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// The authorization code, which the library has sent by a form to a port of its
// own, with a browser without scripts in between.
func TestMSALInteractive(t *testing.T) {
	t.Parallel()
	c := bothMethods(t)
	for _, tc := range []struct{ address, tenant, user string }{
		{"contoso", "contoso", msalUser},
		{"common", "fabrikam", "ben@fabrikam.test"},
	} {
		t.Run(tc.address, func(t *testing.T) {
			v := c.visitor()
			open := func(at string) error {
				text, _ := c.page(v, at, tc.user, password)
				action := actionPattern.FindStringSubmatch(text)
				if action == nil || !strings.Contains(text, `<script src="/sign-in.js"`) {
					t.Errorf("no form for the client: %s", text)
					return nil
				}
				answer := url.Values{}
				for _, field := range fieldPattern.FindAllStringSubmatch(text, -1) {
					answer.Set(field[1], html.UnescapeString(field[2]))
				}
				r, err := http.PostForm(html.UnescapeString(action[1]), answer)
				if err == nil {
					r.Body.Close()
				}
				return err
			}
			r, err := c.msal(tc.address, signin.CommandLine.ID).AcquireTokenInteractive(t.Context(), []string{graphRead}, msal.WithOpenURL(open), msal.WithLoginHint(tc.user))
			good(t, r, err, tc.tenant, tc.user)
		})
	}
}

// A device code. The library asks at a pace of its own, and gets the tokens for
// all that.
func TestMSALDeviceCode(t *testing.T) {
	t.Parallel()
	c := bothMethods(t)
	code, err := c.msal("contoso", signin.CommandLine.ID).AcquireTokenByDeviceCode(t.Context(), []string{graphRead})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(code.Result.Message, code.Result.UserCode) || code.Result.VerificationURL != c.url("/device") {
		t.Errorf("%+v", code.Result)
	}
	v := c.visitor()
	text, _ := c.page(v, c.url("/"), msalUser, password)
	if !strings.Contains(text, "Hello, ann") {
		r, err := v.Get(c.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		if text = read(t, r); !strings.Contains(text, "Hello, ann") {
			t.Fatal(text)
		}
	}
	step := func(page, step string, more ...string) string {
		values := url.Values{"step": {step}}
		for _, field := range fieldPattern.FindAllStringSubmatch(page, -1) {
			values.Set(field[1], html.UnescapeString(field[2]))
		}
		for i := 0; i < len(more); i += 2 {
			values.Set(more[i], more[i+1])
		}
		r, err := v.PostForm(c.url("/device"), values)
		if err != nil {
			t.Fatal(err)
		}
		return read(t, r)
	}
	r, err := v.Get(c.url("/device"))
	if err != nil {
		t.Fatal(err)
	}
	page := step(read(t, r), "code", "user_code", code.Result.UserCode)
	if page = step(page, "continue"); !strings.Contains(page, "You have signed in") {
		t.Fatal(page)
	}
	ctx, stop := context.WithTimeout(t.Context(), waits)
	defer stop()
	result, err := code.AuthenticationResult(ctx)
	good(t, result, err, "contoso", msalUser)
}

// diverted sends to the cloud what the library asks of the real service: with
// instance discovery on, it asks login.microsoftonline.com about any host that
// it does not know.
type diverted struct {
	http.RoundTripper
	to    string
	asked atomic.Int32
}

func (d *diverted) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Host == "login.microsoftonline.com" {
		d.asked.Add(1)
		q = q.Clone(q.Context())
		q.URL.Host, q.Host = d.to, d.to
	}
	return d.RoundTripper.RoundTrip(q)
}

func TestMSALInstanceDiscovery(t *testing.T) {
	t.Parallel()
	c := bothMethods(t)
	way := &diverted{RoundTripper: c.users.Transport, to: c.ready.Ports["443"]}
	client := c.msal("contoso", signin.CommandLine.ID, msal.WithInstanceDiscovery(true), msal.WithHTTPClient(&http.Client{Transport: way}))
	r, err := byPassword(t, client, msalUser, password)
	who := good(t, r, err, "contoso", msalUser)
	if _, err := client.AcquireTokenSilent(t.Context(), []string{graphRead}, msal.WithSilentAccount(who)); err != nil {
		t.Error(err)
	}
	if way.asked.Load() == 0 {
		t.Error("nobody was asked about the instance")
	}
	if r := c.document("/common/discovery/instance?authorization_endpoint=https://evil.example/contoso/oauth2/v2.0/authorize"); r.status != 400 || !strings.Contains(string(r.body), "invalid_instance") {
		t.Errorf("a foreign instance: %v", r)
	}
}

// document asks for a document.
func (c *cloud) document(path string) *reply {
	c.Helper()
	q, err := http.NewRequest(http.MethodGet, c.url(path), nil)
	if err != nil {
		c.Fatal(err)
	}
	return c.do(q)
}
