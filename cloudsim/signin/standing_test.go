package signin

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Who has signed in goes on without a password for as long as the account is
// there and enabled, as far as hash sync has said.
func TestAccountsThatEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		before, after Standing
		refresh, page string // what each answers; empty for going on
	}{
		{"stays", Enabled, Enabled, "", ""},
		{"never synced", Unsaid, Unsaid, "", ""},
		{"synced later", Unsaid, Enabled, "", ""},
		{"disabled", Enabled, Disabled, "refresh-user-disabled", "session-user-disabled"},
		{"never synced, then disabled", Unsaid, Disabled, "refresh-user-disabled", "session-user-disabled"},
		{"deleted", Enabled, Unsaid, "refresh-user-disabled", "session-user-disabled"},
		// The directory has let this one in, so hash sync is behind.
		{"enabled a moment ago", Disabled, Disabled, "refresh-user-disabled", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := open(t, Limits{})
			o.sync(annUser, tc.before)
			b := o.browser()
			page := b.send(b.get(authorizePath("scope", "openid offline_access")), "user", "user", annUser)
			page = b.send(page, "password", "password", annPassword, "stay", "yes")
			if page.away == nil {
				t.Fatal(page.text)
			}
			form := url.Values{"grant_type": {"authorization_code"}, "client_id": {Setup.ID}, "code": {page.away.Query().Get("code")},
				"redirect_uri": {"http://127.0.0.1:40000/callback"}, "code_verifier": {verifier}}
			tokens, problem := o.Exchange("contoso", form.Encode())
			if problem != nil || tokens.Refresh == "" {
				t.Fatal(problem, tokens)
			}
			o.sync(annUser, tc.after)
			again := url.Values{"grant_type": {"refresh_token"}, "client_id": {Setup.ID}, "refresh_token": {tokens.Refresh}}.Encode()
			if tc.refresh != "" {
				for range 2 { // it is not used up
					if _, problem := o.Exchange("contoso", again); problem == nil || problem.Code != 50057 || problem.Word != "invalid_grant" || problem.Reason != tc.refresh {
						t.Fatalf("a refresh: %v", problem)
					}
				}
				o.sync(annUser, Enabled)
			}
			if _, problem := o.Exchange("contoso", again); problem != nil {
				t.Errorf("a refresh: %v", problem)
			}
			o.sync(annUser, tc.after)
			if tc.page == "" {
				b.expect(b.get("/"), 200, "Hello, ann")
				return
			}
			b.expect(b.get("/"), 200, `id="user"`)
			o.expectDenied(tc.page, 1)
			o.sync(annUser, Enabled) // the session is over for good
			b.expect(b.get("/"), 200, `id="user"`)
		})
	}
}

// An administrator is an account of the cloud, whatever a directory says of the
// name.
func TestAdministratorsDoNotEnd(t *testing.T) {
	t.Parallel()
	o := open(t, Limits{})
	b := o.browser()
	o.sync(adminUser, Enabled)
	b.signIn(b.get("/"), adminUser, adminPassword)
	o.sync(adminUser, Disabled)
	b.expect(b.get("/"), 200, "Hello, admin")
}

// A refresh token is good for other scopes than it was given for, and goes on
// whether they ask for that or not; not for an administrator's.
func TestRefreshForOtherScopes(t *testing.T) {
	o := open(t, Limits{})
	b := o.browser()
	page := b.send(b.get(authorizePath("scope", "openid offline_access")), "user", "user", annUser)
	page = b.send(page, "password", "password", annPassword)
	if page.away == nil {
		t.Fatal(page.text)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {Setup.ID}, "code": {page.away.Query().Get("code")},
		"redirect_uri": {"http://127.0.0.1:40000/callback"}, "code_verifier": {verifier}}
	tokens, problem := o.Exchange("contoso", form.Encode())
	for _, tc := range []struct{ asked, got string }{
		{"User.Read", "User.Read"}, {"openid Mail.Read offline_access", "Mail.Read"}, {"", "Mail.Read"}, {"tenant.manage", "Mail.Read"},
	} {
		if problem != nil || tokens.Refresh == "" {
			t.Fatal(problem, tokens)
		}
		form = url.Values{"grant_type": {"refresh_token"}, "client_id": {Setup.ID}, "refresh_token": {tokens.Refresh}, "scope": {tc.asked}}
		tokens, problem = o.Exchange("contoso", form.Encode())
		if problem == nil && !slices.Contains(strings.Fields(tokens.Scope), tc.got) || strings.Contains(tokens.Scope, "tenant.manage") {
			t.Errorf("asked for %q: got %q", tc.asked, tokens.Scope)
		}
	}
	good := tokens.Refresh
	form.Set("refresh_token", good)
	form.Set("scope", "https://graph.microsoft.com/User.Read api://other/read")
	if _, problem := o.Exchange("contoso", form.Encode()); problem == nil || problem.Word != "invalid_scope" {
		t.Errorf("scopes of two services: %v", problem)
	}
	form.Set("scope", "")
	if _, problem := o.Exchange("contoso", form.Encode()); problem != nil {
		t.Errorf("a token that was asked for the impossible is used up: %v", problem)
	}
}
