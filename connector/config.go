// Package connector is what stands next to a directory and answers the sign-ins
// that the cloud gives it. It dials out only: it registers once for a client
// certificate, then keeps two streams to the cloud, one that brings sign-ins and
// one that takes answers, and a pool of LDAPS connections to the directory.
//
// It knows the cloud by the protocol of package wire and by a file that says
// where the cloud listens, and nothing of what loads, breaks or measures it.
package connector

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/bind"
	"ptabench/connector/revocation"
	"ptabench/connector/updater"
	"ptabench/ports"
)

// Defaults of the settings that have one.
const (
	DefaultConcurrency    = 200
	DefaultBindTimeout    = 900 * time.Millisecond
	DefaultConnectTimeout = 2 * time.Second
)

// Bounds of the settings.
const (
	maxConcurrency = 100_000
	maxTimeout     = time.Hour
	maxRenew       = 10 * 365 * 24 * time.Hour
	minInterval    = 10 * time.Millisecond
	maxInterval    = 7 * 24 * time.Hour
	minPool        = 4 // connections open before the connector is ready, if it may have so many
)

// Config is what a connector must be told.
type Config struct {
	Name    string // unique within its tenant
	Tenant  string
	Version string // of this software
	Cloud   string // file with the cloud's ready line, or its ca_pem and port 8080 or 443; read again before each attempt to attach
	State   string // directory for key and certificate

	// Directory is ldaps://host or ldaps://host:port of each of its servers;
	// DirectoryCA is a file with the certificates, in PEM, that they are
	// verified against; the system's when it is empty.
	Directory   []string
	DirectoryCA string
	// DirectoryOrder, DirectoryDialect, DirectoryNames and NameAttribute are as
	// package bind reads them: which server is asked, how it says why it
	// refuses, what users bind as, and what they are found by. Empty means the
	// default of each.
	DirectoryOrder, DirectoryDialect, DirectoryNames, NameAttribute string
	// ServerTimeout is how long one of several servers may take for a sign-in
	// before the next gets it; 0 for an equal share of BindTimeout.
	ServerTimeout time.Duration
	// BindDN and BindPassword are the service account that looks up why a
	// bind was refused, among the users below BaseDN.
	BindDN, BindPassword, BaseDN string
	// MaxPasswordAge makes older passwords count as expired; 0 leaves that to
	// the directory.
	MaxPasswordAge time.Duration

	// Revocation is what happens when it is not known whether a certificate of
	// the cloud is revoked; empty means hard.
	Revocation revocation.Mode

	// HostName is what the connector says its machine is called; the cloud may
	// let a tenant have one connector a host. Empty means Source, which plays a
	// host of its own, or else the system's name.
	HostName string
	// RenewPoll is how often the certificate is looked at, RenewBefore how long
	// before it expires it is renewed; one of a short life, when less than a
	// third of that is left. 0 means as often as the cloud says, and the default.
	RenewPoll, RenewBefore time.Duration

	// SignallingPort and ResponsePort are the ports of their kind that are tried
	// first; empty for 9352, and for any one of the range.
	SignallingPort, ResponsePort string

	Source      string // IP address to dial from; empty leaves it to the system
	Concurrency int    // sign-ins taken at once
	Pool        int    // connections to the directory at most; 0 means as many as Concurrency
	// BindTimeout is how long the directory may take for a sign-in, counted
	// from when it was taken.
	BindTimeout time.Duration
	// ConnectTimeout bounds each attempt to connect to a port.
	ConnectTimeout time.Duration
	// BootstrapInterval and StatusInterval are how often to ask the cloud where
	// it is and to report to it; 0 for as often as the cloud says.
	BootstrapInterval, StatusInterval time.Duration

	// UpdateEvery is how often to look for an update; 0 for as often as the
	// cloud says. UpdateDeadline is how long a new version may take to come up;
	// 0 for the default. With NoUpdate there are none.
	UpdateEvery, UpdateDeadline time.Duration
	NoUpdate                    bool
	// Handoff is what another version of this connector left to this one; nil
	// for nothing.
	Handoff *updater.Handoff

	Observe           string // host:port to serve counters and metrics at
	ObserveToken      string // lets its bearer read the counters; empty lets nobody
	RegistrationToken string // for the first start only
}

// checked is a Config without mistakes, and what was read to find that out.
type checked struct {
	Config
	servers     []bind.Server
	order       bind.Order
	dialect     bind.Dialect
	names       bind.Names
	attribute   string
	directoryCA *x509.CertPool // nil for the system's
	cloud       *endpoints
}

// hostForm is of the names of hosts, and of addresses.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{0,253}$`)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Validate reports every mistake at once, each beginning with the flag or
// variable that holds it. It opens nothing but the files that cfg names.
func (c Config) Validate() error {
	_, err := c.check()
	return err
}

// check is Validate, and keeps what was read.
func (c Config) check() (*checked, error) {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	ok := &checked{Config: c}

	for _, f := range []struct{ flag, value string }{{"--name", c.Name}, {"--tenant", c.Tenant}} {
		if !nameForm.MatchString(f.value) {
			wrong("%s %q: expected 1 to 64 letters, digits, dots, dashes and underscores", f.flag, f.value)
		}
	}
	if c.State == "" {
		wrong("--state: expected a directory")
	}
	var err error
	if ok.cloud, err = readEndpoints(c.Cloud); err != nil {
		wrong("--cloud: %w", err)
	}
	if ok.servers, err = bind.ParseServers(c.Directory); err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() { // joined
			wrong("--directory %w", err)
		}
	}
	if ok.order, err = bind.ParseOrder(c.DirectoryOrder); err != nil {
		wrong("--directory-order %w", err)
	}
	if ok.dialect, err = bind.ParseDialect(c.DirectoryDialect); err != nil {
		wrong("--directory-dialect %w", err)
	}
	if ok.names, err = bind.ParseNames(c.DirectoryNames); err != nil {
		wrong("--directory-names %w", err)
	}
	if ok.attribute, err = bind.ParseNameAttribute(c.NameAttribute); err != nil {
		wrong("--directory-name-attribute %w", err)
	}
	if c.ServerTimeout < 0 || c.ServerTimeout > maxTimeout {
		wrong("--directory-server-timeout %v: expected 0s (a share of --bind-timeout) up to %v", c.ServerTimeout, maxTimeout)
	}
	if ok.directoryCA, err = readCertificates(c.DirectoryCA); err != nil {
		wrong("--directory-ca: %w", err)
	}
	for _, f := range []struct{ flag, value string }{{"--bind-dn", c.BindDN}, {"--base-dn", c.BaseDN}} {
		if f.value == "" {
			wrong("%s: expected a distinguished name", f.flag)
		} else if _, err := ldap.ParseDN(f.value); err != nil {
			wrong("%s %q: %w", f.flag, f.value, err)
		}
	}
	if c.BindPassword == "" {
		wrong("PTABENCH_DIRECTORY_PASSWORD: expected the password of %s", c.BindDN)
	}
	if ok.Revocation == "" {
		ok.Revocation = revocation.Hard
	}
	if !slices.Contains(revocation.Modes(), ok.Revocation) {
		wrong("--revocation %q: expected hard, soft or off", c.Revocation)
	}
	if !hostForm.MatchString(c.HostName) {
		wrong("--host-name %q: expected up to 253 letters, digits, dots, dashes, colons and underscores", c.HostName)
	}
	for _, f := range []struct {
		flag, value string
		expected    []string
		form        string
	}{
		{"--signalling-port", c.SignallingPort, ports.Signalling(), strings.Join(ports.Signalling(), " or ")},
		{"--response-port", c.ResponsePort, ports.Responses(), fmt.Sprintf("%d to %d", ports.FirstResponse, ports.LastResponse)},
	} {
		if f.value != "" && !slices.Contains(f.expected, f.value) {
			wrong("%s %q: expected %s", f.flag, f.value, f.form)
		}
	}
	if c.RenewPoll < 0 || c.RenewPoll > maxRenew {
		wrong("--renew-poll %v: expected 0s (as the cloud says) up to %v", c.RenewPoll, maxRenew)
	}
	if c.RenewBefore < 0 || c.RenewBefore > maxRenew {
		wrong("--renew-before %v: expected more than 0s, up to %v", c.RenewBefore, maxRenew)
	}
	if c.Source != "" {
		if _, err := netip.ParseAddr(c.Source); err != nil {
			wrong("--source %q: expected an IP address", c.Source)
		}
	}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		wrong("--concurrency %d: expected 1 to %d", c.Concurrency, maxConcurrency)
	}
	if c.Pool < 0 || c.Pool > maxConcurrency {
		wrong("--pool %d: expected 0 (as many as --concurrency) to %d", c.Pool, maxConcurrency)
	}
	if c.BindTimeout <= 0 || c.BindTimeout > maxTimeout {
		wrong("--bind-timeout %v: expected more than 0s, up to %v", c.BindTimeout, maxTimeout)
	}
	if c.ConnectTimeout <= 0 || c.ConnectTimeout > maxTimeout {
		wrong("--connect-timeout %v: expected more than 0s, up to %v", c.ConnectTimeout, maxTimeout)
	}
	for _, f := range []struct {
		flag  string
		value time.Duration
	}{{"--bootstrap-interval", c.BootstrapInterval}, {"--status-interval", c.StatusInterval}, {"--update-every", c.UpdateEvery}} {
		if f.value != 0 && (f.value < minInterval || f.value > maxInterval) {
			wrong("%s %v: expected 0s (as the cloud says) or %v to %v", f.flag, f.value, minInterval, maxInterval)
		}
	}
	if c.UpdateDeadline < 0 || c.UpdateDeadline > maxTimeout {
		wrong("--update-deadline %v: expected more than 0s, up to %v", c.UpdateDeadline, maxTimeout)
	}
	if c.MaxPasswordAge < 0 {
		wrong("--max-password-age %v: expected 0s (none) or more", c.MaxPasswordAge)
	}
	if _, _, err := net.SplitHostPort(c.Observe); err != nil {
		wrong("--observe %q: expected host:port", c.Observe)
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return ok, nil
}

// hostName is what the cloud is told of the machine; empty when its name is
// none that could be told.
func (c *Config) hostName() string {
	switch {
	case c.HostName != "":
		return c.HostName
	case c.Source != "":
		return c.Source
	}
	if name, err := os.Hostname(); err == nil && hostForm.MatchString(name) {
		return name
	}
	return ""
}

func (c *Config) renewBefore() time.Duration { return cmp.Or(c.RenewBefore, DefaultRenewBefore) }

// pool is the number of connections to the directory to keep and to have at
// most.
func (c *checked) pool() (least, most int) {
	most = c.Pool
	if most == 0 {
		most = c.Concurrency
	}
	return min(minPool, most), most
}

// readCertificates returns nil, which stands for the system's, for no file.
func readCertificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: expected a certificate in PEM", file)
	}
	return pool, nil
}
