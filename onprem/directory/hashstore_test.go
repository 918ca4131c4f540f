package directory

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/synchash"
)

// A held is what the cloud holds of a user.
type held string

const (
	present held = "present"
	former  held = "former password"
	missing held = "missing"
	noHash  held = "no hash"
	other   held = "something else"
)

// store tells what the cloud holds of each user. What it has found out of a hash
// it need not again: that is slow.
func (c *cloud) store(users *population.Population) []held {
	c.mu.Lock()
	accounts := maps.Clone(c.accounts)
	c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[synchash.Hash]held)
	}
	all := make([]held, users.Len())
	for i := range all {
		a, found := accounts[users.UPN(i)]
		var h synchash.Hash
		copy(h.Salt[:], a.Salt)
		copy(h.Sum[:], a.Hash)
		switch {
		case !found:
			all[i] = missing
		case a.Disabled != (users.State(i) == population.Disabled):
			all[i] = other
		case len(a.Hash) == 0:
			all[i] = noHash
		case c.known[h] != "": // salted, so no other user's
			all[i] = c.known[h]
		case h.Matches(users.Password(i)):
			all[i] = present
		case h.Matches(users.PreviousPassword(i)):
			all[i] = former
		default:
			all[i] = other
		}
		if len(a.Hash) > 0 {
			c.known[h] = all[i]
		}
	}
	return all
}

// right is the store that no fault made wrong.
func right(users *population.Population) []held {
	all := slices.Repeat([]held{present}, users.Len())
	for _, i := range users.In(population.MustChange) {
		all[i] = noHash
	}
	return all
}

// with is the store with n users' former passwords and some users missing.
func with(users *population.Population, n int, gone []int) []held {
	all := right(users)
	for _, i := range users.Changed(n) {
		all[i] = former
	}
	for _, i := range gone {
		all[i] = missing
	}
	return all
}

func TestHashFaults(t *testing.T) {
	c := newCloud(t)
	r := start(t, c.config(t))
	same := func(about string, want []held) {
		t.Helper()
		if got := c.store(r.users); !slices.Equal(got, want) {
			t.Errorf("%s the store is\n%v, want\n%v", about, got, want)
		}
	}
	gone := func(n int) []int { // of 40 users
		h := hashStore{users: r.users, seed: r.cfg.Population.Seed}
		return h.missing(float64(n) / 40)
	}
	if len(gone(4)) != 4 || len(gone(8)) != 8 || !slices.Equal(gone(4), gone(8)[:4]) {
		t.Fatalf("missing: %v, then %v", gone(4), gone(8))
	}
	same("at start", right(r.users))

	// Each by itself, there and back; only what changes is pushed.
	pushed := c.pushed
	if got := r.put("/hash-store/stale", observe.HashFault{Changed: 5}); got != 5 || c.pushed != pushed+5 {
		t.Errorf("stale: %d accounts, %d pushed, want 5", got, c.pushed-pushed)
	}
	same("stale", with(r.users, 5, nil))
	if got := r.put("/hash-store/stale", observe.HashFault{Changed: 5}); got != 5 || c.pushed != pushed+5 {
		t.Errorf("put again: %d accounts, %d pushed", got, c.pushed-pushed)
	}
	if got := r.end("/hash-store/stale"); got != 5 || c.pushed != pushed+10 {
		t.Errorf("its end: %d accounts, %d pushed, want 5 and 10", got, c.pushed-pushed)
	}
	same("afterwards", right(r.users))
	if got := r.put("/hash-store/missing", observe.HashFault{Missing: .1}); got != 4 {
		t.Errorf("missing: %d accounts, want 4", got)
	}
	same("missing", with(r.users, 0, gone(4)))
	if got := r.end("/hash-store/missing"); got != 4 {
		t.Errorf("its end: %d accounts, want 4", got)
	}
	same("afterwards", right(r.users))
	if got := r.put("/hash-store/few", observe.HashFault{Missing: .0001}); got != 1 {
		t.Errorf("a small share: %d accounts, want 1", got)
	}
	r.end("/hash-store/few")

	// Any order of overlapping faults ends right.
	faults := map[string]observe.HashFault{
		"a": {ID: "a", Changed: 3}, "b": {ID: "b", Changed: 12}, "c": {ID: "c", Missing: .1}, "d": {ID: "d", Changed: 20, Missing: .2},
	}
	set := map[string]observe.HashFault{}
	check := func(about string) {
		t.Helper()
		n, share := 0, 0.0
		for _, f := range set {
			n, share = max(n, f.Changed), max(share, f.Missing)
		}
		same(about, with(r.users, n, gone(int(share*40+.5))))
	}
	for _, order := range [][2]string{{"abcd", "abcd"}, {"dcba", "bdac"}} {
		for _, id := range strings.Split(order[0], "") {
			r.put("/hash-store/"+id, faults[id])
			set[id] = faults[id]
			check("with " + id + " of " + order[0])
		}
		for _, id := range strings.Split(order[1], "") {
			r.end("/hash-store/" + id)
			delete(set, id)
			check("without " + id + " of " + order[1])
		}
	}
	same("after all", right(r.users))

	// Another fault under the same ID takes its place, smaller or larger.
	for _, f := range []observe.HashFault{{ID: "x", Changed: 9}, {ID: "x", Missing: .2}, {ID: "x", Changed: 2}, {ID: "x", Changed: 1000, Missing: .1}} {
		r.put("/hash-store/x", f)
		set = map[string]observe.HashFault{"x": f}
		check(fmt.Sprintf("with %+v", f))
	}
	r.end("/hash-store/x")
	same("after it", right(r.users))
}

// TestHashFaultOutlivesTheDirectory holds that a directory that was killed
// leaves the store as it was and can still put it right.
func TestHashFaultOutlivesTheDirectory(t *testing.T) {
	c := newCloud(t)
	cfg := c.config(t)
	r := start(t, cfg)
	r.put("/hash-store/stale", observe.HashFault{Changed: 7})
	r.put("/hash-store/missing", observe.HashFault{Missing: .1})
	wrong := c.store(r.users)
	r.stop()
	if info, err := os.Stat(filepath.Join(cfg.State, hashFaultsFile)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file of faults: %v, %v; want mode 0600", info, err)
	}

	cfg.HashSync.Keep = true
	pushed := c.pushed
	r = start(t, cfg)
	if got := c.store(r.users); c.pushed != pushed || !slices.Equal(got, wrong) {
		t.Errorf("a start that keeps the store pushed %d accounts", c.pushed-pushed)
	}
	if got := r.end("/hash-store/missing"); got != 4 {
		t.Errorf("its end: %d accounts, want 4", got)
	}
	if got, want := c.store(r.users), with(r.users, 7, nil); !slices.Equal(got, want) {
		t.Errorf("the store is\n%v, want\n%v", got, want)
	}
	r.stop()

	// A start that fills the store leaves no fault in it.
	cfg.HashSync.Keep = false
	r = start(t, cfg)
	if got := c.store(r.users); !slices.Equal(got, right(r.users)) {
		t.Errorf("after a start that fills it the store is %v", got)
	}
	if err := r.observe.Delete(t.Context(), "/hash-store/stale", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("ending what the start ended: %v", err)
	}
}

// TestHashFaultNotPushed holds that a fault, or its end, that did not get
// through can be tried again.
func TestHashFaultNotPushed(t *testing.T) {
	c := newCloud(t)
	r := start(t, c.config(t))
	fail := func(on bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answer = nil
		if on {
			c.answer = func(_ int, w http.ResponseWriter) bool {
				http.Error(w, "no", http.StatusForbidden)
				return true
			}
		}
	}
	for _, again := range []bool{false, true} {
		fail(true)
		err := r.observe.Put(t.Context(), "/hash-store/x", observe.HashFault{Changed: 6}, nil)
		if err == nil || !strings.Contains(err.Error(), "502") || strings.Contains(err.Error(), "hash-token") {
			t.Errorf("a fault that was not pushed: %v", err)
		}
		fail(false)
		if again {
			if got := r.put("/hash-store/x", observe.HashFault{Changed: 6}); got != 6 {
				t.Errorf("put again: %d accounts, want 6", got)
			}
			if got := c.store(r.users); !slices.Equal(got, with(r.users, 6, nil)) {
				t.Errorf("put again the store is %v", got)
			}
		}
		fail(true)
		if err := r.observe.Delete(t.Context(), "/hash-store/x", nil); err == nil || !strings.Contains(err.Error(), "502") {
			t.Errorf("an end that was not pushed: %v", err)
		}
		fail(false)
		if got := r.end("/hash-store/x"); got != 6 {
			t.Errorf("ended again: %d accounts, want 6", got)
		}
		if got := c.store(r.users); !slices.Equal(got, right(r.users)) {
			t.Errorf("afterwards the store is %v", got)
		}
	}
}

// TestHashFaultNotReplaced holds that a fault that another one could not take
// the place of is still put right as a whole.
func TestHashFaultNotReplaced(t *testing.T) {
	c := newCloud(t)
	r := start(t, c.config(t))
	r.put("/hash-store/x", observe.HashFault{Changed: 9})
	c.mu.Lock()
	c.answer = func(_ int, w http.ResponseWriter) bool {
		http.Error(w, "no", http.StatusForbidden)
		return true
	}
	c.mu.Unlock()
	if err := r.observe.Put(t.Context(), "/hash-store/x", observe.HashFault{Changed: 2}, nil); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("another one that was not pushed: %v", err)
	}
	c.mu.Lock()
	c.answer = nil
	c.mu.Unlock()
	if got := r.end("/hash-store/x"); got != 9 {
		t.Errorf("its end: %d accounts, want 9", got)
	}
	if got := c.store(r.users); !slices.Equal(got, right(r.users)) {
		t.Errorf("afterwards the store is %v", got)
	}
}

func TestImpossibleHashFaults(t *testing.T) {
	c := newCloud(t)
	r := start(t, c.config(t))
	for want, fault := range map[string]observe.HashFault{
		"changed and missing: expected": {},
		"changed -1":                    {Changed: -1},
		"changed 1000000":               {Changed: population.MaxUsers + 1},
		"missing -0.5":                  {Missing: -.5},
		"missing 1.5":                   {Missing: 1.5},
	} {
		if err := r.observe.Put(t.Context(), "/hash-store/x", fault, nil); err == nil || !strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", fault, err, want)
		}
	}
	cfg := c.config(t)
	if err := os.WriteFile(filepath.Join(cfg.State, hashFaultsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, cfg, &lines{}); err == nil || !strings.Contains(err.Error(), "faults of the hash store") {
		t.Errorf("a file of faults that is damaged: %v", err)
	}
}

// BenchmarkStaleHashes is a fault of 500 users of 10,000, there and back.
func BenchmarkStaleHashes(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as a directory is told to make do with
	c := newCloud(b)
	cfg := c.config(b)
	cfg.Population = population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test"}
	cfg.HashSync.Keep = true
	r := start(b, cfg)
	for b.Loop() {
		r.put("/hash-store/x", observe.HashFault{Changed: 500})
		r.end("/hash-store/x")
	}
}
