// Package gate breaks a role's own ports on purpose and without any privilege:
// it wraps its listeners and connections, and holds, slows, resets or refuses
// the peers that a gate means, by documented port and by the address they dial
// from. It is a room of its own because both the cloud and the directory break
// their ports with it, and neither may know the other. With no gate set it
// costs two atomic loads a read and one a write.
//
// What a peer sees follows real networks. A refused port is a closed listener
// where that is possible. A reset is a TCP reset, and the role's own side
// sees one as well. A stall loses nothing: bytes stay where they are, a close
// by the role included, and arrive when the gate is cleared. A degradation keeps
// the order of bytes: what counts as lost is held for a retransmission and what
// follows waits behind it.
package gate

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"ptabench/observe"
)

// Bounds of what may be put.
const (
	maxGates     = 256
	maxIDLength  = 128
	maxSources   = 4096
	maxLingering = 4096 // connections closed during a stall and not yet seen closed by their peers
)

// flushTime is how long Close lets connections go on with what gates held back.
const flushTime = time.Second

// Gates is the gates of one role, over all its listeners. It starts a goroutine
// for each direction of a connection that is degraded, or that was closed
// while a gate held it back; Close waits for them.
type Gates struct {
	pumps sync.WaitGroup

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

// Close clears every gate for good and lets go of what they held; a peer that
// does not take it within a second sees a reset. A server that stops calls it
// first: a TLS connection that is stalled takes five seconds to close.
func (g *Gates) Close() {
	g.mu.Lock()
	g.closed = true
	clear(g.gates)
	g.settle()
	by := time.Now().Add(flushTime)
	for l := range g.listeners {
		for c := range l.conns {
			c.flush(by)
		}
	}
	g.mu.Unlock()
	g.pumps.Wait()
}

// admits reports why a gate cannot be put here.
func (g *Gates) admits(n *gate) error {
	if g.closed {
		return fmt.Errorf("gate %q: the role is stopping", n.ID)
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
			return fmt.Errorf("gate %q: ports: %q is none of this role's: %s",
				n.ID, port, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// settle brings listeners and connections in line with the gates that are set.
func (g *Gates) settle() {
	for l := range g.listeners {
		l.settle()
		for c := range l.conns {
			c.apply(g.force(l.port, c.source))
		}
	}
}

// A force is what all gates together do to the bytes of one connection.
type force struct {
	stallOut, stallIn bool
	out, in           shape
}

func (g *Gates) force(port string, source netip.Addr) (f force) {
	for _, n := range g.gates {
		if n.breaks() || !n.means(port, source) {
			continue
		}
		out, in := n.Direction != observe.GateIn, n.Direction != observe.GateOut
		if n.Mode == observe.GateStall {
			f.stallOut, f.stallIn = f.stallOut || out, f.stallIn || in
			continue
		}
		if out {
			f.out.add(n.shape)
		}
		if in {
			f.in.add(n.shape)
		}
	}
	return f
}

// inject counts the established connections that a new gate means, and resets
// them if that is what it does.
func (g *Gates) inject(n *gate) {
	for l := range g.listeners {
		for c := range l.conns {
			if !n.means(l.port, c.source) {
				continue
			}
			n.injections++
			if n.breaks() {
				c.reset()
			}
		}
	}
}

// admit reports whether the gates that are set reset a new connection, and
// counts it for each of those that do something to it.
func (g *Gates) admit(port string, source netip.Addr) (reset bool) {
	var broken, passed []*gate
	for _, n := range g.gates {
		switch {
		case !n.means(port, source):
		case n.breaks():
			broken = append(broken, n)
		default:
			passed = append(passed, n)
		}
	}
	counted := broken
	if len(broken) == 0 {
		counted = passed
	}
	for _, n := range counted {
		n.injections++
	}
	return len(broken) > 0
}
