package signin

import (
	"net/url"
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
