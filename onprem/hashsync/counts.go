package hashsync

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ptabench/observe"
)

// counts is what the agent counted since it started.
type counts struct {
	cycles, failed, read, sent, same, withheld, batches, retries, full, highest atomic.Uint64

	mu           sync.Mutex
	cursors      map[string]cursor
	oldest       time.Time     // change that the source has and the cloud has not; zero for none
	oldestMax    time.Duration // age of a change when the cloud took it
	standing     time.Time     // of the oldest that waits for a pass of standings; zero for none
	lastComplete time.Time     // when the reading of the last complete cycle began
}

func newCounts() *counts { return &counts{cursors: make(map[string]cursor)} }

// waiting reports whether a change is known that the cloud has not.
func (c *counts) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.oldest.IsZero()
}

// pending notes when a change happened that the cloud has not; zero for none.
func (c *counts) pending(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.IsZero() && (c.oldest.IsZero() || at.Before(c.oldest)) {
		c.oldest = at
	}
}

// took counts a batch that the cloud has taken.
func (c *counts) took(p pass, b *batch, at cursor) {
	now := time.Now()
	c.batches.Add(1)
	c.sent.Add(uint64(len(b.lines)))
	for i := range b.lines {
		if p.passwords && b.lines[i].Hash == nil && !b.lines[i].Deleted {
			c.withheld.Add(1)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursors[p.tenant.Name] = at
	for _, m := range b.marks {
		if !m.at.IsZero() {
			c.oldestMax = max(c.oldestMax, now.Sub(m.at))
		}
	}
}

// complete ends a cycle whose reading began at a time.
func (c *counts) complete(began time.Time) {
	c.cycles.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.oldest, c.lastComplete = c.standing, began
}

// standsBack notes when a change happened that waits for a pass of standings.
func (c *counts) standsBack(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standing.IsZero() || at.Before(c.standing) {
		c.standing = at
	}
}

func (c *counts) standingsCarried() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing = time.Time{}
}

// counters is a copy for observers.
func (c *counts) counters() observe.HashSyncCounters {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := observe.HashSyncCounters{
		Cycles: c.cycles.Load(), Failed: c.failed.Load(), Read: c.read.Load(), Sent: c.sent.Load(), Same: c.same.Load(),
		Withheld: c.withheld.Load(), Batches: c.batches.Load(), Retries: c.retries.Load(), Full: c.full.Load(),
		Highest: c.highest.Load(), Cursors: make(map[string]uint64),
	}
	for tenant, at := range c.cursors {
		n.Cursors[tenant] = at.Passwords
	}
	if !c.oldest.IsZero() {
		n.OldestNS = max(now.Sub(c.oldest).Nanoseconds(), 1)
	}
	n.OldestMaxNS = max(c.oldestMax.Nanoseconds(), n.OldestNS)
	if !c.lastComplete.IsZero() {
		n.SinceNS = now.Sub(c.lastComplete).Nanoseconds()
	}
	return n
}

// registry exposes the counts, and the process's own, to Prometheus.
func (c *counts) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, n *atomic.Uint64) {
		r.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "ptabench", Subsystem: "hashsync", Name: name, Help: help},
			func() float64 { return float64(n.Load()) }))
	}
	counter("cycles_total", "Cycles of reading what changed, ended.", &c.cycles)
	counter("failed_cycles_total", "Cycles cut short.", &c.failed)
	counter("read_accounts_total", "Accounts read from the source.", &c.read)
	counter("sent_accounts_total", "Accounts that the cloud took.", &c.sent)
	counter("same_accounts_total", "Accounts that changed in nothing that is carried.", &c.same)
	counter("withheld_hashes_total", "Accounts sent without a hash, because their password is not carried.", &c.withheld)
	counter("batches_total", "Batches that the cloud took.", &c.batches)
	counter("retries_total", "Batches sent again.", &c.retries)
	counter("full_syncs_total", "Syncs of everything.", &c.full)
	gauge := func(name, help string, ns func(observe.HashSyncCounters) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "ptabench", Subsystem: "hashsync", Name: name, Help: help},
			func() float64 { return float64(ns(c.counters())) / 1e9 }))
	}
	gauge("oldest_unsynced_seconds", "Age of the oldest change that the cloud has not.", func(n observe.HashSyncCounters) int64 { return n.OldestNS })
	gauge("oldest_unsynced_seconds_max", "The oldest that a change became before the cloud had it.", func(n observe.HashSyncCounters) int64 { return n.OldestMaxNS })
	return r
}
