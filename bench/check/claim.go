package check

import (
	"fmt"
	"math"

	"ptabench/results"
)

// doubt is the chance of a wrong claim that is put up with: claims hold with
// 95 % confidence.
const doubt = 0.05

// claim concludes whether the q-quantile of what n times were drawn from is
// below a limit that over of them are not below. If it were not, each would be
// at or over the limit with a chance of 1-q at least, so few of them are a
// proof; and if it were, many of them. In between the samples do not tell.
// Times are taken as independent: of those that are not, count fewer.
//
// Source: order statistics as in David and Nagaraja, 3rd ed., section 7.1. For
// the 0.99 quantile it takes 299 times with none over the limit, 473 with one,
// 1,693 with ten.
func claim(n, over uint64, q float64) results.Verdict {
	switch p := 1 - q; {
	case n == 0:
		return results.Inconclusive
	case results.AtMost(over, n, p) <= doubt:
		return results.Pass
	case results.AtLeast(over, n, p) <= doubt:
		return results.Fail
	}
	return results.Inconclusive
}

// needed is how many times a claim about a quantile takes at least: that it is
// below a limit, with none over it, or that it is above, with all of them.
func needed(q float64, op string) uint64 {
	chance := q
	if op == ">" || op == ">=" {
		chance = 1 - q
	}
	return uint64(math.Ceil(math.Log(doubt) / math.Log(chance)))
}

// undecided says why a claim about a quantile is inconclusive, of n times that
// count as so many independent ones.
func undecided(n, independent uint64, q float64, op string) string {
	if need := needed(q, op); independent < need {
		side := "over"
		if op == ">" || op == ">=" {
			side = "below"
		}
		comma := ""
		if independent < n {
			comma = ","
		}
		return fmt.Sprintf("%s%s are too few: the claim takes %s with none %s the limit", counted(n, independent), comma, results.Count(need), side)
	}
	text := "the limit lies within the 95 % confidence interval"
	if independent < n {
		text += " of " + counted(n, independent)
	}
	return text
}

// counted says how many sign-ins count as how many.
func counted(n, independent uint64) string {
	if independent < n {
		return fmt.Sprintf("%s sign-ins, which come in bursts and are counted as %s independent ones", results.Count(n), results.Count(independent))
	}
	return results.Count(n) + " sign-ins"
}

// leastBins is into how many bins a window is cut at least to estimate a
// design effect.
const leastBins = 10

// designEffect is how many times as many sign-ins it takes as independent ones
// would be: those of one stall are over a limit together. It is the variance
// of the share over a limit, as bins make it, against that of as many
// independent ones (Kish, Survey Sampling, 1965, page 258), by the ratio
// estimate for clusters of unequal size: Σ(o-p·n)²·k/(k-1) / (N·p·(1-p)) for k
// bins of n sign-ins, o of them over, and p of all N over. What is longer than a bin shows in wider ones only, so the greatest of those over
// bins of 1, 2, 4 … times the width counts. An excess over 1 that independent
// sign-ins have by chance too, within two standard deviations √(2/(k-1)), is
// none.
func designEffect(n, over []uint32) float64 {
	greatest := 1.0
	for width := 1; len(n)/width >= leastBins; width *= 2 {
		var all, bad, k float64
		each := func(take func(n, o float64)) {
			for i := 0; i < len(n); i += width {
				var ni, oi float64
				for j := i; j < min(i+width, len(n)); j++ {
					ni += float64(n[j])
					oi += float64(over[j])
				}
				if ni > 0 {
					take(ni, oi)
				}
			}
		}
		each(func(n, o float64) { all, bad, k = all+n, bad+o, k+1 })
		p := bad / all
		if k < 2 || !(p > 0 && p < 1) {
			return greatest
		}
		var squares float64
		each(func(n, o float64) { squares += (o - p*n) * (o - p*n) })
		effect := squares * k / (k - 1) / (all * p * (1 - p))
		if effect > 1+2*math.Sqrt(2/(k-1)) {
			greatest = max(greatest, effect)
		}
	}
	return greatest
}
