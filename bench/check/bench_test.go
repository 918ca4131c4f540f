package check

import (
	"io"
	"iter"
	"runtime"
	"strconv"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// benchObjectives are about several windows, so that none comes for free.
var benchObjectives = []string{
	"failed == 0 in steady", "p99(response) < 200ms in steady", "p99.9(response) < 1s", "p99(service) < 1s in recovered",
	"jain(connectors) > 0.95 in steady", "share(hash_sync) < 1% in recovered", "availability > 99%", "rate(achieved) > 900/s",
	"mean(response) < 1s in steady", "bad_seconds == 0",
}

// many is an input of n sign-ins at 1,000/s that are made up as they are read.
func many(b *testing.B, n int) Input {
	people, err := population.New(population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test"})
	if err != nil {
		b.Fatal(err)
	}
	length := int64(n) * ms
	in := Input{
		Header: results.Header{Scenario: "synthetic", Intents: intents, Connectors: []string{"connector-1", "connector-2", "connector-3"},
			StartedAt: "2026-01-02T03:04:05Z", Duration: length, Planned: uint64(n), Timeout: 10 * second},
		Population: people, Generator: Generator{Planned: uint64(n), Sent: uint64(n)}, RequestID: requestID,
		Samples: func() iter.Seq2[results.Sample, error] {
			return func(yield func(results.Sample, error) bool) {
				for i := range n {
					due := int64(i) * ms
					s := results.Sample{Seq: uint32(i), User: uint32(i*7) % 10_000, Due: due, Sent: due + ms/10, Done: due + 2*ms + int64(i*7919%1000)*1000,
						Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1, Server: uint8(i%3 + 1)}
					if !yield(s, nil) {
						return
					}
				}
			}
		},
		Spans: func(w scenarios.Window) []scenarios.Span {
			all := scenarios.Span{From: 0, To: scenarios.Duration(length)}
			switch w.Name {
			case scenarios.Steady:
				all.To /= 3
			case scenarios.Recovered:
				all.From = all.To / 2
			}
			return []scenarios.Span{all}
		},
	}
	for i := range int64(100) {
		at := i * length / 100
		in.Faults = append(in.Faults, Fault{Name: "f", Kind: scenarios.Crash, Target: "connector-1", Began: at, InjectedAt: at,
			UndoBegan: at + length/400, UndoneAt: at + length/400, Injections: 1, Healed: true})
		in.Events = append(in.Events, observe.Event{AtNS: at + ms, Kind: observe.ConnectorLost, Connector: "connector-1"})
	}
	for _, text := range benchObjectives {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			b.Fatal(err)
		}
		in.Objectives = append(in.Objectives, o)
	}
	return in
}

// cloudLog is the log of such a run, written as it is read.
func cloudLog(n int) io.Reader {
	r, w := io.Pipe()
	go func() { // ends with its reader
		line := []byte(logHeader + "\n")
		for i := range n {
			line = append(line, "1767323045000000000,01234567-89ab-8def-8123-4567"...)
			for shift := 28; shift >= 0; shift -= 4 {
				line = append(line, "0123456789abcdef"[i>>shift&15])
			}
			line = append(line, ",contoso,user000001@contoso.test,accepted,0,pass-through,connector-"...)
			line = strconv.AppendInt(line, int64(i%3+1), 10)
			line = append(line, ",1\n"...)
			if len(line) > 1<<16 {
				if _, err := w.Write(line); err != nil {
					return
				}
				line = line[:0]
			}
		}
		_, _ = w.Write(line)
		w.Close()
	}()
	return r
}

// BenchmarkObjectives is what ten objectives in several windows cost for each
// sign-in.
func BenchmarkObjectives(b *testing.B) {
	const n = 1_000_000
	in := many(b, n)
	var list []results.Sample
	for s := range in.Samples() {
		list = append(list, s)
	}
	b.ReportAllocs()
	for b.Loop() {
		all := newObjectives(in)
		for i := range list {
			all.count(&list[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sign-in")
}

// BenchmarkConclude checks a run of ten million sign-ins with a hundred faults
// and ten objectives. Its heap is what is live at the most.
func BenchmarkConclude(b *testing.B) {
	const n = 10_000_000
	in := many(b, n)
	for b.Loop() {
		in.SignInLog = cloudLog(n)
		peak := make(chan uint64)
		stop := make(chan struct{})
		go func() {
			var most uint64
			for tick := time.NewTicker(100 * time.Millisecond); ; {
				select {
				case <-tick.C:
					var mem runtime.MemStats
					runtime.ReadMemStats(&mem)
					most = max(most, mem.HeapInuse)
				case <-stop:
					tick.Stop()
					peak <- most
					return
				}
			}
		}()
		var r results.Result
		err := Conclude(in, &r)
		close(stop)
		b.ReportMetric(float64(<-peak)/(1<<20), "MiB-heap")
		if err != nil || len(r.Faults) != 100 || len(r.Ledgers.Missing) > 0 {
			b.Fatal(err, len(r.Faults), r.Ledgers.Missing)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sign-in")
}
