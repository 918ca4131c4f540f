package signin

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"ptabench/cloudsim/token"
)

// userInfoAnswer is what is known of a user (OpenID Connect Core 1.0 section
// 5.3.2). The subject is that of the client's id token.
type userInfoAnswer struct {
	Subject  string `json:"sub"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
	Email    string `json:"email,omitempty"`
}

// userInfo answers whoever has an access token with the scope openid.
func (s *Surface) userInfo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		s.refuseToken(w, http.StatusMethodNotAllowed, "invalid_request", "wrong-method")
		return
	}
	text, found := bearer(r)
	if !found {
		w.Header().Set("WWW-Authenticate", "Bearer") // says no more of who did not try (RFC 6750 section 3.1)
		s.cloud.Denied("userinfo-token-missing")
		writeJSON(w, http.StatusUnauthorized, struct{}{})
		return
	}
	var who token.Subject
	err := token.ErrTenant
	if t, found := s.cloud.Tenant(token.TenantOf(text)); found && s.addresses(r.PathValue("tenant"), t) {
		who, err = t.Issuer.VerifyUser(text, s.now())
	} else if !token.Resembles(text) {
		err = token.ErrMalformed
	}
	switch {
	case errors.Is(err, token.ErrScope):
		s.refuseToken(w, http.StatusForbidden, "insufficient_scope", "userinfo-token-scope")
		return
	case err != nil:
		s.refuseToken(w, http.StatusUnauthorized, "invalid_token", "userinfo-token")
		return
	}
	in := session{User: who.User}
	answer := userInfoAnswer{Subject: who.ID, Name: in.name(), Username: who.User}
	if slices.Contains(who.Scopes, token.Email) {
		answer.Email = who.User
	}
	writeJSON(w, http.StatusOK, answer)
}

// addresses reports whether an address, if there is one, is a tenant's.
func (s *Surface) addresses(address string, t Tenant) bool {
	named, found := s.cloud.Tenant(address)
	return AnyTenant(address) || found && named.Name == t.Name
}

// bearer is the token of a request (RFC 6750 section 2.1). The other ways of
// that document leave it in logs and addresses.
func bearer(r *http.Request) (string, bool) {
	scheme, text, found := strings.Cut(r.Header.Get("Authorization"), " ")
	return text, found && strings.EqualFold(scheme, "Bearer") && text != ""
}

// refuseToken answers by RFC 6750 section 3.
func (s *Surface) refuseToken(w http.ResponseWriter, status int, word, reason string) {
	s.cloud.Denied(reason)
	w.Header().Set("WWW-Authenticate", `Bearer error="`+word+`"`)
	writeJSON(w, status, map[string]string{"error": word})
}
