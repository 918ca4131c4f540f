package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ptabench/cloudsim/token"
)

// A grant is what somebody who signed in has let a client have.
type grant struct {
	family   string // of all that comes from one sign-in
	tenant   string
	standing Standing // of the user, when it was made
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
type Tokens = token.Tokens

// Exchange is the token endpoint for every grant but the password's: it takes
// the address's tenant and the form, of a client that names itself there.
func (s *Surface) Exchange(tenant, body string) (Tokens, *Problem) {
	return s.ExchangeBy(tenant, "", body)
}

// ExchangeBy is Exchange for a client that may name itself in the header
// Authorization.
func (s *Surface) ExchangeBy(tenant, authorization, body string) (Tokens, *Problem) {
	addressed, found := s.cloud.Tenant(tenant)
	if !found && !AnyTenant(tenant) {
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
	case token.CodeGrant, token.DeviceGrant, token.DraftDeviceGrant, token.RefreshGrant:
	default:
		return Tokens{}, &Problem{http.StatusBadRequest, "unsupported_grant_type", codeUnsupportedGrant, "unsupported-grant", "The app requested an unsupported grant type."}
	}
	// The client before anything that is used up: some try a header first.
	client, problem := s.authenticate(authorization, p)
	if problem != nil {
		return Tokens{}, problem
	}
	var g grant
	switch p["grant_type"] {
	case token.CodeGrant:
		g, problem = s.redeemCode(client, p)
	case token.DeviceGrant, token.DraftDeviceGrant:
		g, problem = s.pollDevice(client, p)
	case token.RefreshGrant:
		g, problem = s.redeemRefresh(client, p)
	}
	if problem != nil {
		return Tokens{}, problem
	}
	if !AnyTenant(tenant) && g.tenant != addressed.Name {
		return Tokens{}, invalidGrant(codeInvalidGrant, "grant-of-another-tenant", "The grant was issued by another tenant.")
	}
	g.Info = p["client_info"] == "1"
	return s.mint(g, tenant)
}

// authenticate finds out which client asks: by the form, or by the header with
// the secret (RFC 6749 section 2.3.1). Which of them was wrong is not said.
func (s *Surface) authenticate(authorization string, p map[string]string) (Client, *Problem) {
	id, secret, problem := credentials(authorization, p["client_id"], p["client_secret"])
	if problem != nil {
		return Client{}, problem
	}
	client, found := s.clients[id]
	switch {
	case id == "":
		return Client{}, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter client_id.")
	case !found:
		return Client{}, &Problem{http.StatusBadRequest, "unauthorized_client", codeClient, "unknown-client", "The application is not known."}
	}
	return client, client.proves(secret)
}

// Caller is the client that asks for the tokens of a user's password or
// assertion. It may be one that nobody knows, but not in the name of one with a
// secret. Most name themselves in the form and have none: they cost nothing.
func (s *Surface) Caller(authorization, id, body string) (string, *Problem) {
	if authorization == "" && !s.clients[id].Secret.some {
		return id, nil
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return "", invalidRequest(codeMalformed, "malformed-form", "The form can't be read.")
	}
	id, secret, problem := credentials(authorization, id, values.Get("client_secret"))
	if problem != nil {
		return "", problem
	}
	return id, s.clients[id].proves(secret)
}

// credentials are a client's ID and secret, by the form or by the header.
func credentials(authorization, id, secret string) (string, string, *Problem) {
	header, found := strings.CutPrefix(authorization, "Basic ")
	if !found {
		return id, secret, nil
	}
	inHeader, given, ok := parseBasic(header)
	if !ok || id != "" && id != inHeader || secret != "" {
		return "", "", invalidRequest(codeMalformed, "malformed-client", "The client authenticates in a way that can't be read, or in two ways.")
	}
	return inHeader, given, nil
}

// proves checks the secret of a client that has one. What some public clients
// send in the place of a secret is none.
func (c Client) proves(secret string) *Problem {
	switch {
	case !c.Secret.some, c.Secret.is(secret):
		return nil
	case secret == "":
		return &Problem{http.StatusUnauthorized, "invalid_client", codeNoSecret, "client-secret-missing", "The request must contain the client's secret."}
	}
	return &Problem{http.StatusUnauthorized, "invalid_client", codeSecret, "client-secret-wrong", "The client's secret is wrong."}
}

// parseBasic reads the header's credentials, both of which are form-encoded.
func parseBasic(text string) (id, secret string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) > maxForm {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(b), ":")
	id, wrong := url.QueryUnescape(id)
	secret, err = url.QueryUnescape(secret)
	return id, secret, ok && wrong == nil && err == nil
}

// A Decided is a user whose password somebody has checked already, at the token
// endpoint.
type Decided struct {
	Address      string // of the tenant, as the client calls it
	Tenant, User string
	Client       string // as it names itself; it may be none that is known
	Scope        string // as asked for
	Info         bool   // whether client_info was asked for
}

// Grant makes the tokens of such a user. A client that is not known gets no
// refresh token, which it could not use.
func (s *Surface) Grant(d Decided) (Tokens, *Problem) {
	asked := slices.DeleteFunc(strings.Fields(d.Scope), token.Administrative)
	if client, found := s.clients[d.Client]; !found || client.Secret.some {
		asked = slices.DeleteFunc(asked, func(scope string) bool { return scope == token.Offline })
	}
	scopes, problem := grantable(asked)
	switch {
	case problem == nil:
	case problem.Code == codeScope: // nothing that is known: what there is for any
		scopes = []string{token.Default}
	default:
		return Tokens{}, problem
	}
	in := session{Tenant: d.Tenant, User: d.User, SignedIn: s.now()}
	g := grantTo(&in, d.Client, "", scopes)
	g.Info = d.Info
	return s.mint(g, d.Address)
}

// mint makes the tokens of a grant, for who calls the tenant by an address.
func (s *Surface) mint(g grant, address string) (Tokens, *Problem) {
	t, _ := s.cloud.Tenant(g.tenant)
	now := s.now()
	out, err := t.at(address).MintGrant(g.Grant, now)
	if err != nil {
		s.log.Error("signing tokens", "error", err)
		return Tokens{}, &Problem{http.StatusInternalServerError, "server_error", codeBusy, "signing-failed", "The tokens could not be signed."}
	}
	if slices.Contains(g.Scopes, token.Offline) {
		g.Nonce, g.Info = "", false // of the first tokens alone
		g.standing = s.standing(g.tenant, g.User)
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
		if p[name] == "" && (name != "code_verifier" || !client.Secret.some) {
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
	case c.challenge == "" && p["code_verifier"] == "": // bound to the client's secret
	case len(p["code_verifier"]) < 43, len(p["code_verifier"]) > 128, subtle.ConstantTimeCompare([]byte(challenge), []byte(c.challenge)) != 1:
		return g, invalidGrant(codeVerifier, "code-verifier-wrong", "The code_verifier does not match the code_challenge.")
	}
	return c.issued, nil
}

// redeemRefresh exchanges a refresh token, for whichever scopes are asked, as
// the real service does: it stands for the user, not for one service. One that
// comes twice was stolen, or its successor was: the family ends.
func (s *Surface) redeemRefresh(client Client, p map[string]string) (g grant, problem *Problem) {
	if p["refresh_token"] == "" {
		return g, invalidRequest(codeBadRequest, "missing-parameter", "The request body must contain the parameter refresh_token.")
	}
	var asked []string
	if p["scope"] != "" {
		if asked, problem = grantable(strings.Fields(p["scope"])); problem != nil {
			return g, problem
		}
	}
	var r refreshGrant
	// Before it is used up: an account that is enabled again goes on.
	if kept, found := s.refresh.get(p["refresh_token"], s.now()); found && kept.issued.Client == client.ID && s.gone(kept.issued.tenant, kept.issued.User, kept.issued.standing) {
		return g, invalidGrant(codeDisabled, "refresh-user-disabled", "The user account is disabled.")
	}
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
	if asked != nil && !slices.ContainsFunc(asked, token.Administrative) { // these are given at a sign-in only
		if slices.Contains(r.issued.Scopes, token.Offline) && !slices.Contains(asked, token.Offline) {
			asked = append(asked, token.Offline) // else the token would be the last
		}
		r.issued.Scopes = asked
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
