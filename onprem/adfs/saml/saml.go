// Package saml writes what a federation server signs: assertions of SAML 1.1
// and 2.0, and its own metadata. They look as those of AD FS do, because
// clients were written against these.
package saml

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/google/uuid"
	dsig "github.com/russellhaering/goxmldsig"
)

// A Version is a version of SAML.
type Version int

// The versions. The zero value is the one that the cloud is used to.
const (
	SAML11 Version = iota
	SAML20
)

// The names of the versions, as what is asked for has them.
const (
	Type11 = "urn:oasis:names:tc:SAML:1.0:assertion" // as 1.1 calls itself
	Type20 = "urn:oasis:names:tc:SAML:2.0:assertion"
)

// The claims, as AD FS has them for the cloud.
const (
	claimUPN       = "http://schemas.xmlsoap.org/claims"
	claimImmutable = "http://schemas.microsoft.com/LiveID/Federation/2008/05"
)

// Instant is the form of a time in XML.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// A Claim is what an assertion says.
type Claim struct {
	Issuer   string
	Audience string    // whom it is for
	User     string    // user principal name
	At       time.Time // of the assertion
	SignedIn time.Time // when the password was given
	Lifetime time.Duration
}

// A Signer signs with one key.
type Signer struct {
	key  *rsa.PrivateKey
	cert []byte
}

// NewSigner signs with a key, in the name of its certificate.
func NewSigner(key *rsa.PrivateKey, cert *x509.Certificate) *Signer {
	return &Signer{key: key, cert: cert.Raw}
}

// Assertion makes and signs one. The text stands alone: it declares each prefix
// that it uses, so that it may be put into any document and taken out again.
func (s *Signer) Assertion(v Version, c Claim) (string, error) {
	id := "_" + uuid.NewString()
	if v == SAML20 {
		return s.sign(assertion20(id, c), "ID", 1) // after the issuer
	}
	return s.sign(assertion11(id, c), "AssertionID", -1)
}

// sign puts a signature among the children of an element, at a position or at
// the end, as the schema of the element wants it.
func (s *Signer) sign(e *etree.Element, idAttribute string, at int) (string, error) {
	ctx, err := dsig.NewSigningContext(s.key, [][]byte{s.cert})
	if err != nil {
		return "", err
	}
	ctx.IdAttribute = idAttribute
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := ctx.ConstructSignature(e, true)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	if at < 0 {
		e.AddChild(signature)
	} else {
		e.InsertChildAt(at, signature)
	}
	doc := etree.NewDocumentWithRoot(e)
	// The reader need not undo anything that XML leaves open.
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true, CanonicalEndTags: true}
	return doc.WriteToString()
}

// element makes one with attributes, given as names and values.
func element(parent *etree.Element, tag string, attributes ...string) *etree.Element {
	var e *etree.Element
	if parent == nil {
		e = etree.NewElement(tag)
	} else {
		e = parent.CreateElement(tag)
	}
	for i := 0; i < len(attributes); i += 2 {
		e.CreateAttr(attributes[i], attributes[i+1])
	}
	return e
}

func text(parent *etree.Element, tag, value string, attributes ...string) {
	element(parent, tag, attributes...).SetText(value)
}

// immutableID stands for the objectGUID that AD FS sends, by which the cloud
// knows a user whose name changes. Asking the directory for it would cost a
// search per sign-in, so it is made from the name.
func immutableID(user string) string {
	sum := sha256.Sum256([]byte("ptabench immutable id\x00" + strings.ToLower(user)))
	return base64.StdEncoding.EncodeToString(sum[:16])
}

// assertion11 is an assertion of SAML 1.1, unsigned.
func assertion11(id string, c Claim) *etree.Element {
	a := element(nil, "saml:Assertion", "xmlns:saml", Type11,
		"MajorVersion", "1", "MinorVersion", "1", "AssertionID", id, "Issuer", c.Issuer, "IssueInstant", Instant(c.At))
	conditions := element(a, "saml:Conditions", "NotBefore", Instant(c.At), "NotOnOrAfter", Instant(c.At.Add(c.Lifetime)))
	text(element(conditions, "saml:AudienceRestrictionCondition"), "saml:Audience", c.Audience)

	statement := element(a, "saml:AttributeStatement")
	subject11(statement, c)
	for _, claim := range []struct{ namespace, name, value string }{
		{claimUPN, "UPN", c.User}, {claimImmutable, "ImmutableID", immutableID(c.User)},
	} {
		attribute := element(statement, "saml:Attribute", "AttributeName", claim.name, "AttributeNamespace", claim.namespace)
		text(attribute, "saml:AttributeValue", claim.value)
	}

	statement = element(a, "saml:AuthenticationStatement",
		"AuthenticationMethod", "urn:oasis:names:tc:SAML:1.0:am:password", "AuthenticationInstant", Instant(c.SignedIn))
	subject11(statement, c)
	return a
}

func subject11(parent *etree.Element, c Claim) {
	subject := element(parent, "saml:Subject")
	text(subject, "saml:NameIdentifier", immutableID(c.User), "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")
	text(element(subject, "saml:SubjectConfirmation"), "saml:ConfirmationMethod", "urn:oasis:names:tc:SAML:1.0:cm:bearer")
}

// assertion20 is an assertion of SAML 2.0, unsigned.
func assertion20(id string, c Claim) *etree.Element {
	until := Instant(c.At.Add(c.Lifetime))
	a := element(nil, "saml:Assertion", "xmlns:saml", Type20, "ID", id, "IssueInstant", Instant(c.At), "Version", "2.0")
	text(a, "saml:Issuer", c.Issuer)
	subject := element(a, "saml:Subject")
	text(subject, "saml:NameID", immutableID(c.User), "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")
	confirmation := element(subject, "saml:SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
	element(confirmation, "saml:SubjectConfirmationData", "NotOnOrAfter", until)
	conditions := element(a, "saml:Conditions", "NotBefore", Instant(c.At), "NotOnOrAfter", until)
	text(element(conditions, "saml:AudienceRestriction"), "saml:Audience", c.Audience)

	statement := element(a, "saml:AttributeStatement")
	for _, claim := range [][2]string{{claimUPN + "/UPN", c.User}, {claimImmutable + "/ImmutableID", immutableID(c.User)}} {
		text(element(statement, "saml:Attribute", "Name", claim[0]), "saml:AttributeValue", claim[1])
	}
	statement = element(a, "saml:AuthnStatement", "AuthnInstant", Instant(c.SignedIn), "SessionIndex", id)
	text(element(statement, "saml:AuthnContext"), "saml:AuthnContextClassRef", "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	return a
}
