package revocation

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/observe"
)

// counts is what a Checker counted since it started.
type counts struct {
	lists  atomic.Uint64 // taken
	warned atomic.Uint64 // connections made although nothing was known

	mu      sync.Mutex
	refused map[string]uint64
	faults  map[string]uint64
}

func (n *counts) refuse(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refused == nil {
		n.refused = make(map[string]uint64)
	}
	n.refused[why]++
}

func (n *counts) fail(f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.faults == nil {
		n.faults = make(map[string]uint64)
	}
	n.faults[string(f)]++
}

// Counters is what was counted so far, and the list that is kept.
func (c *Checker) Counters() observe.RevocationCounters {
	n := observe.RevocationCounters{Mode: string(c.cfg.Mode), Lists: c.count.lists.Load(), Warned: c.count.warned.Load()}
	c.count.mu.Lock()
	n.Refused, n.Faults = maps.Clone(c.count.refused), maps.Clone(c.count.faults)
	c.count.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.kept; l != nil {
		now := c.now()
		n.Number, n.Revoked = l.number.String(), len(l.revoked)
		n.AgeNS, n.LeftNS = int64(now.Sub(l.thisUpdate)), int64(l.nextUpdate.Sub(now))
	}
	if !c.failing.since.IsZero() {
		n.FailingNS = int64(max(c.cfg.Now().Sub(c.failing.since), time.Nanosecond))
	}
	return n
}
