package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ptabench/observe"
)

// The bounds of what a gate may do.
const (
	maxDelay = 10 * time.Minute // also of jitter and retransmission
	minBits  = 8                // a second
	maxBits  = 1e12
)

// A gate is one that is set.
type gate struct {
	observe.Gate                         // ports and sources sorted, without doubles
	sources      map[netip.Addr]struct{} // nil means every peer
	shape        shape                   // of GateDegrade
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

// breaks reports whether the gate ends connections; the others hold their
// bytes.
func (g *gate) breaks() bool { return g.Mode == observe.GateRefuse || g.Mode == observe.GateReset }

func (g *gate) same(o *gate) bool {
	return g.Mode == o.Mode && g.Direction == o.Direction && g.shape == o.shape &&
		slices.Equal(g.Ports, o.Ports) && slices.Equal(g.Sources, o.Sources)
}

func (g *gate) effect() observe.GateEffect {
	return observe.GateEffect{
		ID:             g.ID,
		Injections:     g.injections,
		RefusedByReset: g.Mode == observe.GateRefuse && g.sources != nil,
	}
}

// parse checks a gate as far as it can be checked by itself, and reports all
// that is wrong with it.
func parse(want observe.Gate) (*gate, error) {
	var mistakes []error
	wrong := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("gate %q: "+format, append([]any{want.ID}, args...)...))
	}
	if want.ID == "" || len(want.ID) > maxIDLength {
		return nil, fmt.Errorf("gate: id: %d characters; expected 1 to %d", len(want.ID), maxIDLength)
	}
	n := &gate{Gate: want}
	switch want.Mode {
	case observe.GateRefuse, observe.GateReset, observe.GateStall, observe.GateDegrade:
	default:
		wrong("mode: %q; expected %s, %s, %s or %s", want.Mode,
			observe.GateRefuse, observe.GateReset, observe.GateStall, observe.GateDegrade)
	}
	switch want.Direction {
	case "":
	case observe.GateOut, observe.GateIn:
		if n.breaks() {
			wrong("direction: %q; expected none: %s ends both", want.Direction, want.Mode)
		}
	default:
		wrong("direction: %q; expected %s, %s or none, for both", want.Direction, observe.GateOut, observe.GateIn)
	}
	n.parseShape(wrong)
	if len(want.Ports) == 0 {
		wrong("ports: none given")
	}
	n.Ports = slices.Compact(slices.Sorted(slices.Values(want.Ports)))
	if len(want.Sources) > maxSources {
		wrong("sources: %d; expected at most %d", len(want.Sources), maxSources)
	} else {
		n.parseSources(wrong)
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return n, nil
}

func (g *gate) parseShape(wrong func(format string, args ...any)) {
	to := shape{
		delay: time.Duration(g.DelayNS), jitter: time.Duration(g.JitterNS),
		bitsPerS: g.BitsPerS, loss: g.LossRatio, retransmit: time.Duration(g.Retransmit), seed: g.Seed,
	}
	if g.Mode != observe.GateDegrade {
		if (to != shape{}) {
			wrong("delay_ns, jitter_ns, bits_per_s, loss_ratio, retransmit_ns and seed are for mode %s, not %q", observe.GateDegrade, g.Mode)
		}
		return
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"delay_ns", to.delay}, {"jitter_ns", to.jitter}, {"retransmit_ns", to.retransmit}} {
		if d.value < 0 || d.value > maxDelay {
			wrong("%s: %d; expected 0 to %d", d.field, int64(d.value), int64(maxDelay))
		}
	}
	if to.bitsPerS != 0 && !(to.bitsPerS >= minBits && to.bitsPerS <= maxBits) {
		wrong("bits_per_s: %g; expected %d to %g, or 0 for no limit", to.bitsPerS, minBits, float64(maxBits))
	}
	if !(to.loss >= 0 && to.loss <= 1) {
		wrong("loss_ratio: %g; expected 0 to 1", to.loss)
	}
	if to.delay == 0 && to.jitter == 0 && to.bitsPerS == 0 && to.loss == 0 {
		wrong("mode: %s without delay_ns, jitter_ns, bits_per_s or loss_ratio does nothing", observe.GateDegrade)
	}
	if to.loss > 0 && to.retransmit == 0 {
		to.retransmit = usualRetransmit
	}
	g.shape = to
}

func (g *gate) parseSources(wrong func(format string, args ...any)) {
	given := g.Sources
	g.Sources = nil
	for _, s := range given {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			wrong("sources: %q is no IP address", s)
			continue
		}
		addr = addr.Unmap().WithZone("")
		if g.sources == nil {
			g.sources = make(map[netip.Addr]struct{})
		}
		g.sources[addr] = struct{}{}
		g.Sources = append(g.Sources, addr.String())
	}
	slices.Sort(g.Sources)
	g.Sources = slices.Compact(g.Sources)
}
