package adfs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/onprem/adfs/farm"
)

// Defaults of the settings that have one.
const (
	DefaultConcurrency    = 512
	DefaultPool           = 64
	DefaultBindTimeout    = 2 * time.Second
	DefaultConnectTimeout = 2 * time.Second
	DefaultConnectionAge  = 10 * time.Second
)

// Bounds of the settings.
const (
	maxConcurrency = 100_000
	maxTimeout     = time.Hour
	maxURI         = 1024 // bytes of an issuer or a relying party
	maxParties     = 1024
	minPool        = 4 // connections to the directory kept open
)

// Config is what a federation server must be told.
type Config struct {
	Name    string // of this process
	State   string // directory for what this server alone keeps
	Farm    string // directory that all servers of the farm share
	Listen  string // host:port to serve https on
	Observe string // host:port for counters, gates, faults and certificates
	// Public is the host:port that clients know, which is the balancer's where
	// there is one; empty means the server's own.
	Public string
	// KeepPorts has port 0 be the port that it was last time, if that is free.
	KeepPorts bool

	// Directories are ldaps://host:port each; DirectoryCA is a file with the
	// certificates, in PEM, that they are verified against, empty for those that
	// the system trusts.
	Directories []string
	DirectoryCA string
	Order       string // of the directories: ordered or balanced
	Dialect     string // in which they say why they refuse
	// Names is what users bind as, NameAttribute what they are found by; both
	// may be empty, for what suits the dialect.
	Names, NameAttribute string
	// MaxPasswordAge makes older passwords count as expired; 0 leaves that to the
	// directory.
	MaxPasswordAge time.Duration
	// BindDN and BindPassword are the service account that looks up why a
	// bind was refused, among the users below BaseDN.
	BindDN, BindPassword, BaseDN string

	// Issuer is who signs the tokens; empty for http://HOST/adfs/services/trust
	// with the public host.
	Issuer string
	// Parties are those that tokens are for, each a URI, or a URI, = and the
	// https address that browsers are to bring a token to.
	Parties []string
	Terms   farm.Terms

	Concurrency                 int // sign-ins at once
	Pool                        int // connections to the directory at most
	BindTimeout, ConnectTimeout time.Duration
	// ConnectionAge is how long a client's connection is kept, so that a balancer
	// can give it to another server.
	ConnectionAge time.Duration

	ObserveToken string // lets its bearer observe; empty lets nobody
}

// everybodysCloud is the name by which the real cloud asks, and so do client
// libraries that were told nothing else.
const everybodysCloud = "urn:federation:MicrosoftOnline"

// A party is one that tokens are for.
type party struct {
	realm string
	reply string // where browsers bring tokens; empty where it is not known
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Validate reports every mistake at once, each beginning with the flag or the
// variable that holds it. It opens nothing.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(c.Name) {
		wrong("--name %q: expected 1 to 64 letters, digits, dots, dashes and underscores", c.Name)
	}
	for _, f := range []struct{ flag, value string }{{"--state", c.State}, {"--farm", c.Farm}} {
		if f.value == "" {
			wrong("%s: expected a directory", f.flag)
		}
	}
	for _, f := range []struct{ flag, value string }{{"--listen", c.Listen}, {"--observe", c.Observe}, {"--public", c.Public}} {
		if f.value == "" && f.flag == "--public" {
			continue
		}
		if err := validAddress(f.value); err != nil {
			wrong("%s %q: %w", f.flag, f.value, err)
		} else if host, port, _ := net.SplitHostPort(f.value); f.flag == "--public" && (host == "" || port == "0") {
			wrong("--public %q: expected the host and the port that clients know", f.value)
		}
	}
	if _, err := c.directory(); err != nil {
		errs = append(errs, err)
	}
	if c.MaxPasswordAge < 0 {
		wrong("--max-password-age %v: expected 0s (none) or more", c.MaxPasswordAge)
	}
	if c.Issuer != "" && !isURI(c.Issuer) {
		wrong("--issuer %.100q: expected a URI of up to %d bytes", c.Issuer, maxURI)
	}
	if len(c.Parties) > maxParties {
		wrong("--relying-party: %d of them: expected at most %d", len(c.Parties), maxParties)
	}
	for _, text := range c.Parties {
		if _, err := parseParty(text); err != nil {
			wrong("--relying-party %.100q: %w", text, err)
		}
	}
	if err := c.Terms.Validate(); err != nil {
		errs = append(errs, err)
	}
	for _, f := range []struct {
		flag  string
		value int
	}{{"--concurrency", c.Concurrency}, {"--pool", c.Pool}} {
		if f.value < 1 || f.value > maxConcurrency {
			wrong("%s %d: expected 1 to %d", f.flag, f.value, maxConcurrency)
		}
	}
	for _, f := range []struct {
		flag  string
		value time.Duration
	}{{"--bind-timeout", c.BindTimeout}, {"--connect-timeout", c.ConnectTimeout}, {"--connection-age", c.ConnectionAge}} {
		if f.value <= 0 || f.value > maxTimeout {
			wrong("%s %v: expected more than 0s, up to %v", f.flag, f.value, maxTimeout)
		}
	}
	return errors.Join(errs...)
}

// parseParty reads REALM or REALM=https://reply.
func parseParty(text string) (party, error) {
	p := party{realm: text}
	// A realm may have an = of its own, so it is the last one before an address.
	if i := strings.LastIndex(text, "=https://"); i > 0 {
		p = party{realm: text[:i], reply: text[i+1:]}
		if _, err := origin(p.reply); err != nil {
			return party{}, fmt.Errorf("the address after =: %w", err)
		}
	}
	if !isURI(p.realm) {
		return party{}, fmt.Errorf("expected a URI of up to %d bytes, and after = an https address if browsers come", maxURI)
	}
	return p, nil
}

// parties are all that tokens are for, that of everybody's cloud among them.
func (c *Config) parties() (map[string]party, error) {
	all := map[string]party{everybodysCloud: {realm: everybodysCloud}}
	var errs []error
	for _, text := range c.Parties {
		p, err := parseParty(text)
		if err != nil {
			errs = append(errs, err)
		}
		if p.reply == "" {
			p.reply = all[p.realm].reply
		}
		all[p.realm] = p
	}
	return all, errors.Join(errs...)
}

func isURI(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && len(text) <= maxURI && !slices.ContainsFunc([]rune(text), unsayable)
}

// origin is the scheme, host and port of an https address that browsers may be
// sent to.
func origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(address) > maxURI {
		return "", fmt.Errorf("expected an https URL of up to %d bytes, without user or fragment", maxURI)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port)), nil
}

func validAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("expected host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q: expected 0 to 65535", port)
	}
	return nil
}
