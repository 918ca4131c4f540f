package signin

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ptabench/cloudsim/token"
)

// Bounds of what a user types, in bytes.
const (
	maxUser     = 1024
	maxPassword = 4 * 256
)

// A purpose is what somebody signs in for.
type purpose struct {
	name   string            // what forms are bound to
	action string            // where they are sent
	hidden map[string]string // that they carry along
	tenant string            // whose users may; any when anyTenant
	client string            // name, empty for the account page
	scopes []string
	hint   string // user name to begin with
	native bool   // a session alone is not enough: the user has to agree
	agree  bool   // after the password too
	// since is when the password must have been given at the earliest; zero for
	// any time.
	since  time.Time
	finish func(v *visit, s *session)
	cancel func(v *visit) // nil where there is nothing to cancel
}

// AnyTenant reports whether the tenant in an address stands for that of
// whoever signs in.
func AnyTenant(name string) bool { return name == "" || name == "common" || name == "organizations" }

// signIn takes somebody one step further: the user name, then the password,
// then perhaps agreement. Every form carries the whole of it, so that nothing is
// kept here of who has not signed in.
func (s *Surface) signIn(v *visit, p *purpose) {
	have := v.session()
	if have != nil && !p.accepts(have) {
		have = nil
	}
	step := ""
	if v.form != nil {
		if !v.sealed(p.name) {
			s.denied("sign-in-form-expired", v)
			s.ask(v, p, view{Step: stepUser, User: v.form.Get("user"), Code: codeFormExpired}, http.StatusBadRequest)
			return
		}
		step = v.form.Get("step")
	}
	user := v.form.Get("user")
	switch step {
	case "":
		switch {
		case have == nil:
			s.ask(v, p, view{Step: stepUser, User: p.hint}, http.StatusOK)
		case p.native, p.agree:
			s.ask(v, p, view{Step: stepContinue, User: have.User}, http.StatusOK)
		default:
			p.finish(v, have)
		}
	case stepContinue:
		if have == nil {
			s.ask(v, p, view{Step: stepUser, User: p.hint}, http.StatusOK)
			return
		}
		p.finish(v, have)
	case stepCancel:
		if p.cancel == nil {
			s.ask(v, p, view{Step: stepUser}, http.StatusOK)
			return
		}
		p.cancel(v)
	case stepUser:
		s.takeUser(v, p, user)
	case stepPassword:
		s.takePassword(v, p, user, v.form.Get("password"))
	default: // back to the user name
		s.ask(v, p, view{Step: stepUser, User: user}, http.StatusOK)
	}
}

// accepts reports whether a session is good for a purpose.
func (p *purpose) accepts(s *session) bool {
	return (AnyTenant(p.tenant) || p.tenant == s.Tenant) && !s.SignedIn.Before(p.since) && (s.Administrator || !p.administrative())
}

func (p *purpose) administrative() bool { return slices.ContainsFunc(p.scopes, token.Administrative) }

// takeUser finds out where the password of a user is checked.
func (s *Surface) takeUser(v *visit, p *purpose, user string) {
	user = strings.TrimSpace(user)
	t, code := s.whose(p, user)
	switch {
	case code != 0:
		s.ask(v, p, view{Step: stepUser, User: user, Code: code}, http.StatusOK)
	case t.Federated && !s.admins.of(user, t.Name):
		s.federate(v, p, t, user)
	default:
		s.ask(v, p, view{Step: stepPassword, User: user}, http.StatusOK)
	}
}

// whose finds a user's tenant, or the code of why there is none to sign in to.
func (s *Surface) whose(p *purpose, user string) (Tenant, int) {
	if len(user) > maxUser || !Sayable(user) {
		return Tenant{}, codeMalformed
	}
	if user == "" {
		return Tenant{}, codeNoUser
	}
	t, found := s.cloud.TenantOf(user)
	switch {
	case !found:
		return Tenant{}, codeNoTenant
	case !AnyTenant(p.tenant) && t.Name != p.tenant:
		return Tenant{}, codeOtherTenant
	}
	return t, 0
}

// Sayable reports whether a user name is one that can be shown, sent to a
// connector and written down: UTF-8, and nothing in it that shows as nothing or
// turns what is shown around.
func Sayable(user string) bool {
	return utf8.ValidString(user) && strings.IndexFunc(user, func(r rune) bool {
		return unicode.IsControl(r) || r > unicode.MaxLatin1 && unicode.Is(unicode.Bidi_Control, r)
	}) < 0
}

// takePassword signs a user in, or says why not.
func (s *Surface) takePassword(v *visit, p *purpose, user, password string) {
	user = strings.TrimSpace(user)
	stays := v.form.Get("stay") != ""
	again := func(code int) {
		s.ask(v, p, view{Step: stepPassword, User: user, Code: code, Stays: stays}, http.StatusOK)
	}
	t, code := s.whose(p, user)
	if code != 0 {
		s.ask(v, p, view{Step: stepUser, User: user, Code: code}, http.StatusOK)
		return
	}
	if password == "" { // would be an anonymous bind
		again(codeNoPassword)
		return
	}
	if len(password) > maxPassword || !utf8.ValidString(password) {
		again(codeWrongPassword)
		return
	}
	administrator := s.admins.of(user, t.Name)
	if t.Federated && !administrator {
		s.federate(v, p, t, user)
		return
	}
	a := s.decide(v, t, user, password, administrator)
	if a.Code != 0 {
		again(a.Code)
		return
	}
	in := session{Tenant: t.Name, User: a.User, Method: a.Method, Connector: a.Connector, Administrator: administrator, SignedIn: v.now, Stays: stays}
	v.begin(in)
	switch {
	case p.administrative() && !administrator:
		s.denied("sign-in-no-administrator", v)
		s.ask(v, p, view{Step: stepUser, Code: codeNotAdministrator}, http.StatusOK)
	case p.agree:
		s.ask(v, p, view{Step: stepContinue, User: in.User}, http.StatusOK)
	default:
		p.finish(v, &in)
	}
}

// MethodCloud is who checked the password of an administrator.
const MethodCloud = "cloud"

// decide asks whoever knows. The cloud locks its users' accounts, and the
// administrators' are locked here.
func (s *Surface) decide(v *visit, t Tenant, user, password string, administrator bool) Answer {
	if !administrator {
		return s.cloud.SignIn(v.r.Context(), Attempt{RequestID: v.id, Tenant: t.Name, User: user, Password: password})
	}
	a, account := Answer{Method: MethodCloud, User: strings.ToLower(user)}, "account "+t.Name+" "+user
	switch {
	case !s.administratorFailures.enter(account, v.now):
		s.denied("sign-in-locked", v)
		a.Code = codeLocked
	case !s.admins.check(password):
		a.Code = codeWrongPassword
	default:
		s.administratorFailures.succeed(account)
	}
	s.log.Info("administrator's sign-in", "tenant", t.Name, "user", user, "code", a.Code, "request_id", v.id, "client", clientOf(v.r))
	return a
}

// denied counts and logs input that was refused.
func (s *Surface) denied(reason string, v *visit) {
	s.cloud.Denied(reason)
	s.log.Debug("sign-in page", "refused", reason, "request_id", v.id, "client", clientOf(v.r))
}
