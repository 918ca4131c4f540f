package directory

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ptabench/population"
	"ptabench/synchash"
)

// HashSync says where to push the hashes of all accounts at start, and later
// those that a fault of the hash store changes. The zero value pushes none.
type HashSync struct {
	URL    string // https, the cloud's hash sync port
	CAFile string // the authority of its certificate, PEM
	Tenant string // or several, each with its domains; see parseSyncTenants
	Token  string
	Keep   bool // push nothing at start: the store holds what an earlier start pushed
}

const (
	pushBatch    = 1000 // accounts a request
	pushAttempts = 6    // of each request
	pushTimeout  = 10 * time.Second
	pushBackoff  = 100 * time.Millisecond // doubled after each attempt, and jittered
)

// An account is one line of a push. Those that must change their password are
// sent without a hash: they are not synced. Locks and expiry are not carried.
// One that is deleted leaves the store.
type account struct {
	UPN      string `json:"upn"`
	Salt     []byte `json:"salt,omitempty"`
	Hash     []byte `json:"hash,omitempty"`
	Disabled bool   `json:"disabled"`
	Deleted  bool   `json:"deleted,omitempty"`
}

func (a account) with(h synchash.Hash) account {
	a.Salt, a.Hash = h.Salt[:], h.Sum[:]
	return a
}

func accountOf(c *changes, i int) account {
	now := c.of(i)
	a := account{UPN: c.users.UPN(i), Disabled: now.State == population.Disabled}
	if now.State != population.MustChange {
		return a.with(synchash.New(c.users.VersionOf(i, now.Version)))
	}
	return a
}

// push sends n accounts, so many a request. The hashing is most of the work, so
// each CPU makes and sends batches of its own; no more than these are in
// memory. At start that happens before the directory serves, when nobody else
// needs the machine, so it takes all of it for once, whatever the process was
// told to make do with. There must be one push at a time.
func (h HashSync) push(ctx context.Context, n, batch int, line func(i int) account) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	roots, err := h.roots()
	if err != nil {
		return err
	}
	tenants, err := parseSyncTenants(h.Tenant)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: pushTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token goes nowhere else
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < n && ctx.Err() == nil; from += batch {
		work.Go(func() error {
			bodies := make(map[string]*syncBody)
			to := min(from+batch, n)
			for i := from; i < to; i++ {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				a := line(i)
				tenant := tenants.of(a.UPN)
				if tenant == "" {
					continue
				}
				if bodies[tenant] == nil {
					bodies[tenant] = new(syncBody)
				}
				if err := bodies[tenant].add(a); err != nil {
					return err
				}
			}
			for tenant, body := range bodies {
				if err := h.sendRetrying(ctx, client, tenant, body.lines.Bytes(), body.accounts); err != nil {
					return fmt.Errorf("pushing accounts %d to %d of %d to %s: %w", from+1, to, n, tenant, err)
				}
			}
			return nil
		})
	}
	return work.Wait()
}

// A syncBody is what of a batch goes to one tenant.
type syncBody struct {
	lines    bytes.Buffer
	accounts int
}

func (b *syncBody) add(a account) error {
	b.accounts++
	return json.NewEncoder(&b.lines).Encode(a)
}

// sendRetrying tries again what may pass: no connection, or a server that says
// it cannot answer now.
func (h HashSync) sendRetrying(ctx context.Context, client *http.Client, tenant string, body []byte, accounts int) error {
	wait := pushBackoff
	for attempt := 1; ; attempt++ {
		again, err := h.send(ctx, client, tenant, body, accounts)
		if err == nil || !again || attempt == pushAttempts {
			return err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		}
		wait *= 2
	}
}

func (h HashSync) send(ctx context.Context, client *http.Client, tenant string, body []byte, accounts int) (again bool, err error) {
	to := strings.TrimSuffix(h.URL, "/") + "/" + url.PathEscape(tenant) + "/hashsync/accounts"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+h.Token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := client.Do(req)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		return ctx.Err() == nil && !errors.As(err, &untrusted), err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return true, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		again := resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
		return again, fmt.Errorf("the cloud answered %s", resp.Status)
	}
	var answer struct {
		Accepted int `json:"accepted"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	if answer.Accepted != accounts {
		return false, fmt.Errorf("the cloud accepted %d of %d accounts", answer.Accepted, accounts)
	}
	return false, nil
}

func (h HashSync) roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(h.CAFile)
	if err != nil {
		return nil, fmt.Errorf("hash-sync-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("hash-sync-ca: %s: expected a certificate in PEM", h.CAFile)
	}
	return roots, nil
}

// validate reports every mistake. Nothing is opened but the authority's file.
func (h HashSync) validate() error {
	if h.URL == "" {
		if h.CAFile != "" || h.Tenant != "" {
			return errors.New("hash-sync-url: expected, because hash-sync-ca or hash-sync-tenant is set")
		}
		return nil
	}
	var errs []error
	if u, err := url.Parse(h.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		errs = append(errs, fmt.Errorf("hash-sync-url %q: expected https://host:port", h.URL))
	}
	if h.CAFile == "" {
		errs = append(errs, errors.New("hash-sync-ca: expected the file that holds the cloud's authority"))
	} else if _, err := h.roots(); err != nil {
		errs = append(errs, err)
	}
	if _, err := parseSyncTenants(h.Tenant); err != nil {
		errs = append(errs, err)
	}
	if h.Token == "" {
		errs = append(errs, errors.New("hash sync token: expected, in PTABENCH_HASHSYNC_TOKEN"))
	}
	return errors.Join(errs...)
}
