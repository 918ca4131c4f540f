package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ptabench/cloudsim/token"
)

// awayCookie binds whoever is sent to a federation server to the browser that
// comes back. What comes back is a form of another site, with which browsers
// send no cookie that is Lax, so this one is not. It opens nothing by itself.
const awayCookie = "__Host-ptabench-away"

const (
	maxAway  = 2000             // who may be away at a time; the one away longest is forgotten for another
	awayTime = 15 * time.Minute // to sign in elsewhere
	// maxReturn bounds the form that comes back, in bytes: an assertion of a real
	// server has some 5 KB, and is longer as a form.
	maxReturn = 128 << 10
	// awaySkew is how far a server's clock may be behind.
	awaySkew = 5 * time.Minute
)

// away is somebody who was sent to a federation server.
type away struct {
	purpose *purpose
	tenant  string
	browser [sha256.Size]byte // hash of the cookie
	// in is set once the server's word has come, and was good.
	in *session
}

// federate sends a user to where the password is checked (WS-Federation 1.2
// section 13.2.1).
func (s *Surface) federate(v *visit, p *purpose, t Tenant, user string) {
	at, err := url.Parse(t.Passive)
	if err != nil || at.Scheme != "https" || at.Host == "" {
		s.ask(v, p, view{Step: stepUser, User: user, Code: codeFederation}, http.StatusOK)
		return
	}
	q := at.Query()
	q.Set("wa", "wsignin1.0")
	q.Set("wtrealm", t.Issuer.Name())
	q.Set("username", user)
	more := url.Values{
		"wctx":   {s.away.addOver(away{purpose: p, tenant: t.Name, browser: v.awayBrowser()}, v.now, v.now.Add(awayTime))},
		"wreply": {"https://" + s.host + returnPath(t.Name)},
		"wct":    {v.now.UTC().Format("2006-01-02T15:04:05Z")},
	}
	if !p.since.IsZero() { // a session there is not enough, if it is older
		more.Set("wfresh", strconv.Itoa(max(0, int(v.now.Sub(p.since)/time.Minute))))
	}
	at.RawQuery = q.Encode() + "&" + more.Encode()
	// A page, not a redirect: browsers hold those that follow a form to the
	// policy of its page, which was shown before it was known whose it is.
	s.show(v, view{Step: pageFederation, Next: at.String()}, http.StatusOK)
}

func returnPath(tenant string) string { return "/" + tenant + token.FederationPath }

// awayBrowser knows this browser when it comes back, in every tab.
func (v *visit) awayBrowser() [sha256.Size]byte {
	c, err := v.r.Cookie(awayCookie)
	if err != nil || len(c.Value) != len(rand.Text()) {
		c = &http.Cookie{Name: awayCookie, Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode}
		http.SetCookie(v.w, c)
	}
	return sha256.Sum256([]byte(c.Value))
}

// federation is where browsers come back to: with the server's word in a form of
// the server's page, and then by an address of this one, with all the cookies
// that a form of another site lacks.
func (s *Surface) federation(v *visit) {
	t, found := s.cloud.Tenant(v.r.PathValue("tenant"))
	if !found {
		s.refusePage(v, http.StatusNotFound, "unknown-tenant", codeTenant)
		return
	}
	if v.form == nil {
		s.resume(v, t, v.r.URL.Query().Get("wctx"))
		return
	}
	if v.form.Get("wa") != "wsignin1.0" || len(v.form["wa"]) != 1 || len(v.form["wctx"]) != 1 || len(v.form["wresult"]) != 1 || v.form.Get("wresult") == "" {
		s.refusePage(v, http.StatusBadRequest, "federation-malformed", codeMalformed)
		return
	}
	state := v.form.Get("wctx")
	a, good := s.awayOf(v, t, state)
	if !good {
		return
	}
	word := s.cloud.SignIn(v.r.Context(), Attempt{RequestID: v.id, Tenant: t.Name, Response: v.form.Get("wresult")})
	switch {
	case word.Failed:
		s.show(v, view{Step: pageMessage, Code: word.Code}, http.StatusServiceUnavailable)
		return
	case word.Code != 0: // the cloud has counted it
		s.show(v, view{Step: pageMessage, Code: word.Code}, http.StatusBadRequest)
		return
	case s.admins.of(word.User, t.Name): // whose passwords are checked here alone
		s.refusePage(v, http.StatusForbidden, "federation-administrator", codeNoUserThere)
		return
	case word.SignedIn.Add(awaySkew).Before(a.purpose.since):
		s.refusePage(v, http.StatusBadRequest, "federation-stale", codeFormExpired)
		return
	}
	in := &session{Tenant: t.Name, User: word.User, Method: word.Method, SignedIn: v.now}
	if word.SignedIn.Before(v.now) {
		in.SignedIn = word.SignedIn
	}
	s.away.change(state, v.now, func(a *away) bool { a.in = in; return true })
	next := url.URL{Path: returnPath(t.Name), RawQuery: url.Values{"wctx": {state}}.Encode()}
	// A page again, so that no redirect follows the form of the server's page,
	// whose policy names this cloud and nobody that it may send the browser to.
	s.show(v, view{Step: pageFederation, Title: "Signing you in", Next: next.String()}, http.StatusOK)
}

// awayOf finds who was sent away with a state. It must be the browser that was
// sent, or somebody would be signed in to another's account unawares.
func (s *Surface) awayOf(v *visit, t Tenant, state string) (a away, good bool) {
	a, found := s.away.get(state, v.now)
	reason := ""
	var browser [sha256.Size]byte
	if c, err := v.r.Cookie(awayCookie); err == nil {
		browser = sha256.Sum256([]byte(c.Value))
	}
	switch {
	case !found:
		reason = "federation-state"
	case subtle.ConstantTimeCompare(browser[:], a.browser[:]) != 1:
		reason = "federation-other-browser"
	case a.tenant != t.Name:
		reason = "federation-other-tenant"
	default:
		return a, true
	}
	s.refusePage(v, http.StatusBadRequest, reason, codeFormExpired)
	return a, false
}

// resume goes on with what somebody was signing in for.
func (s *Surface) resume(v *visit, t Tenant, state string) {
	a, good := s.awayOf(v, t, state)
	if !good {
		return
	}
	if a.in == nil || !s.away.change(state, v.now, func(*away) bool { return false }) { // once
		s.refusePage(v, http.StatusBadRequest, "federation-state", codeFormExpired)
		return
	}
	v.begin(*a.in)
	switch p := a.purpose; {
	case p.administrative():
		s.denied("sign-in-no-administrator", v)
		s.ask(v, p, view{Step: stepUser, Code: codeNotAdministrator}, http.StatusOK)
	case p.agree:
		s.ask(v, p, view{Step: stepContinue, User: a.in.User}, http.StatusOK)
	case p.since.IsZero(): // where it began, as somebody who is signed in
		v.see(p.action)
	default: // there, this sign-in would be too old already
		p.finish(v, a.in)
	}
}
