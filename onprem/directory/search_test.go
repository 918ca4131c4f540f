package directory

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
)

const base = "dc=contoso,dc=test"

func find(conn *client.Conn, from string, scope int, filter string, attrs ...string) (*client.SearchResult, error) {
	return conn.Search(client.NewSearchRequest(from, scope, client.NeverDerefAliases, 0, 0, false, filter, attrs, nil))
}

// TestReasons holds that an entry says why its user was refused, as AD says it.
func TestReasons(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	now := filetime(time.Now())
	tests := []struct {
		state population.State
		holds func(control, computed, lockout, passwordSet, expires int64) bool
	}{
		{population.Active, func(c, m, l, p, e int64) bool {
			return c == 512 && m == 0 && l == 0 && p > 0 && p < now && e == 9223372036854775807
		}},
		{population.Disabled, func(c, m, l, p, e int64) bool { return c == 514 && m == 0 && l == 0 && p > 0 }},
		{population.Locked, func(c, m, l, p, e int64) bool { return c == 512 && m == 0x10 && l > 0 && l <= now && p > 0 }},
		{population.PasswordExpired, func(c, m, l, p, e int64) bool {
			return c == 512 && m == 0x800000 && l == 0 && p > 0 && p < now-365*24*3600*10_000_000
		}},
		{population.MustChange, func(c, m, l, p, e int64) bool { return c == 512 && m&0x10 == 0 && l == 0 && p == 0 }},
		{population.AccountExpired, func(c, m, l, p, e int64) bool { return c == 512 && m == 0 && l == 0 && e > 0 && e < now }},
	}
	for _, tt := range tests {
		t.Run(tt.state.String(), func(t *testing.T) {
			i := r.in(tt.state)
			found, err := find(conn, base, client.ScopeWholeSubtree, "(userPrincipalName="+r.users.UPN(i)+")",
				"userAccountControl", "msDS-User-Account-Control-Computed", "lockoutTime", "pwdLastSet", "accountExpires")
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Entries) != 1 {
				t.Fatalf("found %d entries", len(found.Entries))
			}
			e := found.Entries[0]
			number := func(name string) int64 {
				n, err := strconv.ParseInt(e.GetAttributeValue(name), 10, 64)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return n
			}
			control, computed, lockout := number("userAccountControl"), number("msDS-User-Account-Control-Computed"), number("lockoutTime")
			set, expires := number("pwdLastSet"), number("accountExpires")
			if !tt.holds(control, computed, lockout, set, expires) {
				t.Errorf("control %#x, computed %#x, lockout %d, password set %d, expires %d", control, computed, lockout, set, expires)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	one := "cn=user000007,ou=users," + base
	two := "cn=user000008,ou=users," + base
	serviceDN := "cn=ptabench-connector,ou=services," + base
	const unwilling, noObject, badDN = client.LDAPResultUnwillingToPerform, client.LDAPResultNoSuchObject, client.LDAPResultInvalidDNSyntax
	tests := []struct {
		about, base string
		scope       int
		filter      string
		want        []string
		code        uint16
	}{
		{"by user principal name", base, 2, "(userPrincipalName=user000007@contoso.test)", []string{one}, 0},
		{"in other case", base, 2, "(USERPRINCIPALNAME=User000007@CONTOSO.test)", []string{one}, 0},
		{"by account name", "OU=Users, " + base, 2, "(sAMAccountName=user000007)", []string{one}, 0},
		{"by common name, one level", "ou=users," + base, 1, "(cn=user000007)", []string{one}, 0},
		{"one level is not two", base, 1, "(cn=user000007)", nil, 0},
		{"and", base, 2, "(&(objectClass=user)(sAMAccountName=user000007))", []string{one}, 0},
		{"and, but another class", base, 2, "(&(objectClass=computer)(sAMAccountName=user000007))", nil, 0},
		{"and with not", base, 2, "(&(sAMAccountName=user000007)(!(cn=user000008)))", []string{one}, 0},
		{"or", base, 2, "(|(cn=user000007)(sAMAccountName=user000008)(cn=user000007))", []string{one, two}, 0},
		{"and with a substring", base, 2, "(&(cn=user000007)(userPrincipalName=user*7@*.test))", []string{one}, 0},
		{"and with another substring", base, 2, "(&(cn=user000007)(userPrincipalName=*8@*))", nil, 0},
		{"undefined term", base, 2, "(&(cn=user000007)(pwdLastSet>=1))", nil, 0},
		{"not of an undefined term", base, 2, "(&(cn=user000007)(!(pwdLastSet>=1)))", nil, 0},
		{"or with an undefined term", base, 2, "(&(cn=user000007)(|(pwdLastSet>=1)(objectClass=*)))", []string{one}, 0},
		{"unknown user", base, 2, "(userPrincipalName=nobody000001@contoso.test)", nil, 0},
		{"service account", base, 2, "(sAMAccountName=ptabench-connector)", []string{serviceDN}, 0},
		{"not below another unit", "ou=services," + base, 2, "(sAMAccountName=user000007)", nil, 0},
		{"services", "ou=services," + base, 1, "(objectClass=*)", []string{serviceDN}, 0},
		{"services and below", "ou=services," + base, 2, "(objectClass=*)", []string{"ou=services," + base, serviceDN}, 0},
		{"units", base, 1, "(objectClass=*)", []string{"ou=users," + base, "ou=services," + base}, 0},
		{"the domain", base, 0, "(objectClass=domainDNS)", []string{base}, 0},
		{"an entry", "CN=User000007 , ou=users," + base, 0, "(objectClass=*)", []string{one}, 0},
		{"below a user", one, 1, "(objectClass=*)", nil, 0},
		{"a user and below", one, 2, "(objectClass=*)", []string{one}, 0},
		{"all users", base, 2, "(objectClass=user)", nil, unwilling},
		{"all users of the unit", "ou=users," + base, 1, "(objectClass=*)", nil, unwilling},
		{"substring", base, 2, "(userPrincipalName=user*)", nil, unwilling},
		{"present", base, 2, "(userPrincipalName=*)", nil, unwilling},
		{"or with all users", base, 2, "(|(cn=user000007)(objectClass=user))", nil, unwilling},
		{"all but one", base, 2, "(!(cn=user000007))", nil, unwilling},
		{"nothing at all", base, 2, "(|)", nil, 0},
		{"everything at all", base, 2, "(&)", nil, unwilling},
		{"an entry that is not there", "cn=user000000,ou=users," + base, 0, "(objectClass=*)", nil, noObject},
		{"another domain", "dc=fabrikam,dc=test", 2, "(cn=user000007)", nil, noObject},
		{"no DN", "what,is=this", 2, "(cn=user000007)", nil, badDN},
		{"the whole server", "", 2, "(cn=user000007)", nil, unwilling},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			found, err := find(conn, tt.base, tt.scope, tt.filter)
			if got := resultCode(t, err); got != tt.code {
				t.Fatalf("result = %d (%v), want %d", got, err, tt.code)
			}
			var got []string
			if err == nil {
				for _, e := range found.Entries {
					got = append(got, e.DN)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
	// A refused search must not have cost the connection, nor its identity.
	if found, err := find(conn, base, 2, "(cn=user000007)"); err != nil || len(found.Entries) != 1 {
		t.Errorf("after all of them: %v", err)
	}
	if got := r.counters().Searches; got != uint64(len(tests)+1) {
		t.Errorf("searches counted = %d, want %d", got, len(tests)+1)
	}
}

// TestFilterInjection holds that a value stays a value, whatever is in it.
func TestFilterInjection(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	for _, value := range []string{
		"*", "user*", "user000007@contoso.test)(objectClass=*", "*)(|(objectClass=*", "a)(b", "(", ")", "((((", "\\", "\\2a",
		"\x00", "\xff\xfe", "user000007@contoso.test\x00", "", "&", "|(cn=user000007)", "*)(cn=user000007", "日本@contoso.test",
	} {
		for _, form := range []string{"(userPrincipalName=%s)", "(&(objectClass=user)(sAMAccountName=%s))", "(|(cn=%s)(cn=%[1]s))"} {
			filter := fmt.Sprintf(form, client.EscapeFilter(value))
			found, err := find(conn, base, client.ScopeWholeSubtree, filter)
			if err != nil {
				t.Errorf("%s: %v", filter, err)
			} else if len(found.Entries) != 0 {
				t.Errorf("%s: found %s", filter, found.Entries[0].DN)
			}
		}
	}
}

func TestWhoMaySearch(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	own := "cn=" + r.users.Name(i) + ",ou=users," + base
	denied := func(t *testing.T, conn *client.Conn) {
		t.Helper()
		for _, from := range []string{base, own, "ou=services," + base, "cn=nobody,ou=users," + base} {
			for scope := range 3 {
				_, err := find(conn, from, scope, "(userPrincipalName="+r.users.UPN(i)+")")
				if got := resultCode(t, err); got != client.LDAPResultInsufficientAccessRights {
					t.Errorf("searching %s, scope %d: result %d", from, scope, got)
				}
			}
		}
	}
	t.Run("without a bind", func(t *testing.T) { denied(t, r.dial()) })
	t.Run("anonymous", func(t *testing.T) {
		conn := r.dial()
		if err := conn.UnauthenticatedBind(""); err != nil {
			t.Fatal(err)
		}
		denied(t, conn)
	})
	t.Run("a user", func(t *testing.T) {
		conn := r.dial()
		if err := conn.Bind(r.users.UPN(i), r.users.Password(i)); err != nil {
			t.Fatal(err)
		}
		denied(t, conn)
	})
	t.Run("the service account, then a user who is refused", func(t *testing.T) {
		conn := r.service()
		if got := bind(t, conn, r.users.UPN(i), r.users.WrongPassword(i)); got != client.LDAPResultInvalidCredentials {
			t.Fatalf("result %d", got)
		}
		denied(t, conn)
	})
	t.Run("the service account, then anonymous", func(t *testing.T) {
		conn := r.service()
		if err := conn.UnauthenticatedBind(""); err != nil {
			t.Fatal(err)
		}
		denied(t, conn)
	})
}

func TestRootDSE(t *testing.T) {
	r := start(t, testConfig(t))
	found, err := find(r.dial(), "", client.ScopeBaseObject, "(objectClass=*)")
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Entries) != 1 {
		t.Fatalf("found %d entries", len(found.Entries))
	}
	for name, want := range map[string]string{
		"namingContexts": base, "defaultNamingContext": base, "supportedLDAPVersion": "3",
	} {
		if got := found.Entries[0].GetAttributeValue(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestAttributeSelection(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	const dn, computed = "cn=user000001,ou=users," + base, "msDS-User-Account-Control-Computed"
	ordinary := []string{
		"accountExpires", "cn", "distinguishedName", "lockoutTime", "objectClass", "pwdLastSet",
		"sAMAccountName", "userAccountControl", "userPrincipalName",
	}
	tests := []struct {
		about string
		asked []string
		want  []string
	}{
		{"none named", nil, ordinary},
		{"all", []string{"*"}, ordinary},
		{"operational", []string{"+"}, []string{computed}},
		{"both", []string{"*", "+"}, slices.Sorted(slices.Values(append([]string{computed}, ordinary...)))},
		{"by name in other case", []string{"CN", "PWDLASTSET", "msds-user-account-control-computed"}, []string{"cn", computed, "pwdLastSet"}},
		{"no attributes", []string{"1.1"}, nil},
		{"one that is not there", []string{"mail"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			found, err := find(conn, dn, client.ScopeBaseObject, "(objectClass=*)", tt.asked...)
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]bool)
			for _, a := range found.Entries[0].Attributes {
				got[a.Name] = true
			}
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(slices.Values(tt.want))) {
				t.Errorf("got %q, want %q", names, tt.want)
			}
		})
	}

	t.Run("types only", func(t *testing.T) {
		found, err := conn.Search(client.NewSearchRequest(dn, client.ScopeBaseObject, 0, 0, 0, true, "(cn=*)", []string{"cn"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		if a := found.Entries[0].Attributes; len(a) != 1 || a[0].Name != "cn" || len(a[0].Values) != 0 {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("size limit", func(t *testing.T) {
		_, err := conn.Search(client.NewSearchRequest(base, client.ScopeWholeSubtree, 0, 1, 0, false,
			"(|(cn=user000001)(cn=user000002))", nil, nil))
		if got := resultCode(t, err); got != client.LDAPResultSizeLimitExceeded {
			t.Errorf("result %d", got)
		}
	})
	t.Run("a paging control is ignored", func(t *testing.T) {
		found, err := conn.Search(client.NewSearchRequest(base, client.ScopeWholeSubtree, 0, 0, 0, false,
			"(cn=user000001)", nil, []client.Control{client.NewControlPaging(10)}))
		if err != nil || len(found.Entries) != 1 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a critical control is refused", func(t *testing.T) {
		_, err := conn.Search(client.NewSearchRequest(base, client.ScopeWholeSubtree, 0, 0, 0, false,
			"(cn=user000001)", nil, []client.Control{client.NewControlString("1.2.3.4", true, "x")}))
		if got := resultCode(t, err); got != client.LDAPResultUnavailableCriticalExtension {
			t.Errorf("result %d", got)
		}
	})
}

func TestReadOnly(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.service()
	const dn = "cn=user000001,ou=users," + base
	modify := client.NewModifyRequest(dn, nil)
	modify.Replace("userAccountControl", []string{"512"})
	_, compare := conn.Compare(dn, "cn", "user000001")
	_, whoAmI := conn.WhoAmI(nil)
	for about, got := range map[string]struct {
		err  error
		want uint16
	}{
		"modify":   {conn.Modify(modify), client.LDAPResultUnwillingToPerform},
		"add":      {conn.Add(client.NewAddRequest("cn=x,ou=users,"+base, nil)), client.LDAPResultUnwillingToPerform},
		"delete":   {conn.Del(client.NewDelRequest(dn, nil)), client.LDAPResultUnwillingToPerform},
		"rename":   {conn.ModifyDN(client.NewModifyDNRequest(dn, "cn=y", true, "")), client.LDAPResultUnwillingToPerform},
		"compare":  {compare, client.LDAPResultUnwillingToPerform},
		"extended": {whoAmI, client.LDAPResultProtocolError},
	} {
		if code := resultCode(t, got.err); code != got.want {
			t.Errorf("%s: result %d, want %d", about, code, got.want)
		}
	}
	if _, err := find(conn, base, 0, "(objectClass=*)"); err != nil {
		t.Errorf("after all of them: %v", err)
	}
}
