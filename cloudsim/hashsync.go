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
}

// receiveHashes is POST /{tenant}/hashsync/accounts: JSON lines. A batch is
// taken whole or not at all.
func (srv *server) receiveHashes(w http.ResponseWriter, r *http.Request) {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(srv.cfg.HashSyncToken)), sha256.Sum256([]byte(given))
	if srv.cfg.HashSyncToken == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		srv.denied("hash-sync-token", 1)
		http.Error(w, "the hash sync token is missing or wrong", http.StatusUnauthorized)
		return
	}
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		srv.denied("unknown-tenant", 1)
		http.Error(w, "tenant not known", http.StatusNotFound)
		return
	}
	accounts, err := readAccounts(http.MaxBytesReader(w, r.Body, srv.cfg.limits.syncBatch))
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
	if err := srv.state.PutAccounts(t.Name, accounts); err != nil {
		srv.log.Error("keeping synced accounts", "tenant", t.Name, "error", err)
		http.Error(w, "the accounts could not be kept", http.StatusInternalServerError)
		return
	}
	observe.WriteJSON(w, http.StatusOK, map[string]int{"accepted": len(accounts)})
}

// readAccounts reads to the end. Its errors quote nothing: what is malformed may
// be a secret all the same.
func readAccounts(body io.Reader) (accounts []state.Account, err error) {
	for dec := json.NewDecoder(body); ; {
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
		kept := state.Account{UPN: a.UPN, Disabled: a.Disabled, Deleted: a.Deleted}
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
