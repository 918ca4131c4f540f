package token

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// MaxAccess bounds an access token that comes in, in bytes.
const MaxAccess = 8 << 10

// leeway is how far the clock may have been set back since a token was made.
const leeway = time.Minute

// What can be wrong with an access token that comes back, from the first thing
// that is looked at to the last.
var (
	ErrMalformed = errors.New("the access token is no signed token of the kind that is issued here")
	ErrSignature = errors.New("the access token is not signed by this cloud")
	ErrTenant    = errors.New("the access token is of another tenant")
	ErrAudience  = errors.New("the access token is for somebody else: expected the audience " + CloudAudience)
	ErrExpired   = errors.New("the access token has expired: sign in again")
	ErrNotYet    = errors.New("the access token is not valid yet: was a clock set back?")
	ErrScope     = errors.New("the access token lacks the scope")
)

// Access is what a good access token says.
type Access struct {
	ID      string // unique; of one use where the token may be used once
	User    string
	Client  string
	Scopes  []string
	Expires time.Time
}

// Resembles reports whether a text may be meant as a signed token at all.
func Resembles(text string) bool { return strings.Count(text, ".") == 2 }

// Verify checks an access token that this issuer made for the cloud itself and
// that must have a scope, by the errors above.
func (is *Issuer) Verify(text, scope string, now time.Time) (Access, error) {
	c, err := is.signer.read(text)
	if err != nil {
		return Access{}, err
	}
	scopes := strings.Fields(c.Scope)
	switch {
	case c.Tenant != TenantID(is.tenant):
		return Access{}, ErrTenant
	case c.Issuer != is.Name() && c.Issuer != is.byID.Name(): // of this tenant, from before the cloud moved
		return Access{}, ErrTenant
	case c.Audience != CloudAudience, c.ID == "":
		return Access{}, ErrAudience
	case now.Unix() >= c.Expires:
		return Access{}, ErrExpired
	case now.Add(leeway).Unix() < c.NotBefore:
		return Access{}, ErrNotYet
	case !slices.Contains(scopes, scope):
		return Access{}, ErrScope
	}
	return Access{ID: c.ID, User: c.Username, Client: c.Client, Scopes: scopes, Expires: time.Unix(c.Expires, 0)}, nil
}

// read takes the claims out of a token that this cloud signed.
func (s *Signer) read(text string) (c grantClaims, err error) {
	if len(text) > MaxAccess || !Resembles(text) {
		return c, ErrMalformed
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return c, ErrMalformed
	}
	if err := parsed.Claims(s.key.Public(), &c); err != nil {
		if errors.Is(err, jose.ErrCryptoFailure) {
			return c, ErrSignature
		}
		return c, ErrMalformed
	}
	return c, nil
}

// ErrResource says that an access token is for another service than the one
// that says who users are.
var ErrResource = errors.New("the access token is for another service")

// A Subject is a user as a client knows one.
type Subject struct {
	ID     string // the sub claim
	User   string
	Client string
	Scopes []string
}

// VerifyUser checks an access token by which a client asks who its user is, by
// the errors above. The token must have the scope openid.
func (is *Issuer) VerifyUser(text string, now time.Time) (Subject, error) {
	c, err := is.signer.read(text)
	if err != nil {
		return Subject{}, err
	}
	scopes := strings.Fields(c.Scope)
	switch {
	case c.Tenant != TenantID(is.tenant), c.Issuer != is.Name() && c.Issuer != is.byID.Name():
		return Subject{}, ErrTenant
	case c.Audience != resource:
		return Subject{}, ErrResource
	case now.Unix() >= c.Expires:
		return Subject{}, ErrExpired
	case now.Add(leeway).Unix() < c.NotBefore:
		return Subject{}, ErrNotYet
	case !slices.Contains(scopes, OpenID):
		return Subject{}, ErrScope
	}
	return Subject{ID: c.Subject, User: c.Username, Client: c.Client, Scopes: scopes}, nil
}

// VerifyHint reads an id token that comes back to say whom a request is about
// (OpenID Connect RP-Initiated Logout 1.0 section 2): it may have expired.
func (is *Issuer) VerifyHint(text string) (client, user string, err error) {
	c, err := is.signer.read(text)
	switch {
	case err != nil:
		return "", "", err
	case c.Tenant != TenantID(is.tenant), c.Issuer != is.Name() && c.Issuer != is.byID.Name():
		return "", "", ErrTenant
	case c.Scope != "" || c.Client != "": // an access token
		return "", "", ErrMalformed
	}
	return c.Audience, c.Username, nil
}

// TenantOf is the ID of the tenant that a token says it is of, which nobody has
// verified; empty where it says nothing.
func TenantOf(text string) string {
	if len(text) > MaxAccess || !Resembles(text) {
		return ""
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return ""
	}
	var c struct {
		Tenant string `json:"tid"`
	}
	if parsed.UnsafeClaimsWithoutVerification(&c) != nil {
		return ""
	}
	return c.Tenant
}
