package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// made is one key for all tests: making one takes longer than they do.
var made = sync.OnceValue(func() *Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signing"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return NewSigner(key, cert)
})

var claim = Claim{Issuer: "http://fs.contoso.test/adfs/services/trust", Audience: "urn:federation:MicrosoftOnline",
	User: "user000001@contoso.test", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), SignedIn: time.Date(2026, 11, 22, 9, 59, 0, 0, time.UTC),
	Lifetime: time.Hour}

// TestAssertionsVerify: what a public library reads back is signed, wholly, and
// says what was claimed.
func TestAssertionsVerify(t *testing.T) {
	odd := claim
	odd.User, odd.Audience = `o'brien&<"é>@contoso.test`, "https://cloud/?a=1&b=2"
	const upn11, upn20 = "AttributeStatement/Attribute[@AttributeName='UPN']/AttributeValue",
		"AttributeStatement/Attribute[@Name='http://schemas.xmlsoap.org/claims/UPN']/AttributeValue"
	for name, test := range map[string]struct {
		version Version
		claim   Claim
		id, upn string // where they are
	}{
		"1.1":                 {SAML11, claim, "AssertionID", upn11},
		"1.1, odd characters": {SAML11, odd, "AssertionID", upn11},
		"2.0":                 {SAML20, claim, "ID", upn20},
		"2.0, odd characters": {SAML20, odd, "ID", upn20},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := made().Assertion(test.version, test.claim)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(text, "<saml:Assertion ") || !strings.Contains(text, ` xmlns:saml="`+[]string{Type11, Type20}[test.version]+`"`) {
				t.Errorf("it does not say what it is by the prefix that clients look for: %.200s", text)
			}
			a := verify(t, read(t, text), test.id)
			issuer := a.SelectAttrValue("Issuer", "")
			if test.version == SAML20 {
				issuer = a.FindElement("Issuer").Text()
			}
			conditions := a.FindElement("Conditions")
			for what, values := range map[string][2]string{
				"user":     {a.FindElement(test.upn).Text(), test.claim.User},
				"issuer":   {issuer, test.claim.Issuer},
				"audience": {a.FindElement("//Audience").Text(), test.claim.Audience},
				"from":     {conditions.SelectAttrValue("NotBefore", ""), "2026-11-22T10:00:00.000Z"},
				"until":    {conditions.SelectAttrValue("NotOnOrAfter", ""), "2026-11-22T11:00:00.000Z"},
			} {
				if values[0] != values[1] {
					t.Errorf("%s: %q, expected %q", what, values[0], values[1])
				}
			}
		})
	}
}

// TestSignatureCoversAll: no part of an assertion may change.
func TestSignatureCoversAll(t *testing.T) {
	for _, v := range []Version{SAML11, SAML20} {
		text, err := made().Assertion(v, claim)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{claim.User, claim.Audience, claim.Issuer, "11:00:00.000Z", "bearer"} {
			if _, err := validator([]string{"AssertionID", "ID"}[v]).Validate(read(t, strings.Replace(text, part, part+"x", 1))); err == nil {
				t.Errorf("version %d: %q could be changed", v, part)
			}
		}
	}
}

func TestMetadata(t *testing.T) {
	cert, err := x509.ParseCertificate(made().cert)
	if err != nil {
		t.Fatal(err)
	}
	text, err := made().Metadata(Service{Issuer: claim.Issuer, Certificates: []*x509.Certificate{cert, cert},
		Passive: "https://fs.test/adfs/ls/", UsernameMixed: "https://fs.test/13", MetadataExport: "https://fs.test/mex"})
	if err != nil {
		t.Fatal(err)
	}
	root := read(t, text)
	signed := verify(t, root, "ID")
	if got := signed.SelectAttrValue("entityID", ""); got != claim.Issuer {
		t.Errorf("entityID %q", got)
	}
	if n := len(signed.FindElements("RoleDescriptor/KeyDescriptor[@use='signing']/KeyInfo/X509Data/X509Certificate")); n != 2 {
		t.Errorf("%d certificates, expected 2", n)
	}
	for path, want := range map[string]string{
		"RoleDescriptor/SecurityTokenServiceEndpoint/EndpointReference/Address": "https://fs.test/13",
		"RoleDescriptor/PassiveRequestorEndpoint/EndpointReference/Address":     "https://fs.test/adfs/ls/",
		"//MetadataReference/Address":                                           "https://fs.test/mex",
	} {
		if e := signed.FindElement(path); e == nil || e.Text() != want {
			t.Errorf("%s: %v, expected %s", path, e, want)
		}
	}
	if first := root.ChildElements()[0].Tag; first != "Signature" {
		t.Errorf("the first child is %s; the schema wants the signature there", first)
	}
	for in := xml.NewDecoder(strings.NewReader(text)); ; { // the standard library can read it
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func validator(id string) *dsig.ValidationContext {
	cert, err := x509.ParseCertificate(made().cert)
	if err != nil {
		panic(err)
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	ctx.IdAttribute = id
	return ctx
}

func read(t *testing.T, text string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func verify(t *testing.T, e *etree.Element, id string) *etree.Element {
	t.Helper()
	signed, err := validator(id).Validate(e)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func BenchmarkAssertion(b *testing.B) {
	s := made()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Assertion(SAML11, claim); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSign is the part of it that no other way of writing XML changes.
func BenchmarkSign(b *testing.B) {
	s := made()
	digest := make([]byte, 32)
	for b.Loop() {
		if _, err := s.key.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
