package bind

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// Names say what a user binds as. The zero value leaves it to the dialect:
// OpenLDAP knows distinguished names only, so there they are looked up; the
// others take the user principal name.
type Names struct {
	way   way
	parts []string // of a template: text and placeholders
}

type way byte

const (
	byDialect way = iota
	byUPN
	byLookup
	byTemplate
)

// The placeholders of a template: the user principal name, and what stands
// before and after its last @.
const (
	wholeUPN = "{upn}"
	local    = "{local}"
	domain   = "{domain}"
)

// ParseNames reads upn, lookup, or a distinguished name with {upn}, {local}
// and {domain} in it, for which a user's is put, escaped. Empty leaves it to
// the dialect.
func ParseNames(text string) (Names, error) {
	switch text {
	case "":
		return Names{}, nil
	case "upn":
		return Names{way: byUPN}, nil
	case "lookup":
		return Names{way: byLookup}, nil
	}
	n := Names{way: byTemplate}
	for rest := text; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			n.parts = append(n.parts, rest)
			break
		}
		if open > 0 {
			n.parts = append(n.parts, rest[:open])
		}
		shut := strings.IndexByte(rest, '}')
		if shut < open {
			return Names{}, fmt.Errorf("%q: expected {upn}, {local} or {domain} where { is", text)
		}
		switch p := rest[open : shut+1]; p {
		case wholeUPN, local, domain:
			n.parts = append(n.parts, p)
		default:
			return Names{}, fmt.Errorf("%q: %s: expected {upn}, {local} or {domain}", text, p)
		}
		rest = rest[shut+1:]
	}
	if !strings.Contains(text, wholeUPN) && !strings.Contains(text, local) {
		return Names{}, fmt.Errorf("%q: expected upn, lookup, or a distinguished name with {upn} or {local} in it", text)
	}
	if _, err := ldap.ParseDN(n.of("a@b")); err != nil {
		return Names{}, fmt.Errorf("%q: %w", text, err)
	}
	return n, nil
}

// String is what ParseNames reads.
func (n Names) String() string {
	switch n.way {
	case byUPN:
		return "upn"
	case byLookup:
		return "lookup"
	}
	return strings.Join(n.parts, "")
}

// of fills a template in.
func (n Names) of(user string) string {
	before, after := user, ""
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		before, after = user[:at], user[at+1:]
	}
	var b strings.Builder
	for _, part := range n.parts {
		switch part {
		case wholeUPN:
			b.WriteString(ldap.EscapeDN(user))
		case local:
			b.WriteString(ldap.EscapeDN(before))
		case domain:
			b.WriteString(ldap.EscapeDN(after))
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}

var errNamed = errors.New("expected the name of an attribute, such as userPrincipalName")

// ParseNameAttribute reads the attribute that users are found by; empty means
// userPrincipalName.
func ParseNameAttribute(text string) (string, error) {
	if text == "" {
		return defaultNameAttribute, nil
	}
	for i, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) || i > 100 {
			return "", fmt.Errorf("%.100q: %w", text, errNamed)
		}
	}
	return text, nil
}

const defaultNameAttribute = "userPrincipalName"

// speakable reports whether a directory can know a user by this name. Bytes
// that end a text for some servers, and characters that show as nothing or turn
// what is shown around, are in nobody's.
func speakable(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= utf8.RuneSelf {
			return speakableText(name)
		} else if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func speakableText(name string) bool {
	if !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return false
		}
	}
	return true
}

// sayable reports whether a directory can take this for a password. One with a
// NUL in it may end there for some servers: what is left could be somebody's,
// or nothing, and so make the bind anonymous.
func sayable(password []byte) bool {
	return len(password) > 0 && len(password) <= longestPassword && bytes.IndexByte(password, 0) < 0
}
