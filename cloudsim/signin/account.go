package signin

import (
	"net/http"
	"time"
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

// signOut ends the session. It asks first: anybody can send a browser here.
func (s *Surface) signOut(v *visit) {
	have := v.session()
	switch {
	case v.form != nil && v.sealed(signOutPurpose):
		v.end()
		v.setCookie(sessionCookie, "")
		s.tell(v, "Signed out", "You have signed out.")
	case v.form != nil:
		s.refusePage(v, http.StatusBadRequest, "sign-in-form-expired", codeFormExpired)
	case have == nil:
		s.tell(v, "Signed out", "Nobody is signed in.")
	default:
		s.show(v, view{Step: pageSignOut, User: have.User, CSRF: v.seal(signOutPurpose)}, http.StatusOK)
	}
}
