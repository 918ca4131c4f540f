package cloudsim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"ptabench/cloudsim/state"
	"ptabench/observe"
	"ptabench/synchash"
)

// syncedAccount is one line of what hash sync sends. An account without salt
// and hash is one whose password the sync does not carry. One that is deleted
// has a name only.
type syncedAccount struct {
	UPN      string `json:"upn"`
	Salt     []byte `json:"salt"`
	Hash     []byte `json:"hash"`
	Disabled bool   `json:"disabled"`
	Deleted  bool   `json:"deleted"`
	// Part is password or standing for an account of which no more is carried;
	// whole when it is empty.
	Part string `json:"part"`
}

// syncedRange is the first line of what an agent sends that keeps a cursor: what
// follows are the changes between two places.
type syncedRange struct {
	From state.Cursor `json:"from"`
	To   state.Cursor `json:"to"`
}

// receiveHashes is POST /{tenant}/hashsync/accounts: JSON lines. A batch is
// taken whole or not at all.
func (srv *server) receiveHashes(w http.ResponseWriter, r *http.Request) {
	srv.receive(w, r, false)
}

// receiveChanges is POST /{tenant}/hashsync/changes: JSON lines, the first of
// which says from where to where the accounts after it bring the store. One that
// begins elsewhere than the store is refused, with 409 and where that is.
func (srv *server) receiveChanges(w http.ResponseWriter, r *http.Request) {
	srv.receive(w, r, true)
}

// syncCursor is GET /{tenant}/hashsync/cursor.
func (srv *server) syncCursor(w http.ResponseWriter, r *http.Request) {
	if t := srv.syncing(w, r); t != nil {
		srv.tellCursor(w, t, http.StatusOK)
	}
}

func (srv *server) tellCursor(w http.ResponseWriter, t *tenant, status int) {
	cursor, err := srv.state.Cursor(t.Name)
	if err != nil {
		srv.log.Error("reading a sync cursor", "tenant", t.Name, "error", err)
		http.Error(w, "the cursor could not be read", http.StatusInternalServerError)
		return
	}
	observe.WriteJSON(w, status, cursor)
}

// syncing is the tenant that a sync is for. It is nil when the caller may not,
// and has been answered.
func (srv *server) syncing(w http.ResponseWriter, r *http.Request) *tenant {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(srv.cfg.HashSyncToken)), sha256.Sum256([]byte(given))
	if srv.cfg.HashSyncToken == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		srv.denied("hash-sync-token", 1)
		http.Error(w, "the hash sync token is missing or wrong", http.StatusUnauthorized)
		return nil
	}
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		srv.denied("unknown-tenant", 1)
		http.Error(w, "tenant not known", http.StatusNotFound)
	}
	return t
}

func (srv *server) receive(w http.ResponseWriter, r *http.Request, ranged bool) {
	t := srv.syncing(w, r)
	if t == nil {
		return
	}
	changes, accounts, err := readAccounts(http.MaxBytesReader(w, r.Body, srv.cfg.limits.syncBatch), ranged)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		srv.denied("oversized-hash-sync", 1)
		http.Error(w, fmt.Sprintf("more than %d bytes", srv.cfg.limits.syncBatch), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		srv.denied("malformed-hash-sync", 1)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if ranged {
		err = srv.state.Advance(t.Name, changes.From, changes.To, accounts)
	} else {
		err = srv.state.PutAccounts(t.Name, accounts)
	}
	switch {
	case errors.Is(err, state.ErrElsewhere):
		srv.denied("stale-hash-sync", 1)
		srv.tellCursor(w, t, http.StatusConflict)
		return
	case err != nil:
		srv.log.Error("keeping synced accounts", "tenant", t.Name, "error", err)
		http.Error(w, "the accounts could not be kept", http.StatusInternalServerError)
		return
	}
	observe.WriteJSON(w, http.StatusOK, map[string]int{"accepted": len(accounts)})
}

// readAccounts reads to the end. Its errors quote nothing: what is malformed may
// be a secret all the same.
func readAccounts(body io.Reader, ranged bool) (changes syncedRange, accounts []state.Account, err error) {
	dec := json.NewDecoder(body)
	if ranged {
		if err := dec.Decode(&changes); err != nil {
			return changes, nil, errors.New("the range: not JSON of the expected shape")
		}
		if n := len(changes.To.Source); n == 0 || n > maxSyncSource {
			return changes, nil, fmt.Errorf("the range: source of %d bytes: expected 1 to %d", n, maxSyncSource)
		}
	}
	accounts, err = readLines(dec)
	return changes, accounts, err
}

// maxSyncSource bounds what names the source of a sync, in bytes.
const maxSyncSource = 200

// parts by what a line calls them.
var parts = map[string]state.Part{"": state.Whole, "password": state.Password, "standing": state.Standing}

func readLines(dec *json.Decoder) (accounts []state.Account, err error) {
	for {
		var a syncedAccount
		var tooLarge *http.MaxBytesError
		switch err := dec.Decode(&a); {
		case errors.Is(err, io.EOF):
			return accounts, nil
		case errors.As(err, &tooLarge):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("account %d: not JSON of the expected shape", len(accounts)+1)
		}
		part, known := parts[a.Part]
		if !known {
			return nil, fmt.Errorf("account %d: part: expected password, standing or none", len(accounts)+1)
		}
		kept := state.Account{UPN: a.UPN, Disabled: a.Disabled, Deleted: a.Deleted, Part: part}
		switch {
		case a.UPN == "", len(a.UPN) > state.MaxUPN:
			return nil, fmt.Errorf("account %d: upn of %d bytes: expected 1 to %d", len(accounts)+1, len(a.UPN), state.MaxUPN)
		case a.Deleted && (len(a.Salt) > 0 || len(a.Hash) > 0 || a.Disabled):
			return nil, fmt.Errorf("account %d: deleted, yet with more than a upn", len(accounts)+1)
		case len(a.Salt) == 0 && len(a.Hash) == 0:
		case len(a.Salt) != synchash.SaltSize || len(a.Hash) != synchash.HashSize:
			return nil, fmt.Errorf("account %d: salt of %d and hash of %d bytes: expected %d and %d",
				len(accounts)+1, len(a.Salt), len(a.Hash), synchash.SaltSize, synchash.HashSize)
		default:
			kept.HasHash = true
			copy(kept.Hash.Salt[:], a.Salt)
			copy(kept.Hash.Sum[:], a.Hash)
		}
		accounts = append(accounts, kept)
	}
}
