package signin

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A Client is a program that people sign in to. All are public: they have no
// secret, and PKCE binds a code to who asked for it.
type Client struct {
	ID   string
	Name string // as the sign-in page shows it
	// Redirects are where it may have the answer sent, exactly as they are; but
	// an http one on loopback is good on any port and on every name of loopback
	// (RFC 8252 section 7.3).
	Redirects []string
	// Devices says whether it may use device codes.
	Devices bool
}

// Setup is the setup wizard and the command line.
var Setup = Client{ID: "ptabench-setup", Name: "ptabench setup",
	Redirects: []string{"http://127.0.0.1/callback", "http://127.0.0.1/"}, Devices: true}

// maxRedirect bounds a redirect URI, in bytes.
const maxRedirect = 2048

// redirect checks a redirect URI against those of the client. What does not
// match is never gone to.
func (c Client) redirect(text string) (*url.URL, bool) {
	if text == "" || len(text) > maxRedirect || strings.ContainsAny(text, "\\ \t\r\n#") || strings.IndexFunc(text, isControl) >= 0 {
		return nil, false
	}
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return nil, false
	}
	if slices.Contains(c.Redirects, text) {
		return u, true
	}
	if !loopback(u) || u.RawQuery != "" || u.ForceQuery || !port(u.Port()) {
		return nil, false
	}
	for _, registered := range c.Redirects {
		r, err := url.Parse(registered)
		if err == nil && loopback(r) && path(r) == path(u) {
			return u, true
		}
	}
	return nil, false
}

// path is as it was written, so that no encoding makes two alike.
func path(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func port(text string) bool {
	if text == "" {
		return true
	}
	ap, err := netip.ParseAddrPort("127.0.0.1:" + text)
	return err == nil && ap.Port() > 0
}

// loopback reports whether a URI is http to this host alone.
func loopback(u *url.URL) bool {
	switch u.Hostname() {
	case "127.0.0.1", "::1", "localhost":
		// Of "[localhost]" and the like url makes the same host name.
		return u.Scheme == "http" && (u.Host == u.Hostname() || u.Host == net.JoinHostPort(u.Hostname(), u.Port()) || u.Host == "[::1]")
	}
	return false
}

// native reports whether any program on the user's machine may be the one that
// gets the answer, so that the user has to agree each time (RFC 8252 section
// 8.6).
func native(u *url.URL) bool { return loopback(u) }
