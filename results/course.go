package results

import (
	"errors"
	"io/fs"
	"iter"
	"math"
	"math/bits"
	"slices"
	"time"
)

// maxStretches bounds how finely a run is drawn: more are not seen on any screen.
const maxStretches = 600

// maxConnectorStretches bounds the stretches of all connectors together.
const maxConnectorStretches = 150_000

// A Course is how a run went over time, for pictures. It is made in one pass
// over the samples, in memory that does not grow with their number, and of the
// measured load only. Intervals are those of the result, so that what is drawn
// of them and what is written cannot disagree; Stretches are what the result does
// not keep, at a width that suits a picture.
type Course struct {
	Connectors []string
	Intervals  []Interval // one a second
	// Sampled says that there were samples. Without, there are no stretches, and
	// the curves have the percentiles of the result only.
	Sampled   bool
	Width     int64 // of a stretch, in ns
	Stretches []Stretch
	// Response, Service and Lag are the distributions of these times.
	Response, Service, Lag []CurvePoint
}

// A Stretch is what was due within one piece of time, Width long.
type Stretch struct {
	At                    int64 // its begin, from time 0
	PassThrough, HashSync uint64
	Federation            uint64
	Refused               uint64 // of those two, as is
	HashSyncRefused       uint64 // of those by hash sync alone
	Failed, Unknown       uint64
	Unsent                uint64
	Time, FederationTime  TimeSpent // of pass-through and of federated sign-ins, on average
	// SignIns are those that each connector answered, InFlight how many it had
	// in hand on average, by Little's law; both as Course.Connectors. Both are
	// nil where there are too many connectors to draw.
	SignIns  []uint32
	InFlight []float64
	// Heat counts those sent by response time, in rows of HeatBounds.
	Heat []uint32

	passed, queue, connector, directory, served uint64 // sums: µs, but served ns
	federated                                   federated
	busy                                        []uint64
}

// A CurvePoint is one point of a distribution.
type CurvePoint struct {
	Percentile float64 // from 0 to 100
	Value      int64   // ns
}

// The rows of a heat map: heatRows of them, heatPerDecade a decade, from 1 µs
// to beyond the hour where histograms end.
const (
	heatLowest    = 1_000 // ns
	heatPerDecade = 10
	heatRows      = 96
)

// HeatBound is where a row of a heat map begins, in nanoseconds; the lowest
// row has what is below it too.
func HeatBound(row int) int64 {
	return int64(math.Round(heatLowest * math.Pow(10, float64(row)/heatPerDecade)))
}

var heatBounds = func() (b [heatRows + 1]int64) {
	for i := range b {
		b[i] = HeatBound(i)
	}
	return b
}()

// HeatRow is the row of a time.
func HeatRow(ns int64) int {
	// A doubling is three rows and a bit: the power of two below says where to
	// begin, and the bounds which row it is.
	row := int(heatFirst[bits.Len64(uint64(max(ns, 0)))])
	for row < heatRows-1 && ns >= heatBounds[row+1] {
		row++
	}
	return row
}

// heatFirst is the row of the least time of so many bits.
var heatFirst = func() (first [65]uint8) {
	for n := 1; n < 64; n++ {
		row := 0
		for row < heatRows-1 && int64(1)<<(n-1) >= heatBounds[row+1] {
			row++
		}
		first[n] = uint8(row)
	}
	return first
}()

// Course reads the course of the run, from its samples where there are any.
// That they end early is no error here; see CheckSamples.
func (r *Run) Course() (*Course, error) {
	samples, err := r.Samples()
	if errors.Is(err, fs.ErrNotExist) {
		return r.Result.course(), nil
	}
	if err != nil {
		return nil, err
	}
	defer samples.Close()
	// A run that goes on still, or was cut off, is as long as it has come.
	length := r.Result.DurationNS
	for _, f := range r.Result.Intervals {
		length = max(length, f.At)
	}
	return courseOf(samples.Header(), length, samples.All()), nil
}

// course is what a result tells without samples.
func (r *Result) course() *Course {
	c := &Course{Intervals: r.Intervals}
	for _, of := range r.Connectors {
		c.Connectors = append(c.Connectors, of.Name)
	}
	curve := func(p *Percentiles) []CurvePoint {
		if p.Samples == 0 {
			return nil
		}
		return []CurvePoint{{50, p.P50}, {90, p.P90}, {99, p.P99}, {99.9, p.P999}, {100, p.Max}}
	}
	c.Response, c.Service, c.Lag = curve(&r.Response), curve(&r.Service), curve(&r.Lag)
	return c
}

func courseOf(h Header, length int64, samples iter.Seq2[Sample, error]) *Course {
	rec := NewCourseRecorder(h, length)
	for s, err := range samples {
		if err != nil {
			break
		}
		rec.Record(s)
	}
	return rec.Course()
}

// A CourseRecorder makes a Course while the samples come, of a run that goes
// on too. It belongs to one goroutine.
type CourseRecorder struct {
	rec       *Recorder
	stretches Course // its stretches have sums and no means
	last      int    // the last stretch that has anything
}

// NewCourseRecorder begins a course of a load of a length.
func NewCourseRecorder(h Header, length int64) *CourseRecorder {
	r := &CourseRecorder{rec: unwatched(h), last: -1,
		stretches: Course{Connectors: h.Connectors, Sampled: true, Width: stretchWidth(length)}}
	c := &r.stretches
	n := 1 + length/c.Width
	each := n*int64(len(h.Connectors)) <= maxConnectorStretches
	for i := range n {
		stretch := Stretch{At: i * c.Width, Heat: make([]uint32, heatRows)}
		if each {
			stretch.SignIns, stretch.busy = make([]uint32, len(h.Connectors)), make([]uint64, len(h.Connectors))
		}
		c.Stretches = append(c.Stretches, stretch)
	}
	return r
}

// Record counts a sign-in.
func (r *CourseRecorder) Record(s Sample) {
	r.rec.Record(s)
	if i := int(s.Due / r.stretches.Width); s.Due >= 0 && i < len(r.stretches.Stretches) {
		r.stretches.Stretches[i].count(&s)
		r.last = max(r.last, i)
	}
}

// Recorder is what counts the same sign-ins into a Result, to read. Nothing is
// recent in it.
func (r *CourseRecorder) Recorder() *Recorder { return r.rec }

// Course is the course so far. What it has of heat and connectors stays the
// recorder's, and changes with the next sign-in.
func (r *CourseRecorder) Course() *Course {
	c := r.stretches
	c.Stretches = slices.Clone(c.Stretches[:r.last+1])
	for i := range c.Stretches {
		c.Stretches[i].finish(c.Width)
	}
	c.Intervals = r.rec.seconds.intervals(r.rec.header.Connectors)
	c.Response, c.Service, c.Lag = r.rec.response.Curve(), r.rec.service.Curve(), r.rec.lag.Curve()
	return &c
}

// stretchWidth is a round width of stretches for a load of a length: as fine as
// maxStretches allows, but no finer than a quarter second, which a load of some
// hundred sign-ins a second fills.
func stretchWidth(length int64) int64 {
	for _, w := range [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute} {
		if 1+length/int64(w) <= maxStretches {
			return int64(w)
		}
	}
	return max(int64(10*time.Minute), length/(maxStretches-1)+1)
}

func (c *Stretch) count(s *Sample) {
	switch s.Outcome {
	case OutcomeUnsent:
		c.Unsent++
		return
	case OutcomeFailed:
		c.Failed++
	case OutcomeUnknown:
		c.Unknown++
	case OutcomeRefused:
		c.Refused++
	}
	c.Heat[HeatRow(clamp(s.Done-s.Due))]++
	switch {
	case !s.decided():
	case s.Path == PathHashSync:
		c.HashSync++
		if s.Outcome == OutcomeRefused {
			c.HashSyncRefused++
		}
	case s.Path == PathFederation:
		c.Federation++
		c.federated.count(s, clamp(s.Done-s.Sent))
	case s.Path == PathPassThrough:
		c.PassThrough++
		c.passed++
		c.queue += uint64(s.Queue)
		c.connector += uint64(s.Connector)
		c.directory += uint64(s.Directory)
		c.served += uint64(clamp(s.Done - s.Sent))
		if s.Server > 0 && c.SignIns != nil {
			c.SignIns[s.Server-1]++
			c.busy[s.Server-1] += uint64(s.Connector)
		}
	}
}

// finish makes means of sums.
func (c *Stretch) finish(width int64) {
	c.Time, c.FederationTime = meanTimes(c.passed, c.queue, c.connector, c.directory, c.served), c.federated.mean()
	if c.busy == nil {
		return
	}
	c.InFlight = make([]float64, len(c.busy))
	for i, us := range c.busy {
		c.InFlight[i] = float64(us) * 1000 / float64(width)
	}
	c.busy = nil
}

// Curve is the distribution of a histogram: 8 points each time that what is
// above it halves, and the maximum.
func (h *Histogram) Curve() []CurvePoint {
	n := float64(h.Count())
	if n == 0 {
		return nil
	}
	const perHalf = 8
	at := []float64{0}
	for i := 1; ; i++ {
		above := math.Pow(2, -float64(i)/perHalf)
		if above*n < 1 {
			break
		}
		at = append(at, 100*(1-above))
	}
	// In one pass: a live page asks every second, and there are 100,000 buckets.
	values := h.counts.ValueAtPercentilesSlice(at)
	list := make([]CurvePoint, 0, len(at)+1)
	for i, p := range at {
		list = append(list, CurvePoint{p, min(values[i], h.max)})
	}
	return append(list, CurvePoint{100, h.max})
}
