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
	// FederationPath is where browsers bring the word of a federation server.
	FederationPath = "/federation"
	UserInfoPath   = "/openid/userinfo"
)

// CommonUserInfoPath is where every tenant's clients ask who a user is, as at
// the real service.
const CommonUserInfoPath = "/oidc/userinfo"

// The grant types of the token endpoint, besides password.
const (
	CodeGrant    = "authorization_code"
	DeviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	RefreshGrant = "refresh_token"
	// DraftDeviceGrant is DeviceGrant as Microsoft's libraries still call it.
	DraftDeviceGrant = "device_code"
	SAML1Grant       = "urn:ietf:params:oauth:grant-type:saml1_1-bearer"
	SAML2Grant       = "urn:ietf:params:oauth:grant-type:saml2-bearer"
)

// FederationAudience is whom assertions are for besides a tenant, by which it is
// named: the cloud as a whole, as at the real service.
const FederationAudience = "urn:federation:MicrosoftOnline"

// The response modes of the authorization endpoint.
const (
	QueryMode    = "query"
	FragmentMode = "fragment"
	FormMode     = "form_post"
)

// configuration is an OpenID provider's metadata (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2), as far as the simulator does what it says.
type configuration struct {
	Authorization     string   `json:"authorization_endpoint"`
	TokenEndpoint     string   `json:"token_endpoint"`
	Device            string   `json:"device_authorization_endpoint"`
	EndSession        string   `json:"end_session_endpoint"`
	UserInfo          string   `json:"userinfo_endpoint"`
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
func (is *Issuer) Discovery() ([]byte, error) { return discovery(is.host, is.base, is.Name()) }

// CommonDiscovery is the document for clients that do not name the tenant but
// say common or organizations. Its issuer is a template, as at the real
// service: the tid claim of a token is to be put in.
func CommonDiscovery(host, name string) ([]byte, error) {
	return discovery(host, "https://"+host+"/"+name, "https://"+host+"/{tenantid}/v2.0")
}

func discovery(host, base, issuer string) ([]byte, error) {
	return json.Marshal(configuration{
		Authorization:     base + AuthorizePath,
		TokenEndpoint:     base + TokenPath,
		Device:            base + DevicePath,
		EndSession:        base + LogoutPath,
		UserInfo:          "https://" + host + CommonUserInfoPath,
		TokenAuthMethods:  []string{"none", "client_secret_post", "client_secret_basic"},
		JWKSURI:           base + KeysPath,
		SubjectTypes:      []string{"pairwise"},
		IDTokenAlgorithms: []string{"ES256"},
		ResponseTypes:     []string{"code"},
		ResponseModes:     []string{QueryMode, FragmentMode, FormMode},
		GrantTypes:        []string{"password", CodeGrant, DeviceGrant, RefreshGrant, SAML1Grant, SAML2Grant},
		Challenges:        []string{"S256"},
		ResponseIssuer:    true,
		Scopes:            []string{OpenID, Profile, Email, Offline, RegisterScope, ManageScope},
		Issuer:            issuer,
		Claims:            []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "ver", "oid", "preferred_username", "name", "email", "nonce", "auth_time"},
	})
}
