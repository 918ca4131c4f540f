package live

import (
	"fmt"
	"testing"
	"time"

	"ptabench/page"
	"ptabench/results"
)

// longRun is a page that was told of so many seconds at 1,000 sign-ins/s.
func longRun(b *testing.B, length int) *Page {
	b.Helper()
	h := header()
	h.Duration, h.Planned = int64(length)*int64(time.Second), uint64(length)*1000
	h.Errors = results.ErrorClasses()
	p := &Page{Options: Options{Name: "long", Duration: time.Duration(h.Duration)}, course: results.NewCourseRecorder(h, h.Duration)}
	rec := results.NewRecorder(h, nil)
	for i := range length * 1000 {
		due := int64(i) * int64(time.Millisecond)
		s := results.Sample{Seq: uint32(i), Due: due, Sent: due + 50_000, Done: due + int64(20+i%17)*int64(time.Millisecond), Queue: 40, Connector: 21000, Directory: 20000,
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1, Server: uint8(1 + i%2)}
		p.course.Record(s)
		rec.Record(s)
	}
	for second := range length {
		for _, name := range []string{"harness", "cloudsim", "directory", "connector-1", "connector-2"} {
			p.usage = append(p.usage, results.Usage{At: int64(second) * int64(time.Second), Process: name, CPU: int64(second) * 1e8, RSS: 1 << 24})
		}
	}
	p.progress = Progress{Phase: "load", At: time.Duration(h.Duration), SoFar: func() *results.Result {
		so := rec.Result()
		return &so
	}}
	return p
}

// BenchmarkUpdate is what one update of a page costs, one a second, by how long
// the run has gone on. The result so far is in it, as the harness makes it.
func BenchmarkUpdate(b *testing.B) {
	for _, length := range []int{10, 60, 600, 3600} {
		b.Run(fmt.Sprintf("%ds", length), func(b *testing.B) {
			p := longRun(b, length)
			var size int
			b.ReportAllocs()
			for b.Loop() {
				text, err := page.Update(p.data())
				if err != nil {
					b.Fatal(err)
				}
				size = len(text)
			}
			b.ReportMetric(float64(size), "B/update")
		})
	}
}

// BenchmarkSample is what a sign-in costs whoever measures, and later the page.
func BenchmarkSample(b *testing.B) {
	p := longRun(b, 10)
	list := second(3)
	for i := 0; b.Loop(); i++ {
		p.Sample(list[i%len(list)])
		if i%1000 == 999 {
			p.drain()
		}
	}
}
