package cloudsim

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/rollout"
	"ptabench/observe"
	"ptabench/signed"
)

// DefaultUpdateEvery is how often connectors look for an update, as
// documented.
const DefaultUpdateEvery = time.Hour

// servingEvery is how often a connector that updates is looked at, to tell how
// long it does not serve.
const servingEvery = 5 * time.Millisecond

// withUpdates serves what is published beside the addresses of tenants, which no
// pattern could tell apart from it.
func (srv *server) withUpdates(tenants http.Handler) http.Handler {
	files := (&rollout.Files{Dir: srv.cfg.UpdateDir, Denied: func(reason string) { srv.denied(reason, 1) }}).Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, rollout.Path) {
			files.ServeHTTP(w, r)
			return
		}
		tenants.ServeHTTP(w, r)
	})
}

// takeUpdate is POST /{tenant}/connectors/update, by which connectors ask for
// the lease and say how it went.
func (srv *server) takeUpdate(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		srv.denied("unknown-tenant", 1)
		http.Error(w, "there is no such tenant", http.StatusNotFound)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, signed.MaxUpdateMessage+1))
	if err != nil {
		return // it went away
	}
	now := time.Now()
	who, m, err := srv.verifyUpdate(t, text, now)
	if err != nil {
		srv.refuseReport(w, r, "update", t, who, err)
		return
	}
	of := rollout.Who{Tenant: who.Tenant, Name: who.Name}
	answer, began := srv.rollout.Take(of, m, now)
	if began != 0 {
		srv.streams.Go(func() { srv.watchUpdate(of, began) })
	}
	if m.Step == signed.UpdateConfirm && answer.Granted {
		answer.Healthy = srv.runs(who, m.To)
	}
	srv.log.Info("update", "connector", who.Name, "tenant", who.Tenant, "step", m.Step, "from_version", m.From, "to_version", m.To,
		"reason", m.Reason, "granted", answer.Granted, "holder", answer.Holder, "halted", answer.Halted)
	observe.WriteJSON(w, http.StatusOK, answer)
}

// verifyUpdate checks a message, and says who sent it once that is known. One
// that is as old as another before it, or older, is taken for a copy.
func (srv *server) verifyUpdate(t *tenant, text []byte, now time.Time) (who authority.Identity, m *signed.UpdateMessage, err error) {
	m, certificate, err := signed.VerifyUpdate(text, srv.authority.Pool(), t.Name, now)
	if err != nil {
		return who, nil, err
	}
	if who, err = srv.reporter(t, certificate); err != nil {
		return who, nil, err
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	owner := peerIdentity{tenant: who.Tenant, name: who.Name}.owner()
	last, found := srv.updateSaid[owner]
	if !m.SentAt.After(last) {
		return who, nil, errReplayed
	}
	if !found { // a copy of what is older than that is refused for its age
		maps.DeleteFunc(srv.updateSaid, func(_ string, at time.Time) bool { return now.Sub(at) > signed.MaxSkew })
	}
	srv.updateSaid[owner] = m.SentAt
	return who, m, nil
}

// runs reports whether a connector is attached by a version and has reported
// with it.
func (srv *server) runs(who authority.Identity, version string) bool {
	srv.mu.Lock()
	s := srv.current[peerIdentity{tenant: who.Tenant, name: who.Name}.owner()]
	srv.mu.Unlock()
	if s == nil || s.peer.id != who.ID || s.version != version || !s.fit() {
		return false
	}
	srv.reports.mu.Lock()
	defer srv.reports.mu.Unlock()
	return srv.reports.last[s.peer.owner()].Version == version
}

// fit reports whether the session serves.
func (s *session) fit() bool {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	return s.attached && s.status == dispatch.Fit
}

// watchUpdate measures for how long the holder of a lease does not serve, until
// it has that one no more.
func (srv *server) watchUpdate(who rollout.Who, lease uint64) {
	owner := peerIdentity{tenant: who.Tenant, name: who.Name}.owner()
	tick := time.NewTicker(servingEvery)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-srv.stopped.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		var not time.Duration
		if !srv.serves(owner) {
			not = now.Sub(last)
		}
		if last = now; !srv.rollout.NotServing(who, lease, not, now) {
			return
		}
	}
}

// serves reports whether any session of a connector is fit.
func (srv *server) serves(owner string) bool {
	srv.mu.Lock()
	var of []*session
	for _, s := range srv.sessions {
		if s.peer.owner() == owner {
			of = append(of, s)
		}
	}
	srv.mu.Unlock()
	for _, s := range of {
		if s.fit() {
			return true
		}
	}
	return false
}

// openRollout prepares what updates need.
func (srv *server) openRollout() error {
	srv.rollout = rollout.NewBook(srv.cfg.updateLease(), srv.events.Add)
	srv.updateSaid = make(map[string]time.Time)
	key, err := rollout.Key(srv.cfg.UpdateKey)
	srv.updateKey = key
	return err
}

func (c *Config) updateLease() time.Duration {
	if c.UpdateLease == 0 {
		return rollout.DefaultTerm
	}
	return c.UpdateLease
}

// validateUpdate reports what is wrong with the settings of updates. 0 stands
// for the default of a time.
func (c *Config) validateUpdate(bad func(field string, value any, expected string)) {
	if (c.UpdateDir == "") != (c.UpdateKey == "") {
		bad("update-dir, update-key", "one of them", "both: the public key that what is published there is signed by")
	}
	if c.UpdateKey != "" {
		if _, err := os.Stat(c.UpdateKey); err != nil {
			bad("update-key", err, "a file that can be read")
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"update-every", c.UpdateEvery}, {"update-lease", c.UpdateLease}} {
		if d.value != 0 && (d.value < 100*time.Millisecond || d.value > 7*24*time.Hour) {
			bad(d.field, d.value, fmt.Sprintf("%v to %v", 100*time.Millisecond, 7*24*time.Hour))
		}
	}
}

// listUpdates is GET /updates on the observe listener.
func (srv *server) listUpdates(w http.ResponseWriter, _ *http.Request) {
	observe.WriteJSON(w, http.StatusOK, srv.rollout.Updates())
}
