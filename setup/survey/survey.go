// Package survey asks a directory what a connector must know of it: whether it
// is reached over TLS, whether an account may bind, which domain it is of, and
// by which suffixes its users sign in. It changes nothing there.
package survey

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/setup/reach"
)

// Config says which directory to ask, and as whom.
type Config struct {
	URL     string // ldaps://host or ldaps://host:port
	CAFile  string // with the certificates, in PEM, that it is verified against
	CAPEM   []byte // these, where there is no CAFile
	Timeout time.Duration
}

// A Directory is what a directory says of itself.
type Directory struct {
	Product  string   // as it calls itself; empty when it does not say
	BaseDN   string   // of its domain
	Domain   string   // contoso.test
	Suffixes []string // of user principal names, the domain's first
	// Account is the distinguished name of a service account that the test
	// directory has for connectors; empty for other products.
	Account string
}

// A Session is a connection to a directory.
type Session struct {
	cfg  Config
	conn *ldap.Conn
	root *ldap.Entry
}

// Open connects to the directory, over TLS.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	address, host, err := Address(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("--directory %q: %w", cfg.URL, err)
	}
	roots, err := certificates(cfg.CAFile, cfg.CAPEM)
	if err != nil {
		return nil, fmt.Errorf("--directory-ca: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	conn, err := dial(ctx, address, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("--directory %s: %w", cfg.URL, reach.Explain(err, cfg.Timeout, time.Now()))
	}
	s := &Session{cfg: cfg, conn: ldap.NewConn(conn, true)}
	s.conn.SetTimeout(cfg.Timeout)
	s.conn.Start()
	if err := s.readRoot(); err != nil {
		s.Close()
		return nil, fmt.Errorf("--directory %s: %w", cfg.URL, err)
	}
	return s, nil
}

func dial(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// Address reads ldaps://host or ldaps://host:port.
func Address(text string) (address, host string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return "", "", errors.New("expected ldaps://host or ldaps://host:port; passwords go over TLS only")
	}
	port := u.Port()
	if port == "" {
		port = "636"
	}
	return net.JoinHostPort(u.Hostname(), port), u.Hostname(), nil
}

func certificates(file string, text []byte) (*x509.CertPool, error) {
	switch {
	case file != "":
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	case text == nil:
		return nil, errors.New("expected a file")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: expected a certificate in PEM", file)
	}
	return pool, nil
}

// Close ends the session.
func (s *Session) Close() { _ = s.conn.Close() }

// readRoot reads what anybody may know of the directory (RFC 4512, 5.1).
func (s *Session) readRoot() error {
	found, err := s.base("", "(objectClass=*)", "defaultNamingContext", "rootDomainNamingContext", "namingContexts",
		"configurationNamingContext", "vendorName", "supportedCapabilities", "dnsHostName")
	if err != nil {
		return fmt.Errorf("reading what the directory says of itself: %w", s.plain(err))
	}
	s.root = found
	return nil
}

// base reads one entry.
func (s *Session) base(dn, filter string, attributes ...string) (*ldap.Entry, error) {
	found, err := s.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1,
		int(s.cfg.Timeout/time.Second)+1, false, filter, attributes, nil))
	if err != nil {
		return nil, err
	}
	if len(found.Entries) == 0 {
		return nil, errors.New("there is no such entry")
	}
	return found.Entries[0], nil
}

// The product of directories that say what they are in their own way.
const (
	testDirectory  = "ptabench test directory"
	activeOID      = "1.2.840.113556.1.4.800" // MS-ADTS, section 3.1.1.3.4.3.1
	testAccount    = "cn=ptabench-connector,ou=services,"
	maxSuffixes    = 50
	sampleOfUsers  = 200
	partitionsName = "CN=Partitions,"
)

// About is what can be known without an account.
func (s *Session) About() Directory {
	d := Directory{Product: s.root.GetAttributeValue("vendorName")}
	if slices.Contains(s.root.GetAttributeValues("supportedCapabilities"), activeOID) {
		d.Product = "Active Directory"
	}
	d.BaseDN = s.root.GetAttributeValue("defaultNamingContext")
	if d.BaseDN == "" {
		if all := s.root.GetAttributeValues("namingContexts"); len(all) > 0 {
			d.BaseDN = all[0]
		}
	}
	d.Domain = domainOf(d.BaseDN)
	if d.Domain != "" {
		d.Suffixes = []string{d.Domain}
	}
	if d.Product == testDirectory {
		d.Account = testAccount + d.BaseDN
	}
	return d
}

// domainOf reads dc=contoso,dc=test as contoso.test; empty for other names.
func domainOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	var labels []string
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) != 1 || !strings.EqualFold(rdn.Attributes[0].Type, "dc") {
			return ""
		}
		labels = append(labels, strings.ToLower(rdn.Attributes[0].Value))
	}
	return strings.Join(labels, ".")
}

// Bind signs in as an account: a distinguished name, or a user principal name
// where the directory takes these. An empty password is no bind but an
// anonymous one (RFC 4513, 5.1.2), so it is refused here.
func (s *Session) Bind(account, password string) error {
	if password == "" {
		return fmt.Errorf("%s: expected a password", account)
	}
	if err := s.conn.Bind(account, password); err != nil {
		return fmt.Errorf("binding as %s: %w", account, s.plain(err))
	}
	return nil
}

// Suffixes are those by which users sign in, as far as the account that is
// bound may read them. Directories differ in what they say: the partitions
// list alternative suffixes in Active Directory, a sample of users shows which
// are in use, and the account itself has one.
func (s *Session) Suffixes(account string) []string {
	var all []string
	add := func(suffix string) {
		suffix = strings.ToLower(suffix)
		if suffix != "" && !slices.Contains(all, suffix) && len(all) < maxSuffixes {
			all = append(all, suffix)
		}
	}
	about := s.About()
	add(about.Domain)
	if configuration := s.root.GetAttributeValue("configurationNamingContext"); configuration != "" {
		if e, err := s.base(partitionsName+configuration, "(objectClass=*)", "uPNSuffixes"); err == nil {
			for _, suffix := range e.GetAttributeValues("uPNSuffixes") {
				add(suffix)
			}
		}
	}
	if e, err := s.base(account, "(objectClass=*)", "userPrincipalName"); err == nil {
		add(suffixOf(e))
	}
	// A directory that finds users by name only refuses this, which is no
	// matter; one that has many stops at the sample's size, and go-ldap
	// returns what came with the error.
	found, _ := s.conn.Search(ldap.NewSearchRequest(about.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, sampleOfUsers,
		int(s.cfg.Timeout/time.Second)+1, false, "(userPrincipalName=*)", []string{"userPrincipalName"}, nil))
	if found != nil {
		for _, e := range found.Entries {
			add(suffixOf(e))
		}
	}
	return all
}

func suffixOf(e *ldap.Entry) string {
	_, suffix, _ := strings.Cut(e.GetAttributeValue("userPrincipalName"), "@")
	return suffix
}

// Try is what a connector must be able to do: reach the directory, bind as an
// account, and see the base of the users.
func Try(ctx context.Context, cfg Config, account, password, base string) error {
	s, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Bind(account, password); err != nil {
		return err
	}
	return s.HasBase(base)
}

// HasBase reports whether the account that is bound sees the entry that users
// are to be searched below.
func (s *Session) HasBase(dn string) error {
	if _, err := s.base(dn, "(objectClass=*)", "1.1"); err != nil {
		return fmt.Errorf("--base-dn %s: %w", dn, s.plain(err))
	}
	return nil
}

// plain is an answer of the directory in plain words.
func (s *Session) plain(err error) error {
	var answer *ldap.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.ResultCode {
	case ldap.LDAPResultInvalidCredentials:
		return errors.New("the directory refuses name or password (result 49)")
	case ldap.LDAPResultNoSuchObject:
		return errors.New("the directory has no such entry (result 32)")
	case ldap.LDAPResultInsufficientAccessRights:
		return errors.New("the account may not read that (result 50)")
	case ldap.LDAPResultUnavailable, ldap.LDAPResultBusy:
		return fmt.Errorf("the directory is not available now (result %d)", answer.ResultCode)
	case ldap.LDAPResultInvalidDNSyntax:
		return errors.New("the directory does not take that for a distinguished name (result 34)")
	case ldap.ErrorNetwork:
		return reach.Explain(answer.Err, s.cfg.Timeout, time.Now())
	}
	return err
}
