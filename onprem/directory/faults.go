package directory

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/observe"
)

// Bounds of what may be put, and of what it holds.
const (
	maxDelay    = 10 * time.Minute // of a bind
	maxFaults   = 64
	maxIDLength = 128
	maxSources  = 4096
	// maxHeld is how many binds wait for the end of a fault at most; the
	// connection of one more is closed. It leaves room for connections that
	// the fault does not mean.
	maxHeld = maxSessions / 2
)

// faults is what is wrong with the directory: how it treats binds and
// connections, of all peers or of some. With none set it costs a bind one
// atomic load.
type faults struct {
	base time.Duration // added to every user bind, always
	now  atomic.Pointer[faultSet]
	held atomic.Int64 // binds that wait for the end of a fault

	mu       sync.Mutex // orders changes
	sessions *sessions
}

// A faultSet is the faults at one time. It does not change.
type faultSet struct {
	all     []*bindFault  // by ID
	changed chan struct{} // closed when another set takes its place
}

// A bindFault is one that is set.
type bindFault struct {
	observe.BindFault                         // sources sorted, without doubles
	sources           map[netip.Addr]struct{} // nil means every peer
	injections        atomic.Uint64
}

func newFaults(base time.Duration, s *sessions) *faults {
	f := &faults{base: base, sessions: s}
	f.now.Store(&faultSet{changed: make(chan struct{})})
	s.faults = f
	return f
}

func (b *bindFault) means(source netip.Addr) bool {
	if b.sources == nil {
		return true
	}
	_, found := b.sources[source]
	return found
}

func (b *bindFault) same(o *bindFault) bool {
	return b.Mode == o.Mode && b.DelayNS == o.DelayNS && b.Connections == o.Connections && slices.Equal(b.Sources, o.Sources)
}

func (b *bindFault) effect() observe.FaultEffect {
	return observe.FaultEffect{ID: b.ID, Injections: b.injections.Load()}
}

// put sets a fault and says how far it reached at once. Putting the same one
// again changes nothing; another one under the same ID takes its place. When
// put returns, the fault is in force, also for binds that already wait.
func (f *faults) put(want observe.BindFault) (observe.FaultEffect, error) {
	b, err := parseFault(want)
	if err != nil {
		return observe.FaultEffect{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	set := f.byID()
	if old := set[b.ID]; old != nil && old.same(b) {
		return old.effect(), nil
	} else if old == nil && len(set) >= maxFaults {
		return observe.FaultEffect{}, fmt.Errorf("fault %q: %d faults are set, the most there may be", b.ID, maxFaults)
	}
	set[b.ID] = b
	f.replace(set)
	if b.Mode == observe.BindCrowded {
		f.sessions.crowd(b)
	}
	return b.effect(), nil
}

// delete ends a fault, for binds that wait as well, and returns how far it had
// reached. It is false when there is no such fault, as when it was deleted
// before.
func (f *faults) delete(id string) (observe.FaultEffect, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := f.byID()
	old := set[id]
	if old == nil {
		return observe.FaultEffect{}, false
	}
	delete(set, id)
	f.replace(set)
	return old.effect(), true
}

// effects says how far each fault that is set has reached, by ID.
func (f *faults) effects() []observe.FaultEffect {
	effects := []observe.FaultEffect{}
	for _, b := range f.now.Load().all {
		effects = append(effects, b.effect())
	}
	return effects
}

func (f *faults) byID() map[string]*bindFault {
	set := make(map[string]*bindFault)
	for _, b := range f.now.Load().all {
		set[b.ID] = b
	}
	return set
}

// replace puts a set into force; mu is held.
func (f *faults) replace(set map[string]*bindFault) {
	next := &faultSet{changed: make(chan struct{})}
	for _, id := range slices.Sorted(maps.Keys(set)) {
		next.all = append(next.all, set[id])
	}
	close(f.now.Swap(next).changed)
}

// refuses reports whether a bind is to be answered that the directory is not
// available, and counts it. That comes before all that would make it wait.
func (s *faultSet) refuses(source netip.Addr) (refused bool) {
	for _, b := range s.all {
		if b.Mode == observe.BindRefuse && b.means(source) {
			b.injections.Add(1)
			refused = true
		}
	}
	return refused
}

// holds is how long a bind is to wait: by the slow faults together, and until
// the end of a fault where it hangs. A slow fault does not mean the service
// account. The faults are counted that are not among those already met.
func (s *faultSet) holds(source netip.Addr, who who, met *[]*bindFault) (slow time.Duration, hang bool) {
	for _, b := range s.all {
		switch {
		case b.Mode == observe.BindSlow && who == user && b.means(source):
			slow += time.Duration(b.DelayNS)
		case b.Mode == observe.BindHang && b.means(source):
			hang = true
		default:
			continue
		}
		if !slices.Contains(*met, b) {
			*met = append(*met, b)
			b.injections.Add(1)
		}
	}
	return slow, hang
}

// parseFault checks a fault by itself and reports every mistake in it.
func parseFault(want observe.BindFault) (*bindFault, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if want.ID == "" || len(want.ID) > maxIDLength {
		wrong("id: %d characters: expected 1 to %d", len(want.ID), maxIDLength)
	}
	if slow := want.Mode == observe.BindSlow; slow && (want.DelayNS < 1 || want.DelayNS > maxDelay.Nanoseconds()) {
		wrong("delay_ns %d: expected 1 to %d", want.DelayNS, maxDelay.Nanoseconds())
	} else if !slow && want.DelayNS != 0 {
		wrong("delay_ns %d: expected with mode %s only", want.DelayNS, observe.BindSlow)
	}
	if crowded := want.Mode == observe.BindCrowded; crowded && want.Connections < 1 {
		wrong("connections %d: expected 1 or more", want.Connections)
	} else if !crowded && want.Connections != 0 {
		wrong("connections %d: expected with mode %s only", want.Connections, observe.BindCrowded)
	}
	switch want.Mode {
	case observe.BindSlow, observe.BindRefuse, observe.BindHang, observe.BindCrowded:
	default:
		wrong("mode %q: expected %s, %s, %s or %s", want.Mode,
			observe.BindSlow, observe.BindRefuse, observe.BindHang, observe.BindCrowded)
	}
	b := &bindFault{BindFault: want}
	b.Sources = nil
	if len(want.Sources) > maxSources {
		wrong("sources: %d of them: expected at most %d", len(want.Sources), maxSources)
		want.Sources = nil
	}
	for _, text := range want.Sources {
		address, err := netip.ParseAddr(text)
		if err != nil {
			wrong("sources: %q: expected an IP address", text)
			continue
		}
		if b.sources == nil {
			b.sources = make(map[netip.Addr]struct{})
		}
		address = address.Unmap().WithZone("")
		b.sources[address] = struct{}{}
		b.Sources = append(b.Sources, address.String())
	}
	slices.Sort(b.Sources)
	b.Sources = slices.Compact(b.Sources)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("fault %q: %w", want.ID, err)
	}
	return b, nil
}
