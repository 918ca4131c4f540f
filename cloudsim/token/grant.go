package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The scopes that only administrators are granted. An access token that has
// one is for the cloud itself and short-lived.
const (
	RegisterScope = "connector.register"
	ManageScope   = "tenant.manage"
)

// CloudAudience is whom an administrator's access token is for.
const CloudAudience = "api://ptabench/cloud"

// AdministratorLifetime of an access token with an administrator's scope.
const AdministratorLifetime = 10 * time.Minute

// Administrative reports whether a scope is one that only administrators get.
func Administrative(scope string) bool { return scope == RegisterScope || scope == ManageScope }

// A Grant is what the tokens of a sign-in at the page are made of: it says more
// than those of the password grant, which Mint makes, and nobody waits for it
// at thousands a second.
type Grant struct {
	Client   string
	User     string    // principal name
	Name     string    // to greet the user by
	Nonce    string    // of the authorization request; empty for none
	Scopes   []string  // granted
	SignedIn time.Time // when the user gave the password
	Info     bool      // whether to make Tokens.Info
}

// header and claims of what MintGrant makes. The header is the signer's.
type grantClaims struct {
	Issuer    string `json:"iss"`
	Tenant    string `json:"tid"`
	Version   string `json:"ver"`
	Subject   string `json:"sub"`
	Username  string `json:"preferred_username"`
	Object    string `json:"oid,omitempty"`
	Audience  string `json:"aud"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	// Of an id token.
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	AuthTime int64  `json:"auth_time,omitempty"`
	// Of an access token.
	ID     string `json:"jti,omitempty"`
	Scope  string `json:"scp,omitempty"`
	Client string `json:"azp,omitempty"`
}

// MintGrant makes the tokens of a grant: an id token with the scope openid.
func (is *Issuer) MintGrant(g Grant, now time.Time) (Tokens, error) {
	t := Tokens{Scope: strings.Join(g.Scopes, " "), Lifetime: Lifetime}
	if slices.ContainsFunc(g.Scopes, Administrative) {
		t.Lifetime = AdministratorLifetime
	}
	object := ObjectID(is.tenant, g.User)
	if g.Info {
		t.Info = base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"` + object + `","utid":"` + TenantID(is.tenant) + `"}`))
	}
	common := grantClaims{
		Issuer: is.Name(), Tenant: TenantID(is.tenant), Version: "2.0",
		Subject: string(is.appendSubject(nil, g.Client, g.User)), Username: g.User, Object: object,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(t.Lifetime).Unix(),
	}
	if slices.Contains(g.Scopes, OpenID) {
		id := common
		id.Audience, id.Name, id.Nonce, id.AuthTime = g.Client, g.Name, g.Nonce, g.SignedIn.Unix()
		if slices.Contains(g.Scopes, Email) {
			id.Email = g.User
		}
		var err error
		if t.ID, err = is.signClaims(id); err != nil {
			return Tokens{}, err
		}
	}
	access := common
	access.Audience, access.ID, access.Scope, access.Client = audience(g.Scopes), uuid.NewString(), t.Scope, g.Client
	var err error
	t.Access, err = is.signClaims(access)
	return t, err
}

func (is *Issuer) signClaims(c grantClaims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("writing a token: %w", err)
	}
	return is.signer.sign(nil, payload)
}

// ObjectID is the UUID that every client knows a user by, always the same for a
// name.
func ObjectID(tenant, user string) string {
	return uuid.NewSHA1(uuid.NewSHA1(tenants, []byte(tenant)), []byte(strings.ToLower(user))).String()
}
