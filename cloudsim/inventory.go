package cloudsim

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/state"
	"ptabench/observe"
)

// inventory lists the connectors of a tenant.
func (srv *server) inventory(t *tenant, now time.Time) observe.Inventory {
	list := observe.Inventory{Tenant: t.Name, AtNS: now.UnixNano(), Connectors: []observe.InventoryConnector{}}
	counted := make(map[string]observe.ConnectorCounters)
	var decided uint64
	for _, n := range t.counters().Connectors {
		counted[n.Name] = n
		decided += n.Answered
	}
	for _, c := range srv.state.Connectors(t.Name) {
		n := counted[c.Name]
		attached, serving := srv.serving(c)
		e := observe.InventoryConnector{
			Name: c.Name, ID: c.ID, Host: c.HostName, Version: c.Version,
			State: srv.stateOf(c, attached, now), Serving: serving,
			RegisteredNS: nanoseconds(c.RegisteredAt), ExpiresNS: nanoseconds(c.NotAfter), LastSeenNS: nanoseconds(c.LastSeen),
			SignIns: n.Answered, Failures: n.PathFailures,
		}
		if decided > 0 {
			e.ShareRatio = float64(n.Answered) / float64(decided)
		}
		if r, found := srv.reports.of(c); found {
			e.Version, e.Host = cmp.Or(r.Version, e.Version), cmp.Or(r.Host, e.Host)
			e.LastReport = &observe.InventoryReport{
				AtNS: nanoseconds(r.receivedAt), UptimeNS: r.UptimeNS, DirectoryReachable: r.DirectoryReachable,
				Authentications: r.Authentications, Successful: r.Successful, Failed: r.Failed, Errors: r.Errors,
			}
			if u := r.Update; u != nil {
				e.LastReport.Update = (*observe.InventoryUpdate)(u)
			}
		}
		list.Connectors = append(list.Connectors, e)
	}
	return list
}

// nanoseconds is a time as the observe listener gives it, 0 for none.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// serving reports whether a registration has a session, and whether that is fit
// for sign-ins. Nothing but the session says so: least of all a report.
func (srv *server) serving(c state.Connector) (attached, serving bool) {
	srv.mu.Lock()
	s := srv.current[peerIdentity{tenant: c.Tenant, name: c.Name}.owner()]
	srv.mu.Unlock()
	if s == nil || s.peer.id != c.ID {
		return false, false
	}
	return s.fitness()
}

// fitness reports whether a session is attached, and fit for sign-ins; while it
// takes over from another one, whether that still is.
func (s *session) fitness() (attached, serving bool) {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	attached = s.attached
	serving = attached && s.status == dispatch.Fit
	if before := s.before.Load(); !serving && before != nil { // locked in the order in which it is retired
		had, still := before.fitness()
		attached, serving = attached || had, still
	}
	return attached, serving
}

// stateOf is what has become of a registration. One without a session is
// active while it was heard of lately, though it is of no use to anybody then.
// After a restart of the simulator that begins anew: what was so before says
// nothing of who came back.
func (srv *server) stateOf(c state.Connector, attached bool, now time.Time) observe.ConnectorState {
	switch {
	case !c.RevokedAt.IsZero():
		return observe.StateRevoked
	case now.After(c.NotAfter):
		return observe.StateExpired
	case attached || srv.active(c, now) && srv.heardOf(c):
		return observe.StateActive
	}
	return observe.StateInactive
}

// heardOf reports whether a connector has registered, had a session or reported
// since the simulator started.
func (srv *server) heardOf(c state.Connector) bool {
	_, reported := srv.reports.of(c)
	return reported || latest(c.LastSeen, c.RegisteredAt).After(srv.began)
}

// listConnectors is GET /tenants/{tenant}/connectors.
func (srv *server) listConnectors(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		http.Error(w, fmt.Sprintf("tenant %q: not known", r.PathValue("tenant")), http.StatusNotFound)
		return
	}
	observe.WriteJSON(w, http.StatusOK, srv.inventory(t, time.Now()))
}
