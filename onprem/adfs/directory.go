package adfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"ptabench/bind"
	"ptabench/observe"
)

// asked is what is said of the directory, read.
type asked struct {
	servers   []bind.Server
	order     bind.Order
	dialect   bind.Dialect
	names     bind.Names
	attribute string
}

// directory reads what is said of the directory, and reports every mistake.
func (c *Config) directory() (asked, error) {
	var out asked
	var errs []error
	read := func(flag string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
		}
	}
	var err error
	out.servers, err = bind.ParseServers(c.Directories)
	read("--directory", err)
	out.order, err = bind.ParseOrder(c.Order)
	read("--directory-order", err)
	out.dialect, err = bind.ParseDialect(c.Dialect)
	read("--directory-dialect", err)
	out.names, err = bind.ParseNames(c.Names)
	read("--directory-names", err)
	out.attribute, err = bind.ParseNameAttribute(c.NameAttribute)
	read("--directory-name-attribute", err)
	for _, f := range []struct{ flag, value string }{{"--bind-dn", c.BindDN}, {"--base-dn", c.BaseDN}, {"PTABENCH_DIRECTORY_PASSWORD", c.BindPassword}} {
		if f.value == "" {
			read(f.flag, errors.New("expected a value"))
		}
	}
	return out, errors.Join(errs...)
}

// openPool begins to connect to the directory.
func openPool(c Config, log *slog.Logger) (*bind.Pool, error) {
	d, err := c.directory()
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool // nil for the system's
	if c.DirectoryCA != "" {
		text, err := os.ReadFile(c.DirectoryCA)
		if err != nil {
			return nil, fmt.Errorf("--directory-ca: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--directory-ca %s: expected a certificate in PEM", c.DirectoryCA)
		}
	}
	return bind.Open(bind.Config{
		Servers: d.servers, Order: d.order, Dialect: d.dialect, Names: d.names, NameAttribute: d.attribute,
		TLS:  &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		Dial: (&net.Dialer{}).DialContext,
		Min:  min(minPool, c.Pool), Max: c.Pool, BindTimeout: c.BindTimeout, DialTimeout: c.ConnectTimeout,
		Account: c.BindDN, Password: c.BindPassword, BaseDN: c.BaseDN, MaxPasswordAge: c.MaxPasswordAge,
		Waiting: c.Concurrency, Log: log,
	}), nil
}

// checkDirectory waits until the directory was tried. A service account that it
// refuses would make every refusal look like a wrong password, so that is
// better found now than by a user.
func (s *server) checkDirectory(ctx context.Context) error {
	if err := s.pool.CheckAccount(ctx); err != nil {
		return fmt.Errorf("PTABENCH_DIRECTORY_PASSWORD for --bind-dn %s: %w", s.cfg.BindDN, err)
	}
	select {
	case <-s.pool.Settled():
	case <-ctx.Done():
	}
	return nil
}

func (s *server) directoryCounters(out *observe.FederationCounters) {
	c := s.pool.Counts()
	out.Binds, out.BindReplies, out.ReasonLookups, out.NameLookups = c.Binds, c.Replies, c.Lookups, c.NameLookups
	out.DirectoryRedials = c.Redials
	out.DirectoryReachable, _ = s.pool.Reachable()
}
