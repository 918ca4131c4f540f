package federation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	// Hashes that a signature may be made with.
	_ "crypto/sha256"
	_ "crypto/sha512"
)

// What a signature may be made of. SHA-1 is not among it, nor a
// canonicalization that keeps comments, nor a transform that picks.
var (
	exclusive = string(dsig.CanonicalXML10ExclusiveAlgorithmId)
	enveloped = string(dsig.EnvelopedSignatureAltorithmId)

	signatureMethods = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod,
		dsig.ECDSASHA256SignatureMethod, dsig.ECDSASHA384SignatureMethod, dsig.ECDSASHA512SignatureMethod}
	digestMethods = []string{"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"}
)

// identifier is an ID as XML has it, not longer than it need be.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,255}$`)

// verified checks the signature of an assertion and returns what was signed,
// read anew from the very bytes: nothing of what came is used after that.
//
// A library that finds a signature somewhere and checks what it refers to would
// leave room for an assertion beside the signed one (signature wrapping). So
// before it is asked, there must be one signature, a child of the assertion,
// with one reference, to the assertion, whose ID nothing else has.
func verified(assertion *etree.Element, v version, keys []*x509.Certificate, now time.Time) (*etree.Element, *Refusal) {
	id := attribute(assertion, v.id)
	if !identifier.MatchString(id) {
		return nil, refuse(Malformed, "%s %.40q: expected an ID", v.id, id)
	}
	signature, r := soleSignature(assertion, id)
	if r != nil {
		return nil, r
	}
	signer, r := shape(signature, id)
	if r != nil {
		return nil, r
	}
	candidates := keys
	if signer != nil {
		i := slices.IndexFunc(keys, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, signer) })
		if i < 0 {
			return nil, refuse(UnknownKey, "signed by a key that is not one of the server's")
		}
		candidates = keys[i : i+1]
		// It has said whose key it is, and is itself not signed. The library would
		// read it again.
		signature.RemoveChild(signature.ChildElements()[2])
	}
	var last *Refusal
	for _, key := range candidates { // without KeyInfo, by any of them
		if now.Before(key.NotBefore) || now.After(key.NotAfter) {
			if last == nil { // a key that could have signed, and did not, says more
				last = refuse(ExpiredKey, "the signing certificate is valid from %v to %v", key.NotBefore, key.NotAfter)
			}
			continue
		}
		inDER(signature, key)
		context := dsig.ValidationContext{CertificateStore: &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{key}},
			IdAttribute: v.id, Clock: dsig.NewFakeClockAt(now)}
		signed, err := context.Validate(assertion)
		if err == nil && signed != nil && is(signed, v.space, "Assertion") && attribute(signed, v.id) == id {
			return signed, nil
		}
		last = refuse(Forged, "%v", err)
	}
	if last != nil && last.Reason == Forged && signer == nil { // it may be a new key
		last.Reason = UnknownKey
	}
	if last == nil {
		last = refuse(UnknownKey, "the server has no key")
	}
	return nil, last
}

// soleSignature is the signature of an assertion, which must be the only one.
func soleSignature(assertion *etree.Element, id string) (*etree.Element, *Refusal) {
	var all []*etree.Element
	sharing := 0
	everyElement(assertion, func(e *etree.Element) {
		if is(e, spaceSignature, "Signature") {
			all = append(all, e)
		}
		for _, a := range e.Attr {
			switch strings.ToLower(a.Key) {
			case "id", "assertionid":
				if a.Value == id {
					sharing++
				}
			}
		}
	})
	switch {
	case len(all) == 0:
		return nil, refuse(Unsigned, "there is no signature")
	case len(all) > 1:
		return nil, refuse(Wrapped, "there are %d signatures", len(all))
	case all[0].Parent() != assertion:
		return nil, refuse(Wrapped, "the signature is in %s, not in the assertion", all[0].Parent().Tag)
	case sharing != 1:
		return nil, refuse(Wrapped, "%d elements have the ID that is signed", sharing)
	}
	return all[0], nil
}

// shape checks that a signature is made as it must be, and returns the
// certificate in it, in DER and not looked at, nil for none.
func shape(signature *etree.Element, id string) ([]byte, *Refusal) {
	parts, r := exactly(signature, "SignedInfo", "SignatureValue", "KeyInfo?")
	if r != nil {
		return nil, r
	}
	info, r := exactly(parts[0], "CanonicalizationMethod", "SignatureMethod", "Reference")
	if r != nil {
		return nil, r
	}
	reference, r := exactly(info[2], "Transforms", "DigestMethod", "DigestValue")
	if r != nil {
		return nil, r
	}
	transforms, r := exactly(reference[0], "Transform", "Transform")
	if r != nil {
		return nil, r
	}
	if uri := attribute(info[2], "URI"); uri != "#"+id {
		return nil, refuse(Wrapped, "the signature is of %.40q, not of the assertion", uri)
	}
	for _, a := range []struct {
		of   *etree.Element
		good []string
	}{
		{info[0], []string{exclusive}}, {info[1], signatureMethods}, {reference[1], digestMethods},
		{transforms[0], []string{enveloped}}, {transforms[1], []string{exclusive}},
	} {
		if given := attribute(a.of, "Algorithm"); !slices.Contains(a.good, given) {
			return nil, refuse(Algorithm, "%s %.80q: expected %s", a.of.Tag, given, strings.Join(a.good, " or "))
		}
	}
	if len(parts) < 3 {
		return nil, nil
	}
	data, r := exactly(parts[2], "X509Data")
	if r != nil {
		return nil, r
	}
	encoded, r := exactly(data[0], "X509Certificate")
	if r != nil {
		return nil, r
	}
	der, err := readDER(encoded[0])
	if err != nil || len(der) == 0 {
		return nil, refuse(Malformed, "the signer's certificate can't be read: %v", err)
	}
	return der, nil
}

// exactly are the children of an element of a signature, which must be those
// named, in this order. One with a ? may be missing.
func exactly(e *etree.Element, names ...string) ([]*etree.Element, *Refusal) {
	have := e.ChildElements()
	for i, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		if i == len(have) && optional {
			return have, nil
		}
		if i >= len(have) || !is(have[i], spaceSignature, name) {
			return nil, refuse(Wrapped, "%s: expected %s as element %d", e.Tag, name, i+1)
		}
	}
	if len(have) > len(names) {
		return nil, refuse(Wrapped, "%s: %s is too much", e.Tag, have[len(names)].Tag)
	}
	return have, nil
}

// inDER writes an ECDSA signature as the library expects it. XML signatures
// have its two numbers side by side (RFC 4050 section 3.3), X.509's have them
// in ASN.1. The value is not itself signed, so it may be written anew.
func inDER(signature *etree.Element, key *x509.Certificate) {
	public, is := key.PublicKey.(*ecdsa.PublicKey)
	if !is {
		return
	}
	value := signature.ChildElements()[1]
	encoded, err := text(value)
	if err != nil {
		return
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	size := (public.Curve.Params().BitSize + 7) / 8
	if err != nil || len(raw) != 2*size {
		return
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])})
	if err == nil {
		value.SetText(base64.StdEncoding.EncodeToString(der))
	}
}
