package federation

import (
	"slices"

	"github.com/beevik/etree"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// MaxResponse bounds what a browser brings (wresult), in bytes.
const MaxResponse = 96 << 10

// trustSpaces are WS-Trust's namespaces: of February 2005, and 1.3.
var trustSpaces = []string{"http://schemas.xmlsoap.org/ws/2005/02/trust", "http://docs.oasis-open.org/ws-sx/ws-trust/200512"}

// ReadResponse finds the one assertion in a RequestSecurityTokenResponse, which
// is what WS-Federation has a browser bring (wresult).
func ReadResponse(text []byte) (*Document, *Refusal) {
	doc, err := parse(text, bounds{bytes: MaxResponse, depth: assertionBounds.depth + 4, elements: 400, attributes: 16})
	if err != nil {
		return nil, refuse(Malformed, "wresult: %v", err)
	}
	var assertions []*etree.Element
	everyElement(doc.Root(), func(e *etree.Element) {
		if e.Tag == "Assertion" || e.Tag == "EncryptedAssertion" {
			assertions = append(assertions, e)
		}
	})
	if len(assertions) != 1 {
		return nil, refuse(Malformed, "wresult: %d assertions, expected 1", len(assertions))
	}
	e := assertions[0]
	for _, tag := range []string{"RequestedSecurityToken", "RequestSecurityTokenResponse"} {
		if e = e.Parent(); e == nil || e.Tag != tag || !slices.Contains(trustSpaces, e.NamespaceURI()) {
			return nil, refuse(Malformed, "wresult: expected the assertion in %s", tag)
		}
	}
	for _, c := range assertions[0].Parent().Child {
		if text, is := c.(*etree.CharData); c != assertions[0] && (!is || !text.IsWhitespace()) {
			return nil, refuse(Malformed, "wresult: expected the assertion and nothing else in RequestedSecurityToken")
		}
	}
	if p := e.Parent(); p != nil && p.Parent() != nil && p.Tag != "RequestSecurityTokenResponseCollection" {
		return nil, refuse(Malformed, "wresult: expected a RequestSecurityTokenResponse at the top")
	}
	// By itself, with the prefixes that are declared around it.
	context, err := etreeutils.NSBuildParentContext(assertions[0])
	if err != nil {
		return nil, refuse(Malformed, "wresult: %v", err)
	}
	alone, err := etreeutils.NSDetatch(context, assertions[0])
	if err != nil {
		return nil, refuse(Malformed, "wresult: %v", err)
	}
	return ofVersion(alone)
}
