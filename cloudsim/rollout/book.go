// Package rollout takes a tenant's connectors through an update one at a time:
// who may update now, how it went with those before, and where the update is to
// be had.
//
// The book decides by what it is told and the time it is given; it does no I/O.
// It is kept in memory: a cloud that is started again may let a second connector
// begin while one that had the lease before is at it.
package rollout

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"ptabench/observe"
	"ptabench/signed"
)

// DefaultTerm is how long a lease lasts unless it is asked for again: a
// connector that died with it holds up the others for so long.
const DefaultTerm = 30 * time.Second

// entriesKept bounds what is remembered of updates that are over.
const entriesKept = 1 << 12

// haltedKept bounds what a tenant's connectors can say that failed.
const haltedKept = 64

// Who is a connector.
type Who struct{ Tenant, Name string }

// A Book has the leases of all tenants. It is safe for concurrent use.
type Book struct {
	term time.Duration
	say  func(observe.Event) // must not block

	mu      sync.Mutex
	last    uint64              // lease that was granted
	leases  map[string]*lease   // by tenant
	halted  map[string]failures // by tenant
	entries []*observe.Update
}

// failures are versions that failed, the last haltedKept of them.
type failures []failure

type failure struct{ version, why string }

func (f failures) of(version string) (why string) {
	for _, one := range f {
		if one.version == version {
			return one.why
		}
	}
	return ""
}

type lease struct {
	id    uint64
	who   Who
	until time.Time
	entry *observe.Update
}

// NewBook makes an empty one.
func NewBook(term time.Duration, say func(observe.Event)) *Book {
	return &Book{term: term, say: say, leases: make(map[string]*lease), halted: make(map[string]failures)}
}

// Take notes what a connector says, and answers it. A lease that is new has
// begun, by a number of its own.
func (b *Book) Take(who Who, m *signed.UpdateMessage, now time.Time) (answer signed.UpdateAnswer, began uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lapse(who.Tenant, now)
	l := b.leases[who.Tenant]
	mine := l != nil && l.who == who && l.entry.To == m.To
	switch m.Step {
	case signed.UpdateLease, signed.UpdateConfirm:
		return b.grant(who, m, l, now)
	case signed.UpdateDone:
		if mine {
			b.end(l, observe.Updated, "", now)
		}
	case signed.UpdateFailed:
		b.halt(who, m)
		if !mine { // it ran out meanwhile
			l = &lease{who: who, entry: b.enter(who, m, now)}
		}
		b.end(l, observe.FailedUpdate, m.Reason, now)
	case signed.UpdateRefused:
		e := b.enter(who, m, now)
		e.State, e.Reason, e.EndedNS = observe.RefusedUpdate, m.Reason, now.UnixNano()
		b.event(observe.UpdateRefused, e, 0)
		if l != nil && l.who == who {
			delete(b.leases, who.Tenant)
		}
	}
	return signed.UpdateAnswer{}, 0
}

// halt keeps a tenant from a version that failed at one of its connectors.
func (b *Book) halt(who Who, m *signed.UpdateMessage) {
	all := slices.DeleteFunc(b.halted[who.Tenant], func(f failure) bool { return f.version == m.To })
	all = append(all, failure{m.To, fmt.Sprintf("it failed at %s: %s", who.Name, m.Reason)})
	b.halted[who.Tenant] = slices.Delete(all, 0, max(0, len(all)-haltedKept))
}

// grant gives the lease to who asks, or says why not.
func (b *Book) grant(who Who, m *signed.UpdateMessage, l *lease, now time.Time) (answer signed.UpdateAnswer, began uint64) {
	if why := b.halted[who.Tenant].of(m.To); why != "" {
		return signed.UpdateAnswer{Halted: why}, 0
	}
	if l != nil && l.who != who {
		return signed.UpdateAnswer{Holder: l.who.Name, UntilNS: l.until.UnixNano()}, 0
	}
	if l != nil && l.entry.To != m.To { // there is a later one by now
		b.end(l, observe.LapsedUpdate, "given up for "+m.To, now)
		l = nil
	}
	if l == nil {
		b.last++
		l = &lease{id: b.last, who: who, entry: b.enter(who, m, now)}
		b.leases[who.Tenant] = l
		b.event(observe.UpdateBegan, l.entry, 0)
		began = l.id
	}
	l.until = now.Add(b.term)
	return signed.UpdateAnswer{Granted: true, UntilNS: l.until.UnixNano()}, began
}

// lapse ends a lease that has run out.
func (b *Book) lapse(tenant string, now time.Time) {
	if l := b.leases[tenant]; l != nil && now.After(l.until) {
		b.end(l, observe.LapsedUpdate, "not heard of", now)
	}
}

// enter opens an entry.
func (b *Book) enter(who Who, m *signed.UpdateMessage, now time.Time) *observe.Update {
	if len(b.entries) == entriesKept {
		b.entries = slices.Delete(b.entries, 0, 1)
	}
	e := &observe.Update{Tenant: who.Tenant, Connector: who.Name, From: m.From, To: m.To, State: observe.Updating, BeganNS: now.UnixNano()}
	b.entries = append(b.entries, e)
	return e
}

func (b *Book) end(l *lease, state observe.UpdateState, reason string, now time.Time) {
	if b.leases[l.who.Tenant] == l {
		delete(b.leases, l.who.Tenant)
	}
	l.entry.State, l.entry.Reason, l.entry.EndedNS = state, reason, now.UnixNano()
	kind := map[observe.UpdateState]observe.Kind{observe.Updated: observe.UpdateDone,
		observe.FailedUpdate: observe.UpdateFailed, observe.LapsedUpdate: observe.UpdateLapsed}[state]
	b.event(kind, l.entry, time.Duration(l.entry.NotServingNS).Milliseconds())
}

func (b *Book) event(kind observe.Kind, e *observe.Update, count int64) {
	cause := e.From + " -> " + e.To
	if e.Reason != "" {
		cause += ": " + e.Reason
	}
	b.say(observe.Event{Kind: kind, Tenant: e.Tenant, Connector: e.Connector, Cause: cause, Count: count})
}

// NotServing adds to the time that the holder of a lease could take no
// sign-ins. It reports whether that one still has this lease.
func (b *Book) NotServing(who Who, id uint64, d time.Duration, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lapse(who.Tenant, now)
	l := b.leases[who.Tenant]
	if l == nil || l.id != id {
		return false
	}
	l.entry.NotServingNS += int64(d)
	return true
}

// Updates are those there have been.
func (b *Book) Updates() (all observe.Updates) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all.Updates = []observe.Update{}
	for _, e := range b.entries {
		all.Updates = append(all.Updates, *e)
	}
	return all
}
