package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"ptabench/results"
	"ptabench/scenarios"
)

// ErrStopCondition says that a run was ended early by its scenario.
var ErrStopCondition = errors.New("stop condition")

// limits are the stop conditions of a run. Each is held against what came in
// within a second, second by second from time 0 on, and stops the run when it
// was crossed for as many seconds in a row as it says.
type limits struct {
	all []scenarios.Limit
	// overdue is how many arrivals are due and not sent at present.
	overdue func() int

	mu            sync.Mutex
	ended, lost   int // of this second: all, and those failed or unknown
	answered      int
	response, lag *results.Histogram

	crossed []int  // seconds in a row, by condition; of evaluate only
	shown   string // the condition that is nearest to stopping the run; see state
}

func newLimits(all []scenarios.Limit, overdue func() int) *limits {
	l := &limits{all: all, overdue: overdue, crossed: make([]int, len(all))}
	if len(all) > 0 { // each is 270 kB
		l.response, l.lag = results.NewHistogram(), results.NewHistogram()
	}
	return l
}

// count takes in a sign-in that ended, or that was not sent.
func (l *limits) count(s *results.Sample) {
	if len(l.all) == 0 || s.Outcome == results.OutcomeUnsent { // overdue tells of those
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended++
	switch s.Outcome {
	case results.OutcomeAccepted, results.OutcomeRefused:
		l.answered++
		l.response.Record(s.Done - s.Due)
	default:
		l.lost++
		l.response.RecordUnanswered() // an error is no fast answer
	}
	l.lag.Record(s.Sent - s.Due)
}

// watch evaluates the conditions every second between two times and calls stop
// with the one that was crossed for long enough.
func (l *limits) watch(ctx context.Context, from, to time.Time, stop func(error)) {
	if len(l.all) == 0 {
		return
	}
	begin := time.NewTimer(time.Until(from))
	defer begin.Stop()
	select {
	case <-begin.C:
	case <-ctx.Done():
		return
	}
	l.reset() // of the warm-up
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if now.After(to) {
				return // from here on nothing is due
			}
			if err := l.evaluate(); err != nil {
				stop(err)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// clear is called with the lock held.
func (l *limits) clear() {
	l.ended, l.lost, l.answered = 0, 0, 0
	l.response.Reset()
	l.lag.Reset()
}

// evaluate holds the second that is over against every condition. A second in
// which nothing ended tells nothing of shares and times: it neither counts nor
// interrupts.
func (l *limits) evaluate() error {
	overdue := 0
	if slices.ContainsFunc(l.all, func(limit scenarios.Limit) bool { return limit.Metric == unsentMetric }) {
		overdue = l.overdue()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.clear()
	l.shown = ""
	nearest := 0.0
	for i, limit := range l.all {
		value, known := l.value(limit.Metric, overdue)
		if !known {
			continue
		}
		if !crosses(value, limit.Op, limit.Value) {
			l.crossed[i] = 0
			continue
		}
		l.crossed[i]++
		seconds := max(time.Duration(limit.For), time.Second)
		lasted := time.Duration(l.crossed[i]) * time.Second
		text := fmt.Sprintf("%s: %s", limit.Text, limitValue(value, limit.Unit))
		if lasted >= seconds {
			return fmt.Errorf("%w %s", ErrStopCondition, text)
		}
		if near := float64(lasted) / float64(seconds); near > nearest {
			nearest, l.shown = near, fmt.Sprintf("%s, %v of %v", text, lasted, seconds)
		}
	}
	return nil
}

// state is the condition that is crossed and nearest to stopping the run, with
// its value; empty when none is.
func (l *limits) state() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown
}

// value is that of a metric in this second.
func (l *limits) value(metric string, overdue int) (value float64, known bool) {
	switch metric {
	case "share(failed)":
		return float64(l.lost) / float64(max(l.ended, 1)), l.ended > 0
	case "p99(response)":
		if within, ok := l.response.Within(99); ok {
			return float64(within), l.ended > 0
		}
		return math.Inf(1), l.ended > 0
	case "p99(lag)":
		return float64(l.lag.At(99)), l.ended > 0
	case unsentMetric:
		return float64(overdue), true
	case "rate(answered)":
		return float64(l.answered), true
	}
	return 0, false
}

// unsentMetric is how many arrivals are due and not sent: they become unsent
// when the load ends before their turn comes.
const unsentMetric = "unsent"

func crosses(value float64, op string, limit float64) bool {
	switch op {
	case "<":
		return value < limit
	case "<=":
		return value <= limit
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	}
	return false
}

func limitValue(value float64, unit scenarios.Unit) string {
	switch {
	case math.IsInf(value, 1):
		return "too many had no answer"
	case unit == scenarios.Time:
		return results.Duration(int64(value))
	case unit == scenarios.Ratio:
		return results.Percent(value)
	case unit == scenarios.PerSecond:
		return results.PerSecond(value)
	}
	return results.Count(uint64(max(value, 0)))
}
