package signin

import (
	"net/http"
	"net/url"
	"strings"

	"ptabench/cloudsim/token"
)

// audienceURN is whom assertions about a federated user are for, as the real
// service calls itself in every cloud.
const audienceURN = "urn:federation:MicrosoftOnline"

// discoveryRoutes are the documents by which libraries find their way before
// anybody signs in, as far as OpenID Connect has no word for them.
func (s *Surface) discoveryRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /common/discovery/instance", s.instance)
	for _, path := range []string{"GET /common/UserRealm/{user}", "GET /common/userrealm/{user}"} { // as MSAL for Go and for others write it
		mux.HandleFunc(path, s.userRealm)
	}
	for _, path := range []string{token.CommonUserInfoPath, "/{tenant}" + token.UserInfoPath} {
		mux.HandleFunc(path, s.userInfo)
	}
}

// Discovery is the OpenID discovery document for clients that call a tenant, or
// any, by an address.
func (s *Surface) Discovery(address string) (document []byte, found bool, err error) {
	if t, found := s.cloud.Tenant(address); found {
		document, err = t.at(address).Discovery()
		return document, true, err
	}
	if address == "" || !AnyTenant(address) {
		return nil, false, nil
	}
	document, err = token.CommonDiscovery(s.host, address)
	return document, true, err
}

// instanceAnswer is what libraries ask before they believe that an address is
// one of the service's: which names mean the same.
type instanceAnswer struct {
	Discovery string             `json:"tenant_discovery_endpoint"`
	Version   string             `json:"api-version"`
	Metadata  []instanceMetadata `json:"metadata"`
}

type instanceMetadata struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// instance answers whether an authorization endpoint is of this cloud.
func (s *Surface) instance(w http.ResponseWriter, r *http.Request) {
	invalid := &Problem{http.StatusBadRequest, "invalid_instance", codeInstance, "foreign-instance", "The authorization endpoint is not of this cloud."}
	at, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || at.Scheme != "https" || at.Host != s.host {
		s.refuse(w, invalid)
		return
	}
	address, _, _ := strings.Cut(strings.TrimPrefix(at.Path, "/"), "/")
	if _, found := s.cloud.Tenant(address); address == "" || !found && !AnyTenant(address) {
		s.refuse(w, &Problem{http.StatusBadRequest, "invalid_tenant", codeTenant, "unknown-tenant", "Tenant not found."})
		return
	}
	writeJSON(w, http.StatusOK, instanceAnswer{
		Discovery: "https://" + s.host + "/" + address + token.DiscoveryPath, Version: "1.1",
		Metadata: []instanceMetadata{{s.host, s.host, []string{s.host}}},
	})
}

// realm says who checks the password of a user.
type realm struct {
	Version  string `json:"ver"`
	Account  string `json:"account_type"` // Managed, Federated or Unknown
	Domain   string `json:"domain_name"`
	Protocol string `json:"federation_protocol,omitempty"`
	Metadata string `json:"federation_metadata_url,omitempty"` // MEX
	Instance string `json:"cloud_instance_name"`
	Audience string `json:"cloud_audience_urn"`
}

// userRealm tells programs which way a user's password has to go. That a user
// is there it does not tell: it knows domains.
func (s *Surface) userRealm(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	t, code := s.whose(&purpose{}, strings.TrimSpace(user))
	if code == codeMalformed || code == codeNoUser {
		s.refuse(w, invalidRequest(codeMalformed, "malformed-sign-in", "The user name can't be read."))
		return
	}
	_, domain, _ := strings.Cut(user, "@")
	answer := realm{Version: "1.0", Account: "Unknown", Domain: domain, Instance: s.host, Audience: audienceURN}
	switch {
	case code != 0:
	case t.Federated && !s.admins.of(user, t.Name):
		answer.Account, answer.Protocol, answer.Metadata = "Federated", "WSTrust", t.exchange()
	default:
		answer.Account = "Managed"
	}
	writeJSON(w, http.StatusOK, answer)
}

// exchange is where programs learn what to ask the service that checks the
// passwords: as it says itself, or else where AD FS has it.
func (t *Tenant) exchange() string {
	at, err := url.Parse(t.Passive)
	if t.Exchange != "" || err != nil || at.Host == "" {
		return t.Exchange
	}
	return "https://" + at.Host + "/adfs/services/trust/mex"
}
