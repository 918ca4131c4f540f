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
