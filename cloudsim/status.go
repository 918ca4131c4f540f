package cloudsim

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"ptabench/cloudsim/authority"
	"ptabench/cloudsim/state"
	"ptabench/signed"
)

// A status report is signed by the connector's key rather than sent by mutual
// TLS. Port 443 is the users' too: asking everybody there for a certificate
// makes browsers ask their users for one, and costs every sign-in's handshake.
// Signed, one form is good for 443 and 8080 alike, and through a firewall that
// ends TLS on its way.

// reports are the last ones of all connectors. They say something to whoever
// reads the inventory, and nothing to the dispatcher: a connector is as fit as
// its streams.
type reports struct {
	mu   sync.Mutex
	last map[string]report // by owner
}

type report struct {
	signed.Report
	id         string // of the registration
	serial     string // of the certificate that it is signed by
	receivedAt time.Time
}

// errReplayed refuses a report older than the last.
var errReplayed = errors.New("sent_at: a later report came before this one")

// take keeps a report. The same one may come twice, when the answer to it was
// lost. To make room for a connector's first one it forgets those of
// connectors that are gone.
func (rs *reports) take(owner string, r report, known func(serial string) bool) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	last, found := rs.last[owner]
	if found && last.id == r.id && r.SentAt.Before(last.SentAt) {
		return errReplayed
	}
	if !found {
		for o, old := range rs.last {
			if !known(old.serial) {
				delete(rs.last, o)
			}
		}
		if rs.last == nil {
			rs.last = make(map[string]report)
		}
	}
	rs.last[owner] = r
	return nil
}

// of is the last report of a registration.
func (rs *reports) of(c state.Connector) (report, bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, found := rs.last[peerIdentity{tenant: c.Tenant, name: c.Name}.owner()]
	return r, found && r.id == c.ID
}

// takeStatus is POST /{tenant}/connectors/status.
func (srv *server) takeStatus(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		srv.denied("unknown-tenant", 1)
		http.Error(w, "there is no such tenant", http.StatusNotFound)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, signed.MaxReport+1))
	if err != nil {
		return // it went away
	}
	who, err := srv.keepStatus(t, text, time.Now())
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	srv.refuseReport(w, r, "status", t, who, err)
}

// refuseReport answers what a connector signed and is not taken: a status
// report, or a message about an update.
func (srv *server) refuseReport(w http.ResponseWriter, r *http.Request, kind string, t *tenant, who authority.Identity, err error) {
	reason, status := string(signed.ReasonOf(err)), http.StatusBadRequest
	switch {
	case errors.Is(err, errReplayed):
		reason, status = "replayed", http.StatusConflict
	case errors.Is(err, errUnknownReporter):
		reason, status = "unknown-connector", http.StatusForbidden
	case errors.Is(err, errRevoked), errors.Is(err, errDeregistered):
		reason, status = "connector-gone", signed.GoneStatus
	case signed.ReasonOf(err) == signed.BadSignature:
		status = http.StatusForbidden
	case signed.ReasonOf(err) == signed.Oversized:
		status = http.StatusRequestEntityTooLarge
	}
	srv.denied(kind+"-"+reason, 1)
	srv.log.Warn("report refused", "kind", kind, "reason", reason, "tenant", t.Name, "connector", who.Name, "from", r.RemoteAddr, "error", err)
	http.Error(w, err.Error(), status)
}

// errAgain is what follows for a connector whose certificate counts no more.
var errAgain = errors.New("the connector must be registered again")

var errUnknownReporter = errors.New("the certificate is not that of a registered connector of this tenant")

// reporter is who signed a report, and an error unless it is a registered
// connector of the tenant.
func (srv *server) reporter(t *tenant, certificate *x509.Certificate) (who authority.Identity, err error) {
	who, err = authority.IdentityOf(certificate)
	serial := authority.Serial(certificate)
	switch {
	case err != nil || who.Tenant != t.Name:
		return who, errUnknownReporter
	// It has no other way to learn of this than the end of a session, which it
	// may not have had then: TLS refuses it without saying why.
	case srv.state.Withdrawn(serial):
		return who, fmt.Errorf("%w: %w", errRevoked, errAgain)
	case !srv.known(serial):
		return who, fmt.Errorf("%w: %w", errDeregistered, errAgain)
	}
	return who, nil
}

// keepStatus checks and keeps a report. It says who sent it, once that is
// known.
func (srv *server) keepStatus(t *tenant, text []byte, now time.Time) (who authority.Identity, err error) {
	r, certificate, err := signed.VerifyReport(text, srv.authority.Pool(), t.Name, now)
	if err != nil {
		return who, err
	}
	if who, err = srv.reporter(t, certificate); err != nil {
		return who, err
	}
	at := report{Report: *r, id: who.ID, serial: authority.Serial(certificate), receivedAt: now}
	if err := srv.reports.take(peerIdentity{tenant: who.Tenant, name: who.Name}.owner(), at, srv.known); err != nil {
		return who, err
	}
	srv.state.Seen(who.Tenant, who.Name, who.ID, now)
	return who, nil
}
