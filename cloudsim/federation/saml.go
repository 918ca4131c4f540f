package federation

import (
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// The names that a user's principal name has as an attribute. Source:
// Microsoft, "AD FS claim rules for Microsoft Entra ID" and "Use a SAML 2.0
// identity provider".
const (
	claimsSpace   = "http://schemas.xmlsoap.org/claims"
	identitySpace = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
	emailClaim    = "IDPEmail"
)

// nameFormats are those of names that may be a principal name, where no
// attribute has it.
var nameFormats = []string{"", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	claimsSpace + "/UPN"}

// allowed reports the first child of an element that has no name of those.
// What is not known may change what the rest means.
func allowed(e *etree.Element, space string, tags ...string) *Refusal {
	for _, c := range e.ChildElements() {
		if is(c, spaceSignature, "Signature") && e.Tag == "Assertion" {
			continue
		}
		if c.NamespaceURI() != space || !slices.Contains(tags, c.Tag) {
			return refuse(Malformed, "%s has %.40q, which is not known", e.Tag, c.Tag)
		}
	}
	return nil
}

// readSAML1 reads an assertion of SAML 1.1 (saml-core-1.1 section 2.3).
func readSAML1(a *etree.Element) (*claims, *Refusal) {
	c := &claims{id: attribute(a, "AssertionID"), issuer: attribute(a, "Issuer")}
	if attribute(a, "MajorVersion") != "1" || attribute(a, "MinorVersion") != "1" {
		return nil, refuse(Malformed, "version %.20q.%.20q: expected 1.1", attribute(a, "MajorVersion"), attribute(a, "MinorVersion"))
	}
	if r := allowed(a, SAML1, "Conditions", "AttributeStatement", "AuthenticationStatement"); r != nil {
		return nil, r
	}
	if r := c.conditions(a, SAML1, "AudienceRestrictionCondition", "DoNotCacheCondition"); r != nil {
		return nil, r
	}
	authentications, attributes := children(a, SAML1, "AuthenticationStatement"), children(a, SAML1, "AttributeStatement")
	if len(authentications) != 1 {
		return nil, refuse(Malformed, "%d of AuthenticationStatement: expected 1", len(authentications))
	}
	var r *Refusal
	if c.signedIn, r = instant("AuthenticationInstant", attribute(authentications[0], "AuthenticationInstant")); r != nil {
		return nil, r
	}
	s := subject{}
	for _, statement := range append(authentications, attributes...) {
		one, err := only(statement, SAML1, "Subject")
		if err != nil {
			return nil, refuse(NoSubject, "%v", err)
		}
		name, err := only(one, SAML1, "NameIdentifier")
		if err != nil {
			return nil, refuse(NoSubject, "%v", err)
		}
		if r := s.identifier(name); r != nil {
			return nil, r
		}
		if r := confirmedSAML1(one); r != nil {
			return nil, r
		}
	}
	for _, statement := range attributes {
		for _, attr := range children(statement, SAML1, "Attribute") {
			space, name := attribute(attr, "AttributeNamespace"), attribute(attr, "AttributeName")
			if !principalName(space + "/" + name) {
				continue
			}
			if r := s.attribute(attr, SAML1); r != nil {
				return nil, r
			}
		}
	}
	return c.of(&s, a)
}

// confirmedSAML1 checks that whoever brings an assertion is whom it is about.
func confirmedSAML1(subject *etree.Element) *Refusal {
	confirmation, err := only(subject, SAML1, "SubjectConfirmation")
	if err != nil {
		return refuse(Unconfirmed, "%v", err)
	}
	methods := confirmation.ChildElements()
	if len(methods) != 1 || !is(methods[0], SAML1, "ConfirmationMethod") {
		return refuse(Unconfirmed, "SubjectConfirmation: expected one ConfirmationMethod and nothing else")
	}
	if method, err := text(methods[0]); err != nil || method != bearer1 {
		return refuse(Unconfirmed, "ConfirmationMethod %.80q: expected %s", method, bearer1)
	}
	return nil
}

// readSAML2 reads an assertion of SAML 2.0 (saml-core-2.0 section 2.3).
func readSAML2(a *etree.Element) (*claims, *Refusal) {
	c := &claims{id: attribute(a, "ID")}
	if attribute(a, "Version") != "2.0" {
		return nil, refuse(Malformed, "version %.20q: expected 2.0", attribute(a, "Version"))
	}
	if r := allowed(a, SAML2, "Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"); r != nil {
		return nil, r
	}
	issuer, err := only(a, SAML2, "Issuer")
	if err == nil {
		c.issuer, err = text(issuer)
	}
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	if r := c.conditions(a, SAML2, "AudienceRestriction", "OneTimeUse", "ProxyRestriction"); r != nil {
		return nil, r
	}
	statements := children(a, SAML2, "AuthnStatement")
	if len(statements) != 1 {
		return nil, refuse(Malformed, "%d of AuthnStatement: expected 1", len(statements))
	}
	var r *Refusal
	if c.signedIn, r = instant("AuthnInstant", attribute(statements[0], "AuthnInstant")); r != nil {
		return nil, r
	}
	s := subject{}
	one, err := only(a, SAML2, "Subject")
	if err != nil {
		return nil, refuse(NoSubject, "%v", err)
	}
	name, err := only(one, SAML2, "NameID")
	if err != nil {
		return nil, refuse(NoSubject, "%v", err)
	}
	if r := s.identifier(name); r != nil {
		return nil, r
	}
	if r := c.confirmedSAML2(one); r != nil {
		return nil, r
	}
	for _, statement := range children(a, SAML2, "AttributeStatement") {
		for _, attr := range children(statement, SAML2, "Attribute") {
			if name := attribute(attr, "Name"); !principalName(name) && name != emailClaim {
				continue
			}
			if r := s.attribute(attr, SAML2); r != nil {
				return nil, r
			}
		}
	}
	return c.of(&s, a)
}

// confirmedSAML2 takes from a subject's confirmations how long and where whoever
// brings the assertion is taken for whom it is about.
func (c *claims) confirmedSAML2(subject *etree.Element) *Refusal {
	confirmations := children(subject, SAML2, "SubjectConfirmation")
	if len(confirmations) != 1 {
		return refuse(Unconfirmed, "%d of SubjectConfirmation: expected 1", len(confirmations))
	}
	if method := attribute(confirmations[0], "Method"); method != bearer2 {
		return refuse(Unconfirmed, "Method %.80q: expected %s", method, bearer2)
	}
	data, err := only(confirmations[0], SAML2, "SubjectConfirmationData")
	if err != nil {
		return refuse(Unconfirmed, "%v", err)
	}
	until, r := instant("NotOnOrAfter", attribute(data, "NotOnOrAfter"))
	if r != nil {
		return refuse(Unconfirmed, "SubjectConfirmationData: %s", r.Detail)
	}
	if until.Before(c.expires) {
		c.expires = until
	}
	if at := attribute(data, "Recipient"); at != "" {
		c.recipients = append(c.recipients, at)
	}
	return nil
}

// conditions takes when and for whom an assertion is good. One that is not known
// makes the assertion good for nothing, as SAML has it.
func (c *claims) conditions(a *etree.Element, space, audience string, known ...string) *Refusal {
	conditions, err := only(a, space, "Conditions")
	if err != nil {
		return refuse(Malformed, "%v", err)
	}
	if r := allowed(conditions, space, append(known, audience)...); r != nil {
		return r
	}
	var r *Refusal
	if c.notBefore, r = instant("NotBefore", attribute(conditions, "NotBefore")); r != nil {
		return r
	}
	if c.expires, r = instant("NotOnOrAfter", attribute(conditions, "NotOnOrAfter")); r != nil {
		return r
	}
	for _, restriction := range children(conditions, space, audience) {
		var any []string
		for _, e := range children(restriction, space, "Audience") {
			one, err := text(e)
			if err != nil {
				return refuse(Malformed, "%v", err)
			}
			any = append(any, one)
		}
		c.audiences = append(c.audiences, any)
	}
	return nil
}

// of completes what an assertion says by its subject.
func (c *claims) of(s *subject, a *etree.Element) (_ *claims, r *Refusal) {
	if c.user, r = s.user(); r != nil {
		return nil, r
	}
	if c.issued, r = instant("IssueInstant", attribute(a, "IssueInstant")); r != nil {
		return nil, r
	}
	if c.issuer == "" {
		return nil, refuse(ForeignIssuer, "it names no issuer")
	}
	if !c.notBefore.Before(c.expires) {
		return nil, refuse(Malformed, "it is good from %v to %v", c.notBefore, c.expires)
	}
	return c, nil
}

// subject gathers whom an assertion is about: one user, however often named.
type subject struct {
	name, format string // of the identifier
	given        bool
	principals   []string // by attributes
}

func (s *subject) identifier(e *etree.Element) *Refusal {
	name, err := text(e)
	if err != nil {
		return refuse(NoSubject, "%v", err)
	}
	format := attribute(e, "Format")
	if s.given && (s.name != name || s.format != format) {
		return refuse(NoSubject, "it is about %.80q and %.80q", s.name, name)
	}
	s.name, s.format, s.given = name, format, true
	return nil
}

func (s *subject) attribute(e *etree.Element, space string) *Refusal {
	for _, value := range children(e, space, "AttributeValue") {
		name, err := text(value)
		if err != nil {
			return refuse(NoSubject, "%v", err)
		}
		s.principals = append(s.principals, name)
	}
	return nil
}

// user is the one name that all of them say.
func (s *subject) user() (string, *Refusal) {
	user := s.name
	if len(s.principals) > 0 {
		user = s.principals[0]
	} else if !slices.Contains(nameFormats, s.format) {
		return "", refuse(NoSubject, "it has no principal name, only a name of format %.80q", s.format)
	}
	for _, other := range s.principals {
		if !strings.EqualFold(other, user) {
			return "", refuse(NoSubject, "it is about %.80q and %.80q", user, other)
		}
	}
	return user, named(user)
}

func principalName(claim string) bool {
	return strings.EqualFold(claim, claimsSpace+"/UPN") || strings.EqualFold(claim, identitySpace+"/upn")
}
