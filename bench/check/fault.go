package check

import (
	"math"
	"slices"
	"sort"

	"ptabench/results"
	"ptabench/scenarios"
)

// Never is the time of what did not happen.
const Never = -1

// aftermath is how long after its undo a fault still counts when its target
// was not seen to serve again, in nanoseconds.
const aftermath = 2_000_000_000

// A Fault is what became of one fault. Times are nanoseconds from time 0. The
// injection and the undo each take a while, and effects can come before either
// call returned; so both have a beginning, from which effects are looked for.
type Fault struct {
	Name       string
	Group      string // its name in the scenario, when several came of that
	Kind       scenarios.FaultKind
	Target     string
	Only       string // the one connector that a fault of the directory is for; empty when all notice
	Text       string // as it parses
	Tier       string
	Began      int64 // when the injection was begun
	InjectedAt int64 // when it was done; Never when it was not
	UndoBegan  int64 // when the undo was begun
	UndoneAt   int64 // when it was done; Never when it was not
	Injections uint64
	Healed     bool
	Note       string
	Err        string // empty when all went well

	Shows     string
	Expect    []scenarios.Expectation
	Seen      []Seen // of each of them
	SettledAt int64  // when the phase settled begins
	RowEnd    int64  // when what is seen is no longer of this fault
}

// on says that it was injected.
func (f *Fault) on() bool { return f.InjectedAt != Never }

// killsCloud says that the cloud simulator may have been killed by it.
func (f *Fault) killsCloud() bool {
	return (f.Target == scenarios.CloudTarget || f.Target == scenarios.AllTarget) &&
		(f.Kind == scenarios.Crash || f.Kind == scenarios.PowerLoss || f.Kind == scenarios.LimitMemory)
}

// killedBy is when at the latest it killed what it kills: at once, but for the
// kernel, which does it when the memory is used up.
func (f *Fault) killedBy() int64 {
	switch {
	case f.Kind != scenarios.LimitMemory:
		return f.InjectedAt
	case f.UndoneAt == Never:
		return math.MaxInt64
	}
	return f.UndoneAt
}

// A watch collects what one fault did, in two passes over the samples.
type watch struct {
	Fault
	server    int    // number, as Sample.Server, of the connector that is its target; 0 when the path as a whole is
	farm      int    // number of the federation server that is its target; 0 when all are, or none
	end       int64  // of its window, known after the first pass
	next      *watch // the first fault that began when the undo of this one had; nil when none did, or it was not undone
	shared    overlap
	failover  int64
	recover   int64
	seen      int64 // when users first noticed, of a fault that the cloud cannot
	suffered  int64 // when the last sign-in of the fault was due that was lost or late; Never when none was
	out       results.Fault
	times     sparseTimes
	wrong     results.WrongCount
	firstLost int64
	lastLost  int64
	shares    *shares // after its undo; nil when there is no time for them
}

// watches are the watches of all faults.
type watches struct {
	all      []*watch
	on       *timeline     // from the beginning to the undo; then from there to the end of the window
	undone   *timeline     // while shares are watched
	byServer [][]*watch    // by connector
	byFarm   [][]*watch    // by federation server
	seconds  []secondCount // of the load
	before   *results.Histogram
	first    int64 // when the first fault began
	late     int64 // what users notice, in nanoseconds
	steady   *steadyShares
	doubles  *doubles
	paths    []results.Path // Input.Paths
}

func newWatches(in Input) *watches {
	w := &watches{first: math.MaxInt64, before: results.NewHistogram(), steady: newSteadyShares(in), doubles: newDoubles(in), paths: in.Paths}
	n := len(in.Header.Connectors)
	w.byServer = make([][]*watch, n+1)
	w.byFarm = make([][]*watch, len(in.Header.Federation)+1)
	for _, f := range in.Faults {
		one := newWatch(f, in.Header)
		w.all = append(w.all, one)
		if !one.on() {
			continue
		}
		w.first = min(w.first, one.Began)
		switch {
		case one.UndoneAt == Never:
		case one.ofHashes(), one.Target == scenarios.HashSyncTarget:
			one.recover = one.UndoneAt - one.UndoBegan // the store is right again when the undo returns
		case one.ofFarm():
			w.byFarm[one.farm] = append(w.byFarm[one.farm], one)
		default:
			w.byServer[one.server] = append(w.byServer[one.server], one)
			if one.server == 0 && len(w.byFarm) > 1 {
				w.byFarm[0] = append(w.byFarm[0], one) // they need it too
			}
		}
	}
	for _, list := range slices.Concat(w.byServer, w.byFarm) {
		slices.SortFunc(list, func(a, b *watch) int { return int(min(max(a.UndoBegan-b.UndoBegan, -1), 1)) })
	}
	w.on = newTimeline(len(w.all), in.Header.Duration, func(i int) (from, to int64) {
		one := w.all[i]
		if !one.on() {
			return 0, -1
		}
		if one.UndoneAt == Never {
			return one.Began, math.MaxInt64
		}
		return one.Began, one.UndoneAt
	})
	w.findNext()
	w.watchShares(in.Header.Duration, n)
	return w
}

func newWatch(f Fault, h results.Header) *watch {
	target := f.Target
	if f.Only != "" {
		target = f.Only
	}
	return &watch{Fault: f, failover: Never, recover: Never, seen: Never, suffered: Never, firstLost: math.MaxInt64,
		server: slices.Index(h.Connectors, target) + 1, farm: slices.Index(h.Federation, target) + 1, times: sparseTimes{}}
}

// ofFarm says that a fault is one of federation servers or of what stands
// before them.
func (w *watch) ofFarm() bool {
	return scenarios.WithinTarget(w.Target, scenarios.ADFSTarget) || w.Target == scenarios.BalancerTarget
}

// unseen says that the cloud cannot tell the fault by any event: only users
// notice. One of several directory servers is left by connectors on their own.
func (w *watch) unseen() bool {
	return w.cloudToo() || w.ofFarm() || w.Target == scenarios.HashSyncTarget ||
		w.Target != scenarios.DirectoryTarget && scenarios.WithinTarget(w.Target, scenarios.DirectoryTarget)
}

// ofHashes says that a fault is one of the hash store, which nothing on the
// way of a sign-in notices.
func (w *watch) ofHashes() bool {
	return w.Kind == scenarios.StaleHashes || w.Kind == scenarios.MissingHashes
}

// cloudToo says that the cloud itself is broken, which it cannot notice.
func (w *watch) cloudToo() bool {
	return w.Target == scenarios.CloudTarget || w.Target == scenarios.AllTarget
}

// fellBack says that hash sync answered, which is not its tenant's own way.
func (w *watches) fellBack(s *results.Sample) bool {
	return s.Path == results.PathHashSync && (int(s.Tenant) >= len(w.paths) || w.paths[s.Tenant] != results.PathHashSync)
}

// look takes in a sign-in in the first pass: what comes first, of a fault and
// of its undo. The samples are only about in order.
func (w *watches) look(s *results.Sample) {
	w.doubles.look(s)
	if s.Outcome == results.OutcomeUnsent || canceled(s) || len(w.all) == 0 {
		return
	}
	if s.Due >= 0 {
		w.countSecond(s)
		if s.Done < w.first {
			w.before.Record(s.Done - s.Due)
		}
	}
	if !decided(s) {
		return
	}
	if w.fellBack(s) || s.Attempts > 1 {
		w.on.each(s.Due, s.Done, func(i int32) { w.all[i].servedAnother(s) })
	}
	if s.Path == results.PathPassThrough {
		served(w.byServer[0], s.Done)
		if s.Server > 0 && int(s.Server) < len(w.byServer) {
			served(w.byServer[s.Server], s.Done)
		}
		w.steady.count(s)
		w.undone.each(s.Done, s.Done, func(i int32) { w.all[i].shares.count(s) })
	}
	if s.Path == results.PathFederation {
		served(w.byFarm[0], s.Done)
		if s.Server > 0 && int(s.Server) < len(w.byFarm) {
			served(w.byFarm[s.Server], s.Done)
		}
	}
}

// servedAnother takes in a sign-in that was served another way: not by the
// connector that is broken.
func (w *watch) servedAnother(s *results.Sample) {
	if w.server > 0 && int(s.Server) == w.server {
		return
	}
	if w.unseen() && !w.cloudToo() {
		return // nothing in a sign-in says that it was served another way
	}
	if s.Done >= w.Began && (w.UndoneAt == Never || s.Due <= w.UndoneAt) && !w.ofHashes() && !w.cloudToo() {
		earliest(&w.failover, w.since(s.Done))
	}
}

// served takes in that the target of some faults, in the order of their undo,
// served at a time. Who was undone earlier was served earlier or at once, so
// the first from behind that does not change ends it.
func served(list []*watch, at int64) {
	n := sort.Search(len(list), func(i int) bool { return list[i].UndoBegan > at })
	for i := n - 1; i >= 0; i-- {
		w := list[i]
		if w.recover != Never && w.UndoBegan+w.recover <= at {
			return
		}
		w.recover = at - w.UndoBegan
	}
}

// canceled says that the harness itself took a sign-in back, because the run
// was stopped: that is no effect of the system.
func canceled(s *results.Sample) bool {
	return !decided(s) && s.Error == results.ErrorCanceled
}

// since is how long after the injection something happened: after its end, or
// when the effect came sooner than that, after its beginning.
func (w *watch) since(at int64) int64 {
	if at < w.InjectedAt {
		return at - w.Began
	}
	return at - w.InjectedAt
}

func decided(s *results.Sample) bool {
	return s.Outcome == results.OutcomeAccepted || s.Outcome == results.OutcomeRefused
}

func earliest(at *int64, t int64) {
	if *at == Never || t < *at {
		*at = t
	}
}

func (w *watches) countSecond(s *results.Sample) {
	i := int(s.Due / second)
	if i >= maxTenths/10 {
		return
	}
	for i >= len(w.seconds) {
		w.seconds = append(w.seconds, secondCount{})
	}
	w.seconds[i].sent++
	if !decided(s) {
		w.seconds[i].lost++
	}
}

// lateness is what users notice at least: a tenth of a second.
const lateness = second / 10

// turn ends the first pass: the windows of the faults are known.
func (w *watches) turn(length int64) {
	w.late = max(lateness, 2*w.before.At(99))
	for _, one := range w.all {
		one.endWindow()
	}
	w.findOverlaps()
	w.on = newTimeline(len(w.all), length, func(i int) (from, to int64) {
		if !w.all[i].on() {
			return 0, -1
		}
		return w.all[i].Began, w.all[i].end
	})
	w.doubles.turn()
}

// count takes in a sign-in in the second pass.
func (w *watches) count(s *results.Sample) {
	if s.Outcome == results.OutcomeUnsent {
		return
	}
	w.doubles.count(s)
	if canceled(s) {
		return
	}
	back := w.fellBack(s)
	w.on.each(s.Due, s.Done, func(i int32) { w.all[i].count(s, back, w.late) })
}

// count takes in a sign-in that was under way at any time of the fault and its
// recovery. It fell back where hash sync answered in another's place.
func (w *watch) count(s *results.Sample, fellBack bool, late int64) {
	if !w.has(s.Due, s.Done) {
		return
	}
	took := s.Done - s.Due
	w.times.record(took)
	w.wrong.Count(s)
	lost := !decided(s)
	switch {
	case lost:
		w.out.Lost++
		w.firstLost, w.lastLost = min(w.firstLost, s.Due), max(w.lastLost, s.Due)
	case fellBack:
		w.out.HashSync++
	}
	if s.Attempts > 1 && !lost {
		w.out.HandedOff++
	}
	if at := s.Due + min(took, late); (lost || took > late) && at >= w.Began && (w.UndoneAt == Never || at <= w.UndoneAt) {
		earliest(&w.seen, w.since(at))
		w.suffered = max(w.suffered, s.Due)
	}
}

// figures makes the results.
func (w *watches) figures(in Input) ([]results.Fault, error) {
	list := make([]results.Fault, 0, len(w.all))
	if err := w.doubles.read(in, w); err != nil {
		return nil, err
	}
	for _, one := range w.all {
		f := one.figures(in)
		if one.on() && f.Lost > 0 {
			from, to := max(one.firstLost, 0)/second, one.lastLost/second
			for i := from; i <= to && i < int64(len(w.seconds)); i++ {
				if results.BadSecond(uint64(w.seconds[i].sent), uint64(w.seconds[i].lost)) {
					f.BadSeconds++
				}
			}
		}
		if one.shares != nil {
			f.Rebalance = one.shares.rebalanced(w.steady.reference())
		}
		list = append(list, f)
	}
	return list, nil
}

func (w *watch) figures(in Input) results.Fault {
	f := w.out
	f.Name, f.Kind, f.Target, f.Text, f.Tier, f.Group = w.Name, string(w.Kind), w.Target, w.Text, w.Tier, w.Group
	f.Injections, f.Healed, f.Note = w.Injections, w.Healed, w.Note
	f.Note = joined(joined(f.Note, w.Err), joined(w.notRecovered(), w.shared.text()))
	f.At, f.Detect, f.Failover, f.Recover, f.Rebalance = w.InjectedAt, Never, w.failover, w.recover, Never
	f.Wrong = w.wrong.ByCause(in.Header.Intents)
	f.Idle = w.idle(in)
	if !w.on() {
		return f
	}
	if w.UndoneAt != Never {
		f.Duration = w.UndoneAt - w.InjectedAt
	}
	if f.Lost > 0 {
		f.ErrorWindow = w.lastLost - w.firstLost
	}
	f.Detect = w.detect(in.Events)
	if w.unseen() && !w.cloudToo() && w.Target != scenarios.HashSyncTarget {
		f.Failover = w.survived()
	}
	if w.shared.n > 0 && w.server > 0 && f.Detect == Never {
		f.Failover = Never // the cloud noticed nothing of this connector, so another fault was the cause
	}
	f.P99 = w.times.at(.99)
	return f
}

// idle says that no sign-in needs a fault's target while all is well: with hash
// sync alone nobody asks connectors, nor directories.
func (w *watch) idle(in Input) bool {
	if len(in.Paths) == 0 || w.cloudToo() || w.ofHashes() || w.Target == scenarios.HashSyncTarget {
		return false
	}
	return !slices.ContainsFunc(in.Paths, func(p results.Path) bool { return p != results.PathHashSync })
}

// survived is how long after a fault that the cloud knows nothing of users
// suffered from it, of those whose sign-in was due while it was on: from then on
// others served all of them. Never when it went on until the end.
func (w *watch) survived() int64 {
	const calm = second / 2 // without which it is not over
	switch {
	case w.suffered == Never || w.suffered <= w.InjectedAt:
		return 0
	case w.UndoBegan-w.suffered < calm:
		return Never
	}
	return w.suffered - w.InjectedAt
}

func joined(note, more string) string {
	if note == "" || more == "" {
		return note + more
	}
	return note + "; " + more
}
