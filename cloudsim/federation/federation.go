// Package federation is the cloud's side of a federation: it reads what a
// federation server says of itself, and takes the server's word on who a user
// is, which is an assertion of SAML 1.1 or 2.0, for good or not.
//
// Whoever sends an assertion may have made it. So each is read in one way only
// (document.go), its signature is of all of it and by a key of the server
// (signature.go), what is read after that is what was signed, and it is for this
// place, for this time, for a user of this tenant, and used once (assertion.go).
//
// Signatures are checked by russellhaering/goxmldsig, the one library of XML
// signatures in Go that is kept up (last released August 2026), which reads
// documents by beevik/etree. crewjam/saml and russellhaering/gosaml2 build on it
// too, but speak the SAML protocol, which WS-Federation is not, and know no SAML
// 1.1.
package federation

import (
	"fmt"
	"net/url"
)

// MaxMetadata bounds a metadata document, in bytes. That of AD FS has some 70 KB.
const MaxMetadata = 1 << 20

// MaxAddress bounds an address, in bytes.
const MaxAddress = 2048

// maxDepth bounds how deep elements of metadata are nested.
const maxDepth = 64

// CheckAddress says what is wrong with an address that is to be https.
func CheckAddress(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > MaxAddress {
		return fmt.Errorf("%.80q: expected an https URL of up to %d bytes, without user or fragment", text, MaxAddress)
	}
	return nil
}
