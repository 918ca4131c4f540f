package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/population"
	"ptabench/scenarios"
)

// directoryPassword is where the password of the account comes from by which
// somebody's own directory is searched.
const directoryPassword = "PTABENCH_DIRECTORY_PASSWORD"

// refuseExternal says why somebody's own directory cannot be loaded, or why
// whoever starts the run has not said that they may, all reasons at once. Fields
// that are missing are left to who reads scenarios.
func refuseExternal(s *scenarios.Scenario, mayLoad string) (errs []error) {
	e, kind := s.Directory.External, s.Directory.Kind
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if kind != scenarios.Outside {
		if mayLoad != "" && kind != "" {
			wrong("--i-may-load %s: expected it only for directory.kind external, and it is %s", mayLoad, kind)
		}
		return errs
	}
	if mayLoad != e.URL && e.URL != "" {
		given := mayLoad
		if given == "" {
			given = "missing"
		}
		wrong("--i-may-load: %s: expected %s, as directory.external.url has it, which says that you may load it with sign-ins, wrong passwords among them (a flag of run and matrix, not of suite)",
			given, e.URL)
	}
	if os.Getenv(directoryPassword) == "" {
		wrong("%s: not set: expected the password of directory.external.account", directoryPassword)
	}
	if e.CA != "" {
		if text, err := os.ReadFile(e.CA); err != nil {
			wrong("directory.external.ca: %w", err)
		} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
			wrong("directory.external.ca: %s: expected a certificate in PEM", e.CA)
		}
	}
	if e.Users != "" {
		if _, err := externalUsers(s); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// externalUsers reads the users, of the domains of the tenants that are loaded: of
// others the cloud would not know whom to ask. Where no tenant is known, of any.
func externalUsers(s *scenarios.Scenario) (*population.Population, error) {
	e := s.Directory.External
	var domains []string
	if len(s.Tenants) > 0 {
		for _, t := range s.Loaded() {
			domains = append(domains, t.Domains...)
		}
	}
	users, err := population.FromFile(e.Users, domains...)
	if err == nil && len(users.In(population.Active)) == 0 {
		err = fmt.Errorf("users: %s: expected at least one who is active", e.Users)
	}
	if err != nil {
		return nil, fmt.Errorf("directory.external.%w", err)
	}
	return users, nil
}

// tenantsOf is, for each domain of the users, the number of its tenant among
// those that are loaded; -1 for none.
func tenantsOf(s *scenarios.Scenario, users *population.Population) (of []int) {
	for _, domain := range users.Domains() {
		of = append(of, slices.IndexFunc(s.Loaded(), func(t scenarios.Tenant) bool { return slices.Contains(t.Domains, domain) }))
	}
	return of
}

// tryPatience bounds each question of tryExternal.
const tryPatience = 10 * time.Second

// tryExternal asks somebody's own directory about one user, as a connector would,
// before anything is started: a load with wrong passwords would lock its users
// out, and one that nobody answers shows nothing.
func tryExternal(ctx context.Context, e scenarios.External, users *population.Population) (err error) {
	defer func() {
		if ctx.Err() != nil { // then nothing else is to blame
			err = context.Cause(ctx)
		}
	}()
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CA != "" {
		text, err := os.ReadFile(e.CA)
		if err != nil {
			return fmt.Errorf("directory.external.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(text)
	}
	conn, err := ldap.DialURL(e.URL, ldap.DialWithTLSConfig(config), ldap.DialWithDialer(&net.Dialer{Timeout: tryPatience}))
	if err != nil {
		return fmt.Errorf("directory.external.url: %s: %w", e.URL, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	conn.SetTimeout(tryPatience)
	if err := conn.Bind(e.Account, os.Getenv(directoryPassword)); err != nil {
		return fmt.Errorf("%s: the password of directory.external.account %s: %w", directoryPassword, e.Account, err)
	}
	first := users.In(population.Active)[0]
	found, err := conn.Search(ldap.NewSearchRequest(e.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(tryPatience/time.Second), false,
		"(userPrincipalName="+ldap.EscapeFilter(users.UPN(first))+")", []string{"1.1"}, nil))
	switch {
	case err != nil:
		return fmt.Errorf("directory.external.base: %s: %w", e.Base, err)
	case len(found.Entries) != 1:
		return fmt.Errorf("directory.external.base: %s: %d users with userPrincipalName %s, who is in %s: expected 1",
			e.Base, len(found.Entries), users.UPN(first), e.Users)
	}
	if err := conn.Bind(found.Entries[0].DN, users.Password(first)); err != nil {
		return fmt.Errorf("directory.external.users: %s: the password of %s, the first who is active: %w; nobody else was asked", e.Users, users.UPN(first), err)
	}
	return nil
}
