package results

import (
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// The bounds of a report of 10 million sign-ins, however it is asked for. The
// time is that of the processors: who else uses them is not ours.
const (
	reportWithin = 10 * time.Second
	reportMemory = 200 << 20 // bytes that the runtime ever had of the system
)

// BenchmarkReport summarises the samples of a run that was cut off, and renders
// every output of it.
func BenchmarkReport(b *testing.B) { benchmarkReport(b, 200_000) }

// BenchmarkReport10M does so for 10 million sign-ins, and fails past the bounds.
func BenchmarkReport10M(b *testing.B) {
	if testing.Short() {
		b.Skip("writes 640 MB")
	}
	if took, memory := benchmarkReport(b, 10_000_000); took > reportWithin || memory > reportMemory {
		b.Errorf("took %s and %s, expected under %s and %s", took, Bytes(int64(memory)), reportWithin, Bytes(reportMemory))
	}
}

func benchmarkReport(b *testing.B, n int) (took time.Duration, memory uint64) {
	dir := b.TempDir()
	h := testHeader()
	h.Planned, h.Duration = uint64(n), int64(n)*100_000 // 10,000/s
	writeMany(b, dir, h, n)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		run, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		r := &run.Result
		err = errors.Join(run.CheckSamples(), Text(io.Discard, r, true), JSON(io.Discard, r), Markdown(io.Discard, r), JUnit(io.Discard, r))
		if err != nil || r.SignIns.Planned != uint64(n) {
			b.Fatalf("%v, %d sign-ins, expected %d", err, r.SignIns.Planned, n)
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	took = (cpuTime(b) - before) / time.Duration(b.N)
	b.ReportMetric(float64(mem.Sys)/(1<<20), "MiB-peak")
	b.ReportMetric(took.Seconds(), "cpu-s/op")
	return took, mem.Sys
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// writeMany writes n sign-ins without holding them.
func writeMany(b *testing.B, dir string, h Header, n int) {
	const seed = 11
	b.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w, err := CreateSamples(filepath.Join(dir, SamplesFile), h)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		due := int64(i) * 100_000
		s := Sample{Seq: uint32(i), User: rnd.Uint32N(1e6), Due: due, Sent: due + rnd.Int64N(50_000), Intent: uint8(rnd.IntN(len(h.Intents))),
			Outcome: OutcomeAccepted, Path: PathPassThrough, Judgement: Right, Attempts: 1, Server: uint8(1 + rnd.IntN(len(h.Connectors)))}
		s.Done = s.Sent + int64(rnd.ExpFloat64()*3e6)
		switch rnd.IntN(200) {
		case 0:
			s.Outcome, s.Path, s.Judgement, s.Server, s.Code = OutcomeFailed, PathNone, NotJudged, 0, 80001
		case 1:
			s.Path, s.Server, s.Judgement = PathHashSync, 0, WrongAccept
		}
		if err := w.Append(s); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
