package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBounds(t *testing.T) {
	const ms = time.Millisecond
	floors := []time.Duration{100 * ms, 200 * ms, 400 * ms, 500 * ms, 500 * ms, 500 * ms}
	ceilings := []time.Duration{200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms, 1000 * ms}
	for _, random := range []float64{0, 0.5, 0.999999} {
		b := Backoff{Rand: func() float64 { return random }}
		for round := range 2 {
			for i := range floors {
				got := b.Next()
				want := floors[i] + time.Duration(random*float64(ceilings[i]-floors[i]))
				if got != want {
					t.Errorf("random %v, round %d, attempt %d: %v, want %v", random, round, i, got, want)
				}
				if got < Min || got > Max {
					t.Errorf("random %v, attempt %d: %v is outside [%v, %v]", random, i, got, Min, Max)
				}
			}
			b.Reset()
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Backoff{Rand: func() float64 { return 0.5 }}
		began := time.Now()
		if !b.Wait(t.Context()) || time.Since(began) != 150*time.Millisecond {
			t.Errorf("waited %v, want 150ms", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began = time.Now()
		if b.Wait(ctx) || time.Since(began) != 10*time.Millisecond {
			t.Errorf("the end of the context was seen after %v, want 10ms", time.Since(began))
		}
	})
}

func TestLongest(t *testing.T) {
	for _, tt := range []struct{ longest, want time.Duration }{
		{0, Max}, {Min, Min}, {300 * time.Millisecond, 300 * time.Millisecond}, {30 * time.Second, 30 * time.Second},
	} {
		b := Backoff{Rand: func() float64 { return 1 }, Longest: tt.longest}
		var last time.Duration
		for range 20 {
			if last = b.Next(); last < Min || last > tt.want {
				t.Errorf("longest %v: %v is outside [%v, %v]", tt.longest, last, Min, tt.want)
			}
		}
		if last != tt.want {
			t.Errorf("longest %v: settles at %v, want %v", tt.longest, last, tt.want)
		}
	}
}

// Those who lost the same peer at the same instant come back over all of Min.
func TestSpread(t *testing.T) {
	const many = 1000
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		waited := make(chan time.Duration, many)
		for range many {
			go func() {
				if !Spread(t.Context()) {
					t.Error("the context has not ended")
				}
				waited <- time.Since(began)
			}()
		}
		var tenths [10]int
		for range many {
			took := <-waited
			if took >= Min {
				t.Fatalf("waited %v, want less than %v", took, Min)
			}
			tenths[took*10/Min]++
		}
		for i, n := range tenths {
			if n < many/20 || n > many/5 { // 100 are expected; 5 standard deviations are 47
				t.Errorf("%d of %d came in tenth %d", n, many, i+1)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if Spread(ctx) {
			t.Error("the end of the context was not seen")
		}
	})
}
