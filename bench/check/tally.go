package check

import (
	"slices"

	"ptabench/results"
	"ptabench/scenarios"
)

// Bounds on what a window keeps of its time: it is cut into at most so many
// intervals.
const (
	maxIntervals = 4096 // for the bootstrap, of a second or more
	fewIntervals = 20   // at least so many, shorter ones when the window is short
	maxBins      = 2048 // for the design effect, of 100 ms or more
	binWidth     = second / 10
)

// An interval is what is kept of a stretch of a window to resample it.
type interval struct {
	sent, accepted, refused, failed, unknown, passThrough, hashSync, federation uint32
	times                                                                       [3]int64 // sums, in the order of timeKinds
}

// A tally counts the sign-ins of one window, for all objectives about it.
type tally struct {
	window
	tenant                                   uint8 // as in samples; 0 for all
	nobody                                   bool  // the tenant has no sign-in in this run
	planned, unsent                          uint64
	accepted, refused, failed, unknown       uint64
	wrongAccepts, wrongRefusals, otherReason uint64
	handedOff, passThrough, hashSync         uint64
	canceled                                 uint64 // unknown because the run was stopped
	max                                      [3]int64

	width     int64 // of an interval
	intervals []interval
	served    []uint32 // pass-through sign-ins by interval and connector; nil when nobody asks
	servers   int
	seconds   []secondCount // nil when nobody asks
	timing    [3]*timing    // nil where no percentile is asked for
}

// A secondCount counts the sign-ins due in a second and those that came to
// nothing.
type secondCount struct{ sent, lost uint32 }

func newTally(spans []scenarios.Span, servers int) *tally {
	t := &tally{window: newWindow(spans), servers: servers}
	t.width = second
	if t.length < fewIntervals*second {
		t.width = t.length / fewIntervals
	}
	t.width = max(t.width, t.length/maxIntervals, 1)
	t.intervals = make([]interval, (t.length+t.width-1)/t.width)
	return t
}

// of has the tally count the sign-ins of one tenant; empty means all. A load on
// one tenant has no names of tenants: then all are of that one.
func (t *tally) of(tenant string, names []string) {
	if tenant == "" || len(names) == 0 {
		return
	}
	i := slices.Index(names, tenant)
	t.tenant, t.nobody = uint8(i+1), i < 0
}

// wantServed, wantSeconds and wantTiming ask for what is only kept on demand.
func (t *tally) wantServed() {
	if t.served == nil {
		t.served = make([]uint32, len(t.intervals)*t.servers)
	}
}

func (t *tally) wantSeconds() {
	if t.seconds != nil {
		return
	}
	n := 0
	for _, s := range t.spans {
		n += int((int64(s.To-s.From) + second - 1) / second)
	}
	t.seconds = make([]secondCount, n)
}

func (t *tally) wantTiming(kind int) *timing {
	if t.timing[kind] == nil {
		t.timing[kind] = newTiming(t.length)
	}
	return t.timing[kind]
}

// count takes in a sign-in when it is of the window.
func (t *tally) count(s *results.Sample) {
	if t.tenant != 0 && s.Tenant != t.tenant || t.nobody {
		return
	}
	own, inSecond, ok := t.at(s.Due)
	if !ok {
		return
	}
	t.planned++
	if s.Outcome == results.OutcomeUnsent {
		t.unsent++
		return
	}
	in := &t.intervals[own/t.width]
	in.sent++
	switch s.Judgement {
	case results.WrongAccept:
		t.wrongAccepts++
	case results.WrongRefusal:
		t.wrongRefusals++
	case results.OtherReason:
		t.otherReason++
	}
	switch s.Outcome {
	case results.OutcomeAccepted:
		t.accepted++
		in.accepted++
	case results.OutcomeRefused:
		t.refused++
		in.refused++
	case results.OutcomeFailed:
		t.failed++
		in.failed++
	default:
		t.unknown++
		in.unknown++
	}
	if decided(s) {
		t.decided(s, in, own)
	}
	if canceled(s) {
		t.canceled++
	} else if t.seconds != nil {
		c := &t.seconds[inSecond]
		c.sent++
		if !decided(s) {
			c.lost++
		}
	}
	// Of one that the end of the run cut off, it is known how long it took so far.
	answered := decided(s) || canceled(s)
	for kind, v := range timesOf(s) {
		in.times[kind] += v
		t.max[kind] = max(t.max[kind], v)
		if t.timing[kind] != nil {
			t.timing[kind].count(own, v, answered || timeKinds[kind] == "lag")
		}
	}
}

func (t *tally) decided(s *results.Sample, in *interval, own int64) {
	if s.Attempts > 1 {
		t.handedOff++
	}
	switch s.Path {
	case results.PathHashSync:
		t.hashSync++
		in.hashSync++
	case results.PathFederation:
		in.federation++
	case results.PathPassThrough:
		t.passThrough++
		in.passThrough++
		if t.served != nil && s.Server > 0 && int(s.Server) <= t.servers {
			t.served[int(own/t.width)*t.servers+int(s.Server)-1]++
		}
	}
}

// silent is how many had no answer, but for those that the end of the run cut
// off.
func (t *tally) silent() uint64 { return t.failed + t.unknown - t.canceled }

func (t *tally) sent() uint64 { return t.planned - t.unsent }

// badSeconds counts the seconds in which fewer than 99.9 % succeeded.
func (t *tally) badSeconds() (n int) {
	for _, c := range t.seconds {
		if results.BadSecond(uint64(c.sent), uint64(c.lost)) {
			n++
		}
	}
	return n
}

// column is one figure of each interval.
func (t *tally) column(of func(*interval) float64) []float64 {
	all := make([]float64, len(t.intervals))
	for i := range t.intervals {
		all[i] = of(&t.intervals[i])
	}
	return all
}

// lengths is how many seconds each interval lasts; the last one may be
// shorter.
func (t *tally) lengths() []float64 {
	all := make([]float64, len(t.intervals))
	for i := range all {
		all[i] = float64(min(t.width, t.length-int64(i)*t.width)) / second
	}
	return all
}

// perCapacity is what each connector served in each interval, for its
// capacity, connector by connector.
func (t *tally) perCapacity(capacity []float64) [][]float64 {
	columns := make([][]float64, t.servers)
	for c := range columns {
		columns[c] = make([]float64, len(t.intervals))
		for i := range columns[c] {
			columns[c][i] = float64(t.served[i*t.servers+c]) / capacity[c]
		}
	}
	return columns
}
