package bench

import (
	"context"
	"sync"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
)

// watchInterval is how often counters are read and processes sampled. A killed
// connector takes the counts since the last reading along.
const watchInterval = time.Second

// maxEvents is how many events of the cloud are kept in memory for the checks:
// some 10 MB. All of them are in the log.
const maxEvents = 1 << 16

// watch reads what the roles tell while a run goes on: the cloud's events as
// they come, everybody's counters once a second. It owns its goroutines; stop
// ends them.
type watch struct {
	system *system
	log    *results.EventLog
	cancel context.CancelFunc
	work   sync.WaitGroup

	reads sync.Mutex // one at a time, so that an older one does not come last

	mu     sync.Mutex
	zero   time.Time       // time 0; zero until the load is planned
	events []observe.Event // of the cloud, in order, AtNS counting from time 0
	over   int64           // events beyond maxEvents, which are in the log only
	early  []observe.Event // of the cloud, before time 0 was known
	books  []*reading      // one for each start of each role
	err    error           // of the event log, the first
}

// reading is the last that was read of one start of a role.
type reading struct {
	name, role string
	process    *proc.Process
	start      proc.Identity
	cloud      observe.CloudCounters
	connector  observe.AgentCounters
	directory  observe.DirectoryCounters
}

// gone reports whether the start that was read has ended, which took along
// what it counted since.
func (r *reading) gone() bool { return r.process.Identity() != r.start || r.process.State() != nil }

func newWatch(s *system, log *results.EventLog) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{system: s, log: log, cancel: cancel}
	w.work.Go(func() {
		// An error means that the cloud or the run has ended.
		_ = s.client(s.cloud).Events(ctx, w.cloudEvent)
	})
	w.work.Go(func() { w.poll(ctx) })
	return w
}

// stop ends the watching and closes the event log.
func (w *watch) stop() error {
	w.cancel()
	w.work.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.log.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

// begin sets time 0, which events count from.
func (w *watch) begin(zero time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zero = zero
	for _, e := range w.early {
		w.keepCloud(e)
	}
	w.early = nil
}

func (w *watch) cloudEvent(e observe.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.zero.IsZero() {
		w.early = append(w.early, e)
		return
	}
	w.keepCloud(e)
}

// keepCloud is called with the lock held.
func (w *watch) keepCloud(e observe.Event) {
	e.AtNS -= w.zero.UnixNano()
	switch {
	case e.Kind == observe.FallbackBegan || e.Kind == observe.FallbackEnded:
		// Overload may bring as many as sign-ins, and no check asks for them.
	case len(w.events) < maxEvents:
		w.events = append(w.events, e)
	default:
		w.over++
	}
	w.write(results.Event{At: e.AtNS, Source: roleCloud, Kind: string(e.Kind),
		Tenant: e.Tenant, Connector: e.Connector, Cause: e.Cause, Count: e.Count})
}

// harness adds an event that the harness itself saw or caused.
func (w *watch) harness(e results.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Source = "harness"
	if !w.zero.IsZero() {
		e.At = time.Since(w.zero).Nanoseconds()
	}
	w.write(e)
}

// write is called with the lock held.
func (w *watch) write(e results.Event) {
	if err := w.log.Append(e); err != nil && w.err == nil {
		w.err = err
	}
}

// seen returns the cloud's events so far.
func (w *watch) seen() []observe.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := append([]observe.Event(nil), w.events...)
	if w.over > 0 {
		events = append(events, observe.Event{AtNS: time.Since(w.zero).Nanoseconds(), Kind: observe.EventsOverflowed, Count: w.over})
	}
	return events
}

func (w *watch) poll(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.read(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// read samples every process and reads its counters. What cannot be reached,
// because it is broken on purpose, keeps its last reading.
func (w *watch) read(ctx context.Context) {
	w.reads.Lock()
	defer w.reads.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	var each sync.WaitGroup
	for _, p := range w.system.roles.Processes() {
		p.Sample()
		each.Go(func() { w.readOne(ctx, p) })
	}
	each.Wait()
}

func (w *watch) readOne(ctx context.Context, p *proc.Process) {
	r := &reading{name: p.Name(), role: p.Role(), process: p, start: p.Identity()}
	var into any = &r.connector
	switch r.role {
	case roleCloud:
		into = &r.cloud
	case roleDirectory:
		into = &r.directory
	}
	if w.system.client(p).Get(ctx, "/counters", into) != nil || r.gone() {
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
		if r.role == role {
			found = append(found, r)
		}
	}
	return found
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
