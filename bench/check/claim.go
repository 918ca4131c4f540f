package check

import (
	"fmt"
	"math"

	"ptabench/results"
)

// doubt is the chance of a wrong claim about a percentile that is put up with:
// claims hold with 95 % confidence.
const doubt = 0.05

// claim concludes whether the q-quantile of what n times were drawn from is
// below a limit that over of them are not below. If it were not, each would be
// at or over the limit with a chance of 1-q at least, so few of them are a
// proof; and if it were, many of them. In between the samples do not tell.
// Times are taken as independent, which those of one stall are not.
//
// Source: order statistics as in David and Nagaraja, 3rd ed., section 7.1. For
// the 0.99 quantile it takes 299 times with none over the limit, 473 with one,
// 1,693 with ten.
func claim(n, over uint64, q float64) results.Verdict {
	switch p := 1 - q; {
	case n == 0:
		return results.Inconclusive
	case atMost(over, n, p) <= doubt:
		return results.Pass
	case atLeast(over, n, p) <= doubt:
		return results.Fail
	}
	return results.Inconclusive
}

// undecided says why a claim about a quantile is inconclusive.
func undecided(n uint64, q float64) string {
	if need := uint64(math.Ceil(math.Log(doubt) / math.Log(q))); n < need {
		return fmt.Sprintf("%d sign-ins are too few: the claim takes %d with none over the limit", n, need)
	}
	return "the limit lies within the 95 % confidence interval"
}

// atMost is the chance that of n events with chance p each at most k happen; 1
// for all k from the mean on, where nobody needs to know.
func atMost(k, n uint64, p float64) float64 {
	if float64(k) >= float64(n)*p {
		return 1
	}
	sum, term := 0.0, chance(k, n, p)
	for i := k; ; i-- {
		sum += term
		if i == 0 || term <= sum*1e-15 {
			return math.Min(sum, 1)
		}
		term *= float64(i) / float64(n-i+1) * (1 - p) / p
	}
}

// atLeast is the chance that at least k of them happen; 1 for all k up to the
// mean.
func atLeast(k, n uint64, p float64) float64 {
	if float64(k) <= float64(n)*p {
		return 1
	}
	sum, term := 0.0, chance(k, n, p)
	for i := k; i <= n; i++ {
		sum += term
		if term <= sum*1e-15 {
			break
		}
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return math.Min(sum, 1)
}

// chance is the chance that exactly k of them happen.
func chance(k, n uint64, p float64) float64 {
	lg := func(x uint64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}
