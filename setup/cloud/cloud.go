// Package cloud is the cloud as whoever sets up a connector sees it: where it
// listens, an administrator's sign-in, and what the administrator may do.
package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/setup/reach"
	"ptabench/signed"
)

// A Cloud is where the cloud listens, and whom to believe that it is the cloud.
type Cloud struct {
	Tenant string
	// Endpoints is documented port number to host:port.
	Endpoints map[string]string
	CAPEM     []byte
	// File is the cloud file that all of it comes from; empty when an address
	// was given.
	File string
	// Guessed is why the cloud's own word on where it listens could not be
	// had: Endpoints are then the documented numbers, or what a file says.
	Guessed error

	byAddress bool // no file was given

	given   map[string]string // what was known before the cloud was asked
	roots   *x509.CertPool
	timeout time.Duration
}

// maxFile bounds the files that are read.
const maxFile = 1 << 20

// Read reads what is given of a cloud: at is a cloud file, or host, host:port
// or https://host:port of its port 443, and caFile the certificate, in PEM,
// that signs its certificates; a cloud file holds that already. Nothing is
// dialled.
func Read(at, caFile, tenant string, timeout time.Duration) (*Cloud, error) {
	c := &Cloud{Tenant: tenant, timeout: timeout, roots: x509.NewCertPool()}
	var err error
	switch {
	case at == "":
		return nil, errors.New("--cloud: expected the address of the cloud, or a file with its ready line")
	case isFile(at):
		if err := c.readFile(at); err != nil {
			return nil, fmt.Errorf("--cloud: %w", err)
		}
	default:
		if c.Endpoints, err = address(at); err != nil {
			return nil, fmt.Errorf("--cloud %q: %w", at, err)
		}
		c.byAddress = true
		if caFile == "" {
			return nil, fmt.Errorf("--cloud-ca: expected the file with the certificate that signs those of %s", at)
		}
	}
	if caFile != "" {
		if c.CAPEM, err = readBounded(caFile); err != nil {
			return nil, fmt.Errorf("--cloud-ca: %w", err)
		}
	}
	if !c.roots.AppendCertsFromPEM(c.CAPEM) {
		if caFile == "" {
			return nil, fmt.Errorf("--cloud %s: ca_pem: expected a certificate in PEM", at)
		}
		return nil, fmt.Errorf("--cloud-ca %s: expected a certificate in PEM", caFile)
	}
	c.given = c.Endpoints
	return c, nil
}

func isFile(at string) bool {
	info, err := os.Stat(at)
	return err == nil && info.Mode().IsRegular() || strings.HasSuffix(at, ".json")
}

func (c *Cloud) readFile(file string) error {
	text, err := readBounded(file)
	if err != nil {
		return err
	}
	if err := c.parse(text, file); err != nil {
		return err
	}
	c.File, err = filepath.Abs(file)
	return err
}

// Parse is Read of the text of a cloud file.
func Parse(text []byte, tenant string, timeout time.Duration) (*Cloud, error) {
	c := &Cloud{Tenant: tenant, timeout: timeout, roots: x509.NewCertPool()}
	if err := c.parse(text, "the cloud file"); err != nil {
		return nil, err
	}
	if !c.roots.AppendCertsFromPEM(c.CAPEM) {
		return nil, errors.New("the cloud file: ca_pem: expected a certificate in PEM")
	}
	c.given = c.Endpoints
	return c, nil
}

// parse reads a cloud file that came from somewhere.
func (c *Cloud) parse(text []byte, file string) error {
	var ready observe.Ready
	if err := json.Unmarshal(text, &ready); err != nil {
		return fmt.Errorf("%s: expected the ready line of a cloud: %w", file, err)
	}
	c.Endpoints, c.CAPEM = make(map[string]string), []byte(ready.CAPEM)
	for _, port := range ports.Cloud() {
		at := ready.Ports[port]
		if at == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(at); err != nil {
			return fmt.Errorf("%s: ports: %s: %q: expected host:port", file, port, at)
		}
		c.Endpoints[port] = at
	}
	if c.Endpoints[ports.SignIn] == "" && c.Endpoints[ports.Bootstrap] == "" {
		return fmt.Errorf("%s: ports: expected %s or %s", file, ports.SignIn, ports.Bootstrap)
	}
	return nil
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: expected at most %d bytes", file, maxFile)
	}
	return text, err
}

// address reads host, host:port or a URL of these.
func address(text string) (map[string]string, error) {
	wrong := errors.New("expected host, host:port, https://host:port or a cloud file")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, wrong
	}
	if u.Port() != "" {
		return map[string]string{ports.SignIn: u.Host}, nil
	}
	return map[string]string{
		ports.SignIn:    net.JoinHostPort(u.Hostname(), ports.SignIn),
		ports.Bootstrap: net.JoinHostPort(u.Hostname(), ports.Bootstrap),
	}, nil
}

// Locate asks the cloud where it listens, on port 8080 or else 443. When it
// does not say, Guessed says why, and what was given counts; of an address,
// the documented ports.
func (c *Cloud) Locate(ctx context.Context) {
	var all []error
	for _, port := range []string{ports.Bootstrap, ports.SignIn} {
		at := c.given[port]
		if at == "" {
			continue
		}
		d, err := c.fetchBootstrap(ctx, at)
		if err == nil {
			c.Endpoints, c.Guessed = d.Endpoints, nil
			return
		}
		all = append(all, fmt.Errorf("port %s at %s: %w", port, at, err))
	}
	c.Assume(errors.Join(all...))
}

// Assume takes what was given for true, of an address the documented ports,
// because the cloud could not be asked.
func (c *Cloud) Assume(why error) {
	c.Guessed = why
	if c.byAddress {
		host, _, _ := net.SplitHostPort(c.given[ports.SignIn]) // made by address
		c.Endpoints = make(map[string]string)
		for _, port := range ports.Cloud() {
			c.Endpoints[port] = net.JoinHostPort(host, port)
		}
		for port, at := range c.given {
			c.Endpoints[port] = at
		}
	}
}

var errNoTenant = errors.New("the cloud has no such tenant")

// Guess is why the cloud's own word on where it listens could not be had, and
// what counts instead; nil when it could.
func (c *Cloud) Guess() error {
	if c.Guessed == nil {
		return nil
	}
	what := "those of the cloud file count"
	if c.byAddress {
		what = "the documented ones count"
	}
	if err := c.Untrusted(); err != nil {
		return fmt.Errorf("the cloud could not be asked for its real ports, so %s: %w", what, err)
	}
	return fmt.Errorf("the cloud could not be asked for its real ports, so %s: %w", what, c.Guessed)
}

// Untrusted is why the cloud that answered is not believed to be one; nil when
// it is, or did not answer.
func (c *Cloud) Untrusted() error {
	var p *reach.Problem
	if !errors.As(c.Guessed, &p) || p.Outcome != reach.UnknownCA {
		return nil
	}
	where, at := "the cloud file", c.given[ports.SignIn]
	if c.byAddress {
		where = "--cloud-ca"
	}
	if at == "" {
		at = c.given[ports.Bootstrap]
	}
	return fmt.Errorf("%s: not for the cloud at %s: %w", where, at, p)
}

// NoSuchTenant reports whether the cloud answered, and does not know the
// tenant.
func (c *Cloud) NoSuchTenant() bool { return errors.Is(c.Guessed, errNoTenant) }

func (c *Cloud) fetchBootstrap(ctx context.Context, at string) (*signed.Bootstrap, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := url.URL{Scheme: "https", Host: at, Path: "/" + c.Tenant + "/bootstrap"}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	client := c.HTTP()
	defer client.CloseIdleConnections()
	answer, err := client.Do(q)
	if err != nil {
		return nil, c.explain(err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("tenant %q: %w", c.Tenant, errNoTenant)
	default:
		return nil, fmt.Errorf("the cloud answers %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, signed.MaxBootstrap+1))
	if err != nil {
		return nil, c.explain(err)
	}
	now := time.Now()
	d, err := signed.VerifyBootstrap(text, c.roots, c.Tenant, now)
	if err != nil {
		return nil, err
	}
	if err := d.Fresh(now); err != nil {
		return nil, err
	}
	return d, d.CheckEndpoints(loopback(at))
}

// explain puts a failed request into plain words, without the address that
// net/http repeats.
func (c *Cloud) explain(err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	return reach.Explain(err, c.timeout, time.Now())
}

func loopback(at string) bool {
	host, _, _ := net.SplitHostPort(at)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// HTTP makes a client that believes the cloud's certificates only.
func (c *Cloud) HTTP() *http.Client {
	return &http.Client{
		Timeout: c.timeout,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: c.timeout,
			MaxIdleConns:        2,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Roots are the certificates that sign the cloud's.
func (c *Cloud) Roots() *x509.CertPool { return c.roots }

// SignIn is https://host:port of port 443.
func (c *Cloud) SignIn() string { return "https://" + c.Endpoints[ports.SignIn] }

// ConnectorFile is a cloud file for a connector: as much as finds the rest by
// bootstrap, and everything that is known where the cloud could not be asked.
func (c *Cloud) ConnectorFile() ([]byte, error) {
	at := c.given
	if c.Guessed != nil {
		at = c.Endpoints
	}
	return json.MarshalIndent(observe.Ready{Role: "cloudsim", Name: "cloud", Ports: at, CAPEM: string(c.CAPEM)}, "", "  ")
}
