package token

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Lifetime of every token. The real service varies it between 60 and 90
// minutes.
const Lifetime = time.Hour

// resource is whom access tokens are for when the client asks for no other:
// Microsoft Graph, as at the real service.
const resource = "00000003-0000-0000-c000-000000000000"

// tenants is the name space of tenant IDs.
var tenants = uuid.MustParse("6f0c1f3e-53a5-5d0f-9d5b-1d6d0a2b7c11")

// TenantID is the UUID that a tenant's tokens call it by, always the same for
// a name.
func TenantID(tenant string) string { return uuid.NewSHA1(tenants, []byte(tenant)).String() }

// Issuer makes the tokens of one tenant. It is safe for concurrent use.
type Issuer struct {
	signer *Signer
	tenant string
	host   string
	base   string // URL of the tenant, without a slash at the end
	byID   *Issuer
	// prefix begins every payload: the claims that are the same in all.
	prefix []byte
}

// Issuer returns the issuer of a tenant, which is reached at a host: the
// address of the sign-in port, such as 127.0.0.1:40443.
func (s *Signer) Issuer(host, tenant string) *Issuer {
	is := s.issuer(host, tenant, tenant)
	is.byID = s.issuer(host, tenant, TenantID(tenant))
	is.byID.byID = is.byID
	return is
}

// ByID is the issuer of the same tenant that calls itself by the tenant's ID,
// as it must for clients that do not name the tenant: they make the issuer to
// expect from the template of CommonDiscovery.
func (is *Issuer) ByID() *Issuer { return is.byID }

func (s *Signer) issuer(host, tenant, address string) *Issuer {
	is := &Issuer{signer: s, tenant: tenant, host: host, base: "https://" + host + "/" + address}
	is.prefix = append(is.prefix, `{"iss":`...)
	is.prefix = appendString(is.prefix, is.Name())
	is.prefix = append(is.prefix, `,"tid":`...)
	is.prefix = appendString(is.prefix, TenantID(tenant))
	is.prefix = append(is.prefix, `,"ver":"2.0"`...)
	return is
}

// Name is the issuer's own: the iss claim of its tokens.
func (is *Issuer) Name() string { return is.base + "/v2.0" }

// Tokens is what a successful sign-in is answered with.
type Tokens struct {
	Access   string
	ID       string // empty unless the scope is OpenID
	Scope    string // granted
	Lifetime time.Duration
	// Refresh and Info are for clients that ask for them; empty for none. Info
	// says whose tokens they are, as libraries of Microsoft keep them by.
	Refresh, Info string
}

// Mint makes the tokens of a user who signed in at a client that asked for a
// list of scopes. All may hold any text, hostile too. Each token is a signature,
// which is most of what a sign-in costs, so an id token is made for those who
// ask for openid, as at the real service, or for nothing in particular.
func (is *Issuer) Mint(client, upn, scopes string, now time.Time) (Tokens, error) {
	var payload, token [1024]byte // stack; append moves on where names are longer
	common := is.common(payload[:0], client, upn, now)
	t := Tokens{Scope: OpenID, Lifetime: Lifetime}
	if scopes != "" && !slices.Contains(strings.Fields(scopes), OpenID) {
		t.Scope = Default
	}
	var err error
	if t.Scope == OpenID {
		id := append(common, `,"aud":`...)
		id = appendString(id, client)
		id = append(id, '}')
		if t.ID, err = is.signer.sign(token[:0], id); err != nil {
			return Tokens{}, err
		}
	}
	access := append(common, `,"aud":"`+resource+`","scp":"`...)
	access = append(access, t.Scope...)
	access = append(access, `","azp":`...)
	access = appendString(access, client)
	access = append(access, '}')
	if t.Access, err = is.signer.sign(token[:0], access); err != nil {
		return Tokens{}, err
	}
	return t, nil
}

// common appends the claims that both tokens have.
func (is *Issuer) common(b []byte, client, upn string, now time.Time) []byte {
	b = append(b, is.prefix...)
	b = append(b, `,"sub":"`...)
	b = is.appendSubject(b, client, upn)
	b = append(b, `","preferred_username":`...)
	b = appendString(b, upn)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	b = append(b, `,"nbf":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	b = append(b, `,"exp":`...)
	return strconv.AppendInt(b, now.Add(Lifetime).Unix(), 10)
}

// appendSubject appends the name that a client knows a user by: always the
// same for this client, and of no use to another. It is a hash over client,
// user and a secret, as OpenID Connect Core 1.0 proposes in section 8.1.
func (is *Issuer) appendSubject(b []byte, client, upn string) []byte {
	var stack [512]byte
	text := stack[:0]
	for _, part := range [...]string{is.tenant, client, strings.ToLower(upn)} {
		// Each with its length, so that no two triples are written alike.
		text = strconv.AppendInt(text, int64(len(part)), 10)
		text = append(text, ' ')
		text = append(text, part...)
	}
	sum := sha256.Sum256(append(text, is.signer.pairwise...))
	return base64.RawURLEncoding.AppendEncode(b, sum[:])
}
