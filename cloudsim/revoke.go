package cloudsim

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/state"
	"ptabench/observe"
)

// publishLists makes the revocation list, and has every certificate say that
// it is served at the address given.
func (srv *server) publishLists(at string) (err error) {
	if err := srv.authority.ListAt("http://" + srv.cfg.reachable(at) + authority.ListPath); err != nil {
		return err
	}
	srv.authority.RefuseRevoked(srv.state.Withdrawn)
	srv.lists, err = authority.NewLists(srv.authority, srv.state, srv.cfg.CRLValidity, srv.log,
		func(reason string) { srv.denied(reason, 1) })
	return err
}

// reachable is the address of a listener as others may dial it: one on every
// address is named by a host of the configuration, or loopback.
func (c *Config) reachable(at string) string {
	host, port, err := net.SplitHostPort(at)
	if ip := net.ParseIP(host); err != nil || ip != nil && !ip.IsUnspecified() {
		return at
	}
	hosts := append(c.hosts(), "127.0.0.1")
	return net.JoinHostPort(hosts[0], port)
}

// revoke is an operator's decision that a connector is not to be believed any
// more. It holds at once: for the streams that it has, for those it asks for
// on the connections it has, and for new ones. Doing it twice does no harm.
func (srv *server) revoke(w http.ResponseWriter, r *http.Request) {
	t, name := srv.tenants[r.PathValue("tenant")], r.PathValue("name")
	if t == nil {
		http.Error(w, fmt.Sprintf("tenant %q: not known", r.PathValue("tenant")), http.StatusNotFound)
		return
	}
	c, revoked, err := srv.state.Revoke(t.Name, name, time.Now())
	if errors.Is(err, state.ErrNoConnector) {
		http.Error(w, fmt.Sprintf("connector %q of tenant %s: not known", name, t.Name), http.StatusNotFound)
		return
	}
	if err != nil {
		srv.log.Error("revoking a connector", "tenant", t.Name, "connector", name, "error", err)
		http.Error(w, "the revocation could not be kept", http.StatusInternalServerError)
		return
	}
	if revoked {
		srv.log.Info("connector revoked", "tenant", c.Tenant, "connector", c.Name, "serial", c.Serial)
		srv.endSessionsOf(c.Tenant, c.Name, errRevoked)
		srv.relist()
	}
	number, _ := srv.lists.Published()
	observe.WriteJSON(w, http.StatusOK, revocationReply{Connector: c.Name, Serial: c.Serial, RevokedAtNS: c.RevokedAt.UnixNano(), List: number})
}

// revocationReply says what was revoked, and the number of the list that is
// published.
type revocationReply struct {
	Connector   string `json:"connector"`
	Serial      string `json:"serial"`
	RevokedAtNS int64  `json:"revoked_at_ns"`
	List        uint64 `json:"list"`
}

// relist publishes what was revoked just now. When that fails the last list
// serves on, and the next one that is due names it.
func (srv *server) relist() {
	if err := srv.lists.Make(); err != nil {
		srv.log.Error("revocation list", "error", err)
	}
}

// endSessionsOf ends the sessions of one connector.
func (srv *server) endSessionsOf(tenant, name string, cause error) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for _, s := range srv.sessions {
		if s.peer.tenant == tenant && s.peer.name == name {
			s.ended(cause)
		}
	}
}

// stillGood ends a session that was begun while its connector was revoked: who
// revoked it may have looked for sessions just before it was one.
func (srv *server) stillGood(s *session) {
	switch {
	case srv.state.Withdrawn(s.peer.serial):
		s.ended(errRevoked)
	case !srv.known(s.peer.serial):
		s.ended(errDeregistered)
	}
}
