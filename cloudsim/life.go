package cloudsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/state"
	"ptabench/observe"
)

// Defaults of what a tenant may have, and how long a connector may be away.
const (
	DefaultConnectorLimit = 40
	// inactiveReports is how many status reports a connector misses before it
	// counts as inactive, unless Config.InactiveAfter says otherwise. Connectors
	// vary the time between them by a tenth.
	inactiveReports = 2
	reportSpread    = 1.1

	dropAfter = 10 * 24 * time.Hour // of a connector that is not active, by Config.Clock
	maxClock  = 10_000_000          // 10 days in 86 ms
	// sweepEvery is how often the list is looked through at least, and how
	// much of what was last seen a crash may forget.
	sweepEvery = 30 * time.Second
)

func (c *Config) rules() state.Rules {
	limit := c.ConnectorLimit
	if limit == 0 {
		limit = DefaultConnectorLimit
	}
	return state.Rules{Limit: limit, OnePerHost: c.OnePerHost}
}

// inactiveAfter is how long a connector may be unheard of that reports at an
// interval of its own, 0 for the one that the cloud asks for.
func (c *Config) inactiveAfter(interval time.Duration) time.Duration {
	if c.InactiveAfter != 0 {
		return c.InactiveAfter
	}
	interval = cmp.Or(interval, c.StatusInterval, DefaultStatusInterval)
	return time.Duration(inactiveReports * reportSpread * float64(interval))
}

// dropAfter is when a connector that is not heard of any more leaves the list.
func (c *Config) dropAfter() time.Duration {
	if c.Clock == 0 {
		return dropAfter
	}
	return time.Duration(min(float64(dropAfter)/c.Clock, float64(100*365*24*time.Hour)))
}

// trust is the service of the renewal port.
func (srv *server) trust() *authority.Trust {
	return &authority.Trust{
		Authority: srv.authority, Store: srv.state, Lifetime: srv.cfg.CertificateLifetime, Now: time.Now, Log: srv.log,
		Denied: func(d authority.Denial, by authority.Claims) {
			srv.denied(string(d), 1)
			srv.events.Add(observe.Event{Kind: observe.RenewalDenied, Tenant: by.Tenant, Connector: by.Name, Cause: string(d)})
		},
		Renewed: func(c state.Connector) {
			srv.events.Add(observe.Event{Kind: observe.CertificateRenewed, Tenant: c.Tenant, Connector: c.Name})
		},
		Removed: func(c state.Connector) { srv.removed(c, "deregistered") },
	}
}

// removed does what follows when a connector is off the list: its certificates
// are refused already.
func (srv *server) removed(c state.Connector, cause string) {
	srv.mu.Lock()
	for _, s := range srv.sessions {
		if s.peer.id == c.ID {
			s.ended(errDeregistered)
		}
	}
	srv.mu.Unlock()
	srv.events.Add(observe.Event{Kind: observe.ConnectorRemoved, Tenant: c.Tenant, Connector: c.Name, Cause: cause})
	srv.relist()
}

// endStatus is what a connector is told of the end of its session.
func endStatus(cause error) error {
	switch {
	case errors.Is(cause, errDeregistered):
		return status.Error(codes.Unauthenticated, "deregistered: the connector must be registered again")
	case errors.Is(cause, errExpired):
		return status.Error(codes.Unauthenticated, "certificate-expired: the connector must be registered again")
	case errors.Is(cause, errRevoked):
		return status.Error(codes.Unauthenticated, "revoked: the connector must be registered again")
	}
	return status.Error(codes.Aborted, cause.Error())
}

// begun notes that a connector has a session by its present certificate, which
// puts an end to the one before.
func (srv *server) begun(s *session) {
	srv.seen(s)
	if err := srv.state.Used(s.peer.serial, time.Now()); err != nil {
		s.log.Error("a certificate's use", "error", err)
	}
}

// seen notes that a connector was heard of just now.
func (srv *server) seen(s *session) {
	srv.state.Seen(s.peer.tenant, s.peer.name, s.peer.id, time.Now())
}

// watchConnectors drops connectors that have been away for too long, and keeps
// when the others were last seen, until the context ends.
func (srv *server) watchConnectors(ctx context.Context) {
	every := min(sweepEvery, max(srv.cfg.dropAfter()/4, 10*time.Millisecond))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			srv.sweep(time.Now())
		case <-ctx.Done():
			srv.noteSessions()
			return
		}
	}
}

// noteSessions keeps that whoever has a session was seen now.
func (srv *server) noteSessions() {
	srv.mu.Lock()
	for _, s := range srv.sessions {
		srv.seen(s)
	}
	srv.mu.Unlock()
	if err := srv.state.SaveSeen(); err != nil {
		srv.log.Error("the list of connectors", "error", err)
	}
}

func (srv *server) sweep(now time.Time) {
	srv.noteSessions()
	for _, t := range srv.cfg.Tenants {
		for _, c := range srv.state.Connectors(t.Name) {
			// The time that this simulator was down is nobody's absence.
			last := latest(c.LastSeen, c.RegisteredAt, c.RenewedAt, srv.began)
			if now.Sub(last) < srv.cfg.dropAfter() {
				continue
			}
			c, found, err := srv.state.Remove(c.Tenant, c.Name, c.ID, now)
			if err != nil {
				srv.log.Error("dropping a connector", "connector", c.Name, "tenant", c.Tenant, "error", err)
			}
			if found {
				srv.log.Warn("connector dropped: not heard of for too long", "connector", c.Name, "tenant", c.Tenant, "last_seen", last)
				srv.removed(c, "inactive")
			}
		}
	}
}

func latest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(first) {
			first = t
		}
	}
	return first
}

// active reports whether a connector was heard of lately; one that registered
// just now was.
func (srv *server) active(c state.Connector, now time.Time) bool {
	r, _ := srv.reports.of(c)
	return now.Sub(latest(c.LastSeen, c.RegisteredAt)) < srv.cfg.inactiveAfter(time.Duration(r.IntervalNS))
}

// removeConnector is an operator's decision that a connector is no more.
func (srv *server) removeConnector(w http.ResponseWriter, r *http.Request) {
	t, name := srv.tenants[r.PathValue("tenant")], r.PathValue("name")
	if t == nil {
		http.Error(w, fmt.Sprintf("tenant %q: not known", r.PathValue("tenant")), http.StatusNotFound)
		return
	}
	c, found, err := srv.state.Remove(t.Name, name, "", time.Now())
	switch {
	case err != nil:
		srv.log.Error("removing a connector", "connector", name, "tenant", t.Name, "error", err)
		http.Error(w, "the removal could not be kept", http.StatusInternalServerError)
	case !found:
		http.Error(w, fmt.Sprintf("connector %q of tenant %s: not known", name, t.Name), http.StatusNotFound)
	default:
		srv.log.Info("connector removed by the operator", "connector", c.Name, "tenant", c.Tenant, "id", c.ID)
		srv.removed(c, "operator")
		w.WriteHeader(http.StatusNoContent)
	}
}
