package token

import "encoding/json"

// The paths of a tenant's documents and endpoints, below /{tenant}, as at the
// real service.
const (
	DiscoveryPath = "/v2.0/.well-known/openid-configuration"
	KeysPath      = "/discovery/v2.0/keys"
	TokenPath     = "/oauth2/v2.0/token"
	AuthorizePath = "/oauth2/v2.0/authorize"
	DevicePath    = "/oauth2/v2.0/devicecode"
	LogoutPath    = "/oauth2/v2.0/logout"
)

// The grant types of the token endpoint, besides password.
const (
	CodeGrant    = "authorization_code"
	DeviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	RefreshGrant = "refresh_token"
)

// configuration is an OpenID provider's metadata (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2), as far as the simulator does what it says.
type configuration struct {
	Authorization     string   `json:"authorization_endpoint"`
	TokenEndpoint     string   `json:"token_endpoint"`
	Device            string   `json:"device_authorization_endpoint"`
	EndSession        string   `json:"end_session_endpoint"`
	TokenAuthMethods  []string `json:"token_endpoint_auth_methods_supported"`
	JWKSURI           string   `json:"jwks_uri"`
	SubjectTypes      []string `json:"subject_types_supported"`
	IDTokenAlgorithms []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	Challenges        []string `json:"code_challenge_methods_supported"`
	ResponseIssuer    bool     `json:"authorization_response_iss_parameter_supported"`
	Scopes            []string `json:"scopes_supported"`
	Issuer            string   `json:"issuer"`
	RequestURI        bool     `json:"request_uri_parameter_supported"`
	Claims            []string `json:"claims_supported"`
}

// Discovery is the tenant's OpenID discovery document.
func (is *Issuer) Discovery() ([]byte, error) {
	return json.Marshal(configuration{
		Authorization:     is.base + AuthorizePath,
		TokenEndpoint:     is.base + TokenPath,
		Device:            is.base + DevicePath,
		EndSession:        is.base + LogoutPath,
		TokenAuthMethods:  []string{"none"}, // clients are public ones
		JWKSURI:           is.base + KeysPath,
		SubjectTypes:      []string{"pairwise"},
		IDTokenAlgorithms: []string{"ES256"},
		ResponseTypes:     []string{"code"},
		ResponseModes:     []string{"query"},
		GrantTypes:        []string{"password", CodeGrant, DeviceGrant, RefreshGrant},
		Challenges:        []string{"S256"},
		ResponseIssuer:    true,
		Scopes:            []string{OpenID, "profile", Offline, RegisterScope, ManageScope},
		Issuer:            is.Name(),
		Claims:            []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "ver", "preferred_username", "name", "nonce", "auth_time"},
	})
}
