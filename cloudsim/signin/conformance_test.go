package signin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is a client made of two public libraries that know nothing of this cloud
// but the issuer's address.
type app struct {
	*office
	ctx      context.Context
	provider *oidc.Provider
	config   oauth2.Config
}

func (o *office) app(tenant string, scopes ...string) *app {
	o.Helper()
	ctx := context.WithValue(o.Context(), oauth2.HTTPClient, o.server.Client())
	provider, err := oidc.NewProvider(ctx, o.server.URL+"/"+tenant+"/v2.0")
	if err != nil {
		o.Fatal(err)
	}
	return &app{o, ctx, provider, oauth2.Config{ClientID: "ptabench-setup", Endpoint: provider.Endpoint(),
		RedirectURL: "http://127.0.0.1:40123/callback", Scopes: scopes}}
}

// verify checks the id token as the library has it.
func (a *app) verify(t *oauth2.Token, user, nonce string) *oidc.IDToken {
	a.Helper()
	raw, _ := t.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID, SupportedSigningAlgs: []string{"ES256"}, Now: a.now}).Verify(a.ctx, raw)
	if err != nil {
		a.Fatalf("the id token: %v", err)
	}
	var claims struct {
		User string `json:"preferred_username"`
		Name string `json:"name"`
	}
	if err := id.Claims(&claims); err != nil {
		a.Fatal(err)
	}
	if claims.User != user || claims.Name != strings.Split(user, "@")[0] || id.Nonce != nonce {
		a.Errorf("claims %+v, nonce %q; expected %s, %q", claims, id.Nonce, user, nonce)
	}
	return id
}

func (a *app) path(at string) string {
	return strings.TrimPrefix(at, a.server.URL)
}

// An authorization code with PKCE, on an address of loopback.
func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	a := o.app("contoso", "openid", "profile", "offline_access")
	state, nonce, pkce := random(), random(), oauth2.GenerateVerifier()
	b := o.browser()
	page := b.get(a.path(a.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce))))
	b.expect(page, 200, "ptabench setup")
	page = b.signIn(page, annUser, "wrong")
	b.expect(page, 200, "AADSTS50126")
	page = b.send(page, "password", "password", annPassword)
	if page.away == nil || page.away.Host != "127.0.0.1:40123" || page.away.Path != "/callback" {
		t.Fatalf("the answer went to %v: %s", page.away, page.text)
	}
	q := page.away.Query()
	if q.Get("state") != state || q.Get("iss") != o.server.URL+"/contoso/v2.0" || q.Get("code") == "" || len(q) != 3 {
		t.Fatalf("answer %v", page.away)
	}
	tokens, err := a.config.Exchange(a.ctx, q.Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	first := a.verify(tokens, annUser, nonce)

	// The refresh token is good once, and its successor has its rights.
	old := tokens.RefreshToken
	refreshed, err := a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: old}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if id := a.verify(refreshed, annUser, ""); id.Subject != first.Subject {
		t.Errorf("the user is %s after a refresh, was %s", id.Subject, first.Subject)
	}
	if _, err = a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: old}).Token(); err == nil {
		t.Error("a refresh token was good twice")
	}
	// Two have it, so neither is believed any more.
	if _, err = a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: refreshed.RefreshToken}).Token(); err == nil {
		t.Error("the successor of a stolen refresh token is good")
	}
	if _, err := a.config.Exchange(a.ctx, q.Get("code"), oauth2.VerifierOption(pkce)); err == nil {
		t.Error("a code was good twice")
	}
	if n := o.denials("code-used"); n == 0 {
		t.Error("a used code was not counted")
	}
	for _, secret := range []string{q.Get("code"), old, refreshed.RefreshToken, tokens.AccessToken, pkce} {
		if strings.Contains(o.log.String(), secret) {
			t.Error("the log has a code or token")
		}
	}
	if len(o.asked) != 2 || o.asked[1].User != annUser || o.asked[1].Tenant != "contoso" || o.asked[1].RequestID == "" {
		t.Errorf("the cloud was asked %v", o.asked)
	}
}

// A device code, by a browser elsewhere.
func TestDeviceCode(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{PollInterval: time.Second})
	a := o.app("contoso", "openid", "connector.register", "tenant.manage")
	auth, err := a.config.DeviceAuth(a.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if auth.VerificationURI != o.server.URL+"/device" || auth.Interval != 1 {
		t.Errorf("authorization %+v", auth)
	}
	b := o.browser()
	page := b.get("/device")
	page = b.send(page, "code", "user_code", strings.ToLower(strings.ReplaceAll(auth.UserCode, "-", " ")))
	b.expect(page, 200, "register a connector", "ptabench setup")
	page = b.signIn(page, adminUser, adminPassword)
	b.expect(page, 200, "Are you trying to sign in to ptabench setup?", adminUser)
	page = b.send(page, "continue")
	b.expect(page, 200, "<h1>Signed in</h1>", "where the code was shown")
	ctx, stop := context.WithTimeout(a.ctx, 30*time.Second)
	defer stop()
	tokens, err := a.config.DeviceAccessToken(ctx, auth)
	if err != nil {
		t.Fatal(err)
	}
	a.verify(tokens, adminUser, "")
	access, err := o.issuer("contoso").Verify(tokens.AccessToken, "connector.register", o.now())
	if err != nil || access.User != adminUser || !slices.Contains(access.Scopes, "tenant.manage") {
		t.Errorf("access %+v, %v", access, err)
	}
	if _, problem := o.Exchange("contoso", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
		"client_id": {"ptabench-setup"}, "device_code": {auth.DeviceCode}}.Encode()); problem == nil || problem.Word != "invalid_grant" {
		t.Errorf("a device code was good twice: %v", problem)
	}
	if len(o.asked) != 0 {
		t.Error("the cloud was asked for an administrator's password")
	}
}

// What a device hears until then, by its own clock.
func TestDevicePolling(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	device := func() (deviceAnswer, func() string) {
		r, err := o.server.Client().PostForm(o.server.URL+"/contoso/oauth2/v2.0/devicecode", url.Values{"client_id": {"ptabench-setup"}, "scope": {"openid"}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var d deviceAnswer
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil || r.StatusCode != http.StatusOK || d.Expires != 900 || d.Interval != 5 {
			t.Fatalf("%d %+v: %v", r.StatusCode, d, err)
		}
		return d, func() string {
			_, problem := o.Exchange("contoso", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
				"client_id": {"ptabench-setup"}, "device_code": {d.DeviceCode}}.Encode())
			if problem == nil {
				return "tokens"
			}
			return problem.Word
		}
	}
	expect := func(poll func() string, want string) {
		t.Helper()
		if got := poll(); got != want {
			t.Errorf("polled: %s; expected %s", got, want)
		}
	}
	_, poll := device()
	expect(poll, "authorization_pending")
	o.pass(time.Second)
	expect(poll, "slow_down")
	o.pass(6 * time.Second)
	expect(poll, "slow_down") // the interval is 10 s now
	o.pass(15 * time.Second)
	expect(poll, "authorization_pending")
	o.pass(15 * time.Minute)
	expect(poll, "expired_token")

	d, poll := device()
	b := o.browser()
	page := b.send(b.get("/device"), "code", "user_code", d.UserCode)
	page = b.signIn(page, annUser, annPassword)
	page = b.send(page, "cancel")
	b.expect(page, 200, "<h1>Not signed in</h1>", "You did not sign in")
	expect(poll, "access_denied")
	o.pass(time.Minute)
	expect(poll, "invalid_grant")

	// The page of a code that ran out meanwhile.
	d, _ = device()
	page = b.send(b.get("/device"), "code", "user_code", d.UserCode)
	o.pass(16 * time.Minute)
	page = b.send(page, "continue")
	b.expect(page, 200, "AADSTS70020")
}
