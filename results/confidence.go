package results

// The bounds here rest on one fact: of n independent times, the number at or
// below the true q-quantile is binomial with n and q, whatever their
// distribution. (David and Nagaraja, Order Statistics, 3rd ed., section 7.1.)

// quantileRanks returns the ranks, from 1, of the two times that enclose the
// q-quantile with at least the given confidence: with equal tails where there
// are enough times, else with what the upper tail at the greatest time leaves
// for the lower one. Not ok means too few times: for the 0.99 quantile at
// 95 % fewer than 299.
func quantileRanks(n uint64, q, confidence float64) (lower, upper uint64, ok bool) {
	if n == 0 {
		return 0, 0, false
	}
	b := newBinomial(n, q)
	miss := 1 - confidence
	// The upper bound is wrong when upper or more times are at or below the
	// quantile, the lower one when fewer than lower are.
	upper = b.upperTail(miss / 2)
	below := miss / 2
	if upper > n {
		upper, below = n, miss-b.at(n)
	}
	lower = b.lowerTail(below)
	return lower, upper, below >= 0 && lower >= 1
}

// binomial holds the probabilities of a binomial distribution around its mode,
// as far out as they can be told from 0.
type binomial struct {
	from uint64    // the value that p[0] belongs to
	p    []float64 // of from, from+1 ...
}

// negligible is relative to the probability of the mode.
const negligible = 1e-18

// newBinomial walks outward from the mode with the ratio of neighbours,
// p(k+1)/p(k) = (n-k)/(k+1) · q/(1-q), and normalises: no factorials, and
// about 20 standard deviations of terms.
func newBinomial(n uint64, q float64) *binomial {
	odds := q / (1 - q)
	mode := min(uint64(float64(n+1)*q), n)
	var down []float64
	for k, w := mode, 1.0; k > 0; k-- {
		w *= float64(k) / float64(n-k+1) / odds
		if w < negligible {
			break
		}
		down = append(down, w)
	}
	b := &binomial{from: mode - uint64(len(down))}
	for i := len(down) - 1; i >= 0; i-- {
		b.p = append(b.p, down[i])
	}
	b.p = append(b.p, 1)
	for k, w := mode, 1.0; k < n; k++ {
		w *= float64(n-k) / float64(k+1) * odds
		if w < negligible {
			break
		}
		b.p = append(b.p, w)
	}
	var sum float64
	for _, w := range b.p {
		sum += w
	}
	for i := range b.p {
		b.p[i] /= sum
	}
	return b
}

// at is the probability of k.
func (b *binomial) at(k uint64) float64 {
	if k < b.from || k >= b.from+uint64(len(b.p)) {
		return 0
	}
	return b.p[k-b.from]
}

// upperTail returns the smallest k with P(B >= k) <= limit.
func (b *binomial) upperTail(limit float64) uint64 {
	k, tail := b.from+uint64(len(b.p)), 0.0
	for i := len(b.p) - 1; i >= 0 && tail+b.p[i] <= limit; i-- {
		tail += b.p[i]
		k--
	}
	return k
}

// lowerTail returns the largest k with P(B < k) <= limit.
func (b *binomial) lowerTail(limit float64) uint64 {
	k, tail := b.from, 0.0
	for _, p := range b.p {
		if tail+p > limit {
			break
		}
		tail += p
		k++
	}
	return k
}
