package connector

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// BenchmarkSignIn is a sign-in's way through the connector: taken off the
// request stream, opened, bound, answered. Cloud and directory are scripted
// and in the same process, so cpu-ns/op is the cost of all three.
func BenchmarkSignIn(b *testing.B) {
	for _, inFlight := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("in-flight=%d", inFlight), func(b *testing.B) {
			c := newFakeCloud(b)
			c.interval, c.misses = 250*time.Millisecond, 100
			free := make(chan struct{}, inFlight)
			c.answered = func(a *wire.Answer) {
				if a.Result != wire.Result_RESULT_ACCEPTED {
					b.Error(a.Result)
				}
				<-free
			}
			d := bindtest.Script(b, func(bind bindtest.Bind) ([]byte, bool) { return bind.Reply(0, ""), true })
			cfg := settings(b, c, d)
			cfg.Concurrency = max(4, 2*inFlight)
			start(b, cfg).serving()
			s := c.session(1)
			b.ReportAllocs()
			before := cpuTime()
			b.ResetTimer()
			var batch []given
			id := uint64(0)
			for b.Loop() {
				select {
				case free <- struct{}{}:
				default: // give what there is, and wait for room
					if len(batch) > 0 {
						s.give(batch...)
						batch = batch[:0]
					}
					free <- struct{}{}
				}
				id++
				batch = append(batch, given{id: id, user: "user000001@contoso.test", password: "p#7ABCDEFGHIJKLMNOPQRSTUVWX"})
			}
			if len(batch) > 0 {
				s.give(batch...)
			}
			for range inFlight {
				free <- struct{}{}
			}
			b.StopTimer()
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkOpen is the cost of opening one sealed password.
func BenchmarkOpen(b *testing.B) {
	o, err := newOpener()
	if err != nil {
		b.Fatal(err)
	}
	sealed := sealAll(b, o, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := o.open(uint64(i), 1, sealed[i]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSession is what a new session costs in keys.
func BenchmarkSession(b *testing.B) {
	for b.Loop() {
		o, err := newOpener()
		if err != nil {
			b.Fatal(err)
		}
		sealAll(b, o, 0)
	}
}

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
