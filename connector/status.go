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

	"ptabench/ports"
	"ptabench/signed"
)

// statusPorts take status reports. The second is for when the first is down.
var statusPorts = []string{ports.SignIn, ports.Bootstrap}

// errReportRefused is a cloud's definite answer, which it would give on the
// other port too.
var errReportRefused = errors.New("the cloud refuses the report")

// reportStatus tells the cloud every interval, until ctx ends, how this
// connector is. It is what an administrator sees, and nothing that sign-ins
// depend on.
func (a *connector) reportStatus(ctx context.Context) {
	for ctx.Err() == nil {
		if len(a.cloud.Load().ports(statusPorts)) > 0 {
			a.report(ctx)
		}
		pause(ctx, spread(a.timer(a.cfg.StatusInterval, func(t signed.Timers) int64 { return t.StatusIntervalNS }, defaultStatusInterval)))
	}
}

// report sends one report, by 443 or else by 8080.
func (a *connector) report(ctx context.Context) {
	text, err := signed.SignReport(a.status(time.Now()), a.certificate.Load())
	if err != nil {
		a.log.Error("status report", "error", err)
		return
	}
	e := a.cloud.Load()
	var all []error
	for _, port := range e.ports(statusPorts) {
		err := a.post(ctx, e, e.at[port], text)
		if err == nil {
			a.counters.reports.WithLabelValues("sent-" + port).Inc()
			return
		}
		all = append(all, fmt.Errorf("port %s: %w", port, err))
		if errors.Is(err, errReportRefused) {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	a.counters.reports.WithLabelValues("failed").Inc()
	a.log.Warn("status report not delivered", "error", errors.Join(all...))
}

// status is the connector as it is now.
func (a *connector) status(now time.Time) *signed.Report {
	reachable, _ := a.pool.Reachable()
	c := a.counters
	return &signed.Report{
		Tenant: a.cfg.Tenant, SentAt: now, Version: a.cfg.Version, Host: a.cfg.hostName(),
		UptimeNS: int64(now.Sub(a.began)), ExpiresAt: a.certificate.Load().Leaf.NotAfter, DirectoryReachable: reachable,
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
	if answer.StatusCode/100 == 4 && answer.StatusCode != http.StatusNotFound {
		return fmt.Errorf("%w: %w", errReportRefused, err)
	}
	return err
}
