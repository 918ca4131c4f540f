package cloudsim

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"html/template"
	"net/http"
	"sync"
	"time"

	"ptabench/observe"
)

// Bounds of the admin page's sessions.
const (
	pageSessionTime = 8 * time.Hour
	maxPageSessions = 100 // the oldest ends for one more
	pageCookie      = "ptabench-admin"
	maxLoginForm    = 4 << 10 // bytes
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// page is the small admin site: the inventory for people, without a script.
// Whoever enters the observe token gets a cookie for a session, which is good
// for reading this page and for nothing else.
type page struct {
	server *server

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]time.Time // end, by hash of the cookie
}

// withPage adds /admin/ to a handler, beside what needs the token in a header.
func (srv *server) withPage(next http.Handler) http.Handler {
	p := &page{server: srv, sessions: make(map[[sha256.Size]byte]time.Time)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/{$}", p.show)
	mux.HandleFunc("GET /admin/page.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(pageStyle))
	})
	mux.HandleFunc("POST /admin/enter", p.enter)
	mux.HandleFunc("POST /admin/leave", p.leave)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	outer := http.NewServeMux()
	outer.Handle("/", next)
	outer.Handle("/admin/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	}))
	return outer
}

// pageData is what the template shows.
type pageData struct {
	Entered bool
	Refused bool // the token was wrong
	Name    string
	Columns []string
	Tenants []pageTenant
	Now     string
}

type pageTenant struct {
	Name string
	Rows []pageRow
}

type pageRow struct {
	Class string // serving, or not
	Cells []string
}

func (p *page) show(w http.ResponseWriter, r *http.Request) {
	if !p.inside(r, time.Now()) {
		p.write(w, http.StatusOK, pageData{})
		return
	}
	now := time.Now()
	data := pageData{Entered: true, Columns: observe.InventoryColumns, Now: now.UTC().Format(time.RFC3339)}
	for _, t := range p.server.cfg.Tenants {
		list := p.server.inventory(p.server.tenants[t.Name], now)
		shown := pageTenant{Name: t.Name}
		for i := range list.Connectors {
			c := &list.Connectors[i]
			class := "broken"
			if c.Serving {
				class = "serving"
			}
			shown.Rows = append(shown.Rows, pageRow{class, c.Row(now)})
		}
		data.Tenants = append(data.Tenants, shown)
	}
	p.write(w, http.StatusOK, data)
}

func (p *page) write(w http.ResponseWriter, status int, data pageData) {
	data.Name = p.server.cfg.Name
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, data); err != nil {
		p.server.log.Debug("admin page", "error", err) // whoever asked went away
	}
}

// enter makes a session for whoever knows the observe token.
func (p *page) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLoginForm)
	given, want := sha256.Sum256([]byte(r.PostFormValue("token"))), sha256.Sum256([]byte(p.server.cfg.ObserveToken))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		p.server.denied("admin-token", 1)
		p.write(w, http.StatusForbidden, pageData{Refused: true})
		return
	}
	cookie := rand.Text()
	p.begin(sha256.Sum256([]byte(cookie)), time.Now())
	p.setCookie(w, cookie, int(pageSessionTime/time.Second))
	http.Redirect(w, r, "/admin/", http.StatusSeeOther)
}

func (p *page) leave(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(pageCookie); err == nil {
		p.mu.Lock()
		delete(p.sessions, sha256.Sum256([]byte(c.Value)))
		p.mu.Unlock()
	}
	p.setCookie(w, "", -1)
	http.Redirect(w, r, "/admin/", http.StatusSeeOther)
}

// setCookie sets the session's cookie. The observe listener speaks plain HTTP,
// so the cookie cannot be kept to TLS.
func (p *page) setCookie(w http.ResponseWriter, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: pageCookie, Value: value, Path: "/admin/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func (p *page) begin(session [sha256.Size]byte, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var oldest [sha256.Size]byte
	for s, end := range p.sessions {
		if now.After(end) {
			delete(p.sessions, s)
		} else if first, found := p.sessions[oldest]; !found || end.Before(first) {
			oldest = s
		}
	}
	if len(p.sessions) >= maxPageSessions {
		delete(p.sessions, oldest)
	}
	p.sessions[session] = now.Add(pageSessionTime)
}

func (p *page) inside(r *http.Request, now time.Time) bool {
	c, err := r.Cookie(pageCookie)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	end, found := p.sessions[sha256.Sum256([]byte(c.Value))]
	return found && now.Before(end)
}
