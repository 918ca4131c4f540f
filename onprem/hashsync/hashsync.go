// Package hashsync is the password hash sync agent: it reads from a directory
// which accounts changed, in order of change, and has the cloud take hashes of
// their passwords, made by the documented chain, and whether they are disabled.
// Locks, expiry and passwords that must be changed are not carried, as they are
// not by the real one.
//
// The cloud keeps how far it was brought together with what it was brought, so
// an agent that is killed goes on where the cloud is: nothing is lost, and
// nothing travels twice.
package hashsync

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/observe"
)

// Config says what to sync from where to where.
type Config struct {
	Name    string
	State   string // directory for what a source of kind file or samba remembers
	Observe string

	Source      string // one of Sources
	Directory   string // embedded: ldaps://host:port
	DirectoryCA string // embedded: file
	BindDN      string // embedded
	BaseDN      string // embedded
	Samba       string // samba: the directory of the domain, or its sam.ldb
	File        string // file: see fileSource

	URL     string // https, the cloud's hash sync port
	CAFile  string // the authority of its certificate
	Tenants []Tenant

	Interval time.Duration // of cycles
	// StandingInterval is how often the cloud hears which accounts are disabled,
	// with the cycle that comes next.
	StandingInterval time.Duration
	Batch            int // accounts sent at once

	SyncPassword  string // of BindDN
	HashSyncToken string // for the cloud
	ObserveToken  string
}

// Sources are the kinds of source.
var Sources = []string{"embedded", "samba", "file"}

// A Tenant is one that accounts travel to: those of some domains, or all where
// none is named.
type Tenant struct {
	Name    string
	Domains []string
}

// ParseTenant reads name or name=domain+domain.
func ParseTenant(text string) (Tenant, error) {
	name, domains, some := strings.Cut(text, "=")
	t := Tenant{Name: name}
	if some {
		t.Domains = strings.Split(domains, "+")
	}
	if name == "" || slices.Contains(t.Domains, "") {
		return t, fmt.Errorf("%q: expected a tenant, or one with its domains, such as contoso=contoso.test+contoso.example", text)
	}
	return t, nil
}

func (t Tenant) has(upn string) bool {
	if len(t.Domains) == 0 {
		return true
	}
	_, domain, _ := strings.Cut(upn, "@")
	return slices.ContainsFunc(t.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// maxBatch bounds a batch: the cloud takes 16 MiB at once, and a line has some
// 150 bytes.
const maxBatch = 20_000

// Validate reports every mistake at once, by flag.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	need := func(flag, value, what string) {
		if value == "" {
			bad("%s: expected %s", flag, what)
		}
	}
	need("name", c.Name, "one")
	need("state", c.State, "a directory")
	if _, _, err := net.SplitHostPort(c.Observe); err != nil {
		bad("observe %q: expected host:port", c.Observe)
	}
	switch c.Source {
	case "embedded":
		address(&errs, "directory", c.Directory, "ldaps")
		need("directory-ca", c.DirectoryCA, "the file that holds the directory's authority")
		need("bind-dn", c.BindDN, "the sync account")
		need("base-dn", c.BaseDN, "where the accounts are")
		need("sync password", c.SyncPassword, "it in PTABENCH_SYNC_PASSWORD")
	case "samba":
		need("samba", c.Samba, "the directory that the domain was provisioned in, or its sam.ldb")
	case "file":
		need("file", c.File, "a file of accounts")
	default:
		bad("source %q: expected %s", c.Source, strings.Join(Sources, ", "))
	}
	address(&errs, "hash-sync-url", c.URL, "https")
	need("hash-sync-ca", c.CAFile, "the file that holds the cloud's authority")
	need("hash sync token", c.HashSyncToken, "it in PTABENCH_HASHSYNC_TOKEN")
	if len(c.Tenants) == 0 {
		bad("hash-sync-tenant: expected at least one")
	}
	for i, t := range c.Tenants {
		if slices.ContainsFunc(c.Tenants[:i], func(o Tenant) bool { return o.Name == t.Name }) {
			bad("hash-sync-tenant %s: given twice", t.Name)
		}
	}
	if c.Interval < minInterval || c.Interval > maxInterval {
		bad("interval %v: expected %v to %v", c.Interval, minInterval, maxInterval)
	}
	if c.StandingInterval < 0 || c.StandingInterval > maxInterval {
		bad("standing-interval %v: expected 0s to %v", c.StandingInterval, maxInterval)
	}
	if c.Batch < 1 || c.Batch > maxBatch {
		bad("batch %d: expected 1 to %d", c.Batch, maxBatch)
	}
	return errors.Join(errs...)
}

const (
	minInterval = 10 * time.Millisecond
	maxInterval = 24 * time.Hour
)

func address(errs *[]error, flag, value, scheme string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != scheme || u.Host == "" || u.User != nil || u.RawQuery != "" {
		*errs = append(*errs, fmt.Errorf("%s %q: expected %s://host:port", flag, value, scheme))
	}
}

// look is how often to ask for the source's last number between cycles.
func (c *Config) look() time.Duration {
	if c.Source == "samba" {
		return 5 * lookEvery // it takes a process
	}
	return lookEvery
}

// trust verifies a server by an authority in a file.
func trust(flag, file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %s: expected a certificate in PEM", flag, file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// Run syncs until the context ends. It calls ready when the cloud has everything
// that the source had when it began.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	from, err := cfg.open()
	if err != nil {
		return err
	}
	defer from.close()
	config, err := trust("hash-sync-ca", cfg.CAFile)
	if err != nil {
		return err
	}
	to := newCloud(cfg.URL, cfg.HashSyncToken, config)
	defer to.close()
	listener, err := net.Listen("tcp", cfg.Observe)
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	counts := newCounts()
	_, handler := observe.Handler(cfg.ObserveToken, func() any { return counts.counters() }, nil,
		promhttp.HandlerFor(counts.registry(), promhttp.HandlerOpts{}))
	watch := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = watch.Serve(listener) }) // ends by Shutdown below
	defer serving.Wait()
	defer func() {
		bound, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if watch.Shutdown(bound) != nil {
			_ = watch.Close()
		}
	}()

	began := time.Now()
	a := &agent{cfg: cfg, log: log, from: from, to: to, counts: counts, carry: newCarried(), cursors: make(map[string]cursor)}
	return a.run(ctx, func() {
		ready(observe.Ready{Role: "hashsync", Name: cfg.Name,
			Ports: map[string]string{"observe": listener.Addr().String()}, Info: map[string]string{"source": cfg.Source}})
		debug.FreeOSMemory() // what a first sync takes is not taken again
		log.Info("the cloud has everything", "accounts", counts.sent.Load(), "took_ns", time.Since(began).Nanoseconds())
	})
}

// open makes the source ready to be asked.
func (c *Config) open() (source, error) {
	switch c.Source {
	case "samba":
		return newSamba(c.Samba, c.State)
	case "file":
		return newFile(c.File, c.State)
	}
	config, err := trust("directory-ca", c.DirectoryCA)
	if err != nil {
		return nil, err
	}
	return &ldapSource{url: c.Directory, dn: c.BindDN, password: c.SyncPassword, base: c.BaseDN, tls: config}, nil
}
