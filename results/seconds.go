package results

import (
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// maxSeconds bounds the intervals of a run: a day. Sign-ins due later are in
// every figure but those of the intervals.
const maxSeconds = 24 * 60 * 60

// maxOpen bounds how many intervals wait for late answers at the same time:
// each holds up to 160 kB of times.
const maxOpen = 64

// maxLoose is how many sign-ins of an interval keep their times loose. What
// is more moves into sparse histograms, which are small and slow.
const maxLoose = 4096

// second is what is kept of one interval to the end of the run.
type second struct {
	sent, accepted, refused, failed, unknown, hashSync uint32
	hashRefused                                        uint32 // of those by hash sync
	federated, federatedRefused                        uint32
	canceled                                           uint32 // of the unknown ones, those that the end of the run took back

	p50, p95, p99, max int64
	by                 []uint32 // by connector
}

// openSecond is an interval that answers may still come for.
type openSecond struct {
	second
	loose []times
	moved [len(intervalTags)]*hdr.PackedHistogram // nil until needed
}

// times of one sign-in in nanoseconds, in range and in the order of
// intervalTags.
type times [len(intervalTags)]int64

// seconds sorts sign-ins into intervals of a second by when they were due. An
// interval closes when no answer for it can come any more, the clients'
// timeout after its end; should one come, because the generator stood still,
// it counts in the oldest interval still open.
type seconds struct {
	connectors int
	window     int           // intervals that may be open
	closed     []second      // from time 0
	shown      []Interval    // of the closed ones, as far as somebody asked; not changed any more
	open       []*openSecond // follow the closed ones
	spare      []*openSecond
	scratch    *hdr.Histogram // empty between uses
	log        *IntervalLog   // nil when nobody wants one
}

func newSeconds(connectors int, timeout time.Duration, log *IntervalLog) *seconds {
	window := maxOpen
	if wait := timeout / time.Second; wait > 0 && wait < maxOpen-2 {
		window = int(wait) + 2
	}
	return &seconds{
		connectors: connectors, window: window, log: log,
		scratch: hdr.New(lowestTime, highestTime, digits),
	}
}

// at returns the interval in which to count a sign-in due at a time, nil past
// the last one and after closeAll.
func (w *seconds) at(due int64) *openSecond {
	i := due / int64(time.Second)
	if i >= maxSeconds {
		return nil
	}
	for int(i) >= len(w.closed)+len(w.open) {
		w.open = append(w.open, w.fresh())
		if len(w.open) > w.window {
			w.closeOldest()
		}
	}
	if len(w.open) == 0 {
		return nil
	}
	return w.open[max(int(i)-len(w.closed), 0)]
}

func (w *seconds) fresh() *openSecond {
	if n := len(w.spare); n > 0 {
		s := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return s
	}
	return &openSecond{second: second{by: make([]uint32, w.connectors)}}
}

// record adds the times of a sign-in that was sent.
func (s *openSecond) record(t times) {
	s.max = max(s.max, t[0])
	s.loose = append(s.loose, t)
	if len(s.loose) < maxLoose {
		return
	}
	for i := range s.moved {
		if s.moved[i] == nil {
			s.moved[i] = hdr.NewPacked(lowestTime, highestTime, digits)
		}
		for _, t := range s.loose {
			_ = s.moved[i].RecordValue(t[i]) // in range
		}
	}
	s.loose = s.loose[:0]
}

// gather makes one histogram of all times of one kind, to be reset after use.
func (w *seconds) gather(s *openSecond, kind int) *hdr.Histogram {
	if moved := s.moved[kind]; moved != nil {
		moved.MergeInto(w.scratch)
	}
	for _, t := range s.loose {
		_ = w.scratch.RecordValue(t[kind]) // in range
	}
	return w.scratch
}

// finished is the interval as it stands, with its percentiles.
func (w *seconds) finished(s *openSecond) second {
	f := s.second
	f.by = slices.Clone(f.by)
	response := w.gather(s, 0)
	f.p50 = min(response.ValueAtPercentile(50), f.max)
	f.p95 = min(response.ValueAtPercentile(95), f.max)
	f.p99 = min(response.ValueAtPercentile(99), f.max)
	response.Reset()
	return f
}

func (w *seconds) closeOldest() {
	s := w.open[0]
	w.open = slices.Delete(w.open, 0, 1)
	if w.log != nil {
		at := time.Duration(len(w.closed)) * time.Second
		for kind, tag := range intervalTags {
			h := w.gather(s, kind)
			w.log.write(tag, at, time.Second, h)
			h.Reset()
		}
	}
	w.closed = append(w.closed, w.finished(s))
	clear(s.by)
	s.second, s.loose = second{by: s.by}, s.loose[:0]
	for _, moved := range s.moved {
		if moved != nil {
			moved.Reset()
		}
	}
	w.spare = append(w.spare, s)
}

func (w *seconds) closeAll() {
	for len(w.open) > 0 {
		w.closeOldest()
	}
}

// intervals renders all intervals, the open ones as they stand. Those that are
// closed are rendered once: who watches a long run asks every second, and
// whoever measures waits meanwhile. Their maps are shared, to read.
func (w *seconds) intervals(connectors []string) []Interval {
	for i := len(w.shown); i < len(w.closed); i++ {
		w.shown = append(w.shown, w.closed[i].interval(int64(i)*int64(time.Second), connectors))
	}
	list := append(make([]Interval, 0, len(w.closed)+len(w.open)), w.shown...)
	for _, s := range w.open {
		f := w.finished(s)
		list = append(list, f.interval(int64(len(list))*int64(time.Second), connectors))
	}
	return list
}

func (s *second) interval(at int64, connectors []string) Interval {
	by := make(map[string]uint64, len(connectors))
	for i, name := range connectors {
		by[name] = uint64(s.by[i])
	}
	return Interval{
		At: at, Sent: uint64(s.sent), Accepted: uint64(s.accepted), Refused: uint64(s.refused),
		Failed: uint64(s.failed), Unknown: uint64(s.unknown), HashSync: uint64(s.hashSync), HashSyncRefused: uint64(s.hashRefused),
		Federation: uint64(s.federated), FederationRefused: uint64(s.federatedRefused),
		P50: s.p50, P95: s.p95, P99: s.p99, Max: s.max, ByConnector: by,
	}
}

// count adds a sign-in's outcome, without its times.
func (s *second) count(o *Sample) {
	if o.Outcome == OutcomeUnsent {
		return
	}
	s.sent++
	switch o.Outcome {
	case OutcomeAccepted:
		s.accepted++
	case OutcomeRefused:
		s.refused++
	case OutcomeFailed:
		s.failed++
	default:
		s.unknown++
		if o.Error == ErrorCanceled {
			s.canceled++
		}
	}
	if !o.decided() {
		return
	}
	switch {
	case o.Path == PathHashSync:
		s.hashSync++
		if o.Outcome == OutcomeRefused {
			s.hashRefused++
		}
	case o.Path == PathFederation:
		s.federated++
		if o.Outcome == OutcomeRefused {
			s.federatedRefused++
		}
	case o.Path == PathPassThrough && o.Server > 0:
		s.by[o.Server-1]++
	}
}

// decided reports whether somebody gave a definite answer.
func (s *Sample) decided() bool { return s.Outcome == OutcomeAccepted || s.Outcome == OutcomeRefused }

// badShare is the share of sign-ins that may fail in a second without making
// it a bad one.
const badShare = 0.001

// BadSecond reports whether of the sign-ins sent in a second so many came to
// nothing, failed or unknown, that fewer than 99.9 % succeeded.
func BadSecond(sent, lost uint64) bool { return float64(lost) > badShare*float64(sent) }

// unavailable is what users felt of sign-ins that came to nothing. That a run
// was stopped is none of it.
func (w *seconds) unavailable(repeated uint64) Unavailable {
	u := Unavailable{Repeated: repeated}
	add := func(s *second) {
		sent := s.sent - s.canceled
		if sent == 0 {
			return
		}
		u.Of++
		if BadSecond(uint64(sent), uint64(s.failed+s.unknown-s.canceled)) {
			u.Seconds++
		}
	}
	for i := range w.closed {
		add(&w.closed[i])
	}
	for _, s := range w.open {
		add(&s.second)
	}
	return u
}
