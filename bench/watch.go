package bench

import (
	"context"
	"os"
	"sync"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
)

// reconnectAfter is how long the watch waits before it asks a cloud whose
// event stream ended for it again: it may be starting.
const reconnectAfter = 50 * time.Millisecond

// maxEvents is how many events of the cloud are kept in memory for the checks:
// some 10 MB. All of them are in the log.
const maxEvents = 1 << 16

// watch reads what the roles tell while a run goes on: the cloud's events as
// they come, everybody's counters once a second. It owns its goroutines; stop
// ends them.
type watch struct {
	roles  []*watched
	log    *results.EventLog
	cancel context.CancelFunc
	work   sync.WaitGroup
	last   chan struct{} // closed when the cloud will not be started again
	stream chan struct{} // closed when its events have ended

	mu       sync.Mutex
	zero     time.Time         // time 0; zero until the load is planned
	events   []observe.Event   // of the cloud, in order, AtNS counting from time 0
	over     int64             // events beyond maxEvents, which are in the log only
	early    []observe.Event   // of the cloud, before time 0 was known
	books    []*reading        // one for each start of each role
	err      error             // of the logs, the first
	usage    *results.UsageLog // nil when nobody wants one
	follower Follower          // nil when nobody wants events as they come
}

// watched is a role under watch.
type watched struct {
	process
	client func() *observe.Client // where it is at present
	reads  sync.Mutex             // one at a time, so that an older one does not come last
}

// process is what a watch wants to know of a proc.Process.
type process interface {
	Name() string
	Role() string
	Identity() proc.Identity // of the last start
	State() *os.ProcessState // how that ended; nil while it runs
	Sample() proc.Usage
}

var _ process = (*proc.Process)(nil)

// newWatch begins to watch roles, and reads their counters every so often.
// Without roles it is no more than the log of what the harness itself does.
func newWatch(roles []*watched, log *results.EventLog, every time.Duration) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{roles: roles, log: log, cancel: cancel, last: make(chan struct{}), stream: make(chan struct{})}
	var cloud *watched
	for _, p := range w.roles {
		w.work.Go(func() { w.poll(ctx, p, every) })
		if p.Role() == roleCloud {
			cloud = p
		}
	}
	w.work.Go(func() {
		defer close(w.stream)
		if cloud != nil {
			w.follow(ctx, cloud)
		}
	})
	return w
}

// finish waits until the events of a cloud that has ended for good are all
// here, at most until ctx ends.
func (w *watch) finish(ctx context.Context) {
	close(w.last)
	select {
	case <-w.stream:
	case <-ctx.Done():
	}
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
	if w.usage != nil {
		if err := w.usage.Close(); w.err == nil {
			w.err = err
		}
	}
	return w.err
}

// follow passes on the cloud's events, over all its starts, each once.
func (w *watch) follow(ctx context.Context, cloud *watched) {
	var of proc.Identity // the start that passed counts the events of
	passed := uint64(0)
	for {
		start := cloud.Identity()
		stream, cancel := context.WithCancel(ctx)
		sure, n := false, uint64(0)
		// An error means that the cloud, the connection or the run has ended.
		_ = cloud.client().Events(stream, func(e observe.Event) {
			if !sure {
				// A process listens after it was started, so who answers is the
				// start that was the last one before and after connecting.
				if cloud.Identity() != start {
					cancel()
					return
				}
				if sure = true; of != start {
					of, passed = start, 0
				}
			}
			before := n
			if n++; e.Kind == observe.EventsOverflowed {
				n = before + uint64(e.Count)
				e.Count = int64(n - min(max(passed, before), n))
			}
			if n > passed { // otherwise it came before the connection broke
				passed = n
				w.cloudEvent(e)
			}
		})
		cancel()
		select {
		case <-w.last:
			return
		case <-ctx.Done():
			return
		case <-time.After(reconnectAfter):
		}
	}
}

// tell passes on what is written from now on.
func (w *watch) tell(f Follower) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follower = f
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
	switch {
	case !w.zero.IsZero():
		w.keepCloud(e)
	case len(w.early) < maxEvents:
		w.early = append(w.early, e)
	default:
		w.over++
	}
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
	e.Source = harnessName
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
	if w.follower != nil {
		w.follower.Event(e)
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

// watched are the roles of a system under watch.
func (s *system) watched() (all []*watched) {
	for _, p := range s.roles.Processes() {
		all = append(all, &watched{process: p, client: func() *observe.Client { return s.client(p) }})
	}
	return all
}
