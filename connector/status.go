package connector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ptabench/backoff"
	"ptabench/ports"
	"ptabench/signed"
)

// statusPorts take status reports. The second is for when the first is down.
var statusPorts = []string{ports.SignIn, ports.Bootstrap}

// A cloud's definite answers, which it would give on the other port too.
var (
	errReportRefused = errors.New("the cloud refuses the report")
	// errGone says that the cloud once issued the certificate and believes it no
	// more.
	errGone = fmt.Errorf("the cloud counts this connector's certificate no more: it was revoked, removed, or registered anew elsewhere: %w", errExpired)
)

// longestDoubt is the longest wait between reports while attaching fails.
const longestDoubt = 5 * time.Second

// reportStatus tells the cloud every interval, until ctx ends, how this
// connector is. It is what an administrator sees, and nothing that sign-ins
// depend on.
//
// It is also how a connector learns that it was revoked or removed while it was
// away. A handshake does not tell it: in TLS 1.3 the refusal of a client's
// certificate is an alert without a reason, if it is not lost in a reset. So
// whoever fails to attach reports at once, and dismissed is called when the
// answer is that the cloud knows it no more.
func (a *connector) reportStatus(ctx context.Context, dismissed func(error)) {
	wait := backoff.Backoff{Longest: longestDoubt}
	for ctx.Err() == nil {
		if len(a.cloud.Load().ports(statusPorts)) > 0 && a.report(ctx) == errGone {
			dismissed(errGone)
			return
		}
		timer := time.NewTimer(spread(a.statusInterval()))
		select {
		case <-timer.C:
			wait.Reset()
		case <-a.doubt:
			wait.Wait(ctx)
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (a *connector) statusInterval() time.Duration {
	return a.timer(a.cfg.StatusInterval, func(t signed.Timers) int64 { return t.StatusIntervalNS }, defaultStatusInterval)
}

// doubtful has a report sent soon, for what its answer may be.
func (a *connector) doubtful() {
	select {
	case a.doubt <- struct{}{}:
	default: // it will be
	}
}

// report sends one report, by 443 or else by 8080. It returns errGone when that
// is the answer, and logs what else goes wrong.
func (a *connector) report(ctx context.Context) error {
	by := a.certificate.Load()
	text, err := signed.SignReport(a.status(time.Now()), by)
	if err != nil {
		a.log.Error("status report", "error", err)
		return nil
	}
	e := a.cloud.Load()
	var all []error
	for _, port := range e.ports(statusPorts) {
		err := a.post(ctx, e, e.at[port], text)
		if err == nil {
			a.counters.reports.WithLabelValues("sent-" + port).Inc()
			a.standing.reported(port)
			return nil
		}
		all = append(all, fmt.Errorf("port %s: %w", port, err))
		if errors.Is(err, errReportRefused) || errors.Is(err, errGone) {
			break
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	err = errors.Join(all...)
	a.counters.reports.WithLabelValues("failed").Inc()
	a.standing.reported(outcomeFailed)
	a.log.Warn("status report not delivered", "error", err)
	if errors.Is(err, errGone) && by == a.certificate.Load() { // and not renewed meanwhile
		return errGone
	}
	return nil
}

// status is the connector as it is now.
func (a *connector) status(now time.Time) *signed.Report {
	reachable, _ := a.pool.Reachable()
	c := a.counters
	return &signed.Report{
		Tenant: a.cfg.Tenant, SentAt: now, Version: a.cfg.Version, Host: a.cfg.hostName(),
		UptimeNS: int64(now.Sub(a.began)), ExpiresAt: a.certificate.Load().Leaf.NotAfter, DirectoryReachable: reachable,
		IntervalNS:      int64(a.cfg.StatusInterval),
		Update:          a.updateReport(),
		Authentications: c.answers.Load(), Successful: c.by(accepted), Failed: c.by(refused), Errors: c.by(failed),
	}
}

// post sends a report to one port.
func (a *connector) post(ctx context.Context, e *endpoints, at string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.ConnectTimeout)
	defer cancel()
	address := url.URL{Scheme: "https", Host: at, Path: "/" + a.cfg.Tenant + "/connectors/status"}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/jose")
	answer, err := a.https(e, at).Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(answer.Body, 256))
	err = fmt.Errorf("it answers %s: %s", answer.Status, strings.TrimSpace(string(why)))
	if answer.StatusCode == signed.GoneStatus {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if answer.StatusCode/100 == 4 && answer.StatusCode != http.StatusNotFound {
		return fmt.Errorf("%w: %w", errReportRefused, err)
	}
	return err
}
