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
	if len(text) > MaxAccess || !Resembles(text) {
		return Access{}, ErrMalformed
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Access{}, ErrMalformed
	}
	var c grantClaims
	if err := parsed.Claims(is.signer.key.Public(), &c); err != nil {
		if errors.Is(err, jose.ErrCryptoFailure) {
			return Access{}, ErrSignature
		}
		return Access{}, ErrMalformed
	}
	scopes := strings.Fields(c.Scope)
	switch {
	case c.Tenant != TenantID(is.tenant):
		return Access{}, ErrTenant
	case c.Issuer != is.Name(): // of this tenant, from before the cloud moved
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
