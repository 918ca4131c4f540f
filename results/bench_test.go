package results

import (
	"path/filepath"
	"runtime"
	"testing"
)

// shrink empties the file now and then: a benchmark writes gigabytes, and would
// measure the disk, which no run keeps busy.
func shrink(b *testing.B, w *SampleWriter, i int) {
	if i%(1<<18) == 0 {
		if err := w.file.Truncate(0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is the cost of writing a sign-in down.
func BenchmarkAppend(b *testing.B) {
	list := madeUp(b, 1, testHeader(), 4096)
	w, err := CreateSamples(filepath.Join(b.TempDir(), SamplesFile), testHeader())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		shrink(b, w, i)
		if err := w.Append(list[i%len(list)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRecordSample is all that the harness does for the books of one
// sign-in: writing it down and counting it.
func BenchmarkRecordSample(b *testing.B) {
	list := madeUp(b, 1, testHeader(), 32_768)
	w, err := CreateSamples(filepath.Join(b.TempDir(), SamplesFile), testHeader())
	if err != nil {
		b.Fatal(err)
	}
	r := NewRecorder(w.Header(), nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		shrink(b, w, i)
		s := list[i%len(list)]
		again := int64(i/len(list)) * testHeader().Duration // the same, later
		s.Due, s.Sent, s.Done = s.Due+again, s.Sent+again, s.Done+again
		if err := w.Append(s); err != nil {
			b.Fatal(err)
		}
		r.Record(s)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSummarise reads a run of a million sign-ins. Its heap is what is
// live at the end, which does not grow with their number.
func BenchmarkSummarise(b *testing.B) {
	const n = 1_000_000
	h := testHeader()
	h.Duration *= 10
	h.Planned = n * 9 / 10
	path := writeSamples(b, b.TempDir(), h, madeUp(b, 1, h, n))
	b.ReportAllocs()
	for b.Loop() {
		r, err := OpenSamples(path)
		if err != nil {
			b.Fatal(err)
		}
		rec := NewRecorder(r.Header(), nil)
		for s, err := range r.All() {
			if err != nil {
				b.Fatal(err)
			}
			rec.Record(s)
		}
		res := rec.Result()
		if res.SignIns.Planned != h.Planned {
			b.Fatalf("%d sign-ins, expected %d", res.SignIns.Planned, h.Planned)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var mem runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapAlloc)/(1<<20), "MiB-live")
		runtime.KeepAlive(rec)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sign-in")
}
