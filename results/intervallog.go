package results

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// An IntervalLog writes latency.hlog, an HdrHistogram log: for each second
// three histograms, tagged response, service and lag. Its times are seconds
// from time 0, its maxima milliseconds, its histograms nanoseconds.
type IntervalLog struct {
	out    *bufio.Writer
	closer io.Closer
	log    *hdr.HistogramLogWriter
	err    error // sticky
}

// The tags of an interval log, in the order of its lines.
var intervalTags = [...]string{"response", "service", "lag"}

// CreateIntervalLog makes a new log file; one that exists is an error.
func CreateIntervalLog(path string, start time.Time) (*IntervalLog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	l, err := NewIntervalLog(f, start)
	if err != nil {
		_ = f.Close() // the write is what failed
		return nil, err
	}
	l.closer = f
	return l, nil
}

// NewIntervalLog begins a log. Start is the wall clock's at time 0.
func NewIntervalLog(w io.Writer, start time.Time) (*IntervalLog, error) {
	l := &IntervalLog{out: bufio.NewWriter(w)}
	l.log = hdr.NewHistogramLogWriter(l.out)
	seconds := float64(start.UnixMilli()) / 1000
	// The library's own start and base lines drop the milliseconds.
	steps := []func() error{
		func() error { return l.log.OutputComment("[Logged with ptabench; histograms in ns]") },
		l.log.OutputLogFormatVersion,
		func() error {
			return l.log.OutputComment(fmt.Sprintf("[StartTime: %.3f (seconds since epoch), %s]",
				seconds, start.UTC().Format(time.RFC3339Nano)))
		},
		func() error {
			return l.log.OutputComment(fmt.Sprintf("[BaseTime: %.3f (seconds since epoch)]", seconds))
		},
		l.log.OutputLegend,
		l.out.Flush,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// write adds one histogram of an interval and hands it to the operating
// system, so that a run that is cut off keeps it. Errors stay until Close.
func (l *IntervalLog) write(tag string, at, length time.Duration, h *hdr.Histogram) {
	if l.err != nil {
		return
	}
	h.SetTag(tag)
	h.SetStartTimeMs(at.Milliseconds())
	h.SetEndTimeMs((at + length).Milliseconds())
	if l.err = l.log.OutputIntervalHistogram(h); l.err == nil {
		l.err = l.out.Flush()
	}
}

// Close returns the first error of the log and closes its file.
func (l *IntervalLog) Close() error {
	if l.closer == nil {
		return l.err
	}
	if err := l.closer.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}
