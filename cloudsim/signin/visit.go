package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The cookies. Their prefix keeps them to this host, by TLS.
const (
	sessionCookie = "__Host-ptabench-session"
	formCookie    = "__Host-ptabench-form"
)

// maxForm bounds the body of a form, in bytes.
const maxForm = 16 << 10

// A visit is one request for a page.
type visit struct {
	*Surface
	w    http.ResponseWriter
	r    *http.Request
	now  time.Time
	id   string     // to find it in logs, shown with errors
	form url.Values // of the body; nil but for POST

	browser string // secret of this browser, by its cookie
}

// page guards a page: its headers, its methods, forms from elsewhere.
func (s *Surface) page(serve func(v *visit)) http.Handler { return s.guard(serve, false) }

// guard does so, and lets through a form of another site where one is expected:
// it comes without the cookies that know the browser, and none are made.
func (s *Surface) guard(serve func(v *visit), foreign bool) http.Handler {
	var origin http.CrossOriginProtection
	limit := int64(maxForm)
	if foreign {
		limit = maxReturn
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Surface: s, w: w, r: r, now: s.now(), id: uuid.NewString()}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer, which makes browsers hide the origin of the page's
		// own forms too. The address of a page holds no secret.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		v.policy("")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			if !foreign && origin.Check(r) != nil {
				s.refusePage(v, http.StatusForbidden, "form-of-another-site", codeMalformed)
				return
			}
			if r.ParseForm() != nil {
				s.refusePage(v, http.StatusBadRequest, "malformed-form", codeMalformed)
				return
			}
			v.form = r.PostForm
			if !s.pace.allows(clientOf(r), v.now) {
				h.Set("Retry-After", "10")
				s.refusePage(v, http.StatusTooManyRequests, "too-many-forms", codeBusy)
				return
			}
		default:
			h.Set("Allow", "GET, HEAD, POST")
			s.refusePage(v, http.StatusMethodNotAllowed, "wrong-method", codeMalformed)
			return
		}
		if !foreign || v.form == nil {
			v.know()
		}
		serve(v)
	})
}

// policy sets the content security policy. Browsers hold redirects that follow
// a form to form-action too, so where one may lead is named.
func (v *visit) policy(target string) {
	if target != "" {
		target = " " + target
	}
	v.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'"+target+
		"; base-uri 'none'; frame-ancestors 'none'")
}

// scripted is the policy of the one page that has a script, which sends its form
// to a client.
func (v *visit) scripted(target string) {
	v.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; form-action "+target+
		"; base-uri 'none'; frame-ancestors 'none'")
}

// source is a URL's origin as a content security policy has it, whose grammar
// knows no IPv6 addresses.
func source(u *url.URL) string {
	if strings.HasPrefix(u.Host, "[") {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// know tells this browser from others, by a cookie that forms are bound to.
func (v *visit) know() {
	if c, err := v.r.Cookie(formCookie); err == nil && len(c.Value) == len(rand.Text()) {
		v.browser = c.Value
		return
	}
	v.browser = rand.Text()
	v.setCookie(formCookie, v.browser, 0)
}

// setCookie sets a cookie for a while, or for as long as the browser runs. Lax: a client sends
// its user here from elsewhere, and must find the session; forms from elsewhere
// must not.
func (v *visit) setCookie(name, value string, while time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(while / time.Second)}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// sealer binds a form to the browser that it was shown to and to what it is for.
type sealer struct{ key [32]byte }

func newSealer() (s sealer) {
	_, _ = rand.Read(s.key[:]) // never fails
	return s
}

func (s *sealer) mac(browser, purpose string, expires uint64) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, expires))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(browser))))
	h.Write([]byte(browser + purpose))
	return h.Sum(nil)
}

func (s *sealer) make(browser, purpose string, expires time.Time) string {
	at := uint64(expires.Unix())
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, at), s.mac(browser, purpose, at)...))
}

func (s *sealer) good(text, browser, purpose string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 8+sha256.Size {
		return false
	}
	at := binary.BigEndian.Uint64(b)
	return hmac.Equal(b[8:], s.mac(browser, purpose, at)) && uint64(now.Unix()) < at
}

// seal is the hidden field of a form.
func (v *visit) seal(purpose string) string {
	return v.Surface.seal.make(v.browser, purpose, v.now.Add(v.limits.FormTime))
}

// sealed reports whether the form that came is one that this browser was shown
// for this purpose.
func (v *visit) sealed(purpose string) bool {
	return v.Surface.seal.good(v.form.Get("csrf"), v.browser, purpose, v.now)
}

// A session is a browser that somebody has signed in by.
type session struct {
	Tenant, User      string
	Method, Connector string // who checked the password
	Administrator     bool
	SignedIn          time.Time
	Stays             bool // signed in after the browser has ended
	standing          Standing
}

// name is what to call the user by. No directory is asked for a better one.
func (s *session) name() string {
	name, _, _ := strings.Cut(s.User, "@")
	return name
}

// session is this browser's, nil for none.
func (v *visit) session() *session {
	c, err := v.r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	for _, kept := range []*store[session]{v.sessions, v.stayed} {
		s, found := kept.get(c.Value, v.now)
		// Who signed in by the directory while hash sync still had it the other way
		// stays: it is behind.
		if found && s.standing != Disabled && v.gone(s.Tenant, s.User, s.standing) {
			v.denied("session-user-disabled", v)
			v.end()
			return nil
		}
		if found {
			return &s
		}
	}
	return nil
}

// begin makes a session, in place of the browser's old one.
func (v *visit) begin(s session) {
	v.end()
	s.standing = v.Surface.standing(s.Tenant, s.User)
	if s.Stays {
		v.setCookie(sessionCookie, v.stayed.addOver(s, v.now, v.now.Add(v.limits.StayTime)), v.limits.StayTime)
		return
	}
	v.setCookie(sessionCookie, v.sessions.addOver(s, v.now, v.now.Add(v.limits.SessionTime)), 0)
}

// end ends the browser's session, if it has one.
func (v *visit) end() {
	if c, err := v.r.Cookie(sessionCookie); err == nil {
		v.sessions.drop(c.Value)
		v.stayed.drop(c.Value)
	}
}

// see sends the browser elsewhere, without the form that it sent.
func (v *visit) see(where string) {
	http.Redirect(v.w, v.r, where, http.StatusSeeOther)
}
