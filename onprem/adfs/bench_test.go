package adfs

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkUsernameMixed is what a sign-in by WS-Trust costs, the client's and
// the directory's share included, over connections that are kept. The CPU time
// of one says more than the rate on a machine that does something else as well.
func BenchmarkUsernameMixed(b *testing.B) {
	r := start(b, func(c *Config) { c.Pool = 16 })
	text := ask{user: ann, password: annsPassword}.text()
	b.SetParallelism(16)
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := r.client.Post(r.base+trustPath, "application/soap+xml", strings.NewReader(text))
			if err != nil {
				b.Error(err)
				return
			}
			if code := resp.Header.Get(headerCode); code != "0" {
				b.Errorf("code %s", code)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkParse is what reading a request costs.
func BenchmarkParse(b *testing.B) {
	text := []byte(ask{user: ann, password: annsPassword}.text())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseEnvelope(text); err != nil {
			b.Fatal(err)
		}
	}
}
