package results

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestThin(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 100, 3600} {
		for _, most := range []int{0, 4, 5, 6, 100, 601} {
			for seed := range uint64(5) {
				t.Run(fmt.Sprintf("n=%d/most=%d/seed=%d", n, most, seed), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(seed, 1))
					values := make([]float64, n)
					for i := range values {
						values[i] = rng.NormFloat64()
					}
					at := func(i int) float64 { return values[i] }
					keep := Thin(n, most, at, at)
					if len(keep) > max(most, 4) {
						t.Fatalf("%d points of %d, at most %d expected", len(keep), n, max(most, 4))
					}
					if n == 0 {
						return
					}
					if !slices.IsSorted(keep) || len(slices.Compact(slices.Clone(keep))) != len(keep) {
						t.Errorf("not in order, or doubled: %v", keep)
					}
					kept := make([]float64, len(keep))
					for k, i := range keep {
						kept[k] = values[i]
					}
					if keep[0] != 0 || keep[len(keep)-1] != n-1 {
						t.Errorf("first and last are %d and %d, expected 0 and %d", keep[0], keep[len(keep)-1], n-1)
					}
					if slices.Max(kept) != slices.Max(values) || slices.Min(kept) != slices.Min(values) {
						t.Errorf("%v to %v stay of %v to %v", slices.Min(kept), slices.Max(kept), slices.Min(values), slices.Max(values))
					}
				})
			}
		}
	}
}

// Peaks of one point, each, stay in their places.
func TestThinKeepsEveryPeak(t *testing.T) {
	const n, most = 10_000, 202
	value := func(i int) float64 {
		switch i % 500 {
		case 123:
			return 9
		case 124:
			return -9
		}
		return 0
	}
	keep := Thin(n, most, value, value)
	for i := 123; i < n; i += 500 {
		if !slices.Contains(keep, i) || !slices.Contains(keep, i+1) {
			t.Errorf("the peak at %d is lost", i)
		}
	}
}

func TestThinPassesOverWhatIsNoNumber(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = math.NaN()
	}
	values[42], values[43] = 1, 5
	at := func(i int) float64 { return values[i] }
	if keep := Thin(len(values), 10, at, at); !slices.Contains(keep, 42) || !slices.Contains(keep, 43) {
		t.Errorf("the only numbers, 42 and 43, are lost: %v", keep)
	}
}
