package directory

import (
	"cmp"
	"net/netip"
	"slices"

	"ptabench/observe"
)

// admit reports whether a new connection has room under the faults that limit
// how many there may be, and counts it for each of those that have none. The
// sessions' lock is held.
func (f *faults) admit(source netip.Addr, open map[*session]struct{}) bool {
	admitted := true
	for _, b := range f.now.Load().all {
		if b.Mode != observe.BindCrowded || !b.means(source) {
			continue
		}
		if len(b.crowd(open)) >= b.Connections {
			b.injections.Add(1)
			admitted = false
		}
	}
	return admitted
}

// crowd cuts off the newest of the connections that a fault limits and that are
// too many. What they were at is not answered.
func (s *sessions) crowd(b *bindFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	meant := b.crowd(s.open)
	if len(meant) <= b.Connections {
		return
	}
	slices.SortFunc(meant, func(x, y *session) int { return cmp.Compare(x.number, y.number) })
	for _, one := range meant[b.Connections:] {
		b.injections.Add(1)
		one.crowded = true
		one.cut()
	}
}

// crowd is the connections that a fault limits, aside from those that were cut
// off and whose goroutines do not know it yet.
func (b *bindFault) crowd(open map[*session]struct{}) (meant []*session) {
	for one := range open {
		if !one.crowded && b.means(one.source) {
			meant = append(meant, one)
		}
	}
	return meant
}
