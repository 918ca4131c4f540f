package adfs

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzEnvelope: whatever comes is refused or understood as XML has it, and
// nobody gets in by a name that is not the one in the request.
func FuzzEnvelope(f *testing.F) {
	good := ask{user: ann, password: annsPassword}
	f.Add([]byte(good.text()))
	f.Add([]byte(ask{user: ann, password: "x", tokenType: profile20, header: `<x:y xmlns:x="urn:x" s:mustUnderstand="1"/>`}.text()))
	f.Add([]byte(strings.Replace(good.text(), ann, "<![CDATA[ann]]><!-- x -->@contoso.test", 1)))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`))
	f.Add([]byte("<a/>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxEnvelope {
			return
		}
		q, err := parseEnvelope(text)
		if err != nil {
			if q != nil || err.Error() == "" {
				t.Errorf("refused, and yet %v", q)
			}
			return
		}
		if !utf8.ValidString(q.user) || !utf8.Valid(q.password) || strings.ContainsRune(q.user, 0) {
			t.Errorf("a name that XML cannot have: %q", q.user)
		}
		_ = q.current(time.Now()) // must not panic
		if strings.Count(string(text), "UsernameToken") < 1 && (q.user != "" || len(q.password) > 0) {
			t.Errorf("a name from nowhere: %q", q.user)
		}
	})
}

// FuzzPassive: a token leaves only for the party's own site, whatever an address
// asks for.
func FuzzPassive(f *testing.F) {
	s := &server{parties: map[string]party{
		realm: {realm: realm}, "urn:named": {realm: "urn:named", reply: "https://other.contoso.test/in"}, everybodysCloud: {realm: everybodysCloud},
	}}
	for _, at := range []string{reply, "https://evil.test/", "https://cloud.contoso.test:443/x?y", "//evil.test", "https://cloud.contoso.test\\@evil.test/", "https://cloud.contoso.test@evil.test"} {
		f.Add(realm, at, "0", "context", ann)
		f.Add("urn:named", at, "", "", "")
	}
	f.Fuzz(func(t *testing.T, to, at, fresh, context, user string) {
		p, err := s.readPassive(map[string]string{"wtrealm": to, "wreply": at, "wfresh": fresh, "wctx": context, "username": user}, time.Now())
		if err != nil {
			return
		}
		u, err := url.Parse(p.reply)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Host != "other.contoso.test" && u.Hostname() != "cloud.contoso.test" {
			t.Errorf("the token goes to %q", p.reply)
		}
		again, err := url.ParseQuery(p.query)
		if err != nil || again.Get("wctx") != context || again.Get("wtrealm") != to {
			t.Errorf("the form comes back with %q: %v", p.query, err)
		}
	})
}
