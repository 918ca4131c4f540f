package adfs

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The cookies. Their prefix keeps them to this host, by TLS.
const (
	sessionCookie = "__Host-ptabench-adfs-session"
	formCookie    = "__Host-ptabench-adfs-form"
)

const (
	maxForm     = 16 << 10 // bytes of a form
	formTime    = time.Hour
	sessionTime = 8 * time.Hour
)

// A visit is one request for a page. Nothing of it is kept here: any server of
// the farm can answer the next one.
type visit struct {
	*server
	w       http.ResponseWriter
	r       *http.Request
	now     time.Time
	form    url.Values // of the body; nil but for POST
	browser string     // secret of this browser, by its cookie
}

// page guards a page: its headers, its methods, forms from elsewhere.
func (s *server) page(serve func(v *visit)) http.Handler {
	var origin http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{server: s, w: w, r: r, now: s.now()}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // not no-referrer, which hides the origin of the page's own forms
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if origin.Check(r) != nil {
				v.refuse(http.StatusForbidden, bad("form-of-another-site", "This form was sent by another site."), codeMalformed)
				return
			}
			if r.ParseForm() != nil {
				v.refuse(http.StatusBadRequest, bad("malformed-form", "That form could not be read."), codeMalformed)
				return
			}
			v.form = r.PostForm
		default:
			h.Set("Allow", "GET, HEAD, POST")
			v.refuse(http.StatusMethodNotAllowed, bad("wrong-method", "That is not how this page is asked for."), codeMalformed)
			return
		}
		if c, err := r.Cookie(formCookie); err == nil && len(c.Value) == len(rand.Text()) {
			v.browser = c.Value
		} else {
			v.browser = rand.Text()
			v.setCookie(formCookie, v.browser)
		}
		serve(v)
	})
}

// setCookie sets a cookie for as long as the browser runs, or takes it away.
func (v *visit) setCookie(name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// mac seals texts for a use, with the key that the farm has in common.
func (s *server) mac(use string, texts ...string) []byte {
	h := hmac.New(sha256.New, s.farm.Keys().Session)
	for _, text := range append([]string{use}, texts...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}

// seal is the hidden field that binds a form to this browser and to what it is
// for.
func (v *visit) seal(purpose string) string {
	until := binary.BigEndian.AppendUint64(nil, uint64(v.now.Add(formTime).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(until, v.mac("form", v.browser, purpose, string(until))...))
}

// sealed reports whether the form that came is one that this browser was shown
// for that purpose.
func (v *visit) sealed(purpose string) bool {
	b, err := base64.RawURLEncoding.DecodeString(v.form.Get("csrf"))
	if err != nil || len(b) != 8+sha256.Size {
		return false
	}
	return hmac.Equal(b[8:], v.mac("form", v.browser, purpose, string(b[:8]))) && uint64(v.now.Unix()) < binary.BigEndian.Uint64(b)
}

// A session is what a browser's cookie says: who signed in by it, and when.
type session struct {
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

// begin has the browser remember a sign-in.
func (v *visit) begin(in session) {
	text, err := json.Marshal(in)
	if err != nil {
		return // a time past the year 9999; the user will be asked again
	}
	v.setCookie(sessionCookie, base64.RawURLEncoding.EncodeToString(text)+"."+base64.RawURLEncoding.EncodeToString(v.mac("session", string(text))))
}

// session is this browser's, nil for none.
func (v *visit) session() *session {
	c, err := v.r.Cookie(sessionCookie)
	if err != nil || len(c.Value) > 4*maxUser {
		return nil
	}
	value, seal, _ := strings.Cut(c.Value, ".")
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil
	}
	given, err := base64.RawURLEncoding.DecodeString(seal)
	if err != nil || !hmac.Equal(given, v.mac("session", string(text))) {
		return nil
	}
	var in session
	if json.Unmarshal(text, &in) != nil || v.now.After(in.At.Add(sessionTime)) {
		return nil
	}
	return &in
}
