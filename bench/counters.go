package bench

import (
	"context"
	"sync"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
)

// watchInterval is how often counters are read and processes sampled. A killed
// connector takes the counts since the last reading along.
const watchInterval = time.Second

// reading is the last that was read of one start of a role.
type reading struct {
	*watched
	start     proc.Identity
	cloud     observe.CloudCounters
	connector observe.AgentCounters
	directory observe.DirectoryCounters
	adfs      observe.FederationCounters
	hashSync  observe.HashSyncCounters
}

// gone reports whether the start that was read has ended, which took along
// what it counted since.
func (r *reading) gone() bool { return r.Identity() != r.start || r.State() != nil }

// poll reads one role's counters until the context ends. Each role is polled
// by itself: one that is frozen keeps nobody else's from being read.
func (w *watch) poll(ctx context.Context, p *watched, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.readOne(ctx, p)
		case <-ctx.Done():
			return
		}
	}
}

// read samples every process and reads its counters, all at once, and returns
// when each has answered or has not in time.
func (w *watch) read(ctx context.Context) {
	var each sync.WaitGroup
	for _, p := range w.roles {
		each.Go(func() { w.readOne(ctx, p) })
	}
	each.Wait()
}

// readOne samples one process and reads its counters. What cannot be reached,
// because it is broken on purpose, keeps its last reading.
func (w *watch) readOne(ctx context.Context, p *watched) {
	p.reads.Lock()
	defer p.reads.Unlock()
	usage := p.Sample()
	defer func() { w.used(p.process, usage) }()
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	r := &reading{watched: p, start: p.Identity()}
	var into any
	switch p.Role() {
	case roleConnector:
		into = &r.connector
	case roleCloud:
		into = &r.cloud
	case roleDirectory:
		into = &r.directory
	case roleADFS:
		into = &r.adfs
	case roleHashSync:
		into = &r.hashSync
	default:
		return // what others count nobody here asks for
	}
	if p.client().Get(ctx, "/counters", into) != nil || r.gone() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, old := range w.books {
		if old.start == r.start {
			w.books[i] = r
			return
		}
	}
	w.books = append(w.books, r)
}

// readings returns the last reading of each start of a role, in order of
// their first.
func (w *watch) readings(role string) (found []*reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.books {
		if r.Role() == role {
			found = append(found, r)
		}
	}
	return found
}

// lastOf returns the last reading of a process; nil when there is none.
func (w *watch) lastOf(name string) (last *reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.books {
		if r.Name() == name {
			last = r
		}
	}
	return last
}

// cloud returns the last reading of the cloud's counters.
func (w *watch) cloud() (last observe.CloudCounters) {
	for _, r := range w.readings(roleCloud) {
		last = r.cloud
	}
	return last
}

// busy reports whether anybody had anything in hand when last read.
func (w *watch) busy() bool {
	for _, t := range w.cloud().Tenants {
		if t.Queued > 0 || t.InFlight > 0 || t.Received > t.Accepted+t.Refused+t.Failed {
			return true
		}
	}
	for _, r := range w.readings(roleConnector) {
		if !r.gone() && r.connector.InFlight > 0 {
			return true
		}
	}
	return false
}
