package results

import (
	"bufio"
	"os"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// What every histogram of a run tracks: nanoseconds to 3 significant digits,
// up to an hour. Longer times count as an hour, negative ones as 0.
const (
	lowestTime  = 1
	highestTime = 3_600_000_000_000
	digits      = 3
)

// confidence is that of every interval around a percentile.
const confidence = 0.95

// A Histogram counts times, in nanoseconds, in constant memory (270 kB).
// Percentiles are right to 3 significant digits; count, mean and maximum are
// exact. It belongs to one goroutine.
type Histogram struct {
	counts *hdr.Histogram
	sum    float64
	max    int64
}

// NewHistogram makes an empty histogram.
func NewHistogram() *Histogram {
	return &Histogram{counts: hdr.New(lowestTime, highestTime, digits)}
}

// clamp brings a time into the range of the histograms.
func clamp(ns int64) int64 { return min(max(ns, 0), highestTime) }

// Record counts one time.
func (h *Histogram) Record(ns int64) {
	ns = clamp(ns)
	_ = h.counts.RecordValue(ns) // in range, by clamp
	h.sum += float64(ns)
	h.max = max(h.max, ns)
}

// RecordUnanswered counts a sign-in that nobody answered as slower than any
// limit, for Within.
func (h *Histogram) RecordUnanswered() { _ = h.counts.RecordValue(highestTime) }

// Within is At, but not ok when so many were not answered.
func (h *Histogram) Within(percentile float64) (ns int64, ok bool) {
	v := h.counts.ValueAtPercentile(percentile)
	return min(v, h.max), v < highestTime
}

// Reset empties the histogram.
func (h *Histogram) Reset() {
	h.counts.Reset()
	h.sum, h.max = 0, 0
}

// Count is the number of times recorded.
func (h *Histogram) Count() uint64 { return uint64(h.counts.TotalCount()) }

// At is the time at a percentile, from 0 to 100: the value that public
// HdrHistogram tools give, but never above the maximum.
func (h *Histogram) At(percentile float64) int64 {
	return min(h.counts.ValueAtPercentile(percentile), h.max)
}

// Percentiles summarises the histogram.
func (h *Histogram) Percentiles() Percentiles {
	n := h.Count()
	if n == 0 {
		return Percentiles{}
	}
	p := Percentiles{
		Samples: n,
		P50:     h.At(50), P90: h.At(90), P99: h.At(99), P999: h.At(99.9),
		Max:  h.max,
		Mean: int64(h.sum / float64(n)),
	}
	if lower, upper, ok := QuantileRanks(n, 0.99, confidence); ok {
		p.P99Interval = [2]int64{h.AtRank(lower), h.AtRank(upper)}
	}
	return p
}

// AtRank is the value of the rank-th smallest time, from 1.
func (h *Histogram) AtRank(rank uint64) int64 {
	return h.At(100 * float64(rank) / float64(h.Count()))
}

// WriteDistribution writes the percentiles of the histogram to a new file in
// the .hgrm format, which public tools plot. Values are in milliseconds.
func (h *Histogram) WriteDistribution(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	_, err = h.counts.PercentilesPrint(out, 5, 1e6)
	if err == nil {
		err = out.Flush()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
