package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// Every name comes out as encoding/json would have it, and adds no claim.
func TestHostileNames(t *testing.T) {
	s, _ := open(t, t.TempDir())
	names := []string{
		"", `"`, `\`, `\"`, `ann","tid":"x`, `ann"},"exp":9999999999,"x":{"a":"`, "a\x00b\x1f\n\r\t", "\x7f",
		"\xff\xfe", "a\xc3", "ü@contoso.test", "🔑", "\u2028\u2029", "<script>&amp;", "\ufffd", "\xed\xa0\x80",
		strings.Repeat("x", 5000), strings.Repeat("\"", 3000), `{"alg":"none"}`, "a.b.c", "%00", "﷽",
	}
	for _, name := range names {
		is := s.Issuer(host, name)
		tokens, err := is.Mint(name, name, OpenID, noon)
		if err != nil {
			t.Fatalf("%.40q: %v", name, err)
		}
		want := throughJSON(t, name)
		c := verify(t, s.JWKS(), tokens.ID)
		if c.Username != want || c.Issuer != "https://"+host+"/"+want+"/v2.0" || !slices.Equal(c.Audience, []string{want}) {
			t.Errorf("%.40q: user %.40q, issuer %.40q, audience %.40q", name, c.Username, c.Issuer, c.Audience)
		}
		if a := verify(t, s.JWKS(), tokens.Access); a.Username != want || a.Party != want {
			t.Errorf("%.40q: the access token says %.40q, %.40q", name, a.Username, a.Party)
		}
		if got := slices.Sorted(keys(t, tokens.ID)); !slices.Equal(got, []string{"aud", "exp", "iat", "iss", "nbf", "preferred_username", "sub", "tid", "ver"}) {
			t.Errorf("%.40q: claims %v", name, got)
		}
	}
}

func throughJSON(t testing.TB, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out string
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "user000001@contoso.test", "\"\\\x00\xff", "ü🔑"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != throughJSON(t, s) {
			t.Errorf("%q became %q, %v", s, got, err)
		}
	})
}

// keys yields the names of the claims of a token, doubled ones twice.
func keys(t *testing.T, token string) func(func(string) bool) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		in := json.NewDecoder(strings.NewReader(string(payload)))
		if _, err := in.Token(); err != nil {
			t.Error(err)
		}
		for in.More() {
			name, err := in.Token()
			var value any
			if err = errors.Join(err, in.Decode(&value)); err != nil {
				t.Error(err)
				return
			}
			if !yield(name.(string)) {
				return
			}
		}
	}
}
