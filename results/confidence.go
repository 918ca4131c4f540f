package results

import (
	"math"
	"sort"
)

// The bounds here rest on one fact: of n independent times, the number at or
// below the true q-quantile is binomial with n and q, whatever their
// distribution. (David and Nagaraja, Order Statistics, 3rd ed., section 7.1.)

// QuantileRanks returns the ranks, from 1, of the two times that enclose the
// q-quantile with at least the given confidence: with equal tails where there
// are enough times, else with what the upper tail at the greatest time leaves
// for the lower one. Not ok means too few times: for the 0.99 quantile at
// 95 % fewer than 299.
func QuantileRanks(n uint64, q, confidence float64) (lower, upper uint64, ok bool) {
	if n == 0 {
		return 0, 0, false
	}
	miss := 1 - confidence
	// The upper bound is wrong when upper or more times are at or below the
	// quantile, the lower one when fewer than lower are.
	upper = firstRank(n+1, func(k uint64) bool { return AtLeast(k, n, q) <= miss/2 })
	below := miss / 2
	if upper > n {
		upper, below = n, miss-AtLeast(n, n, q)
	}
	// One below the first rank whose tail is too heavy.
	lower = firstRank(n, func(k uint64) bool { return AtMost(k, n, q) > below })
	return lower, upper, below >= 0 && lower >= 1
}

// firstRank is the least k, from 0 to below n, for which holds is true, or n;
// once true, it must stay so.
func firstRank(n uint64, holds func(uint64) bool) uint64 {
	return uint64(sort.Search(int(n), func(k int) bool { return holds(uint64(k)) }))
}

// AtMost is the chance that of n events with chance p each, from above 0 to
// below 1, at most k happen. It is meant for tails: from the mean on it is
// given as 1.
func AtMost(k, n uint64, p float64) float64 {
	if float64(k) >= float64(n)*p {
		return 1
	}
	sum, term := 0.0, exactly(k, n, p)
	for i := k; ; i-- {
		sum += term
		if i == 0 || term <= sum*1e-15 {
			return math.Min(sum, 1)
		}
		term *= float64(i) / float64(n-i+1) * (1 - p) / p
	}
}

// AtLeast is the chance that at least k of them happen; up to the mean it is
// given as 1.
func AtLeast(k, n uint64, p float64) float64 {
	if k > n {
		return 0
	}
	if float64(k) <= float64(n)*p {
		return 1
	}
	sum, term := 0.0, exactly(k, n, p)
	for i := k; i <= n; i++ {
		sum += term
		if term <= sum*1e-15 {
			break
		}
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return math.Min(sum, 1)
}

// exactly is the chance that k of them happen.
func exactly(k, n uint64, p float64) float64 {
	lg := func(x uint64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}
