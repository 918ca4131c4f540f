package federation

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

// The namespaces of metadata.
const (
	spaceMetadata   = "urn:oasis:names:tc:SAML:2.0:metadata"
	spaceFederation = "http://docs.oasis-open.org/wsfed/federation/200706"
	spaceInstance   = "http://www.w3.org/2001/XMLSchema-instance"
	spaceAddressing = "http://www.w3.org/2005/08/addressing"
	spaceSignature  = "http://www.w3.org/2000/09/xmldsig#"
)

// maxCertificates bounds the signing certificates of one server: the present
// one, the next one, and those of whoever needs some more.
const maxCertificates = 8

// minRSA is the shortest RSA key that may sign, in bits.
const minRSA = 2048

// ExchangePath is where AD FS describes its WS-Trust endpoints, for metadata
// that does not say.
const ExchangePath = "/adfs/services/trust/mex"

// Metadata is what a federation server says of itself.
type Metadata struct {
	Issuer       string              // that its assertions name
	Passive      string              // where browsers are sent; empty for nowhere
	Exchange     string              // where WS-Trust endpoints are described (MEX); empty when it does not say
	Certificates []*x509.Certificate // that its assertions are signed by, now or soon
}

// ParseMetadata reads a metadata document (WS-Federation 1.2 section 3, SAML
// 2.0 Metadata section 2): of the security token service and the identity
// provider, what it takes to send users there and to believe what they bring.
// The document's own signature is not looked at: who may say what is in it, an
// administrator said by its address, and TLS.
func ParseMetadata(document []byte) (*Metadata, error) {
	m, err := parseMetadata(document)
	if err == nil && m.Issuer == "" {
		err = errors.New("it names no issuer (entityID)")
	}
	if err == nil && len(m.Certificates) == 0 {
		err = errors.New("it has no signing certificate (KeyDescriptor)")
	}
	if err == nil && m.Passive == "" {
		err = errors.New("it names no passive endpoint (PassiveRequestorEndpoint)")
	}
	if err != nil {
		return nil, fmt.Errorf("federation metadata: %w", err)
	}
	return m, nil
}

// parseMetadata reads as much as is there.
func parseMetadata(document []byte) (*Metadata, error) {
	doc, err := parse(document, bounds{bytes: MaxMetadata, depth: maxDepth, elements: 20_000, attributes: 64, comments: true})
	if err != nil {
		return nil, err
	}
	root := doc.Root()
	m := &Metadata{Issuer: attribute(root, "entityID")}
	if !is(root, spaceMetadata, "EntityDescriptor") {
		return nil, fmt.Errorf("%.40q: expected an EntityDescriptor", root.Tag)
	}
	if len(m.Issuer) > MaxAddress {
		return nil, fmt.Errorf("entityID: more than %d bytes", MaxAddress)
	}
	for _, role := range root.ChildElements() {
		switch {
		case is(role, spaceMetadata, "IDPSSODescriptor"):
		case is(role, spaceMetadata, "RoleDescriptor") && strings.HasSuffix(":"+typeOf(role), ":SecurityTokenServiceType"):
			if err := m.endpoints(role); err != nil {
				return nil, err
			}
		default: // of those whom it takes assertions from, and of people
			continue
		}
		if err := m.keys(role); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// typeOf is an element's xsi:type.
func typeOf(e *etree.Element) string {
	for _, a := range e.Attr {
		if a.Key == "type" && a.NamespaceURI() == spaceInstance {
			return a.Value
		}
	}
	return ""
}

// endpoints takes the first passive endpoint of a role, and where its WS-Trust
// endpoints are described.
func (m *Metadata) endpoints(role *etree.Element) error {
	var err error
	everyElement(role, func(e *etree.Element) {
		if !is(e, spaceAddressing, "Address") || err != nil {
			return
		}
		to, what := &m.Passive, "passive endpoint"
		switch {
		case below(e, spaceFederation, "PassiveRequestorEndpoint"):
		case e.Parent().Tag == "MetadataReference" && below(e, spaceFederation, "SecurityTokenServiceEndpoint"):
			to, what = &m.Exchange, "metadata exchange"
		default:
			return
		}
		if *to != "" {
			return
		}
		var address string
		if address, err = text(e); err == nil {
			err = CheckAddress(address)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
			return
		}
		*to = address
	})
	return err
}

// below reports whether an element is inside of one that has a name.
func below(e *etree.Element, space, tag string) bool {
	for e = e.Parent(); e != nil; e = e.Parent() {
		if is(e, space, tag) {
			return true
		}
	}
	return false
}

// keys takes the signing certificates of a role, each once.
func (m *Metadata) keys(role *etree.Element) error {
	for _, key := range children(role, spaceMetadata, "KeyDescriptor") {
		if use := attribute(key, "use"); use != "signing" && use != "" {
			continue
		}
		for _, info := range children(key, spaceSignature, "KeyInfo") {
			for _, data := range children(info, spaceSignature, "X509Data") {
				for _, c := range children(data, spaceSignature, "X509Certificate") {
					if err := m.certificate(c); err != nil {
						return fmt.Errorf("signing certificate: %w", err)
					}
				}
			}
		}
	}
	return nil
}

func (m *Metadata) certificate(e *etree.Element) error {
	der, err := readDER(e)
	if err != nil {
		return err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	for _, have := range m.Certificates {
		if have.Equal(c) {
			return nil
		}
	}
	if len(m.Certificates) == maxCertificates {
		return fmt.Errorf("more than %d", maxCertificates)
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return fmt.Errorf("RSA of %d bits: expected %d or more", bits, minRSA)
		}
	case *ecdsa.PublicKey:
	default:
		return fmt.Errorf("%v: expected RSA or ECDSA", c.PublicKeyAlgorithm)
	}
	m.Certificates = append(m.Certificates, c)
	return nil
}

// readDER reads an X509Certificate of XML signatures.
func readDER(e *etree.Element) ([]byte, error) {
	encoded, err := text(e)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
}

// ExchangeOf is where a server whose metadata is at an address describes its
// WS-Trust endpoints: there it says, or else where AD FS does.
func (m *Metadata) ExchangeOf(at string) string {
	if m.Exchange != "" {
		return m.Exchange
	}
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: ExchangePath}).String()
}
