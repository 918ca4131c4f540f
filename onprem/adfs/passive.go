package adfs

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ptabench/onprem/adfs/saml"
)

// Bounds of an address that a browser comes with, in bytes.
const (
	maxQuery   = 12 << 10
	maxContext = 4 << 10
)

// maxMinutes is as long as a session may be old; more asks for no less.
const maxMinutes = uint64(sessionTime / time.Minute)

// A passiveRequest is what a relying party sent a browser for (WS-Federation
// 1.2, section 13).
type passiveRequest struct {
	realm, reply string
	context      string // goes back as it came
	hint         string // user name to begin with
	// since is when the password must have been given at the earliest; zero for
	// any time.
	since time.Time
	query string // that says all of this again
}

// passive serves browsers: wsignin1.0 and wsignout1.0.
func (s *server) passive(v *visit) {
	q, err := v.parameters()
	if err != nil {
		v.refuse(http.StatusBadRequest, err, codeMalformed)
		return
	}
	switch q["wa"] {
	case "wsignin1.0":
		p, err := s.readPassive(q, v.now)
		if err != nil {
			v.refuse(http.StatusBadRequest, err, codeUnknownRealm)
			return
		}
		v.signIn(p)
	case "wsignout1.0", "wsignoutcleanup1.0":
		v.signOut(q)
	default:
		v.refuse(http.StatusBadRequest, bad("malformed-address", "The site that sent you here asked for something that is not done here. Close this page."), codeMalformed)
	}
}

// parameters are those of the address, each once and sayable.
func (v *visit) parameters() (map[string]string, error) {
	wrong := bad("malformed-address", "The site that sent you here asked in a way that can't be read. Close this page.")
	if len(v.r.URL.RawQuery) > maxQuery {
		return nil, wrong
	}
	values, err := url.ParseQuery(v.r.URL.RawQuery)
	if err != nil {
		return nil, wrong
	}
	q := make(map[string]string, len(values))
	for key, list := range values {
		if len(list) > 1 || !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0) {
			return nil, wrong
		}
		q[key] = list[0]
	}
	return q, nil
}

// readPassive checks who sends a browser, and where the token may go.
func (s *server) readPassive(q map[string]string, now time.Time) (*passiveRequest, error) {
	at, found := s.parties[q["wtrealm"]]
	if !found {
		return nil, bad("unknown-realm", "The site that sent you here is not known to your organization's sign-in service. Close this page.")
	}
	p := &passiveRequest{realm: at.realm, reply: at.replyTo(q["wreply"]), context: q["wctx"], hint: q["username"]}
	if p.reply == "" {
		return nil, bad("reply-elsewhere", "The site that sent you here asked for the answer at an address that is not its own. Close this page.")
	}
	if len(p.context) > maxContext {
		return nil, bad("malformed-address", "The site that sent you here sent too much along. Close this page.")
	}
	if len(p.hint) > maxUser || strings.ContainsFunc(p.hint, unsayable) {
		p.hint = "" // it is only a hint
	}
	again := url.Values{"wa": {"wsignin1.0"}, "wtrealm": {p.realm}, "wreply": {p.reply}}
	for key, value := range map[string]string{"wctx": p.context, "username": p.hint} {
		if value != "" {
			again.Set(key, value)
		}
	}
	if text := q["wfresh"]; text != "" { // minutes
		minutes, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return nil, bad("malformed-address", "The site that sent you here asked in a way that can't be read. Close this page.")
		}
		p.since = now.Add(-time.Duration(min(minutes, maxMinutes)) * time.Minute)
		again.Set("wfresh", text)
	}
	p.query = again.Encode()
	return p, nil
}

// replyTo is where a token for the party goes; empty where it must not go. What
// an address asks for is the party's own, or on the site that it is named by.
func (p *party) replyTo(asked string) string {
	if asked == "" || asked == p.reply {
		return p.reply
	}
	if p.reply != "" {
		return ""
	}
	site, err := origin(p.realm)
	if err != nil {
		return ""
	}
	if to, err := origin(asked); err != nil || to != site {
		return ""
	}
	return asked
}

// signIn takes a browser to its token, by the password unless the browser has
// signed in before.
func (v *visit) signIn(p *passiveRequest) {
	if v.form == nil {
		if have := v.session(); have != nil && !have.At.Before(p.since) && (p.hint == "" || strings.EqualFold(p.hint, have.User)) {
			v.counts.sessions.Add(1)
			v.give(p, *have)
			return
		}
		v.show(view{Step: stepPassword, User: p.hint, Action: passivePath + "?" + p.query, CSRF: v.seal(p.query)}, http.StatusOK)
		return
	}
	again := func(code int, text string) {
		v.show(view{Step: stepPassword, User: shortened(v.form.Get("user")), Action: passivePath + "?" + p.query, CSRF: v.seal(p.query), Error: text, code: code}, http.StatusOK)
	}
	if !v.sealed(p.query) {
		v.deny(v.w, bad("form-expired", "a form of another browser, for something else, or too old"), codeMalformed)
		again(codeMalformed, "This page was open for too long, or in another browser. Sign in again.")
		return
	}
	user, password := strings.TrimSpace(v.form.Get("user")), []byte(v.form.Get("password"))
	v.counts.received.Add(1)
	code := check(user, password)
	var took time.Duration
	if code == 0 {
		answer := v.ask(v.r.Context(), user, password)
		code, took = answer.code, answer.directory
	}
	v.settle(v.w, code, took, 0)
	if code != codeAccepted {
		again(code, userText(code))
		return
	}
	in := session{User: user, At: v.server.now()}
	v.begin(in)
	v.give(p, in)
}

// shortened is a name as it may be shown again.
func shortened(user string) string {
	if len(user) > maxUser || !utf8.ValidString(user) {
		return ""
	}
	return user
}

// give has the browser bring a token to the relying party.
func (v *visit) give(p *passiveRequest, in session) {
	now := v.server.now()
	assertion, err := v.token(saml.SAML11, p.realm, in.User, now, in.At)
	if err != nil {
		v.log.Error("signing a token", "error", err)
		v.show(view{Step: stepMessage, Title: "That did not work", Error: userText(codeTransient), code: codeTransient}, http.StatusInternalServerError)
		return
	}
	v.show(view{Step: stepToken, User: in.User, Action: p.reply, Hidden: []hidden{
		{"wa", "wsignin1.0"}, {"wresult", passiveResult(p.realm, assertion, now)}, {"wctx", p.context},
	}}, http.StatusOK)
}

// passiveResult is the token as browsers bring it.
func passiveResult(realm, assertion string, now time.Time) string {
	var b strings.Builder
	b.Grow(len(assertion) + 1024)
	b.WriteString(`<t:RequestSecurityTokenResponse xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust">`)
	lifetime(&b, "t", now)
	appliesTo(&b, realm)
	b.WriteString(`<t:RequestedSecurityToken>` + assertion + `</t:RequestedSecurityToken><t:TokenType>` + saml.Type11 +
		`</t:TokenType><t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType>` +
		`<t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType></t:RequestSecurityTokenResponse>`)
	return b.String()
}

// signOut ends the browser's session here, and goes back to the relying party
// if the address names one that the browser may be sent to. Whoever is signed
// out by another site can sign in again; the protocol has it so.
func (v *visit) signOut(q map[string]string) {
	v.setCookie(sessionCookie, "")
	next := ""
	if to := q["wreply"]; to != "" {
		for _, p := range v.parties {
			if p.replyTo(to) == to {
				next = to
				break
			}
		}
		if next == "" {
			v.deny(v.w, bad("reply-elsewhere", "signing out, then to %.200q", to), codeMalformed)
		}
	}
	v.show(view{Step: stepMessage, Title: "You have signed out", Next: next}, http.StatusOK)
}

// refuse shows why a request cannot be met.
func (v *visit) refuse(status int, err error, code int) {
	v.deny(v.w, err, code)
	v.show(view{Step: stepMessage, Title: "That did not work", Error: err.Error(), code: code}, status)
}
