// Package gate breaks the simulator's own ports on purpose and without any
// privilege: it wraps its listeners and connections, and holds, resets or
// refuses the peers that a gate means, by documented port and by the address
// they dial from. With no gate set it costs two atomic loads a read and one a
// write.
//
// What a peer sees follows real networks. A refused port is a closed listener
// where that is possible. A reset is a TCP reset, and the simulator's own side
// sees one as well. A stall loses nothing: bytes stay where they are, a close
// by the simulator included, and arrive when the gate is cleared.
package gate

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"ptabench/observe"
)

// Bounds of what may be put.
const (
	maxGates     = 256
	maxIDLength  = 128
	maxSources   = 4096
	maxLingering = 4096 // connections closed during a stall and not yet seen closed by their peers
)

// Gates is the gates of one simulator, over all its listeners. It starts no
// goroutine.
type Gates struct {
	// mu guards the gates, the listeners, and which connections they have. It
	// is taken before any connection's own, and never by a read or a write.
	mu        sync.Mutex
	gates     map[string]*gate
	listeners map[*listener]struct{}
	lingering int
	closed    bool
}

// New returns Gates with none set.
func New() *Gates {
	return &Gates{gates: make(map[string]*gate), listeners: make(map[*listener]struct{})}
}

// A gate is one that is set.
type gate struct {
	observe.Gate                         // ports and sources sorted, without doubles
	sources      map[netip.Addr]struct{} // nil means every peer
	injections   uint64                  // guarded by Gates.mu
}

// means reports whether the gate is for peers of this port and address.
func (g *gate) means(port string, source netip.Addr) bool {
	if _, found := slices.BinarySearch(g.Ports, port); !found {
		return false
	}
	if g.sources == nil {
		return true
	}
	_, found := g.sources[source]
	return found
}

// closes reports whether the gate refuses every peer of the port, which takes
// no listener at all.
func (g *gate) closes(port string) bool {
	_, found := slices.BinarySearch(g.Ports, port)
	return found && g.Mode == observe.GateRefuse && g.sources == nil
}

func (g *gate) same(o *gate) bool {
	return g.Mode == o.Mode && slices.Equal(g.Ports, o.Ports) && slices.Equal(g.Sources, o.Sources)
}

func (g *gate) effect() observe.GateEffect {
	return observe.GateEffect{
		ID:             g.ID,
		Injections:     g.injections,
		RefusedByReset: g.Mode == observe.GateRefuse && g.sources != nil,
	}
}

// Put sets a gate and says how many connections it reached at once. Putting
// the same one again changes nothing; another one under the same ID replaces
// it. When Put returns, the gate is in force.
func (g *Gates) Put(want observe.Gate) (observe.GateEffect, error) {
	n, err := parse(want)
	if err != nil {
		return observe.GateEffect{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.admits(n); err != nil {
		return observe.GateEffect{}, err
	}
	if old := g.gates[n.ID]; old != nil && old.same(n) {
		return old.effect(), nil
	}
	g.gates[n.ID] = n
	g.settle()
	g.inject(n)
	return n.effect(), nil
}

// Delete clears a gate and returns how far it had reached. It reports false
// when there is no such gate, as when it was deleted before.
func (g *Gates) Delete(id string) (observe.GateEffect, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.gates[id]
	if old == nil {
		return observe.GateEffect{}, false
	}
	delete(g.gates, id)
	g.settle()
	return old.effect(), true
}

// Effects returns how far each gate that is set has reached, by ID.
func (g *Gates) Effects() []observe.GateEffect {
	g.mu.Lock()
	defer g.mu.Unlock()
	effects := make([]observe.GateEffect, 0, len(g.gates))
	for _, id := range slices.Sorted(maps.Keys(g.gates)) {
		effects = append(effects, g.gates[id].effect())
	}
	return effects
}

// Close clears every gate for good and lets go of what a stall held. A server
// that stops calls it first: a TLS connection that is stalled takes five
// seconds to close.
func (g *Gates) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	clear(g.gates)
	g.settle()
}

// admits reports why a gate cannot be put here.
func (g *Gates) admits(n *gate) error {
	if g.closed {
		return fmt.Errorf("gate %q: the simulator is stopping", n.ID)
	}
	if g.gates[n.ID] == nil && len(g.gates) >= maxGates {
		return fmt.Errorf("gate %q: %d gates are set, the most there may be", n.ID, maxGates)
	}
	known := make(map[string]struct{})
	for l := range g.listeners {
		if !l.closed {
			known[l.port] = struct{}{}
		}
	}
	for _, port := range n.Ports {
		if _, found := known[port]; !found {
			return fmt.Errorf("gate %q: ports: %q is none of this simulator's: %s",
				n.ID, port, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// settle brings listeners and stalls in line with the gates that are set.
func (g *Gates) settle() {
	for l := range g.listeners {
		l.settle()
		for c := range l.conns {
			c.stall(g.stalls(l.port, c.source))
		}
	}
}

func (g *Gates) stalls(port string, source netip.Addr) bool {
	for _, n := range g.gates {
		if n.Mode == observe.GateStall && n.means(port, source) {
			return true
		}
	}
	return false
}

// inject counts the established connections that a new gate means, and resets
// them unless it stalls them.
func (g *Gates) inject(n *gate) {
	for l := range g.listeners {
		for c := range l.conns {
			if !n.means(l.port, c.source) {
				continue
			}
			n.injections++
			if n.Mode != observe.GateStall {
				c.reset()
			}
		}
	}
}

// admit says what the gates that are set do to a new connection, and counts it
// for each of those that do it.
func (g *Gates) admit(port string, source netip.Addr) (reset, stall bool) {
	var resets, stalls []*gate
	for _, n := range g.gates {
		switch {
		case !n.means(port, source):
		case n.Mode == observe.GateStall:
			stalls = append(stalls, n)
		default:
			resets = append(resets, n)
		}
	}
	counted := resets
	if len(resets) == 0 {
		counted = stalls
	}
	for _, n := range counted {
		n.injections++
	}
	return len(resets) > 0, len(stalls) > 0
}

// parse checks a gate as far as it can be checked by itself.
func parse(want observe.Gate) (*gate, error) {
	if want.ID == "" || len(want.ID) > maxIDLength {
		return nil, fmt.Errorf("gate: id: %d characters; expected 1 to %d", len(want.ID), maxIDLength)
	}
	n := &gate{Gate: want}
	switch want.Mode {
	case observe.GateRefuse, observe.GateReset, observe.GateStall:
	default:
		return nil, fmt.Errorf("gate %q: mode: %q; expected %s, %s or %s", want.ID, want.Mode,
			observe.GateRefuse, observe.GateReset, observe.GateStall)
	}
	if len(want.Ports) == 0 {
		return nil, fmt.Errorf("gate %q: ports: none given", want.ID)
	}
	if len(want.Sources) > maxSources {
		return nil, fmt.Errorf("gate %q: sources: %d; expected at most %d", want.ID, len(want.Sources), maxSources)
	}
	n.Ports = slices.Compact(slices.Sorted(slices.Values(want.Ports)))
	n.Sources = nil
	for _, s := range want.Sources {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("gate %q: sources: %q is no IP address", want.ID, s)
		}
		addr = addr.Unmap().WithZone("")
		if n.sources == nil {
			n.sources = make(map[netip.Addr]struct{})
		}
		n.sources[addr] = struct{}{}
		n.Sources = append(n.Sources, addr.String())
	}
	slices.Sort(n.Sources)
	n.Sources = slices.Compact(n.Sources)
	return n, nil
}
