package directory

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/synchash"
)

// cloud takes hashes as the simulator does.
type cloud struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex
	requests int
	pushed   int // accounts, over all requests
	accounts map[string]account
	known    map[synchash.Hash]held                        // by tests only, without the lock
	answer   func(request int, w http.ResponseWriter) bool // answers instead, if it likes
}

func newCloud(t testing.TB) *cloud {
	c := &cloud{accounts: make(map[string]account)}
	c.Server = httptest.NewUnstartedServer(c)
	c.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of clients that leave
	c.StartTLS()
	t.Cleanup(c.Close)
	c.caFile = filepath.Join(t.TempDir(), "cloud.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	if err := os.WriteFile(c.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.answer != nil && c.answer(c.requests, w) {
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/contoso/hashsync/accounts" || r.Header.Get("Authorization") != "Bearer hash-token" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	n, seen := 0, make(map[string]bool)
	for lines := bufio.NewScanner(r.Body); lines.Scan(); n++ {
		var a account
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		if seen[a.UPN] {
			http.Error(w, "twice", http.StatusConflict)
			return
		}
		seen[a.UPN] = true
		c.pushed++
		if a.Deleted {
			delete(c.accounts, a.UPN)
		} else {
			c.accounts[a.UPN] = a
		}
	}
	fmt.Fprintf(w, `{"accepted":%d}`, n)
}

func (c *cloud) config(t testing.TB) Config {
	cfg := testConfig(t)
	cfg.Population.Users = 40 // hashing is slow under the race detector
	cfg.HashSync = HashSync{URL: c.URL, CAFile: c.caFile, Tenant: "contoso", Token: "hash-token"}
	return cfg
}

func TestPush(t *testing.T) {
	c := newCloud(t)
	cfg := c.config(t)
	users, err := population.New(cfg.Population)
	if err != nil {
		t.Fatal(err)
	}
	c.answer = func(request int, w http.ResponseWriter) bool {
		if request == 2 {
			http.Error(w, "later", http.StatusServiceUnavailable) // and so four
		}
		return request == 2
	}
	if err := cfg.HashSync.push(t.Context(), users.Len(), users.Len()/3+1, func(i int) account { return accountOf(newChanges(users, time.Now()), i) }); err != nil { // three requests
		t.Fatal(err)
	}
	if c.requests != 4 || len(c.accounts) != users.Len() || c.pushed != users.Len() {
		t.Errorf("%d requests, %d accounts, %d in the store", c.requests, c.pushed, len(c.accounts))
	}
	for s := population.Active; s <= population.AccountExpired; s++ {
		i := users.In(s)[0]
		a, ok := c.accounts[users.UPN(i)]
		if !ok {
			t.Fatalf("the %s user was not pushed", s)
		}
		if a.Disabled != (s == population.Disabled) {
			t.Errorf("the %s user: disabled %v", s, a.Disabled)
		}
		if s == population.MustChange {
			if a.Salt != nil || a.Hash != nil {
				t.Errorf("the %s user has a hash", s)
			}
			continue
		}
		if len(a.Salt) != synchash.SaltSize || len(a.Hash) != synchash.HashSize {
			t.Fatalf("the %s user: salt of %d bytes, hash of %d", s, len(a.Salt), len(a.Hash))
		}
		h := synchash.Hash{Salt: [synchash.SaltSize]byte(a.Salt), Sum: [synchash.HashSize]byte(a.Hash)}
		if !h.Matches(users.Password(i)) || h.Matches(users.WrongPassword(i)) {
			t.Errorf("the hash of the %s user is not of its password", s)
		}
	}
}

// TestPushBeforeReady holds that whoever reads the ready line finds the hashes
// in the cloud.
func TestPushBeforeReady(t *testing.T) {
	c := newCloud(t)
	r := start(t, c.config(t))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.accounts) != r.users.Len() {
		t.Errorf("%d accounts, want %d", len(c.accounts), r.users.Len())
	}
	if strings.Contains(r.log.String(), "hash-token") {
		t.Error("the token is in the log")
	}
}

func TestPushFails(t *testing.T) {
	always := func(status int) func(int, http.ResponseWriter) bool {
		return func(_ int, w http.ResponseWriter) bool {
			w.WriteHeader(status)
			return true
		}
	}
	tests := []struct {
		name     string
		change   func(c *cloud, cfg *Config)
		want     string
		requests int
	}{
		{"wrong token", func(_ *cloud, cfg *Config) { cfg.HashSync.Token = "wrong-token" }, "403", 1},
		{"wrong tenant", func(_ *cloud, cfg *Config) { cfg.HashSync.Tenant = "fabrikam" }, "403", 1},
		{"server error that stays", func(c *cloud, _ *Config) { c.answer = always(500) }, "500", pushAttempts},
		{"redirect", func(c *cloud, _ *Config) {
			c.answer = func(_ int, w http.ResponseWriter) bool {
				w.Header().Set("Location", c.URL+"/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
		}, "307", 1},
		{"too few accepted", func(c *cloud, _ *Config) {
			c.answer = func(_ int, w http.ResponseWriter) bool {
				fmt.Fprint(w, `{"accepted":3}`)
				return true
			}
		}, "accepted 3 of 40", 1},
		{"no JSON", func(c *cloud, _ *Config) {
			c.answer = func(_ int, w http.ResponseWriter) bool {
				fmt.Fprint(w, "fine")
				return true
			}
		}, "reading the answer", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t)
			cfg := c.config(t)
			tt.change(c, &cfg)
			log := &lines{}
			err := refused(t, cfg, log)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error()+log.String(), cfg.HashSync.Token) {
				t.Error("the token is in the error or the log")
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.requests != tt.requests {
				t.Errorf("%d requests, want %d", c.requests, tt.requests)
			}
		})
	}
	t.Run("another authority", func(t *testing.T) {
		c := newCloud(t)
		cfg := c.config(t)
		id, err := loadIdentity(t.TempDir(), nil, c.Certificate().NotBefore.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.caFile, id.caPEM, 0o600); err != nil {
			t.Fatal(err)
		}
		err = refused(t, cfg, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ended meanwhile", func(t *testing.T) {
		c := newCloud(t)
		ctx, cancel := context.WithCancel(t.Context())
		c.answer = func(_ int, w http.ResponseWriter) bool {
			cancel()
			w.WriteHeader(503)
			return true
		}
		cfg := c.config(t)
		if err := Run(ctx, slog.New(slog.DiscardHandler), cfg, func(observe.Ready) { t.Error("ready") }); err != nil {
			t.Errorf("got %v, want none: it was asked to end", err)
		}
	})
}
