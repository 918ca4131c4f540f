package token

import "encoding/json"

// The paths of a tenant's documents and endpoints, below /{tenant}, as at the
// real service.
const (
	DiscoveryPath = "/v2.0/.well-known/openid-configuration"
	KeysPath      = "/discovery/v2.0/keys"
	TokenPath     = "/oauth2/v2.0/token"
)

// configuration is an OpenID provider's metadata (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2), as far as the simulator does what it says.
// It has no authorization endpoint: no grant type that it serves uses one.
type configuration struct {
	TokenEndpoint     string   `json:"token_endpoint"`
	TokenAuthMethods  []string `json:"token_endpoint_auth_methods_supported"`
	JWKSURI           string   `json:"jwks_uri"`
	SubjectTypes      []string `json:"subject_types_supported"`
	IDTokenAlgorithms []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	Scopes            []string `json:"scopes_supported"`
	Issuer            string   `json:"issuer"`
	RequestURI        bool     `json:"request_uri_parameter_supported"`
	Claims            []string `json:"claims_supported"`
}

// Discovery is the tenant's OpenID discovery document.
func (is *Issuer) Discovery() ([]byte, error) {
	return json.Marshal(configuration{
		TokenEndpoint:     is.base + TokenPath,
		TokenAuthMethods:  []string{"none"}, // clients are public ones
		JWKSURI:           is.base + KeysPath,
		SubjectTypes:      []string{"pairwise"},
		IDTokenAlgorithms: []string{"ES256"},
		ResponseTypes:     []string{"none"},
		GrantTypes:        []string{"password"},
		Scopes:            []string{"openid"},
		Issuer:            is.Name(),
		Claims:            []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "ver", "preferred_username"},
	})
}
