package hashsync

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// ldapPatience bounds a request to the directory, and a connection to it.
const ldapPatience = 10 * time.Second

// An ldapSource asks a directory by LDAPS for ranges of uSNChanged.
type ldapSource struct {
	url, dn, password, base string
	tls                     *tls.Config

	conn *ldap.Conn
	span span
}

func (s *ldapSource) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// connected opens the connection, if it must.
func (s *ldapSource) connected(ctx context.Context) (*ldap.Conn, error) {
	if s.conn != nil && !s.conn.IsClosing() {
		return s.conn, nil
	}
	s.conn = nil
	dialer := &net.Dialer{Timeout: ldapPatience}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := ldap.DialURL(s.url, ldap.DialWithTLSConfig(s.tls), ldap.DialWithDialer(dialer))
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			err = fmt.Errorf("%w: %w", errGiveUp, err)
		}
		return nil, fmt.Errorf("directory: %w", err)
	}
	conn.SetTimeout(ldapPatience)
	if err := conn.Bind(s.dn, s.password); err != nil {
		_ = conn.Close()
		if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultConfidentialityRequired) {
			err = fmt.Errorf("%w: %w", errGiveUp, err)
		}
		return nil, fmt.Errorf("directory: binding as %s: %w", s.dn, err)
	}
	s.conn = conn
	return conn, nil
}

// search asks once. A connection that broke is not used again.
func (s *ldapSource) search(ctx context.Context, base string, scope int, filter string, attributes ...string) (*ldap.SearchResult, error) {
	conn, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // go-ldap's searches know no context
	defer stop()
	found, err := conn.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		s.close()
	}
	if err != nil {
		return found, fmt.Errorf("directory: searching: %w", err)
	}
	return found, nil
}

func (s *ldapSource) where(ctx context.Context) (string, uint64, error) {
	found, err := s.search(ctx, "", ldap.ScopeBaseObject, "(objectClass=*)", "invocationId", "highestCommittedUSN")
	if err != nil {
		return "", 0, err
	}
	if len(found.Entries) != 1 {
		return "", 0, fmt.Errorf("directory: rootDSE: %d entries: expected 1", len(found.Entries))
	}
	database := found.Entries[0].GetAttributeValue("invocationId")
	highest, err := strconv.ParseUint(found.Entries[0].GetAttributeValue("highestCommittedUSN"), 10, 64)
	if err != nil || database == "" {
		return "", 0, errors.New("directory: rootDSE: no invocationId, or no highestCommittedUSN")
	}
	return database, highest, nil
}

func (s *ldapSource) changes(ctx context.Context, after, upTo uint64, limit int) ([]change, uint64, error) {
	return s.span.ask(after, upTo, limit, func(from, to uint64) (list []change, more bool, err error) {
		filter := fmt.Sprintf("(&(objectClass=user)(uSNChanged>=%d)(uSNChanged<=%d))", from, to)
		found, err := s.search(ctx, s.base, ldap.ScopeWholeSubtree, filter, carriedAttributes...)
		if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) && from < to {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		for _, e := range found.Entries {
			c, err := changeOf(e.GetRawAttributeValue)
			if err != nil {
				return nil, false, fmt.Errorf("directory: %s: %w", e.DN, err)
			}
			if c.upn != "" {
				list = append(list, c)
			}
		}
		return list, false, nil
	})
}

// carriedAttributes are those that changeOf reads.
var carriedAttributes = []string{"userPrincipalName", "userAccountControl", "pwdLastSet", "whenChanged", "unicodePwd"}

// The bits and values of AD's account attributes (MS-ADTS, section 2.2.16).
const accountDisabled = 0x2

// changeOf reads an account out of AD's attributes. One without a user principal
// name can sign in to no cloud.
func changeOf(value func(name string) []byte) (c change, err error) {
	text := func(name string) string { return string(value(name)) }
	c.upn = text("userPrincipalName")
	if c.upn == "" {
		return c, nil
	}
	control, err := strconv.ParseInt(text("userAccountControl"), 10, 64)
	if err != nil {
		return c, errors.New("userAccountControl: expected a number")
	}
	c.disabled = control&accountDisabled != 0
	set := int64(0)
	if v := text("pwdLastSet"); v != "" {
		if set, err = strconv.ParseInt(v, 10, 64); err != nil {
			return c, errors.New("pwdLastSet: expected a number")
		}
	}
	if c.at, err = generalizedTime(text("whenChanged")); err != nil {
		return c, err
	}
	hash := value("unicodePwd")
	switch {
	case set == 0: // must be changed: not carried
	case len(hash) == len(c.nt):
		c.hasHash, c.nt, c.password = true, [16]byte(hash), fromFiletime(set)
	case len(hash) != 0:
		return c, fmt.Errorf("unicodePwd: %d bytes: expected %d", len(hash), len(c.nt))
	}
	return c, nil
}

// fromFiletime reads AD's times: 100 ns since 1601.
func fromFiletime(t int64) time.Time {
	const from1601to1970 = 11_644_473_600 // seconds
	return time.Unix(t/10_000_000-from1601to1970, t%10_000_000*100)
}

// generalizedTime reads RFC 4517, section 3.3.13, as directories write it. Go
// takes a fraction of a second wherever seconds stand.
func generalizedTime(s string) (time.Time, error) {
	t, err := time.Parse("20060102150405Z", s)
	if err != nil {
		return t, fmt.Errorf("whenChanged %.40q: expected a time such as 20260102150405.0Z", s)
	}
	return t, nil
}
