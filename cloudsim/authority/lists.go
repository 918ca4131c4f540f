package authority

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/cloudsim/state"
)

// Where the revocation list is served.
const (
	ListPath    = "/crl/ca.crl" // DER
	listPathPEM = "/crl/ca.pem"
)

// listAgain is when a list that could not be made is tried again.
const listAgain = 5 * time.Second

// A Ledger knows what was revoked, and numbers the lists that say so: each
// number greater than any before, over restarts too. Certificates that ended
// before the time given need not be listed any more. Revoked says when
// something was revoked.
type Ledger interface {
	NextList(endedBefore time.Time) (number uint64, revoked []state.Revocation, err error)
	Revoked() <-chan struct{}
}

// Lists publishes the authority's revocation list: the handler is port 80.
// Make makes a new one at once, Run at each revocation and at half of each
// one's validity.
type Lists struct {
	authority *Authority
	ledger    Ledger
	validity  time.Duration
	log       *slog.Logger
	denied    func(reason string) // a request that was refused

	making  sync.Mutex // orders the lists by number
	current atomic.Pointer[published]
}

// published is a list that peers get.
type published struct {
	number           uint64
	entries          int
	der, pem         []byte
	made, nextUpdate time.Time
}

// NewLists makes the first list. denied is called, concurrently, for each
// request for something else.
func NewLists(a *Authority, ledger Ledger, validity time.Duration, log *slog.Logger, denied func(reason string)) (*Lists, error) {
	l := &Lists{authority: a, ledger: ledger, validity: validity, log: log, denied: denied}
	return l, l.Make()
}

// Make publishes a new list.
func (l *Lists) Make() error {
	l.making.Lock()
	defer l.making.Unlock()
	select {
	case <-l.ledger.Revoked(): // it is on this list
	default:
	}
	now := l.authority.now()
	// Who kept a list as long as it is valid learns of every revocation that
	// was one before the certificate ended by itself.
	number, revoked, err := l.ledger.NextList(now.Add(-l.validity))
	if err != nil {
		return err
	}
	p := &published{number: number, entries: len(revoked), made: now, nextUpdate: roundUp(now.Add(l.validity))}
	template := &x509.RevocationList{
		Number:     new(big.Int).SetUint64(number),
		ThisUpdate: now,
		NextUpdate: p.nextUpdate,
	}
	for _, r := range revoked {
		serial, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok {
			return fmt.Errorf("making revocation list %d: serial %q: expected hexadecimal", number, r.Serial)
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: r.At, ReasonCode: int(r.Reason)})
	}
	if p.der, err = x509.CreateRevocationList(rand.Reader, template, l.authority.certificate, l.authority.key); err != nil {
		return fmt.Errorf("making revocation list %d: %w", number, err)
	}
	p.pem = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: p.der})
	l.current.Store(p)
	l.log.Info("revocation list made", "number", number, "revoked", len(revoked), "next_update", p.nextUpdate)
	return nil
}

// roundUp is for a time that is written in whole seconds.
func roundUp(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

// Run makes a new list at each revocation, and at half of the last one's
// validity, until the context ends.
func (l *Lists) Run(ctx context.Context) {
	for revoked := false; ; {
		wait := l.current.Load().made.Add(l.validity / 2).Sub(l.authority.now())
		if wait <= 0 || revoked {
			err := l.Make()
			wait, revoked = l.validity/2, false
			if err != nil { // the last one serves until it runs out
				l.log.Error("revocation list", "error", err)
				wait, revoked = min(listAgain, l.validity/4), true
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C: // Make may have been called meanwhile; then it is not due yet
		case <-l.ledger.Revoked():
			timer.Stop()
			revoked = true
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// Published is the number of the list that is served, and how many
// certificates it names.
func (l *Lists) Published() (number uint64, revoked int) {
	p := l.current.Load()
	return p.number, p.entries
}

// ServeHTTP serves the list and nothing else.
func (l *Lists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := l.current.Load()
	var body []byte
	switch r.URL.Path {
	case ListPath:
		body = p.der
		w.Header().Set("Content-Type", "application/pkix-crl")
	case listPathPEM:
		body = p.pem
		w.Header().Set("Content-Type", "application/x-pem-file")
	default:
		l.denied("unknown-path")
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		l.denied("wrong-method")
		w.Header().Del("Content-Type")
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "expected GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	left := max(p.nextUpdate.Sub(l.authority.now()), 0)
	w.Header().Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(left/time.Second), 10))
	w.Header().Set("Etag", `"`+strconv.FormatUint(p.number, 10)+`"`)
	http.ServeContent(w, r, "", p.made, bytes.NewReader(body))
}
