package sampleapp

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"time"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// The cookies. Loopback is plain HTTP, so they can't be marked Secure; other
// sites can't have the browser send them with a form.
const (
	sessionCookie = "ptabench-app-session"
	browserCookie = "ptabench-app-browser"
)

// view is what the page shows.
type view struct {
	User          *user
	At            string
	Error, Detail string // what went wrong, for users and for who helps them
	Missing       bool   // the page itself
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.welcome)
	mux.HandleFunc("GET /sign-in", a.signIn)
	mux.HandleFunc("GET /signed-in", a.signedIn)
	mux.HandleFunc("POST /sign-out", a.signOut)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		a.show(w, http.StatusNotFound, view{Missing: true})
	})
	mux.HandleFunc("GET /app.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(pageStyle))
	})
	var origin http.CrossOriginProtection
	return origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		// The form that signs out leads to the issuer, and back here.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+a.issuerAt+"; base-uri 'none'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r)
	}))
}

func (a *app) show(w http.ResponseWriter, status int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, v); err != nil {
		a.log.Debug("page", "error", err) // whoever asked went away
	}
}

// user is who has signed in by this browser, nil for nobody.
func (a *app) user(r *http.Request) *user {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	if u, found := a.sessions.get(c.Value); found {
		return &u
	}
	return nil
}

func (a *app) welcome(w http.ResponseWriter, r *http.Request) {
	v := view{User: a.user(r)}
	if v.User != nil {
		v.At = v.User.SignedIn.UTC().Format(time.RFC1123)
	}
	a.show(w, http.StatusOK, v)
}

// signIn sends the browser to the sign-in page. The answer is bound to the
// browser, so that nobody is signed in as somebody else by a link.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	browser := ""
	if c, err := r.Cookie(browserCookie); err == nil && len(c.Value) == len(rand.Text()) {
		browser = c.Value
	} else {
		browser = rand.Text()
		setCookie(w, browserCookie, browser)
	}
	http.Redirect(w, r, a.begin(browser), http.StatusSeeOther)
}

func (a *app) signedIn(w http.ResponseWriter, r *http.Request) {
	browser := ""
	if c, err := r.Cookie(browserCookie); err == nil {
		browser = c.Value
	}
	u, err := a.finish(r.Context(), browser, r.URL.Query())
	if err != nil {
		a.log.Warn("sign-in", "error", err)
		text, detail := explained(err)
		a.show(w, http.StatusBadRequest, view{Error: text, Detail: detail})
		return
	}
	a.forget(r)
	setCookie(w, sessionCookie, a.sessions.add(*u, sessionTime))
	a.log.Info("signed in", "user", u.Account)
	http.Redirect(w, r, "/", http.StatusSeeOther) // the address that came has a code
}

// signOut ends the session here, and goes on to that of the issuer.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	u := a.user(r)
	a.forget(r)
	setCookie(w, sessionCookie, "")
	http.Redirect(w, r, a.signOutAt(u), http.StatusSeeOther)
}

func (a *app) forget(r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		a.sessions.take(c.Value)
	}
}

func setCookie(w http.ResponseWriter, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
