package directory

import (
	"strings"
	"testing"
)

func TestSyncTenants(t *testing.T) {
	for _, c := range []struct{ text, upn, want string }{
		{"contoso", "user000001@anything.test", "contoso"},
		{"contoso=contoso.test+contoso.example,fabrikam=fabrikam.test", "user000001@Contoso.Example", "contoso"},
		{"contoso=contoso.test+contoso.example,fabrikam=fabrikam.test", "user000001@fabrikam.test", "fabrikam"},
		{"contoso=contoso.test,fabrikam=fabrikam.test", "user000001@tailspin.test", ""},
	} {
		tenants, err := parseSyncTenants(c.text)
		if got := tenants.of(c.upn); err != nil || got != c.want {
			t.Errorf("%s: %s goes to %q, %v, expected %q", c.text, c.upn, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"":                  "expected the name of a tenant",
		"a,b":               `"a": expected name=domain`,
		"a=,b=b.test":       `"a=": expected name=domain`,
		"a=x.test,b=X.test": `domain "x.test": expected of one tenant, a and b have it`,
	} {
		if _, err := parseSyncTenants(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %s", text, err, want)
		}
	}
}
