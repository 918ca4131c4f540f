// Package door lets one person on this machine look at a web page of ours, and
// nobody else: a listener on the loopback interface unless told otherwise, a
// token in the address that is printed, traded for a cookie at once, and
// answers that no other site can read, frame or send its visitors to.
//
// It is shared by the live page of a run and by the browser of runs, and knows
// neither.
package door

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Door is a listener and who may come in by it.
type Door struct {
	listener net.Listener
	name     string // host that was asked for, when it is a name
	token    string // in the address
	session  string // in the cookie
	csrf     string // in the address of what changes something
	cross    *http.CrossOriginProtection
}

// Address reads what --ui and --listen take: :PORT and PORT are of the loopback
// interface, HOST:PORT is as it says. Port 0 picks a free one.
func Address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "", text
	}
	if n, bad := strconv.ParseUint(port, 10, 16); bad != nil || n > 65535 {
		return "", fmt.Errorf("%q: expected :PORT, with a port from 0 (any free one) to 65535, or HOST:PORT", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Open listens on an address of Address.
func Open(address string) (*Door, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return On(listener, address), nil
}

// On is a door at a listener that was made for an address of Address.
func On(listener net.Listener, address string) *Door {
	d := &Door{listener: listener, token: rand.Text(), session: rand.Text(), csrf: rand.Text(),
		cross: http.NewCrossOriginProtection()}
	if host, _, _ := net.SplitHostPort(address); net.ParseIP(host) == nil {
		d.name = strings.ToLower(host)
	}
	return d
}

// Listener is where to serve.
func (d *Door) Listener() net.Listener { return d.listener }

// Token is what the address carries. It goes to whoever started the command,
// and nowhere else.
func (d *Door) Token() string { return d.token }

// CSRF is a secret that a request which changes something must carry as its
// csrf value: only pages that came in by this door know it.
func (d *Door) CSRF() string { return d.csrf }

// URL is the address to open, with the token.
func (d *Door) URL() string {
	addr := d.listener.Addr().(*net.TCPAddr)
	host := d.name
	if host == "" {
		ip := addr.IP
		if ip.IsUnspecified() { // everywhere, so here too
			ip = net.IPv4(127, 0, 0, 1)
		}
		host = ip.String()
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)) + "/?token=" + d.token
}

// cookie is named by the port: cookies are shared by all ports of a host, and
// two runs may be watched at once.
func (d *Door) cookie() string {
	return "ptabench-" + strconv.Itoa(d.listener.Addr().(*net.TCPAddr).Port)
}

// Guard lets those in who hold the token or its cookie.
//
// The Host of a request must be a numeric address, localhost or the name that
// was asked for: a name of somebody else's that was made to resolve to this
// machine (DNS rebinding) gets nothing. Requests that change something must
// come from a page of ours, by Sec-Fetch-Site or Origin and by a csrf value.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		if !d.mine(r.Host) {
			http.Error(w, "421: this server answers to its numeric address and to localhost only", http.StatusMisdirectedRequest)
			return
		}
		if same(r.URL.Query().Get("token"), d.token) && r.Method == http.MethodGet {
			d.welcome(w, r)
			return
		}
		if !d.known(r) {
			http.Error(w, "401: open the address that ptabench printed, with its token", http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			if err := d.cross.Check(r); err != nil || !same(r.URL.Query().Get("csrf"), d.csrf) {
				http.Error(w, "403: this may be asked for by the page itself only", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// welcome trades the token for a cookie, and takes it out of the address: it
// does not stay in what a page or a screenshot shows. The cookie is lax: with a
// strict one, whoever clicks on the address in a terminal that is a web page
// itself would be sent on without it. What changes something asks for more.
func (d *Door) welcome(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: d.cookie(), Value: d.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	to := *r.URL
	query := to.Query()
	query.Del("token")
	to.RawQuery, to.Scheme, to.Host, to.User = query.Encode(), "", "", nil
	if to.Path = "/" + strings.TrimLeft(to.Path, "/\\"); to.RawPath != "" { // never //elsewhere
		to.RawPath = ""
	}
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// known says whether a request has the cookie, or the token as programs send
// it.
func (d *Door) known(r *http.Request) bool {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && same(bearer, d.token) {
		return true
	}
	for _, c := range r.CookiesNamed(d.cookie()) {
		if same(c.Value, d.session) {
			return true
		}
	}
	return false
}

// mine says whether a Host is one that only somebody who means this machine
// uses.
func (d *Door) mine(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || d.name != "" && host == d.name
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Server is one for the door, to be served on its Listener.
func (d *Door) Server(handler http.Handler) *http.Server {
	return &http.Server{Handler: d.Guard(handler), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10}
}
