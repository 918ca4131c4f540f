package token

import (
	"slices"
	"strings"
	"testing"
)

func TestGrantable(t *testing.T) {
	for _, tc := range []struct {
		asked, granted, audience string
		one                      bool
	}{
		{"", "", resource, true},
		{"root", "", resource, true},
		{"openid profile offline_access User.Read", "offline_access openid profile User.Read", resource, true},
		{"openid openid User.Read User.Read", "openid User.Read", resource, true},
		{"email phone", "email", resource, true},
		{Default, Default, resource, true},
		{"https://graph.microsoft.com/Mail.Send User.Read", "https://graph.microsoft.com/Mail.Send User.Read", resource, true},
		{"api://tasks/read openid", "openid api://tasks/read", "api://tasks", true},
		{"https://tasks.example/v1/read https://tasks.example/v1/write", "https://tasks.example/v1/read https://tasks.example/v1/write", "https://tasks.example/v1", true},
		{"api://tasks/read api://notes/read", "", resource, false},
		{"api://tasks/read User.Read", "", resource, false},
		// The cloud's own are for administrators, and come alone.
		{"tenant.manage User.Read offline_access openid", "openid tenant.manage", CloudAudience, true},
		{"connector.register", "connector.register", CloudAudience, true},
		{"api://ptabench/cloud/connector.register", "", resource, true},
		{"api://ptabench/cloud/.default openid", "openid", resource, true},
		// What is no scope.
		{"http://tasks.example/read api:///x api://x https://x/ ftp://x/y .x x. x..y", "", resource, true},
		{"User.Re\"ad a.b\\c ä.b", "", resource, true},
		{strings.Repeat("a", 200) + "." + strings.Repeat("b", 200), "", resource, true},
	} {
		granted, one := Grantable(strings.Fields(tc.asked))
		if strings.Join(granted, " ") != tc.granted || one != tc.one || audience(granted) != tc.audience {
			t.Errorf("%q: %q, %v for %s; expected %q, %v for %s", tc.asked, granted, one, audience(granted), tc.granted, tc.one, tc.audience)
		}
	}
	var many []string
	for i := range 100 {
		many = append(many, "A.b"+strings.Repeat("x", i))
	}
	if granted, _ := Grantable(many); len(granted) != maxScopes {
		t.Errorf("%d scopes", len(granted))
	}
}

func TestSimple(t *testing.T) {
	for scopes, want := range map[string]bool{"": true, "openid": true, Default: true, "openid profile": true, "root": true, "openid " + Default: true,
		"openid offline_access": false, "User.Read": false, "openid email": false, "api://x/y": false} {
		if Simple(scopes) != want {
			t.Errorf("%q: %v", scopes, !want)
		}
	}
}

func FuzzScopes(f *testing.F) {
	for _, seed := range []string{"openid", "api://x/y", "https://graph.microsoft.com/.default", "tenant.manage a.b", "\x00 \xff", "api://ptabench/cloud/x", "api://ptabench/cloud//x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		granted, _ := Grantable(strings.Fields(text))
		if len(granted) > maxScopes+6 {
			t.Fatalf("%d scopes", len(granted))
		}
		if audience(granted) == CloudAudience && !slices.ContainsFunc(granted, Administrative) {
			t.Fatalf("%q: a token for the cloud", granted)
		}
	})
}

// FuzzRead believes no token that this cloud did not sign.
func FuzzRead(f *testing.F) {
	s, _ := open(f, f.TempDir())
	other, _ := open(f, f.TempDir())
	is, foreign := s.Issuer(host, "contoso"), other.Issuer(host, "contoso")
	signed := make(map[string]bool)
	for i, issuer := range []*Issuer{is, foreign} {
		tokens, err := issuer.MintGrant(Grant{Client: client, User: "ann@contoso.test", Scopes: []string{OpenID, RegisterScope}}, noon)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range []string{tokens.Access, tokens.ID} {
			f.Add(text)
			signed[text[:strings.LastIndexByte(text, '.')]] = i == 0
		}
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.AA")
	f.Fuzz(func(t *testing.T, text string) {
		_ = TenantOf(text)
		// Of one signature there are several ways to write it, which is no matter.
		said, _, _ := strings.Cut(text, ".")
		if at := strings.LastIndexByte(text, '.'); at > 0 {
			said = text[:at]
		}
		if _, err := s.read(text); err == nil && !signed[said] {
			t.Fatalf("%q is believed", text)
		}
	})
}
