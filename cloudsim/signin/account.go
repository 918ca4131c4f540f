package signin

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ptabench/cloudsim/token"
)

// account is the page at the root: who is signed in, and by whom the password
// was checked.
func (s *Surface) account(v *visit) {
	s.signIn(v, &purpose{name: "account", action: "/", finish: func(v *visit, in *session) {
		if v.form != nil {
			v.see("/")
			return
		}
		s.show(v, view{Step: pageAccount, Answer: in, Name: in.name(), CSRF: v.seal(signOutPurpose),
			At: in.SignedIn.UTC().Format(time.RFC1123)}, http.StatusOK)
	}})
}

const signOutPurpose = "sign-out"

// signOut ends the session (OpenID Connect RP-Initiated Logout 1.0). It asks
// first: anybody can send a browser here; but not where a client shows that it
// is whom the user has signed in to. Then the browser goes back to the client,
// if that gave an address of its own.
func (s *Surface) signOut(v *visit) {
	have := v.session()
	if v.form != nil {
		to := v.form.Get("to")
		if !v.sealed(signOutTo(to)) {
			s.refusePage(v, http.StatusBadRequest, "sign-in-form-expired", codeFormExpired)
			return
		}
		s.signedOut(v, to)
		return
	}
	to, client, user := s.afterSignOut(v)
	switch {
	case have == nil && to == "":
		s.tell(v, "Signed out", "Nobody is signed in.")
	case have == nil, client != "" && strings.EqualFold(user, have.User):
		s.signedOut(v, to)
	default:
		if at, err := url.Parse(to); err == nil && to != "" {
			v.policy(source(at))
		}
		s.show(v, view{Step: pageSignOut, User: have.User, CSRF: v.seal(signOutTo(to)), Next: to}, http.StatusOK)
	}
}

// signOutTo is the purpose of a form that signs out and then leads somewhere,
// empty for nowhere.
func signOutTo(to string) string {
	if to == "" {
		return signOutPurpose
	}
	return signOutPurpose + " " + to
}

// signedOut ends the session of the browser.
func (s *Surface) signedOut(v *visit, to string) {
	v.end()
	v.setCookie(sessionCookie, "", 0)
	if to != "" {
		v.see(to)
		return
	}
	s.tell(v, "Signed out", "You have signed out.")
}

// afterSignOut reads who asks for the end of a session, of whom, and where the
// browser goes then. What can't be believed is as if it were not there, and is
// counted.
func (s *Surface) afterSignOut(v *visit) (to, client, user string) {
	if len(v.r.URL.RawQuery) > maxQuery+token.MaxAccess {
		s.denied("oversized-request", v)
		return "", "", ""
	}
	p, problem := single(v.r.URL.Query())
	if problem != nil {
		s.denied(problem.Reason, v)
		return "", "", ""
	}
	if hint := p["id_token_hint"]; hint != "" {
		t, found := s.cloud.Tenant(token.TenantOf(hint))
		err := token.ErrTenant
		if found {
			client, user, err = t.Issuer.VerifyHint(hint)
		}
		if err != nil || p["client_id"] != "" && p["client_id"] != client {
			s.denied("sign-out-hint", v)
			client, user = "", ""
		}
	}
	at := p["post_logout_redirect_uri"]
	if at == "" {
		return "", client, user
	}
	u, good := s.ownAddress(cmp.Or(client, p["client_id"]), at)
	if !good {
		s.denied("foreign-redirect", v)
		return "", client, user
	}
	if state := p["state"]; state != "" && len(state) <= maxState {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	return u.String(), client, user
}

// ownAddress checks an address against those of a client, or of all of them
// where none is named.
func (s *Surface) ownAddress(client, at string) (*url.URL, bool) {
	if client != "" {
		return s.clients[client].redirect(at)
	}
	for _, c := range s.clients {
		if u, good := c.redirect(at); good {
			return u, true
		}
	}
	return nil, false
}
