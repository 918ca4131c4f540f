package saml

import (
	"crypto/x509"
	"encoding/base64"

	"github.com/beevik/etree"
	"github.com/google/uuid"
)

// A Service is what metadata says of a federation server.
type Service struct {
	Issuer         string
	Certificates   []*x509.Certificate // whose tokens are to be believed
	Passive        string              // where browsers are sent
	UsernameMixed  string              // where clients ask with a name and a password
	MetadataExport string              // where these find that out
}

// Metadata makes and signs the document of WS-Federation 1.2, section 3.
func (s *Signer) Metadata(v Service) (string, error) {
	e := element(nil, "EntityDescriptor", "xmlns", "urn:oasis:names:tc:SAML:2.0:metadata",
		"ID", "_"+uuid.NewString(), "entityID", v.Issuer)
	role := element(e, "RoleDescriptor",
		"xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance", "xmlns:fed", "http://docs.oasis-open.org/wsfed/federation/200706",
		"xsi:type", "fed:SecurityTokenServiceType", "protocolSupportEnumeration",
		"http://docs.oasis-open.org/ws-sx/ws-trust/200512 http://schemas.xmlsoap.org/ws/2005/02/trust http://docs.oasis-open.org/wsfed/federation/200706",
		"ServiceDisplayName", "ptabench federation")
	for _, c := range v.Certificates {
		key := element(element(role, "KeyDescriptor", "use", "signing"), "KeyInfo", "xmlns", "http://www.w3.org/2000/09/xmldsig#")
		text(element(key, "X509Data"), "X509Certificate", base64.StdEncoding.EncodeToString(c.Raw))
	}
	types := element(role, "fed:TokenTypesOffered")
	for _, uri := range []string{Type20, Type11} {
		element(types, "fed:TokenType", "Uri", uri)
	}
	claims := element(role, "fed:ClaimTypesOffered")
	for _, claim := range [][2]string{{claimUPN + "/UPN", "UPN"}, {claimImmutable + "/ImmutableID", "ImmutableID"}} {
		offered := element(claims, "auth:ClaimType", "xmlns:auth", "http://docs.oasis-open.org/wsfed/authorization/200706",
			"Uri", claim[0], "Optional", "true")
		text(offered, "auth:DisplayName", claim[1])
	}
	active := reference(element(role, "fed:SecurityTokenServiceEndpoint"), v.UsernameMixed)
	section := element(element(active, "Metadata"), "Metadata", "xmlns", "http://schemas.xmlsoap.org/ws/2004/09/mex")
	mex := element(element(section, "MetadataSection", "Dialect", "http://schemas.xmlsoap.org/ws/2004/09/mex"), "MetadataReference")
	text(mex, "Address", v.MetadataExport, "xmlns", addressing)
	reference(element(role, "fed:PassiveRequestorEndpoint"), v.Passive)
	return s.sign(e, "ID", 0)
}

const addressing = "http://www.w3.org/2005/08/addressing"

func reference(parent *etree.Element, address string) *etree.Element {
	e := element(parent, "EndpointReference", "xmlns", addressing)
	text(e, "Address", address)
	return e
}
