package lockout

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// accountOf is one name for all the names by which a directory may know an
// account. LDAP prepares names before it compares them (RFC 4518): letter case
// and compatible characters are alike, blanks mean nothing, and some servers go
// further. Whoever guesses would otherwise have as many guesses as spellings.
// Two accounts that differ in such a way alone would share their failures.
func accountOf(name string) string {
	plain := true
	for i := 0; i < len(name) && plain; i++ {
		plain = name[i] > ' ' && name[i] < 0x7f
	}
	if plain {
		return strings.ToLower(name)
	}
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, folded)
}
