package federation

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Bounds of an assertion. Those of AD FS have some 4 KB, 40 elements, 6 deep.
var assertionBounds = bounds{bytes: MaxAssertion, depth: 16, elements: 300, attributes: 16}

// MaxAssertion bounds an assertion, in bytes.
const MaxAssertion = 64 << 10

// MaxUser bounds a user's name, in bytes.
const MaxUser = 1024

// The versions of SAML, by the namespace of their assertions.
const (
	SAML1 = "urn:oasis:names:tc:SAML:1.0:assertion"
	SAML2 = "urn:oasis:names:tc:SAML:2.0:assertion"
)

// The confirmation, in each version, that whoever brings an assertion is whom it
// is about.
const (
	bearer1 = "urn:oasis:names:tc:SAML:1.0:cm:bearer"
	bearer2 = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// A version is how a version of SAML writes what both say.
type version struct {
	space string // of its elements
	id    string // attribute that has the assertion's ID
	read  func(a *etree.Element) (*claims, *Refusal)
}

var versions = map[string]version{
	SAML1: {SAML1, "AssertionID", readSAML1},
	SAML2: {SAML2, "ID", readSAML2},
}

// An Assertion is the server's word on who a user is.
type Assertion struct {
	User     string    // principal name
	SignedIn time.Time // when the user gave the password, as the server says
	Issuer   string
}

// claims are what an assertion says, whoever made it.
type claims struct {
	id, issuer, user   string
	issued, signedIn   time.Time
	notBefore, expires time.Time
	audiences          [][]string // it must be for one of each
	recipients         []string   // where it may be used; empty for anywhere
}

// A Document is an assertion that was read, and is not believed yet.
type Document struct {
	root    *etree.Element
	version version
}

// ReadAssertion reads an assertion that stands alone.
func ReadAssertion(text []byte) (*Document, *Refusal) {
	doc, err := parse(text, assertionBounds)
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	return ofVersion(doc.Root())
}

func ofVersion(root *etree.Element) (*Document, *Refusal) {
	v, found := versions[root.NamespaceURI()]
	if root.Tag != "Assertion" || !found {
		return nil, refuse(Malformed, "%.40q of %.80q: expected an assertion of SAML 1.1 or 2.0", root.Tag, root.NamespaceURI())
	}
	return &Document{root, v}, nil
}

// Claimed is the user that an assertion names, before anybody has looked
// whether it is true: to know whose assertion it would be. Empty for nobody.
func (d *Document) Claimed() string {
	c, r := d.version.read(d.root)
	if r != nil {
		return ""
	}
	return c.user
}

// A Validator says what assertions are good at a place.
type Validator struct {
	Audiences  []string // of which an assertion must be for one
	Recipients []string // where it may be used
	Now        time.Time
	Replays    *Replays
	// Belongs reports whether a user is one that the server may speak of.
	Belongs func(user string) bool
}

// How assertions may be timed.
const (
	// Skew is how far the server's clock may be from this one. It is what Windows
	// Identity Foundation allows.
	Skew = 5 * time.Minute
	// MaxAge is how old an assertion may be, whatever lifetime it claims: what is
	// to be remembered against replay is remembered as long. Who gets one uses it
	// at once.
	MaxAge = 5 * time.Minute
)

// validate takes an assertion for good, or says why not. It is used up then.
func (v *Validator) validate(d *Document, by *Metadata) (*Assertion, *Refusal) {
	signed, r := verified(d.root, d.version, by.Certificates, v.Now)
	if r != nil {
		return nil, r
	}
	c, r := d.version.read(signed)
	if r != nil {
		return nil, r
	}
	if r := v.check(c, by.Issuer); r != nil {
		return nil, r
	}
	// Last, so that nothing is remembered but what was good.
	if r := v.Replays.use(c.key(), c.until(), v.Now); r != nil {
		return nil, r
	}
	return &Assertion{User: c.user, SignedIn: c.signedIn, Issuer: c.issuer}, nil
}

// check reports the first thing in what an assertion says that is not as it
// must be.
func (v *Validator) check(c *claims, issuer string) *Refusal {
	for _, any := range c.audiences {
		if !slices.ContainsFunc(any, func(a string) bool { return slices.Contains(v.Audiences, a) }) {
			return refuse(OtherAudience, "it is for %.200q: expected one of %q", any, v.Audiences)
		}
	}
	switch {
	case c.issuer != issuer:
		return refuse(ForeignIssuer, "it is of %.200q: expected %q", c.issuer, issuer)
	case len(c.audiences) == 0:
		return refuse(OtherAudience, "it is for anybody")
	case v.Now.Before(c.notBefore.Add(-Skew)), v.Now.Before(c.issued.Add(-Skew)):
		return refuse(NotYet, "issued %v, good from %v; it is %v", c.issued, c.notBefore, v.Now)
	case !v.Now.Before(c.until()):
		return refuse(Expired, "issued %v, good until %v; it is %v", c.issued, c.expires, v.Now)
	case c.signedIn.After(v.Now.Add(Skew)):
		return refuse(NotYet, "the user signed in at %v; it is %v", c.signedIn, v.Now)
	case len(c.recipients) > 0 && !slices.ContainsFunc(c.recipients, func(r string) bool { return slices.Contains(v.Recipients, r) }):
		return refuse(Unconfirmed, "it is to be used at %.200q", c.recipients)
	case !v.Belongs(c.user):
		return refuse(ForeignDomain, "the user %.80q is of another domain", c.user)
	}
	return nil
}

// until is when an assertion is good for nothing any more, this clock's way.
func (c *claims) until() time.Time {
	if oldest := c.issued.Add(MaxAge); oldest.Before(c.expires) {
		return oldest.Add(Skew)
	}
	return c.expires.Add(Skew)
}

// key is what an assertion is remembered by.
func (c *claims) key() replayKey {
	sum := sha256.Sum256([]byte(c.issuer + "\x00" + c.id))
	return replayKey(sum[:16])
}

// named checks a user's name.
func named(user string) *Refusal {
	switch name, domain, found := strings.Cut(user, "@"); {
	case len(user) > MaxUser, !utf8.ValidString(user):
		return refuse(NoSubject, "the user's name is longer than %d bytes, or no text", MaxUser)
	case !found, name == "", domain == "", strings.Contains(domain, "@"):
		return refuse(NoSubject, "%.80q: expected a user name such as someone@example.com", user)
	// Marks that turn the text around, and others that nobody sees, too.
	case strings.ContainsFunc(user, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
	}):
		return refuse(NoSubject, "%.80q: it has characters that no name has", user)
	}
	return nil
}

// instant reads a time as XML Schema has it, in UTC.
func instant(what, text string) (time.Time, *Refusal) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 2000 || t.Year() > 9000 {
		return t, refuse(Malformed, "%s %.40q: expected a time such as 2026-01-31T12:00:00.000Z", what, text)
	}
	return t, nil
}
