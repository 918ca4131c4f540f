package bench

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/results"
	"ptabench/scenarios"
)

// A secondOf is what comes in within one second.
type secondOf struct {
	accepted, refused, failed, unknown, unsent int
	response, lag                              time.Duration
	overdue                                    int
}

func (s secondOf) into(l *limits) {
	add := func(n int, outcome results.Outcome) {
		for range n {
			l.count(&results.Sample{Outcome: outcome, Due: 0, Sent: int64(s.lag), Done: int64(s.response)})
		}
	}
	add(s.accepted, results.OutcomeAccepted)
	add(s.refused, results.OutcomeRefused)
	add(s.failed, results.OutcomeFailed)
	add(s.unknown, results.OutcomeUnknown)
	add(s.unsent, results.OutcomeUnsent)
}

func TestLimits(t *testing.T) {
	failing := scenarios.Limit{Metric: "share(failed)", Op: ">", Value: 0.5, Unit: scenarios.Ratio, For: scenarios.Duration(3 * time.Second), Text: "share(failed) > 50% for 3s"}
	slow := scenarios.Limit{Metric: "p99(response)", Op: ">", Value: 2e9, Unit: scenarios.Time, Text: "p99(response) > 2s"}
	late := scenarios.Limit{Metric: "p99(lag)", Op: ">=", Value: 1e8, Unit: scenarios.Time, Text: "p99(lag) >= 100ms"}
	unsent := scenarios.Limit{Metric: "unsent", Op: ">", Value: 10, Unit: scenarios.Count, Text: "unsent > 10"}
	silent := scenarios.Limit{Metric: "rate(answered)", Op: "<", Value: 1, Unit: scenarios.PerSecond, For: scenarios.Duration(2 * time.Second), Text: "rate(answered) < 1/s for 2s"}
	good, bad, none := secondOf{accepted: 9, refused: 1}, secondOf{accepted: 1, failed: 1, unknown: 2}, secondOf{}
	for name, c := range map[string]struct {
		limits  []scenarios.Limit
		seconds []secondOf
		stops   int // in which second, from 1; 0 never
		why     string
	}{
		"never crossed":                 {[]scenarios.Limit{failing, slow, late, unsent, silent}, []secondOf{good, good, good, good}, 0, ""},
		"for long enough":               {[]scenarios.Limit{failing}, []secondOf{good, bad, bad, bad}, 4, "stop condition share(failed) > 50% for 3s: 75.0 %"},
		"interrupted":                   {[]scenarios.Limit{failing}, []secondOf{bad, bad, good, bad, bad}, 0, ""},
		"seconds of nothing":            {[]scenarios.Limit{failing}, []secondOf{bad, none, bad, none, bad}, 5, "75.0 %"},
		"exactly the limit":             {[]scenarios.Limit{failing}, []secondOf{{accepted: 1, failed: 1}, {accepted: 1, failed: 1}, {accepted: 1, failed: 1}}, 0, ""},
		"a second when nothing is said": {[]scenarios.Limit{slow}, []secondOf{{accepted: 1, response: 3 * time.Second}}, 1, "p99(response) > 2s: 3.00 s"},
		"errors are not fast":           {[]scenarios.Limit{slow}, []secondOf{{accepted: 200}, {accepted: 97, failed: 3}}, 2, "p99(response) > 2s: too many had no answer"},
		"times are of one second":       {[]scenarios.Limit{failing, slow}, []secondOf{good, {accepted: 1, response: time.Second}, good}, 0, ""},
		"the generator's lag":           {[]scenarios.Limit{late}, []secondOf{good, {accepted: 1, lag: time.Second, response: time.Second}}, 2, "p99(lag) >= 100ms: 1.00 s"},
		"not sent":                      {[]scenarios.Limit{unsent}, []secondOf{{accepted: 1, overdue: 10}, {accepted: 1, overdue: 11}}, 2, "unsent > 10: 11"},
		"silence":                       {[]scenarios.Limit{silent}, []secondOf{good, none, {failed: 1}}, 3, "rate(answered) < 1/s for 2s: 0/s"},
		"the first of several":          {[]scenarios.Limit{slow, silent}, []secondOf{none, none}, 2, "rate(answered)"},
	} {
		t.Run(name, func(t *testing.T) {
			overdue := 0
			l := newLimits(c.limits, func() int { return overdue })
			for i, s := range c.seconds {
				s.into(l)
				overdue = s.overdue
				err := l.evaluate()
				if (err != nil) != (i+1 == c.stops) {
					t.Fatalf("second %d: %v", i+1, err)
				}
				if err != nil && (!errors.Is(err, ErrStopCondition) || !strings.Contains(err.Error(), c.why)) {
					t.Errorf("stopped with %q, want %q", err, c.why)
				}
			}
		})
	}
}

func TestLimitsShowWhatIsNearest(t *testing.T) {
	l := newLimits([]scenarios.Limit{
		{Metric: "share(failed)", Op: ">", Value: 0.5, Unit: scenarios.Ratio, For: scenarios.Duration(10 * time.Second), Text: "share(failed) > 50% for 10s"},
		{Metric: "rate(answered)", Op: "<", Value: 1, Unit: scenarios.PerSecond, For: scenarios.Duration(2 * time.Second), Text: "rate(answered) < 1/s for 2s"},
	}, func() int { return 0 })
	if l.state() != "" {
		t.Errorf("at first: %q", l.state())
	}
	secondOf{failed: 4}.into(l)
	if err := l.evaluate(); err != nil {
		t.Fatal(err)
	}
	if got, want := l.state(), "rate(answered) < 1/s for 2s: 0/s, 1s of 2s"; got != want {
		t.Errorf("state %q, want %q", got, want)
	}
	secondOf{accepted: 4}.into(l)
	if err := l.evaluate(); err != nil || l.state() != "" {
		t.Errorf("after a good second: %q, %v", l.state(), err)
	}
}

func TestLimitsAreWatchedFromTimeZeroToTheEnd(t *testing.T) {
	silent := []scenarios.Limit{{Metric: "rate(answered)", Op: "<", Value: 1, Unit: scenarios.PerSecond, Text: "rate(answered) < 1/s"}}
	for name, c := range map[string]struct {
		quietFrom, quietTo, stops time.Duration // from the beginning of the warm-up, which takes 3 s; stops -1: never
	}{
		"in the warm-up":    {0, 3 * time.Second, -1},
		"in the load":       {5 * time.Second, 20 * time.Second, 6 * time.Second},
		"from time 0 on":    {3 * time.Second, 20 * time.Second, 4 * time.Second},
		"while it is ended": {8 * time.Second, 20 * time.Second, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				l := newLimits(silent, func() int { return 0 })
				stopped := time.Duration(-1)
				var feeding sync.WaitGroup
				defer feeding.Wait()
				defer cancel()
				feeding.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(100*time.Millisecond - time.Microsecond)
						if at := time.Since(began); at < c.quietFrom || at >= c.quietTo {
							secondOf{accepted: 1}.into(l)
						}
					}
				})
				l.watch(ctx, began.Add(3*time.Second), began.Add(8*time.Second), func(error) { stopped = time.Since(began) })
				if stopped != c.stops {
					t.Errorf("stopped at %v, want %v", stopped, c.stops)
				}
			})
		})
	}
}

// BenchmarkLimits is what stop conditions add to a sign-in.
func BenchmarkLimits(b *testing.B) {
	l := newLimits([]scenarios.Limit{{Metric: "share(failed)", Op: ">", Value: 0.5}}, nil)
	s := results.Sample{Outcome: results.OutcomeAccepted, Sent: 1000, Done: 2_000_000}
	for b.Loop() {
		l.count(&s)
	}
}
