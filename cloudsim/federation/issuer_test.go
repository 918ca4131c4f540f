package federation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	issuerName = "http://fs.contoso.test/adfs/services/trust"
	audience   = "urn:federation:MicrosoftOnline"
	tokenPlace = "https://cloud.test/contoso/oauth2/v2.0/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A server is a federation server's keys, and signs what a test has it sign.
type server struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newServer(t testing.TB, key crypto.Signer) server {
	t.Helper()
	return newServerAt(t, key, noon)
}

func newServerAt(t testing.TB, key crypto.Signer, now time.Time) server {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "ADFS Signing - fs.contoso.test"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return server{key, cert}
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// usual is one server for most tests: to make an RSA key takes a while.
var usual = sync.OnceValue(func() server {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	var t testing.T
	return newServer(&t, k)
})

func (s server) metadata() *Metadata {
	return &Metadata{Issuer: issuerName, Passive: "https://fs.contoso.test/adfs/ls/", Certificates: []*x509.Certificate{s.cert}}
}

// what a test has an assertion say; the zero value of each is the usual.
type says struct {
	id, issuer, user, nameID, format, audience, confirmation, recipient string
	issued, notBefore, expires, signedIn                                time.Time
	more                                                                string // elements at the end
	attributes                                                          string // more of them
	bare                                                                bool   // no attributes
}

func or[T comparable](value, usual T) T {
	var none T
	if value == none {
		return usual
	}
	return value
}

func (s says) usual() says {
	s.id, s.issuer, s.user = or(s.id, "_"+rand.Text()), or(s.issuer, issuerName), or(s.user, "ann@contoso.test")
	s.nameID, s.format = or(s.nameID, "c29tZWJvZHk="), or(s.format, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")
	s.audience = or(s.audience, audience)
	s.issued, s.notBefore = or(s.issued, noon), or(s.notBefore, noon)
	s.expires, s.signedIn = or(s.expires, s.notBefore.Add(time.Hour)), or(s.signedIn, s.issued)
	return s
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// saml1 is an assertion of SAML 1.1 as AD FS makes it for the cloud.
func saml1(s says) string {
	s = s.usual()
	subject := `<saml:Subject><saml:NameIdentifier Format="` + s.format + `">` + s.nameID + `</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>` +
		or(s.confirmation, bearer1) + `</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>`
	attributes := `<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>` + s.user + `</saml:AttributeValue></saml:Attribute>`
	if s.bare {
		attributes = ""
	}
	return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="1" AssertionID="` + s.id + `" Issuer="` + s.issuer + `" IssueInstant="` + at(s.issued) + `">` +
		`<saml:Conditions NotBefore="` + at(s.notBefore) + `" NotOnOrAfter="` + at(s.expires) + `"><saml:AudienceRestrictionCondition><saml:Audience>` + s.audience + `</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>` +
		`<saml:AttributeStatement>` + subject + attributes + s.attributes + `</saml:AttributeStatement>` +
		`<saml:AuthenticationStatement AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password" AuthenticationInstant="` + at(s.signedIn) + `">` + subject + `</saml:AuthenticationStatement>` + s.more + `</saml:Assertion>`
}

// saml2 is one of SAML 2.0.
func saml2(s says) string {
	s = s.usual()
	recipient := ""
	if s.recipient != "" {
		recipient = ` Recipient="` + s.recipient + `"`
	}
	attributes := `<Attribute Name="http://schemas.xmlsoap.org/claims/UPN"><AttributeValue>` + s.user + `</AttributeValue></Attribute>`
	if s.bare {
		attributes = ""
	}
	return `<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" Version="2.0" ID="` + s.id + `" IssueInstant="` + at(s.issued) + `"><Issuer>` + s.issuer + `</Issuer>` +
		`<Subject><NameID Format="` + s.format + `">` + s.nameID + `</NameID><SubjectConfirmation Method="` + or(s.confirmation, bearer2) + `"><SubjectConfirmationData NotOnOrAfter="` + at(s.issued.Add(5*time.Minute)) + `"` + recipient + `/></SubjectConfirmation></Subject>` +
		`<Conditions NotBefore="` + at(s.notBefore) + `" NotOnOrAfter="` + at(s.expires) + `"><AudienceRestriction><Audience>` + s.audience + `</Audience></AudienceRestriction></Conditions>` +
		`<AuthnStatement AuthnInstant="` + at(s.signedIn) + `"><AuthnContext><AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</AuthnContextClassRef></AuthnContext></AuthnStatement>` +
		`<AttributeStatement>` + attributes + s.attributes + `</AttributeStatement>` + s.more + `</Assertion>`
}

// how a test has an assertion signed; the zero value is the usual.
type signing struct {
	method        string
	canonicalizer dsig.Canonicalizer
	noKeyInfo     bool
	sidewise      bool // ECDSA's two numbers side by side, as XML signatures have them
}

// sign signs an assertion.
func (s server) sign(t testing.TB, assertion string, how signing) string {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(assertion); err != nil {
		t.Fatal(err)
	}
	root := doc.Root()
	var certs [][]byte
	if !how.noKeyInfo {
		certs = [][]byte{s.cert.Raw}
	}
	context, err := dsig.NewSigningContext(s.key, certs)
	if err != nil {
		t.Fatal(err)
	}
	context.IdAttribute, context.Canonicalizer = "AssertionID", dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if root.NamespaceURI() == SAML2 {
		context.IdAttribute = "ID"
	}
	if how.canonicalizer != nil {
		context.Canonicalizer = how.canonicalizer
	}
	if how.method != "" {
		if err := context.SetSignatureMethod(how.method); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := context.ConstructSignature(root, true)
	if err != nil {
		t.Fatal(err)
	}
	if info := signature.FindElement("./ds:KeyInfo"); how.noKeyInfo && info != nil {
		signature.RemoveChild(info)
	}
	if how.sidewise {
		value := signature.FindElement("./ds:SignatureValue")
		value.SetText(sidewise(t, value.Text(), s.key))
	}
	root.AddChild(signature)
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sidewise(t testing.TB, encoded string, key crypto.Signer) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var two struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &two); err != nil {
		t.Fatal(err)
	}
	size := (key.Public().(*ecdsa.PublicKey).Curve.Params().BitSize + 7) / 8
	return base64.StdEncoding.EncodeToString(append(two.R.FillBytes(make([]byte, size)), two.S.FillBytes(make([]byte, size))...))
}

// response is what a browser brings of an assertion.
func response(assertion string) string {
	return `<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust"><t:Lifetime/><t:RequestedSecurityToken>` + assertion +
		`</t:RequestedSecurityToken><t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType></t:RequestSecurityTokenResponse>`
}

// validator is a tenant's, at noon.
func validator() *Validator {
	return &Validator{Audiences: []string{audience, "https://cloud.test/contoso/v2.0"}, Recipients: []string{tokenPlace}, Now: noon.Add(time.Second),
		Replays: NewReplays(1000), Belongs: func(user string) bool { return strings.HasSuffix(strings.ToLower(user), "@contoso.test") }}
}

// Validate reads an assertion, and takes it for good or not.
func (v *Validator) Validate(text []byte, by *Metadata) (*Assertion, *Refusal) {
	d, r := ReadAssertion(text)
	if r != nil {
		return nil, r
	}
	return v.validate(d, by)
}

// ValidateResponse does so with what a browser brings.
func (v *Validator) ValidateResponse(text []byte, by *Metadata) (*Assertion, *Refusal) {
	d, r := ReadResponse(text)
	if r != nil {
		return nil, r
	}
	return v.validate(d, by)
}

func mustRead(t testing.TB, text string) *Document {
	t.Helper()
	d, r := ReadAssertion([]byte(text))
	if r != nil {
		t.Fatal(r)
	}
	return d
}

// metadataDocument is a server's, as AD FS writes it.
func metadataDocument(passive string, certs ...*x509.Certificate) string {
	var keys bytes.Buffer
	for _, c := range certs {
		fmt.Fprintf(&keys, `<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`,
			base64.StdEncoding.EncodeToString(c.Raw))
	}
	return `<?xml version="1.0"?><EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + issuerName + `">
<RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" xsi:type="fed:SecurityTokenServiceType">` + keys.String() + `
<fed:SecurityTokenServiceEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>https://fs.test/adfs/services/trust/2005/certificatemixed</Address>` +
		`<Metadata><Metadata xmlns="http://schemas.xmlsoap.org/ws/2004/09/mex" xmlns:wsx="http://schemas.xmlsoap.org/ws/2004/09/mex"><wsx:MetadataSection Dialect="http://schemas.xmlsoap.org/ws/2004/09/mex" xmlns=""><wsx:MetadataReference><Address xmlns="http://www.w3.org/2005/08/addressing">https://fs.test/mex</Address></wsx:MetadataReference></wsx:MetadataSection></Metadata></Metadata></EndpointReference></fed:SecurityTokenServiceEndpoint>
<fed:PassiveRequestorEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>
 ` + passive + ` </Address></EndpointReference></fed:PassiveRequestorEndpoint>
</RoleDescriptor></EntityDescriptor>`
}

func ecdsaKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
