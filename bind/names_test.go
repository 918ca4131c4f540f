package bind

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

func TestParseNames(t *testing.T) {
	for _, tt := range []struct {
		text, user, want string
	}{
		{"cn={local},ou=users,dc=contoso,dc=test", "ann@contoso.test", "cn=ann,ou=users,dc=contoso,dc=test"},
		{"uid={upn},dc=x", "ann@contoso.test", "uid=ann@contoso.test,dc=x"},
		{"cn={local},dc={domain}", "a@b@c", "cn=a@b,dc=c"},
		{"cn={local},dc=x", "ann", "cn=ann,dc=x"},
		{"cn={local},dc=x", "x,dc=y@c", `cn=x\,dc=y,dc=x`},
		{"cn={local},dc=x", ` #"+<>;\ @c`, `cn=\ #\"\+\<\>\;\\\ ,dc=x`},
		{"cn={local},dc=x", "zoë@c", "cn=zoë,dc=x"},
	} {
		n, err := ParseNames(tt.text)
		if err != nil || n.String() != tt.text {
			t.Errorf("%q: %q, %v", tt.text, n.String(), err)
			continue
		}
		if got := n.of(tt.user); got != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.text, tt.user, got, tt.want)
		}
	}
	for _, text := range []string{"", "upn", "lookup"} {
		if n, err := ParseNames(text); err != nil || n.String() != text {
			t.Errorf("%q: %q, %v", text, n.String(), err)
		}
	}
	for _, text := range []string{"UPN", "cn=ann,dc=x", "cn={domain},dc=x", "cn={name},dc=x", "cn={local", "cn=}{local}", "{local}", "cn={local},,"} {
		if n, err := ParseNames(text); err == nil {
			t.Errorf("%q: %q, want an error", text, n.String())
		}
	}
}

// Whatever a user is called, its DN has the parts of the template and no more,
// and the name as it is.
func FuzzNames(f *testing.F) {
	f.Add("cn={local},ou=users,dc=contoso,dc=test", "ann@contoso.test")
	f.Add("cn={upn},dc=x", `a,b+c="d"\ #;<>`)
	f.Add("cn={local}+sn=x,dc={domain}", "\x00*()@\xff")
	f.Fuzz(func(t *testing.T, text, user string) {
		n, err := ParseNames(text)
		if err != nil || n.way != byTemplate || !speakable(user) || user == "" || len(user) > longestUser {
			return
		}
		plain, err := ldap.ParseDN(n.of("a@b"))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		dn, err := ldap.ParseDN(n.of(user))
		if err != nil {
			if strings.TrimSuffix(user, "@") == "" || strings.HasPrefix(user, "@") || strings.HasSuffix(user, "@") || !strings.Contains(user, "@") {
				return // an empty part is no value
			}
			t.Fatalf("%q of %q: %q: %v", text, user, n.of(user), err)
		}
		if len(dn.RDNs) != len(plain.RDNs) {
			t.Errorf("%q of %q has %d parts, want %d", text, user, len(dn.RDNs), len(plain.RDNs))
		}
	})
}

func TestParseNameAttribute(t *testing.T) {
	for text, want := range map[string]string{
		"": "userPrincipalName", "mail": "mail", "x-upn2": "x-upn2",
		"a)(b": "", "*": "", "2a": "", "-a": "", "ü": "", "a;binary": "", strings.Repeat("a", 200): "",
	} {
		if got, err := ParseNameAttribute(text); got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// What no directory could know, or could take for something else, is answered
// without asking it.
func TestWhatIsNeverSent(t *testing.T) {
	d := bindtest.NewDirectory(t, map[string]bindtest.User{annsName: {Password: annSecret}, "zoë@contoso.test": {Password: "пароль"}})
	p := open(t, config(t, d.Server))
	for _, tt := range []struct {
		name, user, password string
		want                 wire.Result
	}{
		{"no password", annsName, "", wrong},
		{"a password of NUL", annsName, "\x00", wrong},
		{"a password that goes on after a NUL", annsName, annSecret + "\x00x", wrong},
		{"a password of 10,000 bytes", annsName, strings.Repeat("p", 10_000), wrong},
		{"no name", "", annSecret, unknown},
		{"a name that goes on after a NUL", annsName + "\x00x", annSecret, unknown},
		{"a name with a line break", "ann\r\n@contoso.test", annSecret, unknown},
		{"a name with DEL", "ann\x7f@contoso.test", annSecret, unknown},
		{"a name with a C1 control", "ann\u0085@contoso.test", annSecret, unknown},
		{"a name that turns text around", "\u202etset.osotnoc@nna", annSecret, unknown},
		{"a name with a bidirectional isolate", "ann\u2066@contoso.test", annSecret, unknown},
		{"a name that is no UTF-8", "ann\xff@contoso.test", annSecret, unknown},
		{"a name of 10,000 bytes", strings.Repeat("n", 10_000), annSecret, unknown},
	} {
		expectAnswer(t, tt.name, ask(p, tt.user, tt.password), tt.want)
	}
	if n := d.Binds(""); n != 0 {
		t.Errorf("%d binds were sent, want none", n)
	}
	expectAnswer(t, "other scripts", ask(p, "zoë@contoso.test", "пароль"), accepted)
}

// Users of a directory that knows DNs only.
func byDN() map[string]bindtest.User {
	return map[string]bindtest.User{
		annsName:     {Password: annSecret, DN: "cn=ann,ou=users," + bindtest.BaseDN},
		"o'bob,+#@c": {Password: "bob's", DN: `cn=o'bob\,\+#,` + bindtest.BaseDN},
		"long@c":     {Password: "x", DN: "cn=" + strings.Repeat("l", maxDN) + "," + bindtest.BaseDN},
	}
}

func TestNamesThatAreLookedUp(t *testing.T) {
	d := bindtest.NewDirectory(t, byDN())
	cfg := config(t, d.Server)
	cfg.Names = Names{way: byLookup}
	p := open(t, cfg)
	for range 3 {
		expectAnswer(t, "ann", ask(p, annsName, annSecret), accepted)
	}
	if c := p.Counts(); c.NameLookups != 1 || c.Binds != 3 {
		t.Errorf("%d look-ups for %d binds, want 1 for 3", c.NameLookups, c.Binds)
	}
	if n := d.Binds("cn=ann,ou=users," + bindtest.BaseDN); n != 3 {
		t.Errorf("%d binds by the DN, want 3", n)
	}
	expectAnswer(t, "a name with what DNs are made of", ask(p, "o'bob,+#@c", "bob's"), accepted)
	expectAnswer(t, "wrong", ask(p, annsName, wrongSecret), wrong)
	expectAnswer(t, "a DN beyond the bound", ask(p, "long@c", "x"), unknown)
}

// What a user calls himself is looked for as it is, whatever a filter would
// make of it.
func TestNamesAreNoFilters(t *testing.T) {
	var searched atomic.Pointer[bindtest.Search]
	s := bindtest.ScriptSearches(t,
		func(b bindtest.Bind) ([]byte, bool) { return b.Reply(0, ""), true },
		func(s bindtest.Search) []byte {
			searched.Store(&s)
			return s.Done(0)
		})
	cfg := config(t, s)
	cfg.Names = Names{way: byLookup}
	p := open(t, cfg)
	for _, name := range []string{"*", "ann*", "*)(objectClass=*", "ann@contoso.test)(cn=*", `\2a`, "(|(cn=*))", " ", "zoë", strings.Repeat("(", longestUser)} {
		expectAnswer(t, name, ask(p, name, annSecret), unknown)
		if got := searched.Load(); got.Attribute != "userPrincipalName" || got.Value != name || got.Base != bindtest.BaseDN {
			t.Errorf("%.40q was searched for as %s=%.40q below %q", name, got.Attribute, got.Value, got.Base)
		}
	}
	if n := p.Counts().Binds; n != 0 {
		t.Errorf("%d binds for users that there are not", n)
	}
}

func TestUserThatWasRenamed(t *testing.T) {
	d := bindtest.NewDirectory(t, byDN())
	cfg := config(t, d.Server)
	cfg.Names = Names{way: byLookup}
	p := open(t, cfg)
	expectAnswer(t, "before", ask(p, annsName, annSecret), accepted)
	d.Rename(annsName, "cn=ann smith,ou=users,"+bindtest.BaseDN)
	expectAnswer(t, "after, with a wrong password", ask(p, annsName, wrongSecret), wrong)
	expectAnswer(t, "after", ask(p, annsName, annSecret), accepted)
	if n := p.Counts().Binds; n != 4 {
		t.Errorf("%d binds, want 4: one of them by the name that was", n)
	}
}

func TestNamesThatCannotBeLookedUp(t *testing.T) {
	d := bindtest.NewDirectory(t, byDN())
	cfg := config(t, d.Server)
	cfg.Names = Names{way: byLookup}
	cfg.Password = "the wrong service password"
	p := open(t, cfg)
	expectAnswer(t, "the service account refused", ask(p, annsName, annSecret), unreached)

	several := bindtest.ScriptSearches(t,
		func(b bindtest.Bind) ([]byte, bool) { return b.Reply(0, ""), true },
		func(s bindtest.Search) []byte {
			return append(append(s.Entry("cn=a"), s.Entry("cn=b")...), s.Done(0)...)
		})
	cfg = config(t, several)
	cfg.Names = Names{way: byLookup}
	expectAnswer(t, "two of the name", ask(open(t, cfg), annsName, annSecret), unknown)
}

func TestNameCache(t *testing.T) {
	n := nameCache{half: 10}
	now := time.Now()
	for i := range 100 {
		n.put(fmt.Sprint(i), fmt.Sprint("dn", i), now)
		if dn, ok := n.get("0", now); !ok || dn != "dn0" {
			t.Fatalf("after %d others the one in use is forgotten", i)
		}
		if len(n.newer) > 10 || len(n.older) > 10 {
			t.Fatalf("%d and %d are remembered, want 10 at most of each", len(n.newer), len(n.older))
		}
	}
	if _, ok := n.get("50", now); ok {
		t.Error("one that was not used for long is remembered")
	}
	if dn, ok := n.get("99", now); !ok || dn != "dn99" {
		t.Error("the last is not remembered")
	}
	for _, user := range []string{"99", "0"} { // the second was used all along
		if _, ok := n.get(user, now.Add(nameLifetime)); ok {
			t.Errorf("%s is remembered beyond its time", user)
		}
	}
	n.forget("99")
	if _, ok := n.get("99", now); ok {
		t.Error("one that was to be forgotten is remembered")
	}
}
