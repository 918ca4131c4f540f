package hashsync

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ptabench/synchash"
)

const testToken = "hash-sync-token-of-this-test"

// fakeCloud takes accounts as the simulator does.
type fakeCloud struct {
	t      testing.TB
	server *httptest.Server
	// before is asked for each batch, with the lock not held: not 0 answers with
	// that status and takes nothing; after may lose the answer to one that was
	// taken.
	before func(batch int) int
	after  func(batch int) (lose bool)

	mu       sync.Mutex
	cursors  map[string]cursor
	accounts map[string]*synced // by tenant, a blank, and name
	batches  int
	lines    int
}

type synced struct {
	hash     synchash.Hash
	hasHash  bool
	disabled bool
	taken    int // lines about it
}

func newFakeCloud(t testing.TB) *fakeCloud {
	c := &fakeCloud{t: t, cursors: make(map[string]cursor), accounts: make(map[string]*synced)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/hashsync/cursor", c.tell)
	mux.HandleFunc("POST /{tenant}/hashsync/changes", c.take)
	c.server = httptest.NewTLSServer(mux)
	t.Cleanup(c.server.Close)
	return c
}

// ca is a file with the authority of its certificate.
func (c *fakeCloud) ca() string {
	file := filepath.Join(c.t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *fakeCloud) tell(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(c.cursors[r.PathValue("tenant")])
}

func (c *fakeCloud) take(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	c.mu.Lock()
	batch := c.batches
	c.batches++
	c.mu.Unlock()
	if c.before != nil {
		if status := c.before(batch); status != 0 {
			http.Error(w, "not now", status)
			return
		}
	}
	var (
		head  struct{ From, To cursor }
		lines []line
	)
	decoder := json.NewDecoder(r.Body)
	err := decoder.Decode(&head)
	for err == nil {
		var l line
		if err = decoder.Decode(&l); err == nil {
			lines = append(lines, l)
		}
	}
	if !errors.Is(err, io.EOF) {
		c.t.Errorf("batch %d: %v", batch, err)
	}
	if !c.keep(r.PathValue("tenant"), head.From, head.To, lines) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	if c.after != nil && c.after(batch) {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(map[string]int{"accepted": len(lines)})
}

// keep is the transaction.
func (c *fakeCloud) keep(tenant string, from, to cursor, lines []line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cursors[tenant] != from {
		return false
	}
	c.cursors[tenant] = to
	c.lines += len(lines)
	for _, l := range lines {
		key := tenant + " " + strings.ToLower(l.UPN)
		if l.Deleted {
			delete(c.accounts, key)
			continue
		}
		a := c.accounts[key]
		if a == nil {
			a = &synced{}
			c.accounts[key] = a
		}
		a.taken++
		if l.Part != "standing" {
			if a.hasHash = len(l.Hash) > 0; a.hasHash {
				a.hash = synchash.Hash{Salt: [synchash.SaltSize]byte(l.Salt), Sum: [synchash.HashSize]byte(l.Hash)}
			}
		}
		if l.Part != "password" {
			a.disabled = l.Disabled
		}
	}
	return true
}

// account is what it has of a user of the tenant contoso.
func (c *fakeCloud) account(upn string) (synced, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts["contoso "+strings.ToLower(upn)]
	if a == nil {
		return synced{}, false
	}
	return *a, true
}

// size is how many accounts it has.
func (c *fakeCloud) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accounts)
}
