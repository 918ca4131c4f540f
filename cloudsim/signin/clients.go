package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A Client is a program that people sign in to. Most are public: they have no
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
	// Secret is of a confidential client, which has a server of its own.
	Secret Secret
}

// A Secret of a client is kept as its hash; the zero value is that of a public
// client, which has none.
type Secret struct {
	sum  [sha256.Size]byte
	some bool
}

// NewSecret keeps a secret, which is a long random text and no word that needs
// a slow hash.
func NewSecret(text string) Secret { return Secret{sha256.Sum256([]byte(text)), true} }

// is compares, taking as long for a right one as for a wrong one.
func (s Secret) is(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return s.some && subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}

// Setup is the setup wizard and the command line.
var Setup = Client{ID: "ptabench-setup", Name: "ptabench setup",
	Redirects: []string{"http://127.0.0.1/callback", "http://127.0.0.1/"}, Devices: true}

// Sample is the sample app, which runs on the user's machine.
var Sample = Client{ID: "ptabench-app", Name: "the sample app", Redirects: []string{"http://127.0.0.1/signed-in", "http://127.0.0.1/"}}

// CommandLine is the client that Microsoft's libraries are when they are told of
// none: the Azure command line.
var CommandLine = Client{ID: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", Name: "a program on your computer",
	Redirects: []string{"http://localhost/"}, Devices: true}

// Builtin are the clients that every cloud knows.
func Builtin() []Client { return []Client{Setup, Sample, CommandLine} }

// ValidRedirect reports whether a redirect URI is one that a client may have: an
// https address, or one of http on loopback.
func ValidRedirect(text string) bool {
	u, good := parseRedirect(text)
	return good && port(u.Port()) && u.Hostname() != "" && (u.Scheme == "https" || loopback(u))
}

func parseRedirect(text string) (*url.URL, bool) {
	if text == "" || len(text) > maxRedirect || strings.ContainsAny(text, "\\ \t\r\n#") || strings.IndexFunc(text, isControl) >= 0 {
		return nil, false
	}
	u, err := url.Parse(text)
	return u, err == nil && u.User == nil && u.Opaque == ""
}

// maxRedirect bounds a redirect URI, in bytes.
const maxRedirect = 2048

// redirect checks a redirect URI against those of the client. What does not
// match is never gone to.
func (c Client) redirect(text string) (*url.URL, bool) {
	u, good := parseRedirect(text)
	if !good {
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
