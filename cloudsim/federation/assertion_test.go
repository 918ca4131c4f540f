package federation

import (
	"crypto/elliptic"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	dsig "github.com/russellhaering/goxmldsig"
)

// What a server that is believed signs, in every way that it may.
func TestGoodAssertions(t *testing.T) {
	t.Parallel()
	p256, p521 := newServer(t, ecdsaKey(t, elliptic.P256())), newServer(t, ecdsaKey(t, elliptic.P521()))
	for _, tc := range []struct {
		name      string
		by        server
		assertion string
		how       signing
	}{
		{"SAML 1.1", usual(), saml1(says{}), signing{}},
		{"SAML 2.0", usual(), saml2(says{}), signing{}},
		{"SAML 2.0 to be used here", usual(), saml2(says{recipient: tokenPlace}), signing{}},
		{"RSA with SHA-384", usual(), saml1(says{}), signing{method: dsig.RSASHA384SignatureMethod}},
		{"RSA with SHA-512", usual(), saml2(says{}), signing{method: dsig.RSASHA512SignatureMethod}},
		{"ECDSA P-256", p256, saml1(says{}), signing{sidewise: true}},
		{"ECDSA P-521", p521, saml2(says{}), signing{method: dsig.ECDSASHA512SignatureMethod, sidewise: true}},
		{"ECDSA in ASN.1", p256, saml2(says{}), signing{}},
		{"no KeyInfo", usual(), saml1(says{}), signing{noKeyInfo: true}},
		{"the tenant as audience", usual(), saml1(says{audience: "https://cloud.test/contoso/v2.0"}), signing{}},
		{"the name as identifier", usual(), saml1(says{bare: true, nameID: "ann@contoso.test"}), signing{}},
		{"the name as e-mail", usual(), saml2(says{bare: true, nameID: "ann@contoso.test", format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"}), signing{}},
		{"the name twice", usual(), saml1(says{attributes: `<saml:Attribute AttributeName="upn" AttributeNamespace="http://schemas.xmlsoap.org/ws/2005/05/identity/claims"><saml:AttributeValue>Ann@Contoso.test</saml:AttributeValue></saml:Attribute>`}), signing{}},
		{"a clock that is behind", usual(), saml1(says{issued: noon.Add(-9 * time.Minute), notBefore: noon.Add(-9 * time.Minute)}), signing{}},
		{"a clock that is ahead", usual(), saml2(says{issued: noon.Add(4 * time.Minute), notBefore: noon.Add(4 * time.Minute)}), signing{}},
	} {
		signed := tc.by.sign(t, tc.assertion, tc.how)
		a, r := validator().Validate([]byte(signed), tc.by.metadata())
		if r != nil {
			t.Errorf("%s: %v", tc.name, r)
			continue
		}
		if a.User != "ann@contoso.test" || a.Issuer != issuerName || a.SignedIn.IsZero() {
			t.Errorf("%s: %+v", tc.name, a)
		}
		if got := mustRead(t, signed).Claimed(); got != "ann@contoso.test" {
			t.Errorf("%s: claimed by %q", tc.name, got)
		}
		for _, whole := range []string{response(signed),
			`<r:RequestSecurityTokenResponseCollection xmlns:r="http://docs.oasis-open.org/ws-sx/ws-trust/200512">` +
				strings.ReplaceAll(response(signed), "http://schemas.xmlsoap.org/ws/2005/02/trust", "http://docs.oasis-open.org/ws-sx/ws-trust/200512") + `</r:RequestSecurityTokenResponseCollection>`} {
			if a, r := validator().ValidateResponse([]byte(whole), tc.by.metadata()); r != nil || a.User != "ann@contoso.test" {
				t.Errorf("%s, as a response: %v", tc.name, r)
			}
		}
	}
}

// An assertion may take its prefixes from around it.
func TestInheritedPrefix(t *testing.T) {
	t.Parallel()
	signed := usual().sign(t, saml1(says{}), signing{})
	const declaration = ` xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"`
	around := strings.Replace(response(strings.Replace(signed, declaration, "", 1)), "<t:RequestSecurityTokenResponse", "<t:RequestSecurityTokenResponse"+declaration, 1)
	if _, r := validator().ValidateResponse([]byte(around), usual().metadata()); r != nil {
		t.Error(r)
	}
}

// During a rollover either key is good, with and without KeyInfo.
func TestTwoKeys(t *testing.T) {
	t.Parallel()
	next := newServer(t, rsaKey(t, 2048))
	both := usual().metadata()
	both.Certificates = append(both.Certificates, next.cert)
	for _, by := range []server{usual(), next} {
		for _, how := range []signing{{}, {noKeyInfo: true}} {
			if _, r := validator().Validate([]byte(by.sign(t, saml1(says{}), how)), both); r != nil {
				t.Errorf("%+v: %v", how, r)
			}
		}
	}
}

// A key that nobody knows is one, also beside keys that are too old: then the
// metadata is read again.
func TestUnknownBesideExpired(t *testing.T) {
	t.Parallel()
	next, old := newServer(t, rsaKey(t, 2048)), newServerAt(t, usual().key, noon.Add(-48*time.Hour))
	signed := next.sign(t, saml1(says{}), signing{noKeyInfo: true})
	for _, keys := range [][]*x509.Certificate{{usual().cert, old.cert}, {old.cert, usual().cert}} {
		m := usual().metadata()
		m.Certificates = keys
		if _, r := validator().Validate([]byte(signed), m); r == nil || r.Reason != UnknownKey {
			t.Errorf("%v", r)
		}
	}
}

// What is refused, and by which word it is counted.
func TestRefusals(t *testing.T) {
	t.Parallel()
	stranger := newServer(t, rsaKey(t, 2048))
	old := newServerAt(t, usual().key, noon.Add(-48*time.Hour))
	sign := func(s says) string { return usual().sign(t, saml1(s), signing{}) }
	sign2 := func(s says) string { return usual().sign(t, saml2(s), signing{}) }
	in := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	upn := func(user string) string {
		return `<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>` + user + `</saml:AttributeValue></saml:Attribute>`
	}
	for _, tc := range []struct {
		name, text string
		reason     Reason
	}{
		{"nothing", "", Malformed},
		{"no XML", "assertion", Malformed},
		{"another element", "<a/>", Malformed},
		{"no assertion of SAML", "<Assertion/>", Malformed},
		{"the wrong version", sign(says{})[:len(sign(says{}))-1], Malformed},
		{"version 1.0", in(saml1(says{}), `MinorVersion="1"`, `MinorVersion="0"`), Unsigned},
		{"too long", sign(says{attributes: upn(strings.Repeat("a", MaxAssertion))}), Malformed},
		{"encrypted", in(saml2(says{}), "<Assertion ", "<EncryptedAssertion "), Malformed},

		// Signatures.
		{"unsigned", saml1(says{}), Unsigned},
		{"unsigned, 2.0", saml2(says{}), Unsigned},
		{"by somebody else", stranger.sign(t, saml1(says{}), signing{}), UnknownKey},
		{"by somebody else, who does not say", stranger.sign(t, saml1(says{}), signing{noKeyInfo: true}), UnknownKey},
		{"by somebody else, under the server's certificate", server{stranger.key, usual().cert}.sign(t, saml1(says{}), signing{}), Forged},
		{"by SHA-1", usual().sign(t, saml1(says{}), signing{method: dsig.RSASHA1SignatureMethod}), Algorithm},
		{"canonicalized otherwise", usual().sign(t, saml1(says{}), signing{canonicalizer: dsig.MakeC14N11Canonicalizer()}), Algorithm},
		{"comments kept", usual().sign(t, saml1(says{}), signing{canonicalizer: dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList("")}), Algorithm},
		{"digest by SHA-1", in(sign(says{}), "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), Algorithm},
		{"no signature method", in(sign(says{}), dsig.RSASHA256SignatureMethod, ""), Algorithm},
		{"HMAC by the public key", in(sign(says{}), dsig.RSASHA256SignatureMethod, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), Algorithm},
		{"a transform that picks", in(sign(says{}), "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"), Algorithm},
		{"another user", in(sign(says{}), "ann@contoso", "bob@contoso"), Forged},
		{"another time", in(sign(says{}), at(noon.Add(time.Hour)), at(noon.Add(2*time.Hour))), Forged},
		{"the signature of another", in(sign(says{}), "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), Forged},
		{"no signature value", in(sign(says{}), "<ds:SignatureValue>", "<ds:SignatureValue/><x:x xmlns:x='x'>") + "", Malformed},

		// Wrapping: something else than what was signed is there to be read.
		{"two signatures", in(sign(says{}), "</saml:Assertion>", signatureOf(sign(says{}))+"</saml:Assertion>"), Wrapped},
		{"a signature elsewhere", in(saml1(says{id: "_a"}), "</saml:Conditions>", "</saml:Conditions><saml:Advice>"+sign(says{id: "_a"})+"</saml:Advice>"), Wrapped},
		{"the signed one inside of another", in(saml1(says{user: "bob@contoso.test"}), "</saml:Assertion>", sign(says{})+"</saml:Assertion>"), Wrapped},
		{"the signed one inside of the signature", wrapped(sign(says{}), saml1(says{id: "_evil", user: "bob@contoso.test"})), Wrapped},
		{"the signed one inside of the signature, of the same ID", wrapped(sign(says{id: "_same"}), saml1(says{id: "_same", user: "bob@contoso.test"})), Wrapped},
		{"a reference to everything", in(sign(says{id: "_whole"}), `URI="#_whole"`, `URI=""`), Wrapped},
		{"a reference to another", in(sign(says{id: "_one"}), `URI="#_one"`, `URI="#_two"`), Wrapped},
		{"a second reference", in(sign(says{}), "</ds:SignedInfo>", `<ds:Reference URI="#_x"/></ds:SignedInfo>`), Wrapped},
		{"the same ID twice", in(sign(says{id: "_twice"}), "<saml:Conditions ", `<saml:Conditions Id="_twice" `), Wrapped},
		{"a third transform", in(sign(says{}), "</ds:Transforms>", `<ds:Transform Algorithm="`+enveloped+`"/></ds:Transforms>`), Wrapped},
		{"an attribute twice", in(sign(says{id: "_one"}), `AssertionID="_one"`, `AssertionID="_one" AssertionID="_two"`), Malformed},
		{"two at the top", sign(says{}) + sign(says{}), Malformed},
		{"text after it", sign(says{}) + "x", Malformed},

		// XML that is more than it seems.
		{"a document type", `<!DOCTYPE a>` + sign(says{}), Malformed},
		{"an entity", `<!DOCTYPE a [<!ENTITY x "ann">]>` + in(sign(says{}), "ann@", "&x;@"), Malformed},
		{"an entity that is not declared", in(sign(says{}), "ann@", "&x;@"), Malformed},
		{"a file of this host", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + in(sign(says{}), "ann@", "&x;@"), Malformed},
		{"a billion laughs", `<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + in(sign(says{}), "ann@", "&b;@"), Malformed},
		{"a comment in a name", in(sign(says{user: "ann@contoso.test.evil.example"}), "ann@contoso.test", "ann@contoso.test<!-- -->"), Malformed},
		{"a comment elsewhere", in(sign(says{}), "</saml:Conditions>", "</saml:Conditions><!-- -->"), Malformed},
		{"a processing instruction in a name", in(sign(says{}), "ann@contoso.test", "ann<?x?>@contoso.test"), Malformed},
		{"too deep", strings.Repeat("<a>", 10_000), Malformed},
		{"too deep, and ended", strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), Malformed},
		{"too many", "<a>" + strings.Repeat("<b/>", 10_000) + "</a>", Malformed},
		{"too many attributes", "<a" + manyAttributes(1000) + "/>", Malformed},
		{"a prefix that is not declared", in(sign(says{}), "<saml:Conditions ", "<saml:Conditions evil:a='b' "), Malformed},
		{"a prefix that is declared twice", in(sign(says{}), "<saml:Conditions ", "<saml:Conditions xmlns:a='b' xmlns:a='c' "), Malformed},
		{"no UTF-8", in(sign(says{}), "ann@", "ann\xff@"), Malformed},
		{"NUL", in(sign(says{}), "ann@", "ann\x00@"), Malformed},
		{"another encoding", `<?xml version="1.0" encoding="UTF-7"?>` + sign(says{}), Malformed},

		// What is said, by the server itself.
		{"another issuer", sign(says{issuer: "http://fs.evil.example/"}), ForeignIssuer},
		{"another issuer, 2.0", sign2(says{issuer: issuerName + "/"}), ForeignIssuer},
		{"for somebody else", sign(says{audience: "urn:federation:SomebodyElse"}), OtherAudience},
		{"for another tenant", sign2(says{audience: "https://cloud.test/fabrikam/v2.0"}), OtherAudience},
		{"for anybody", usual().sign(t, in(in(saml1(says{}), "<saml:AudienceRestrictionCondition><saml:Audience>"+audience+"</saml:Audience>", ""), "</saml:AudienceRestrictionCondition>", ""), signing{}), OtherAudience},
		{"for nobody", usual().sign(t, in(saml1(says{}), "<saml:Audience>"+audience+"</saml:Audience>", ""), signing{}), OtherAudience},
		{"for two at once", usual().sign(t, in(saml1(says{}), "</saml:Conditions>", "<saml:AudienceRestrictionCondition><saml:Audience>x</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>"), signing{}), OtherAudience},
		{"a condition that is not known", usual().sign(t, in(saml1(says{}), "</saml:Conditions>", "<saml:OnlyOnTuesdays/></saml:Conditions>"), signing{}), Malformed},
		{"no conditions", usual().sign(t, strings.ReplaceAll(saml1(says{}), "saml:Conditions", "saml:Advice"), signing{}), Malformed},
		{"over", sign(says{issued: noon.Add(-2 * time.Hour), notBefore: noon.Add(-2 * time.Hour)}), Expired},
		{"over, by the skew", sign(says{issued: noon.Add(-10 * time.Minute), notBefore: noon.Add(-10 * time.Minute)}), Expired},
		{"over, though it says it lives", sign(says{issued: noon.Add(-time.Hour), notBefore: noon.Add(-time.Hour), expires: noon.Add(240 * time.Hour)}), Expired},
		{"over, 2.0", sign2(says{issued: noon.Add(-time.Hour), notBefore: noon.Add(-time.Hour), expires: noon.Add(240 * time.Hour)}), Expired},
		{"to come", sign(says{issued: noon.Add(6 * time.Minute), notBefore: noon.Add(6 * time.Minute)}), NotYet},
		{"issued in the future", sign2(says{issued: noon.Add(6 * time.Minute)}), NotYet},
		{"good for no time", sign(says{expires: noon}), Malformed},
		{"no time", usual().sign(t, in(saml1(says{}), at(noon.Add(time.Hour)), "never"), signing{}), Malformed},
		{"signed in tomorrow", sign(says{signedIn: noon.Add(24 * time.Hour)}), NotYet},
		{"for who has a key", sign(says{confirmation: "urn:oasis:names:tc:SAML:1.0:cm:holder-of-key"}), Unconfirmed},
		{"for who has a key, 2.0", sign2(says{confirmation: "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}), Unconfirmed},
		{"to be used elsewhere", sign2(says{recipient: "https://evil.example/"}), Unconfirmed},
		{"nobody", sign(says{bare: true}), NoSubject},
		{"nobody, 2.0", sign2(says{bare: true, nameID: "x", format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}), NoSubject},
		{"a name of another kind", sign2(says{bare: true, nameID: "ann@contoso.test", format: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}), NoSubject},
		{"two users", sign(says{attributes: upn("bob@contoso.test")}), NoSubject},
		{"two values", usual().sign(t, in(saml1(says{}), "</saml:AttributeValue>", "</saml:AttributeValue><saml:AttributeValue>bob@contoso.test</saml:AttributeValue>"), signing{}), NoSubject},
		{"two subjects", usual().sign(t, in(saml1(says{}), "c29tZWJvZHk=", "bob"), signing{}), NoSubject},
		{"a name with more in it", usual().sign(t, in(saml1(says{}), "ann@contoso.test", "<b>ann</b>@contoso.test"), signing{}), NoSubject},
		{"a name without a domain", sign(says{user: "ann"}), NoSubject},
		{"a name of 10,000 characters", sign(says{user: strings.Repeat("n", 10_000) + "@contoso.test"}), NoSubject},
		{"a name that turns around", sign(says{user: "\u202eann@contoso.test"}), NoSubject},
		{"a name with a control character", sign(says{user: "a&#x85;nn@contoso.test"}), NoSubject},
		{"a name of two lines", sign(says{user: "a\nnn@contoso.test"}), NoSubject},
		{"a user of somebody else", sign(says{user: "ann@fabrikam.test"}), ForeignDomain},
		{"a user of a domain below", sign2(says{user: "ann@evil.contoso.test.evil"}), ForeignDomain},
	} {
		a, r := validator().Validate([]byte(tc.text), usual().metadata())
		if r == nil {
			t.Errorf("%s: taken for good: %+v", tc.name, a)
			continue
		}
		if r.Reason != tc.reason {
			t.Errorf("%s: %v; expected %s", tc.name, r, tc.reason)
		}
		// In a response it is refused too, though perhaps for the response's sake.
		if a, r := validator().ValidateResponse([]byte(response(tc.text)), usual().metadata()); r == nil {
			t.Errorf("%s, as a response: taken for good: %+v", tc.name, a)
		}
	}
	expired := old.metadata()
	if _, r := validator().Validate([]byte(old.sign(t, saml1(says{}), signing{})), expired); r == nil || r.Reason != ExpiredKey {
		t.Errorf("a certificate that has expired: %v", r)
	}
	if _, r := validator().Validate([]byte(sign(says{})), &Metadata{Issuer: issuerName}); r == nil || r.Reason != UnknownKey {
		t.Errorf("a server without a key: %v", r)
	}
	if _, r := validator().Validate([]byte(sign(says{})), &Metadata{Issuer: issuerName, Certificates: []*x509.Certificate{stranger.cert}}); r == nil || r.Reason != UnknownKey {
		t.Errorf("a server of another key: %v", r)
	}
}

// signatureOf is the signature in an assertion.
func signatureOf(signed string) string {
	from, to := strings.Index(signed, "<ds:Signature "), strings.Index(signed, "</ds:Signature>")
	return signed[from : to+len("</ds:Signature>")]
}

// wrapped is an assertion nobody signed with the signature of another, in which
// that other one is kept.
func wrapped(signed, evil string) string {
	signature := signatureOf(signed)
	kept := strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+strings.Replace(signed, signature, "", 1)+"</ds:Object></ds:Signature>", 1)
	return strings.Replace(evil, "</saml:Assertion>", kept+"</saml:Assertion>", 1)
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + "='1'")
	}
	return b.String()
}

// Responses that are something else around an assertion that is good.
func TestRefusedResponses(t *testing.T) {
	t.Parallel()
	signed := usual().sign(t, saml1(says{}), signing{})
	for name, text := range map[string]string{
		"the assertion alone":            signed,
		"nothing in it":                  response(""),
		"two":                            response(signed + usual().sign(t, saml1(says{}), signing{})),
		"one that nobody looks at":       strings.Replace(response(signed), "<t:Lifetime/>", "<t:Lifetime>"+saml1(says{user: "bob@contoso.test"})+"</t:Lifetime>", 1),
		"encrypted too":                  response(signed + "<EncryptedAssertion/>"),
		"another namespace":              strings.ReplaceAll(response(signed), "http://schemas.xmlsoap.org/ws/2005/02/trust", "urn:x"),
		"inside of something":            "<a>" + "<b>" + response(signed) + "</b></a>",
		"not as the token":               strings.ReplaceAll(response(signed), "RequestedSecurityToken", "RequestedAttachedReference"),
		"a document type":                "<!DOCTYPE a>" + response(signed),
		"too long":                       response(signed) + strings.Repeat(" ", MaxResponse),
		"a SAML protocol response's way": `<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol">` + signed + `</Response>`,
	} {
		if a, r := validator().ValidateResponse([]byte(text), usual().metadata()); r == nil || r.Reason != Malformed {
			t.Errorf("%s: %+v, %v", name, a, r)
		}
	}
}

// An assertion is good once, in whichever wrapping, until it is good for nothing.
func TestReplay(t *testing.T) {
	t.Parallel()
	v, m := validator(), usual().metadata()
	signed := usual().sign(t, saml1(says{}), signing{})
	if _, r := v.Validate([]byte(signed), m); r != nil {
		t.Fatal(r)
	}
	for _, after := range []time.Duration{0, time.Minute, MaxAge + Skew - 2*time.Second} {
		v.Now = noon.Add(time.Second + after)
		if _, r := v.Validate([]byte(signed), m); r == nil || r.Reason != Replayed {
			t.Errorf("after %v: %v", after, r)
		}
		if _, r := v.ValidateResponse([]byte(response(signed)), m); r == nil || r.Reason != Replayed {
			t.Errorf("after %v, as a response: %v", after, r)
		}
	}
	v.Now = noon.Add(MaxAge + Skew)
	if _, r := v.Validate([]byte(signed), m); r == nil || r.Reason != Expired {
		t.Errorf("when it is over: %v", r)
	}
	// What was not good is not remembered.
	v = validator()
	if _, r := v.Validate([]byte(strings.Replace(signed, "ann@", "bob@", 1)), m); r == nil {
		t.Error("a forgery was taken")
	}
	if n := v.Replays.Held(); n != 0 {
		t.Errorf("%d are remembered of a forgery", n)
	}
}

// So many are remembered and no more; nothing is forgotten that is still good.
func TestReplaysAreBounded(t *testing.T) {
	t.Parallel()
	p := NewReplays(2)
	for i := range 2 {
		if r := p.use(replayKey{byte(i)}, noon.Add(time.Minute), noon); r != nil {
			t.Fatal(r)
		}
	}
	if r := p.use(replayKey{2}, noon.Add(time.Minute), noon); r == nil || r.Reason != TooMany || !r.Undecided() {
		t.Errorf("a third: %v", r)
	}
	if r := p.use(replayKey{1}, noon.Add(time.Minute), noon); r == nil || r.Reason != Replayed {
		t.Errorf("the second again: %v", r)
	}
	if r := p.use(replayKey{2}, noon.Add(4*time.Minute), noon.Add(3*time.Minute)); r != nil || p.Held() != 1 {
		t.Errorf("later: %v, %d held", r, p.Held())
	}
}
