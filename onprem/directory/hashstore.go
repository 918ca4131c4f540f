package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/synchash"
	"ptabench/whole"
)

// hashFaultsFile keeps the faults of the hash store, in the state directory: a
// directory that was killed meanwhile must still be able to put the store right.
const hashFaultsFile = "hash-faults.json"

// hashStore is the cloud's hash store as the directory filled it. A fault makes
// it wrong for some accounts; with several, an account that one of them leaves
// out is missing, whatever the others say of it.
type hashStore struct {
	to    HashSync
	users *population.Population
	now   *changes
	seed  uint64 // of whom the faults leave out
	path  string
	log   *slog.Logger
	stop  context.Context // ends what is being pushed

	mu     sync.Mutex // held during a push: there is one at a time
	faults map[string]observe.HashFault
	done   map[string]bool // faults in force: all that they ask for was pushed
}

var (
	errNoHashSync = errors.New("hash store: hash sync is not set up; expected --hash-sync-url")
	// errNotPushed says that the fault, or its end, was all right to ask for.
	errNotPushed = errors.New("the hash store is not as it was asked for")
)

// openHashStore reads which faults an earlier start of this directory left in
// the store.
func openHashStore(stop context.Context, log *slog.Logger, cfg Config, now *changes) (*hashStore, error) {
	h := &hashStore{
		to: cfg.HashSync, users: now.users, now: now, seed: cfg.Population.Seed, path: filepath.Join(cfg.State, hashFaultsFile), log: log, stop: stop,
		faults: make(map[string]observe.HashFault), done: make(map[string]bool),
	}
	text, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &h.faults)
	}
	if err != nil {
		return nil, fmt.Errorf("faults of the hash store: %w", err)
	}
	return h, nil
}

// start fills the store, unless that was told to stay as it is. Filling it ends
// all faults.
func (h *hashStore) start(ctx context.Context) error {
	if h.to.URL == "" || h.to.Keep {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	began := time.Now()
	if err := h.to.push(ctx, h.users.Len(), pushBatch, func(i int) account { return accountOf(h.now, i) }); err != nil {
		return err
	}
	h.log.Info("pushed hashes", "users", h.users.Len(), "tenant", h.to.Tenant, "took_ns", time.Since(began).Nanoseconds())
	if len(h.faults) == 0 {
		return nil
	}
	clear(h.faults)
	return h.save(h.faults)
}

// put brings a fault into the store and says how many accounts it means.
// Putting the same one again changes nothing; another one under the same ID
// ends first, so that whatever fails in between, what is recorded says which
// accounts are to be put right. After an error the store is as it was, wrong, or
// some of both, until the fault is deleted or put again.
func (h *hashStore) put(want observe.HashFault) (observe.FaultEffect, error) {
	if h.to.URL == "" {
		return observe.FaultEffect{}, errNoHashSync
	}
	if err := h.check(want); err != nil {
		return observe.FaultEffect{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, found := h.faults[want.ID]
	if !found && len(h.faults) >= maxFaults {
		return observe.FaultEffect{}, fmt.Errorf("hash fault %q: %d faults are set, the most there may be", want.ID, maxFaults)
	}
	meant := h.meant(want)
	effect := observe.FaultEffect{ID: want.ID, Injections: uint64(len(meant))}
	if found && old == want && h.done[want.ID] {
		return effect, nil
	}
	if found && old != want {
		if err := h.remove(old); err != nil {
			return observe.FaultEffect{}, err
		}
	}
	h.faults[want.ID] = want
	h.done[want.ID] = false
	if err := h.save(h.faults); err != nil { // before anything is pushed that would have to be undone
		return observe.FaultEffect{}, fmt.Errorf("hash fault %q: %w: %w", want.ID, errNotPushed, err)
	}
	if err := h.settle(meant, h.faults); err != nil {
		return observe.FaultEffect{}, fmt.Errorf("hash fault %q: %w: %w", want.ID, errNotPushed, err)
	}
	h.done[want.ID] = true
	return effect, nil
}

// delete brings the accounts that a fault means to where they would be without
// it, and says how many these are. It is false when there is no such fault, as
// when it was deleted before. After an error the fault is still there, to be
// deleted again.
func (h *hashStore) delete(id string) (effect observe.FaultEffect, found bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old, found := h.faults[id]
	if !found {
		return effect, false, nil
	}
	if err := h.remove(old); err != nil {
		return effect, true, err
	}
	return observe.FaultEffect{ID: id, Injections: uint64(len(h.meant(old)))}, true, nil
}

// remove ends a fault that is set; mu is held.
func (h *hashStore) remove(old observe.HashFault) error {
	rest := maps.Clone(h.faults)
	delete(rest, old.ID)
	h.done[old.ID] = false // from here on it is no longer whole
	err := h.settle(h.meant(old), rest)
	if err == nil {
		err = h.save(rest)
	}
	if err != nil {
		return fmt.Errorf("hash fault %q: %w: %w", old.ID, errNotPushed, err)
	}
	h.faults = rest
	delete(h.done, old.ID)
	return nil
}

// effects lists the faults that are set, by ID.
func (h *hashStore) effects() []observe.FaultEffect {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []observe.FaultEffect{}
	for _, id := range slices.Sorted(maps.Keys(h.faults)) {
		list = append(list, observe.FaultEffect{ID: id, Injections: uint64(len(h.meant(h.faults[id])))})
	}
	return list
}

func (h *hashStore) check(want observe.HashFault) error {
	var errs []error
	if want.ID == "" || len(want.ID) > maxIDLength {
		errs = append(errs, fmt.Errorf("id: %d characters: expected 1 to %d", len(want.ID), maxIDLength))
	}
	if want.Changed < 0 || want.Changed > population.MaxUsers {
		errs = append(errs, fmt.Errorf("changed %d: expected 0 to %d", want.Changed, population.MaxUsers))
	}
	if !(want.Missing >= 0 && want.Missing <= 1) {
		errs = append(errs, fmt.Errorf("missing %v: expected 0 to 1", want.Missing))
	}
	if want.Changed == 0 && want.Missing == 0 {
		errs = append(errs, errors.New("changed and missing: expected one of them, or both"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("hash fault %q: %w", want.ID, err)
	}
	return nil
}

// meant is the accounts that a fault makes wrong, in ascending order.
func (h *hashStore) meant(f observe.HashFault) []int {
	meant := append(slices.Clone(h.users.Changed(f.Changed)), h.missing(f.Missing)...)
	slices.Sort(meant)
	return slices.Compact(meant)
}

// missing is a share of all users, at least one where the share is not zero. A
// larger share holds the smaller ones.
func (h *hashStore) missing(share float64) []int {
	if share == 0 {
		return nil
	}
	const stream = 0x6d697373696e67 // no other choice is made from this one
	order := rand.New(rand.NewPCG(h.seed, stream)).Perm(h.users.Len())
	return order[:max(int(math.Round(share*float64(len(order)))), 1)]
}

// settle pushes accounts as some faults want them. It takes every processor for
// a while, as the start does, because it is part of injecting a fault and of
// undoing it, which are over when it is.
func (h *hashStore) settle(which []int, faults map[string]observe.HashFault) error {
	changed, share := 0, 0.0
	for _, f := range faults {
		changed, share = max(changed, f.Changed), max(share, f.Missing)
	}
	stale, gone := make([]bool, h.users.Len()), make([]bool, h.users.Len())
	for _, i := range h.users.Changed(changed) {
		stale[i] = true
	}
	for _, i := range h.missing(share) {
		gone[i] = true
	}
	began := time.Now()
	batch := min(pushBatch, (len(which)+runtime.NumCPU()-1)/runtime.NumCPU())
	err := h.to.push(h.stop, len(which), batch, func(k int) account {
		i := which[k]
		switch {
		case gone[i]:
			return account{UPN: h.users.UPN(i), Deleted: true}
		case stale[i]:
			return account{UPN: h.users.UPN(i)}.with(synchash.New(h.users.FormerOf(i, h.now.of(i).Version)))
		}
		return accountOf(h.now, i)
	})
	if err == nil {
		h.log.Info("pushed hashes for a fault", "accounts", len(which), "took_ns", time.Since(began).Nanoseconds())
	}
	return err
}

func (h *hashStore) save(faults map[string]observe.HashFault) error {
	text, err := json.Marshal(faults)
	if err == nil {
		err = whole.Bytes(h.path, 0o600, text)
	}
	if err != nil {
		return fmt.Errorf("keeping the faults of the hash store: %w", err)
	}
	return nil
}
