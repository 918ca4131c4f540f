package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"ptabench/backoff"
	"ptabench/signed"
)

// Defaults of timers that neither a flag nor the cloud sets, as documented.
const (
	defaultBootstrapInterval = 10 * time.Minute
	defaultStatusInterval    = 10 * time.Minute
)

// betweenBootstraps is how long a document is taken for true that the cloud
// has just given, though attaching by it fails.
const betweenBootstraps = 5 * time.Second

// errTooOld ends a connector that the cloud does not let start.
var errTooOld = errors.New("the cloud demands a later version: update this connector")

// locate finds the cloud when the connector starts: by the cloud file, and by a
// bootstrap when that names a port for it. When none is to be had, a connector
// goes on with what it has from before; a new one, which has nothing, waits.
func (a *connector) locate(ctx context.Context) error {
	k, err := loadKept(a.cfg.State)
	if err != nil { // it is fetched anew
		a.log.Warn("reading the bootstrap document kept", "error", err)
	}
	a.where.kept = k // nobody else is there yet
	if _, err := a.where.setFile(a.cfg.cloud, a.cfg.Tenant); err != nil {
		a.log.Warn("the bootstrap document kept is not this cloud's", "error", err)
	}
	a.cloud.Store(a.where.endpoints())
	if !a.cfg.cloud.bootstraps() {
		return nil
	}
	var wait backoff.Backoff
	for {
		err := a.bootstrap(ctx)
		if err == nil {
			return a.demanded()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if a.hasBeen() {
			a.log.Warn("no bootstrap: going on with what is known from before", "error", err)
			return a.demanded()
		}
		a.log.Error("no bootstrap on port 8080 nor 443: a new connector cannot start; trying again", "error", err)
		if !wait.Wait(ctx) {
			return ctx.Err()
		}
		a.refresh()
	}
}

// hasBeen reports whether this connector knows from before where the cloud is:
// by a document, or, when it was registered before there were any, by a file
// that says everything.
func (a *connector) hasBeen() bool {
	if a.where.document() != nil {
		return true
	}
	c, err := loadIdentity(a.cfg.State)
	return c != nil && err == nil && a.cloud.Load().complete()
}

// demanded refuses to start when the cloud demands a later version.
func (a *connector) demanded() error {
	d := a.where.document()
	if d == nil || !d.MinConnectorVersionRequired || !signed.Older(a.cfg.Version, d.MinConnectorVersion) {
		return nil
	}
	return fmt.Errorf("version %s: expected %s or later: %w", a.cfg.Version, d.MinConnectorVersion, errTooOld)
}

// bootstrap fetches a document, from 8080 or else from 443, and goes by it from
// then on. What is refused is counted and leaves the last good one as it is.
func (a *connector) bootstrap(ctx context.Context) error {
	e, sources := a.where.sources()
	var all []error
	for _, from := range sources {
		k, err := a.fetchBootstrap(ctx, e, from)
		if err == nil {
			err = a.where.accept(k, e)
		}
		if err == nil {
			a.counters.bootstraps.WithLabelValues("accepted").Inc()
			a.standing.bootstrapped(from.port)
			a.took(k, from)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		outcome := "unreachable"
		if reason := signed.ReasonOf(err); reason != "" {
			outcome = string(reason)
			a.log.Error("bootstrap document refused", "port", from.port, "from", from.address, "reason", outcome, "error", err)
		}
		a.counters.bootstraps.WithLabelValues(outcome).Inc()
		all = append(all, fmt.Errorf("port %s (%s): %w", from.port, from.address, err))
	}
	a.standing.bootstrapped(outcomeFailed)
	return errors.Join(all...)
}

// took goes by a document.
func (a *connector) took(k *kept, from source) {
	a.cloud.Store(a.where.endpoints())
	if err := k.save(a.cfg.State); err != nil {
		a.log.Error("keeping the bootstrap document", "error", err)
	}
	d := k.document
	a.log.Info("bootstrap", "port", from.port, "version", d.Version, "valid_until", d.ValidUntil)
	if signed.Older(a.cfg.Version, d.MinConnectorVersion) {
		a.log.Warn("the cloud asks for a later version of this connector, which goes on until it is updated",
			"version", a.cfg.Version, "expected", d.MinConnectorVersion)
	}
}

// fetchBootstrap fetches a document from one port, and checks all of it but
// whether it is older than the last.
func (a *connector) fetchBootstrap(ctx context.Context, e *endpoints, from source) (*kept, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ConnectTimeout)
	defer cancel()
	address := url.URL{Scheme: "https", Host: from.address, Path: "/" + a.cfg.Tenant + "/bootstrap"}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.https(e, from.address).Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the cloud answers %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, signed.MaxBootstrap+1))
	if err != nil {
		return nil, err
	}
	k := &kept{Signed: string(text), AcceptedAt: time.Now()}
	if err := k.verify(e, a.cfg.Tenant); err != nil {
		return nil, err
	}
	if err := k.document.Fresh(k.AcceptedAt); err != nil {
		return nil, err
	}
	return k, k.document.CheckEndpoints(loopback(from.address))
}

// https makes a client for one request to a port of the cloud. It keeps no
// connection: the next request is minutes away, and must notice a firewall that
// was closed meanwhile.
func (a *connector) https(e *endpoints, address string) *http.Client {
	host, _, _ := net.SplitHostPort(address) // checked when it was read
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       a.dialer.DialContext,
			TLSClientConfig:   a.cloudTLS(e, host, nil),
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// stayInformed fetches a bootstrap again and again until ctx ends: every
// interval, and at once when the cloud is not where it was said to be.
func (a *connector) stayInformed(ctx context.Context) {
	var wait backoff.Backoff
	for {
		lost := false
		timer := time.NewTimer(spread(a.timer(a.cfg.BootstrapInterval, func(t signed.Timers) int64 { return t.BootstrapIntervalNS }, defaultBootstrapInterval)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.lost:
			lost = true
		case <-timer.C:
		}
		timer.Stop()
		if _, sources := a.where.sources(); len(sources) == 0 {
			continue // the file names no such port
		}
		err := a.bootstrap(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.log.Warn("no bootstrap: going on with the last", "error", err)
			if lost {
				wait.Wait(ctx)
			}
		case lost:
			wait.Reset()
			pause(ctx, betweenBootstraps)
		}
	}
}

// astray says that the cloud is not to be found where it should be.
func (a *connector) astray() {
	select {
	case a.lost <- struct{}{}:
	default: // said already
	}
}

// timer is how often to do something: as a flag says, else as the cloud does.
func (a *connector) timer(flag time.Duration, told func(signed.Timers) int64, otherwise time.Duration) time.Duration {
	if flag > 0 {
		return flag
	}
	if d := a.where.document(); d != nil && told(d.Timers) > 0 {
		return time.Duration(told(d.Timers))
	}
	return otherwise
}

// renewPoll is how often the certificate is looked at.
func (a *connector) renewPoll() time.Duration {
	return a.timer(a.cfg.RenewPoll, func(t signed.Timers) int64 { return t.RenewalPollNS }, DefaultRenewPoll)
}

// reconnectMax is the longest wait between attempts to attach.
func (a *connector) reconnectMax() time.Duration {
	return a.timer(0, func(t signed.Timers) int64 { return t.ReconnectMaxNS }, backoff.Max)
}

// spread varies a time by up to a tenth, so that connectors that were started
// together do not all ask at once for ever.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
