package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"

	"ptabench/cloudsim/token"
)

// A grant is what somebody who signed in has let a client have.
type grant struct {
	family string // of all that comes from one sign-in
	tenant string
	token.Grant
}

func grantTo(in *session, client, nonce string, scopes []string) grant {
	return grant{family: rand.Text(), tenant: in.Tenant, Grant: token.Grant{
		Client: client, User: in.User, Name: in.name(), Nonce: nonce, Scopes: scopes, SignedIn: in.SignedIn}}
}

// refreshGrant is what a refresh token stands for. It is good once; the next
// comes with the tokens.
type refreshGrant struct {
	issued grant
	used   bool
}

// Tokens are what a grant is exchanged for.
type Tokens struct {
	token.Tokens
	Refresh string // empty for none
}

// Exchange is the token endpoint for every grant but the password's: it takes
// the address's tenant and the form.
func (s *Surface) Exchange(tenant, body string) (Tokens, *Problem) {
	if _, found := s.cloud.Tenant(tenant); !found && !AnyTenant(tenant) {
		return Tokens{}, invalidRequest(codeTenant, "unknown-tenant", "Tenant not found.")
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return Tokens{}, invalidRequest(codeMalformed, "malformed-form", "The form can't be read.")
	}
	p, problem := single(values)
	if problem != nil {
		return Tokens{}, problem
	}
	switch p["grant_type"] {
	case token.CodeGrant, token.DeviceGrant, token.RefreshGrant:
	default:
		return Tokens{}, &Problem{http.StatusBadRequest, "unsupported_grant_type", codeUnsupportedGrant, "unsupported-grant", "The app requested an unsupported grant type."}
	}
	// The client before anything that is used up: some try a header first.
	client, found := s.clients[p["client_id"]]
	switch {
	case p["client_id"] == "":
		return Tokens{}, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter client_id.")
	case !found:
		return Tokens{}, &Problem{http.StatusBadRequest, "unauthorized_client", codeClient, "unknown-client", "The application is not known."}
	}
	var g grant
	switch p["grant_type"] {
	case token.CodeGrant:
		g, problem = s.redeemCode(client, p)
	case token.DeviceGrant:
		g, problem = s.pollDevice(client, p)
	case token.RefreshGrant:
		g, problem = s.redeemRefresh(client, p)
	}
	if problem != nil {
		return Tokens{}, problem
	}
	if !AnyTenant(tenant) && g.tenant != tenant {
		return Tokens{}, invalidGrant(codeInvalidGrant, "grant-of-another-tenant", "The grant was issued by another tenant.")
	}
	return s.mint(g)
}

func (s *Surface) mint(g grant) (Tokens, *Problem) {
	t, _ := s.cloud.Tenant(g.tenant)
	now := s.now()
	tokens, err := t.Issuer.MintGrant(g.Grant, now)
	if err != nil {
		s.log.Error("signing tokens", "error", err)
		return Tokens{}, &Problem{http.StatusInternalServerError, "server_error", codeBusy, "signing-failed", "The tokens could not be signed."}
	}
	out := Tokens{Tokens: tokens}
	if slices.Contains(g.Scopes, token.Offline) {
		g.Nonce = "" // of the first id token alone
		// Without room there is none, and the user signs in again.
		out.Refresh, _ = s.refresh.add(refreshGrant{issued: g}, now, now.Add(s.limits.RefreshTime))
		// Who ends a family may have looked for its tokens just before this one.
		if s.hasEnded(g.family) {
			s.refresh.drop(out.Refresh)
			return Tokens{}, invalidGrant(codeInvalidGrant, "grant-ended", "The grant has ended: what it was given for came twice.")
		}
	}
	return out, nil
}

// redeemCode exchanges an authorization code. One that was tried is used up,
// whether what came with it was right or not.
func (s *Surface) redeemCode(client Client, p map[string]string) (g grant, problem *Problem) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if p[name] == "" {
			return g, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter "+name+".")
		}
	}
	var c codeGrant
	if !s.codes.change(p["code"], s.now(), func(kept *codeGrant) bool {
		c = *kept
		kept.used = true
		return true
	}) {
		return g, invalidGrant(codeCodeExpired, "code-unknown", "The code is not known, or has expired.")
	}
	sum := sha256.Sum256([]byte(p["code_verifier"]))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case c.used:
		// Two have it, and one of them should not: what the first got ends.
		s.revoke(c.issued.family)
		return g, invalidGrant(codeCodeUsed, "code-used", "The code was used before.")
	case c.client != client.ID:
		return g, invalidGrant(codeInvalidGrant, "code-of-another-client", "The code was issued to another application.")
	case c.redirect != p["redirect_uri"]:
		return g, invalidGrant(codeRedirect, "code-for-another-redirect", "The redirect URI is not that of the authorization request.")
	case len(p["code_verifier"]) < 43, len(p["code_verifier"]) > 128, subtle.ConstantTimeCompare([]byte(challenge), []byte(c.challenge)) != 1:
		return g, invalidGrant(codeVerifier, "code-verifier-wrong", "The code_verifier does not match the code_challenge.")
	}
	return c.issued, nil
}

// redeemRefresh exchanges a refresh token. One that comes twice was stolen, or
// its successor was: the family ends.
func (s *Surface) redeemRefresh(client Client, p map[string]string) (g grant, problem *Problem) {
	if p["refresh_token"] == "" {
		return g, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter refresh_token.")
	}
	var r refreshGrant
	if !s.refresh.change(p["refresh_token"], s.now(), func(kept *refreshGrant) bool {
		r = *kept
		kept.used = kept.used || kept.issued.Client == client.ID
		return true
	}) {
		return g, invalidGrant(codeCodeExpired, "refresh-unknown", "The refresh token is not known, or has expired.")
	}
	switch {
	case r.issued.Client != client.ID:
		return g, invalidGrant(codeInvalidGrant, "refresh-of-another-client", "The refresh token was issued to another application.")
	case r.used:
		s.revoke(r.issued.family)
		return g, invalidGrant(codeInvalidGrant, "refresh-used", "The refresh token was used before.")
	}
	return r.issued, nil
}

// revoke ends the refresh tokens of a family, those too that are being made.
func (s *Surface) revoke(family string) {
	s.ended.mu.Lock()
	s.ended.of(family, func() struct{} { return struct{}{} })
	s.ended.mu.Unlock()
	s.refresh.dropAll(func(r *refreshGrant) bool { return r.issued.family == family })
}

func (s *Surface) hasEnded(family string) bool {
	s.ended.mu.Lock()
	defer s.ended.mu.Unlock()
	return s.ended.held[family] != nil
}

// seconds are what the protocol counts in.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
