package load

import (
	"context"
	"testing"
	"time"

	"ptabench/scenarios"
)

func pacerOf(t testing.TB, ctx context.Context, s *Schedule) *pacer {
	t.Helper()
	p, err := newPacer(ctx, s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.alarm.close)
	return p
}

func TestNothingIsReleasedEarly(t *testing.T) {
	s := schedule(t, scenarios.Poisson, 2000, 300*time.Millisecond, 1)
	p := pacerOf(t, t.Context(), s)
	for n := range s.Len() {
		wait, stop := p.Pace(0, uint64(n))
		if now := time.Since(p.start); wait != 0 || !stop && now < s.Due(n) {
			t.Fatalf("arrival %d, due %v, released at %v with a wait of %v", n, s.Due(n), now, wait)
		}
		if stop && time.Since(p.start) < p.end {
			t.Fatalf("stopped at arrival %d of %d", n, s.Len())
		}
	}
	if _, stop := p.Pace(0, uint64(s.Len())); !stop || p.released != s.Len() {
		t.Errorf("goes on after the last; released %d", p.released)
	}
}

// A plan that begins in the future, and a context that ends before it does.
func TestWaitingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := schedule(t, scenarios.Constant, 1, time.Hour, 1)
	p := pacerOf(t, ctx, s)
	p.start = time.Now().Add(time.Hour)
	stopped := make(chan bool)
	go func() {
		_, stop := p.Pace(0, 0)
		stopped <- stop
	}()
	cancel()
	select {
	case stop := <-stopped:
		if !stop {
			t.Error("released an arrival an hour early")
		}
	case <-time.After(time.Minute):
		t.Fatal("still waiting")
	}
}

// BenchmarkPace reports how late arrivals are released by an otherwise idle
// process.
func BenchmarkPace(b *testing.B) {
	s := schedule(b, scenarios.Poisson, 2000, time.Hour, 1)
	p := pacerOf(b, b.Context(), s)
	var late time.Duration
	n := 0
	for b.Loop() {
		p.Pace(0, uint64(n))
		late += time.Since(p.start) - s.Due(n)
		n++
	}
	b.ReportMetric(float64(late.Microseconds())/float64(n), "µs-late")
}
