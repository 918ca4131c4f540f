package results

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// opened is a run directory with made-up samples and the result that they make.
func opened(t testing.TB, h Header, list []Sample) *Run {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := Create(dir); err != nil {
		t.Fatal(err)
	}
	writeSamples(t, dir, h, list)
	run, err := Open(dir) // as cut off: its result is that of the samples
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestCourseAgreesWithTheResult(t *testing.T) {
	h := testHeader()
	run := opened(t, h, madeUp(t, 3, h, 30_000))
	c, err := run.Course()
	if err != nil {
		t.Fatal(err)
	}
	if !c.Sampled || !reflect.DeepEqual(c.Intervals, run.Result.Intervals) {
		t.Error("the intervals are not those of the result")
	}
	for i, f := range c.Intervals {
		if f.P95 < f.P50 || f.P95 > f.P99 {
			t.Errorf("second %d: p50 %d, p95 %d, p99 %d", i, f.P50, f.P95, f.P99)
		}
	}
	var sum SignIns
	var heat uint64
	answered := make([]uint64, len(h.Connectors))
	for _, s := range c.Stretches {
		sum.ByPath.PassThrough += s.PassThrough
		sum.ByPath.HashSync += s.HashSync
		sum.Refused += s.Refused
		sum.Failed += s.Failed
		sum.Unknown += s.Unknown
		sum.Unsent += s.Unsent
		for i, n := range s.SignIns {
			answered[i] += uint64(n)
		}
		for _, n := range s.Heat {
			heat += uint64(n)
		}
	}
	n := run.Result.SignIns
	for _, of := range []struct {
		what      string
		got, want uint64
	}{
		{"pass-through", sum.ByPath.PassThrough, n.ByPath.PassThrough}, {"hash sync", sum.ByPath.HashSync, n.ByPath.HashSync},
		{"refused", sum.Refused, n.Refused}, {"failed", sum.Failed, n.Failed}, {"unknown", sum.Unknown, n.Unknown},
		{"unsent", sum.Unsent, n.Unsent}, {"heat", heat, n.Sent}, {"connector-1", answered[0], run.Result.Connectors[0].SignIns},
	} {
		if of.got != of.want || of.want == 0 {
			t.Errorf("%s: %d in the stretches, %d in the result", of.what, of.got, of.want)
		}
	}
	for _, curve := range []struct {
		name   string
		points []CurvePoint
		of     Percentiles
	}{{"response", c.Response, run.Result.Response}, {"service", c.Service, run.Result.Service}, {"lag", c.Lag, run.Result.Lag}} {
		last := curve.points[len(curve.points)-1]
		if last.Percentile != 100 || last.Value != curve.of.Max {
			t.Errorf("%s ends at %v, expected the maximum, %d", curve.name, last, curve.of.Max)
		}
		for i, p := range curve.points[1:] {
			if p.Percentile <= curve.points[i].Percentile || p.Value < curve.points[i].Value {
				t.Errorf("%s: %v after %v", curve.name, p, curve.points[i])
			}
			if p.Percentile == 50 && p.Value != curve.of.P50 {
				t.Errorf("%s: median %d, expected %d", curve.name, p.Value, curve.of.P50)
			}
		}
	}
}

func TestCourseWithoutSamples(t *testing.T) {
	r := Result{Verdict: Pass, Response: Percentiles{Samples: 9, P50: 1, P90: 2, P99: 3, P999: 4, Max: 5},
		Intervals: []Interval{{At: 0, Sent: 9, P50: 1}}, Connectors: []Connector{{Name: "connector-1"}}}
	c := r.course()
	if c.Sampled || len(c.Stretches) != 0 || len(c.Intervals) != 1 || len(c.Response) != 5 || c.Lag != nil || len(c.Connectors) != 1 {
		t.Errorf("got %+v", c)
	}
}

func TestCourseOfFewSamples(t *testing.T) {
	h := testHeader()
	for _, n := range []int{0, 1} {
		c, err := opened(t, h, madeUp(t, 1, h, n)).Course()
		if err != nil || !c.Sampled || len(c.Stretches) > 1 || n == 0 && c.Response != nil {
			t.Errorf("%d samples: %v, %+v", n, err, c)
		}
	}
}

func TestStretchWidth(t *testing.T) {
	for _, length := range []time.Duration{0, time.Second, 30 * time.Second, 10 * time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		w := stretchWidth(int64(length))
		if n := 1 + int64(length)/w; n > maxStretches || w < int64(250*time.Millisecond) {
			t.Errorf("%v: %d stretches of %v", length, n, time.Duration(w))
		}
	}
}

func TestHeatRow(t *testing.T) {
	for row := range heatRows {
		for _, at := range []int64{0, 1} {
			if ns := HeatBound(row) + at; HeatRow(ns) != row {
				t.Errorf("%d ns is in row %d, expected %d, from %d on", ns, HeatRow(ns), row, HeatBound(row))
			}
		}
		if row > 0 && HeatRow(HeatBound(row)-1) != row-1 {
			t.Errorf("1 ns below row %d is in row %d", row, HeatRow(HeatBound(row)-1))
		}
	}
	if HeatRow(0) != 0 || HeatRow(math.MaxInt64) != heatRows-1 {
		t.Errorf("the ends are in rows %d and %d", HeatRow(0), HeatRow(math.MaxInt64))
	}
}

// BenchmarkCourse is what a picture or a page of 10 million sign-ins, an hour
// at 2,778/s, needs of their file.
func BenchmarkCourse(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			run := bigRun(b, n, time.Hour)
			b.ReportAllocs()
			before := ownCPU(b)
			for b.Loop() {
				c, err := run.Course()
				if err != nil {
					b.Fatal(err)
				}
				if len(c.Stretches) == 0 {
					b.Fatal("nothing was read")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sign-in")
			b.ReportMetric((ownCPU(b)-before).Seconds()/float64(b.N), "cpu-s/op") // as on a machine with nothing else to do
		})
	}
}

// ownCPU is what this process has used of processors so far.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bigRun is a run of n sign-ins over a time, written piece by piece.
func bigRun(b *testing.B, n int, length time.Duration) *Run {
	b.Helper()
	h := testHeader()
	h.Duration, h.Planned = int64(length), uint64(n)
	dir := filepath.Join(b.TempDir(), "run")
	if err := Create(dir); err != nil {
		b.Fatal(err)
	}
	w, err := CreateSamples(filepath.Join(dir, SamplesFile), h)
	if err != nil {
		b.Fatal(err)
	}
	piece := h
	pieces := max(n/1_000_000, 1) * 10
	piece.Duration = int64(length) / int64(pieces)
	list := madeUp(b, 1, piece, n/pieces)
	var result Result
	rec := NewRecorder(w.Header(), nil)
	for i := range pieces {
		later := int64(i) * piece.Duration
		for _, s := range list {
			if s.Due < 0 {
				s.Due, s.Sent, s.Done = s.Due+piece.Duration/9, s.Sent+piece.Duration/9, s.Done+piece.Duration/9
			}
			s.Due += later
			if s.Outcome != OutcomeUnsent {
				s.Sent, s.Done = s.Sent+later, s.Done+later
			}
			if err := w.Append(s); err != nil {
				b.Fatal(err)
			}
			rec.Record(s)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	result = rec.Result()
	result.Verdict = Pass
	if err := WriteResult(filepath.Join(dir, ResultFile), &result); err != nil {
		b.Fatal(err)
	}
	run, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	return run
}

// The stretches of a run by federation say where its time went, second by second.
func TestCourseOfFederation(t *testing.T) {
	h := testHeader()
	list := madeUp(t, 4, h, 2_000)
	for i := range list {
		if list[i].decided() {
			list[i].Path, list[i].Server, list[i].Connector, list[i].Directory = PathFederation, 0, 3_000, 1_000
		}
	}
	run := opened(t, h, list)
	c, err := run.Course()
	if err != nil {
		t.Fatal(err)
	}
	spent, drawn := run.Result.Spent(), 0
	for i := range c.Stretches {
		if c.Stretches[i].Federation == 0 {
			continue
		}
		drawn++
		if got := spent.In(&c.Stretches[i]); got.Connector != 2_000_000 || got.Directory != 1_000_000 || got.Queue != 0 {
			t.Errorf("stretch %d: %+v", i, got)
		}
	}
	if drawn == 0 || spent.Of != "federated" || spent.Mean.Connector != 2_000_000 {
		t.Errorf("%d stretches drawn, %+v", drawn, spent)
	}
}
