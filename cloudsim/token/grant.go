package token

import (
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

// Offline is the scope that asks for a refresh token.
const Offline = "offline_access"

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
}

// header and claims of what MintGrant makes. The header is the signer's.
type grantClaims struct {
	Issuer    string `json:"iss"`
	Tenant    string `json:"tid"`
	Version   string `json:"ver"`
	Subject   string `json:"sub"`
	Username  string `json:"preferred_username"`
	Audience  string `json:"aud"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	// Of an id token.
	Name     string `json:"name,omitempty"`
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
	audience := resource
	if slices.ContainsFunc(g.Scopes, Administrative) {
		t.Lifetime, audience = AdministratorLifetime, CloudAudience
	}
	common := grantClaims{
		Issuer: is.Name(), Tenant: TenantID(is.tenant), Version: "2.0",
		Subject: string(is.appendSubject(nil, g.Client, g.User)), Username: g.User,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(t.Lifetime).Unix(),
	}
	if slices.Contains(g.Scopes, OpenID) {
		id := common
		id.Audience, id.Name, id.Nonce, id.AuthTime = g.Client, g.Name, g.Nonce, g.SignedIn.Unix()
		var err error
		if t.ID, err = is.signClaims(id); err != nil {
			return Tokens{}, err
		}
	}
	access := common
	access.Audience, access.ID, access.Scope, access.Client = audience, uuid.NewString(), t.Scope, g.Client
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
