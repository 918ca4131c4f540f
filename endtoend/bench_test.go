package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/results"
)

// measured runs a scenario for a benchmark, whatever its verdict, and returns
// its result and when it began.
func measured(b *testing.B, args ...string) (*results.Result, time.Time) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "run")
	began := time.Now()
	out, err := exec.Command(program, append(append([]string{"run"}, args...), "--quiet", "--skip-ceiling", "--out", dir)...).CombinedOutput()
	r, readErr := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if readErr != nil {
		b.Fatalf("%v\n%s%v", err, out, readErr)
	}
	return r, began
}

// BenchmarkThroughput is the whole system without faults, two connectors and
// 10,000 users, at fixed rates: response time, what was lost, and what a
// sign-in costs each process. Compare rows of one run of it, not of two.
func BenchmarkThroughput(b *testing.B) {
	for _, rate := range []int{1000, 2000, 3000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			var r *results.Result
			for b.Loop() {
				r, _ = measured(b, "throughput", "--set", fmt.Sprintf("load.rate=%d/s", rate))
			}
			ms := func(ns int64) float64 { return float64(ns) / 1e6 }
			b.ReportMetric(0, "ns/op") // a run takes as long as its scenario says
			b.ReportMetric(r.Rate.AnsweredPerS, "answered/s")
			b.ReportMetric(ms(r.Response.P50), "p50-ms")
			b.ReportMetric(ms(r.Response.P99), "p99-ms")
			b.ReportMetric(ms(r.Response.P999), "p99.9-ms")
			b.ReportMetric(ms(r.Lag.P99), "lag-p99-ms")
			b.ReportMetric(float64(r.SignIns.Failed+r.SignIns.Unknown+r.SignIns.Unsent), "lost")
			for _, p := range r.Processes {
				b.ReportMetric(float64(p.CPUPerSignIn)/1e3, "µs-"+p.Name)
				b.ReportMetric(float64(p.RSSMax)/(1<<20), "MiB-"+p.Name)
			}
		})
	}
}

// BenchmarkFirstSignIn is the time from the start of quickstart to its first
// sign-in: three roles started, 10,000 users made, hashed and synced,
// connectors registered and attached, the clients' connections opened.
func BenchmarkFirstSignIn(b *testing.B) {
	var total time.Duration
	n := 0
	for b.Loop() {
		r, began := measured(b, "quickstart", "--set", "load.warmup=1s", "--set", "load.duration=1s",
			"--set", "faults=[]", "--set", "objectives=[]")
		zero, err := time.Parse(time.RFC3339Nano, r.StartedAt)
		if err != nil {
			b.Fatal(err)
		}
		total += zero.Add(-time.Second).Sub(began)
		n++
	}
	b.ReportMetric(total.Seconds()/float64(n), "s/first-sign-in")
}

// BenchmarkFailover is how fast failover is with default settings at 1,000/s:
// one connector killed, one frozen, one cut off in the kernel, then all killed.
// Its scenario has the limits that they are meant to keep.
func BenchmarkFailover(b *testing.B) {
	var r *results.Result
	for b.Loop() {
		r, _ = measured(b, "failover", "--skip-ceiling")
	}
	b.Logf("seed %d, verdict %s %v", r.Seed, r.Verdict, r.Reasons)
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	b.ReportMetric(0, "ns/op") // a run takes as long as its scenario says
	for _, f := range r.Faults {
		b.ReportMetric(ms(f.Detect), "ms-detect-"+f.Name)
		b.ReportMetric(float64(f.Lost), "lost-"+f.Name)
		b.ReportMetric(ms(f.Recover), "ms-recover-"+f.Name)
	}
	for _, o := range r.Objectives {
		if o.Window == "during(killed)" {
			b.ReportMetric(ms(int64(o.Value)), "ms-p99.9-during-killed")
		}
		if strings.HasPrefix(o.Text, "time_to_failover(all-down)") {
			b.ReportMetric(ms(int64(o.Value)), "ms-failover-all-down")
		}
	}
}

// BenchmarkObserver is what observing a run costs: the counters that are read
// every second, the stream of events and the interval log, on the side of the
// harness and of the cloud. Runs with and without alternate, in pairs of the
// same seed and in turn in either order, so that what changes on the machine
// meanwhile hits both alike. The unit is a pair; fewer than 6 say nothing.
func BenchmarkObserver(b *testing.B) {
	const pairs = 8
	cost := func(seed int, more ...string) float64 {
		r, _ := measured(b, append([]string{"throughput", "--seed", fmt.Sprint(seed),
			"--set", "load.rate=1000/s", "--set", "load.warmup=1s", "--set", "load.duration=6s"}, more...)...)
		var total int64
		for _, p := range r.Processes {
			if p.Role == "bench" || p.Role == "cloudsim" {
				total += p.CPUPerSignIn
			}
		}
		if total == 0 {
			b.Fatalf("nothing was spent: %+v", r.Processes)
		}
		return float64(total) / 1e3
	}
	for b.Loop() {
		var with, without, ratios []float64
		for pair := range pairs {
			var on, off float64
			if seed := pair + 1; pair%2 == 0 {
				on, off = cost(seed), cost(seed, "--unobserved")
			} else {
				off, on = cost(seed, "--unobserved"), cost(seed)
			}
			b.Logf("seed %d: %.1f µs observed, %.1f µs not, ratio %.3f", pair+1, on, off, on/off)
			with, without, ratios = append(with, on), append(without, off), append(ratios, on/off)
		}
		b.ReportMetric(0, "ns/op") // a pair takes as long as its scenario says
		b.ReportMetric(median(with), "µs-observed")
		b.ReportMetric(median(without), "µs-not")
		b.ReportMetric(median(ratios), "ratio")
		// The second of eight from either end bounds the median with 93 %
		// confidence (binomial).
		b.ReportMetric(ratios[1], "ratio-least")
		b.ReportMetric(ratios[pairs-2], "ratio-most")
	}
}

// BenchmarkDashboards is what telling dashboards costs: metrics that are
// fetched every second, and pushed every second to a collector of OTLP, on the
// side of the harness. Pairs are as in BenchmarkObserver; what the harness and
// the cloud spend on a sign-in is what the rate is made of.
func BenchmarkDashboards(b *testing.B) {
	const pairs = 8
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // who pushes is what is measured
	}))
	defer collector.Close()
	cost := func(seed int, told bool) float64 {
		dir := filepath.Join(b.TempDir(), "run")
		args := []string{"run", "throughput", "--seed", fmt.Sprint(seed), "--quiet", "--skip-ceiling", "--out", dir,
			"--set", "load.rate=1000/s", "--set", "load.warmup=1s", "--set", "load.duration=6s"}
		if told {
			args = append(args, "--metrics", ":0", "--otlp", collector.URL)
		}
		cmd := exec.Command(program, args...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		fetched := 0
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "metrics: "); ok {
				fetched = fetchUntilGone(url)
			}
		}
		_ = cmd.Wait() // the verdict does not matter
		if told && fetched < 5 {
			b.Fatalf("metrics were fetched %d times, at least 5 expected", fetched)
		}
		r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
		if err != nil {
			b.Fatal(err)
		}
		for _, w := range r.Warnings {
			if strings.HasPrefix(w, "OTLP") {
				b.Fatal(w)
			}
		}
		var total int64
		for _, p := range r.Processes {
			if p.Role == "bench" || p.Role == "cloudsim" {
				total += p.CPUPerSignIn
			}
		}
		return float64(total) / 1e3
	}
	for b.Loop() {
		var ratios []float64
		for pair := range pairs {
			var on, off float64
			if seed := pair + 1; pair%2 == 0 {
				on, off = cost(seed, true), cost(seed, false)
			} else {
				off, on = cost(seed, false), cost(seed, true)
			}
			b.Logf("seed %d: %.1f µs told, %.1f µs not, ratio %.3f", pair+1, on, off, on/off)
			ratios = append(ratios, on/off)
		}
		b.ReportMetric(0, "ns/op") // a pair takes as long as its scenario says
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(ratios[1], "ratio-least") // as in BenchmarkObserver
		b.ReportMetric(ratios[pairs-2], "ratio-most")
	}
}

// fetchUntilGone fetches once a second until nobody answers, and returns how
// often somebody did.
func fetchUntilGone(url string) (fetched int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ; ; <-tick.C {
		resp, err := http.Get(url)
		if err != nil {
			return fetched
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fetched++
	}
}

// median sorts the values.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
