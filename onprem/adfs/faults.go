package adfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/observe"
)

// Bounds of what may be put.
const (
	maxDelay    = 10 * time.Minute
	maxFaults   = 64
	maxIDLength = 128
)

// faults is what is wrong with the server: how it treats sign-ins. With none
// set it costs one an atomic load.
type faults struct {
	now atomic.Pointer[faultSet]
	met atomic.Uint64 // sign-ins that a fault met
	mu  sync.Mutex    // orders changes
}

// A faultSet is the faults at one time. It does not change.
type faultSet struct {
	all     map[string]*fault
	changed chan struct{} // closed when another set takes its place
}

// A fault is one that is set.
type fault struct {
	observe.BindFault
	injections atomic.Uint64
}

func newFaults() *faults {
	f := &faults{}
	f.now.Store(&faultSet{changed: make(chan struct{})})
	return f
}

func (b *fault) effect() observe.FaultEffect {
	return observe.FaultEffect{ID: b.ID, Injections: b.injections.Load()}
}

// put sets a fault, in force when it returns, also for sign-ins that already
// wait. Putting the same one again changes nothing.
func (f *faults) put(want observe.BindFault) (observe.FaultEffect, error) {
	if err := validFault(want); err != nil {
		return observe.FaultEffect{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := maps.Clone(f.now.Load().all)
	if all == nil {
		all = make(map[string]*fault)
	}
	if old := all[want.ID]; old != nil && old.Mode == want.Mode && old.DelayNS == want.DelayNS {
		return old.effect(), nil
	} else if old == nil && len(all) >= maxFaults {
		return observe.FaultEffect{}, fmt.Errorf("fault %q: %d faults are set, the most there may be", want.ID, maxFaults)
	}
	b := &fault{BindFault: want}
	all[want.ID] = b
	f.replace(all)
	return b.effect(), nil
}

// delete ends a fault, for sign-ins that wait as well, and returns how far it
// had reached; false when it is not set.
func (f *faults) delete(id string) (observe.FaultEffect, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := maps.Clone(f.now.Load().all)
	old := all[id]
	if old == nil {
		return observe.FaultEffect{}, false
	}
	delete(all, id)
	f.replace(all)
	return old.effect(), true
}

func (f *faults) replace(all map[string]*fault) {
	close(f.now.Swap(&faultSet{all: all, changed: make(chan struct{})}).changed)
}

// effects says how far each fault that is set has reached, by ID.
func (f *faults) effects() []observe.FaultEffect {
	effects := []observe.FaultEffect{}
	all := f.now.Load().all
	for _, id := range slices.Sorted(maps.Keys(all)) {
		effects = append(effects, all[id].effect())
	}
	return effects
}

// wait keeps a sign-in as long as the faults ask, those that take the place of
// the present ones included. It is broken when there is to be no answer but
// that code.
func (f *faults) wait(ctx context.Context) (code int, broken bool) {
	set := f.now.Load()
	if len(set.all) == 0 {
		return 0, false
	}
	f.met.Add(1)
	began, met := time.Now(), make(map[*fault]bool)
	for ; ; set = f.now.Load() {
		var slow time.Duration
		var hang, refuse bool
		for _, b := range set.all {
			if !met[b] {
				met[b] = true
				b.injections.Add(1)
			}
			switch b.Mode {
			case observe.BindSlow:
				slow += time.Duration(b.DelayNS)
			case observe.BindHang:
				hang = true
			case observe.BindRefuse:
				refuse = true
			}
		}
		rest := slow - time.Since(began)
		switch {
		case refuse:
			return codeTransient, true
		case !hang && rest <= 0:
			return 0, false
		}
		over := time.NewTimer(rest)
		elapsed := over.C
		if hang {
			elapsed = nil
		}
		select {
		case <-elapsed:
		case <-set.changed:
		case <-ctx.Done():
			over.Stop()
			return codeTransient, true
		}
		over.Stop()
	}
}

// validFault reports every mistake in a fault.
func validFault(want observe.BindFault) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if want.ID == "" || len(want.ID) > maxIDLength {
		wrong("id: %d characters: expected 1 to %d", len(want.ID), maxIDLength)
	}
	switch want.Mode {
	case observe.BindSlow, observe.BindRefuse, observe.BindHang:
	default:
		wrong("mode %q: expected %s, %s or %s", want.Mode, observe.BindSlow, observe.BindRefuse, observe.BindHang)
	}
	if slow := want.Mode == observe.BindSlow; slow && (want.DelayNS < 1 || want.DelayNS > maxDelay.Nanoseconds()) {
		wrong("delay_ns %d: expected 1 to %d", want.DelayNS, maxDelay.Nanoseconds())
	} else if !slow && want.DelayNS != 0 {
		wrong("delay_ns %d: expected with mode %s only", want.DelayNS, observe.BindSlow)
	}
	if len(want.Sources) > 0 {
		wrong("sources: %d of them: expected none, because all come from the balancer", len(want.Sources))
	}
	if want.Connections != 0 {
		wrong("connections %d: expected none", want.Connections)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fault %q: %w", want.ID, err)
	}
	return nil
}
