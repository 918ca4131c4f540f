package check

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"ptabench/results"
)

// resamples is how many times a window is drawn again from itself.
const resamples = 1000

// A bootstrap draws a window again and again from blocks of its own intervals,
// to see how much a figure of it owes to chance. Neighbours stay together, so
// that what lasts longer than an interval shows; the window is taken as a
// ring, so that its ends count as much as its middle. (Politis and Romano, "A
// circular block resampling procedure for stationary data", 1992.)
type bootstrap struct {
	intervals, block, blocks int
	sums                     [][]float64 // of each column: of all before each interval, once around and a block on
	random                   *rand.Rand
}

// newBootstrap takes columns of figures by interval, all of one length. Equal
// seeds and names draw alike.
func newBootstrap(columns [][]float64, seed uint64, name string) *bootstrap {
	n := len(columns[0])
	h := fnv.New64a()
	h.Write([]byte(name))
	b := &bootstrap{intervals: n, block: max(int(math.Round(math.Cbrt(float64(n)))), 1),
		random: rand.New(rand.NewPCG(seed, h.Sum64()))}
	b.blocks = (n + b.block - 1) / b.block
	for _, c := range columns {
		sums := make([]float64, 1, n+b.block+1)
		for i := range n + b.block {
			sums = append(sums, sums[i]+c[i%n])
		}
		b.sums = append(b.sums, sums)
	}
	return b
}

// figures is the figure of each resample, sorted. Of makes it from the sums of
// the columns; resamples that have none are left out.
func (b *bootstrap) figures(of func(sums []float64) (float64, bool)) []float64 {
	all := make([]float64, 0, resamples)
	drawn := make([]float64, len(b.sums))
	for range resamples {
		clear(drawn)
		for left := b.intervals; left > 0; left -= b.block {
			from, length := b.random.IntN(b.intervals), min(b.block, left)
			for c, sums := range b.sums {
				drawn[c] += sums[from+length] - sums[from]
			}
		}
		if v, ok := of(drawn); ok {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// ends are the quantiles of sorted figures that enclose 95 % of them, and
// more when they were drawn from few blocks: these vary less than the blocks
// of other such windows would. It is the expanded percentile interval of
// Hesterberg, "What teachers should know about the bootstrap", The American
// Statistician 69, 2015.
func (b *bootstrap) ends(figures []float64) (low, high float64) {
	n := float64(b.blocks)
	tail := normalTail(math.Sqrt(n/(n-1)) * student(doubt/2, n-1))
	k := int(tail * float64(len(figures)))
	return figures[k], figures[len(figures)-1-k]
}

// percentile is the interval around a figure that is about as often too great
// as too small: a ratio, a mean, a rate.
func (b *bootstrap) percentile(of func(sums []float64) (float64, bool)) (low, high float64, ok bool) {
	figures := b.figures(of)
	if b.blocks < 2 || len(figures) < resamples/2 {
		return 0, 0, false
	}
	low, high = b.ends(figures)
	return low, high, true
}

// jain is the interval around Jain's index of the sums of the columns, which
// chance only ever lowers where the truth is even. It is made on the scale of
// the coefficient of variation c of the sums, for J = 1/(1+c²), because chance
// moves c by about as much whatever it is: the resamples lie as far from the
// figure as the figure from the truth. Where the truth is even that leaves it
// out too often; the same on the scale of the index does not.
func (b *bootstrap) jain(figure float64) (low, high float64, ok bool) {
	variation := func(j float64) float64 { return math.Sqrt(math.Max(1/j-1, 0)) }
	least, most, ok := b.percentile(func(sums []float64) (float64, bool) {
		j := results.Jain(sums)
		return variation(j), j > 0
	})
	c := variation(figure)
	index := func(c float64) float64 { c = math.Max(c, 0); return 1 / (1 + c*c) }
	return index(2*c - least), max(index(2*c-most), min(2*figure-index(most), 1)), ok
}

// normalTail is the chance of a standard normal value beyond z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// student is the value beyond which Student's t with so many degrees of
// freedom lies with the chance of a tail, by bisection of its distribution.
func student(tail, freedom float64) float64 {
	low, high := 0.0, 1000.0
	for range 40 {
		if mid := (low + high) / 2; studentTail(mid, freedom) > tail {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// studentTail is the chance of Student's t beyond t: the integral of
// (1+x²/ν)^(-(ν+1)/2), which x = √ν·tan θ turns into that of cos^(ν-1) θ over
// [θ(t), π/2], by Simpson's rule.
func studentTail(t, freedom float64) float64 {
	integral := func(from float64) float64 {
		const steps = 100
		h := (math.Pi/2 - from) / steps
		f := func(i int) float64 { return math.Pow(math.Max(math.Cos(from+float64(i)*h), 0), freedom-1) }
		sum := f(0) + f(steps)
		for i := 1; i < steps; i++ {
			sum += float64(2+2*(i%2)) * f(i)
		}
		return sum * h / 3
	}
	return integral(math.Atan(t/math.Sqrt(freedom))) / integral(0) / 2
}

// shareInterval bounds with 95 % confidence the chance behind k of n
// independent events. (Clopper and Pearson, Biometrika 26, 1934.)
func shareInterval(k, n uint64) (low, high float64) {
	bisect := func(tooLow func(p float64) bool) float64 {
		low, high := 0.0, 1.0
		for range 50 {
			if mid := (low + high) / 2; tooLow(mid) {
				low = mid
			} else {
				high = mid
			}
		}
		return (low + high) / 2
	}
	high = 1
	if k > 0 {
		low = bisect(func(p float64) bool { return results.AtLeast(k, n, p) < doubt/2 })
	}
	if k < n {
		high = bisect(func(p float64) bool { return results.AtMost(k, n, p) > doubt/2 })
	}
	return low, high
}

// side says whether an interval lies on the right side of a limit as a whole,
// or on the wrong one; inconclusive means on neither.
func side(low, high float64, op string, limit float64) results.Verdict {
	switch right, wrong := compare(low, op, limit) && compare(high, op, limit), !compare(low, op, limit) && !compare(high, op, limit); {
	case right:
		return results.Pass
	case wrong:
		return results.Fail
	}
	return results.Inconclusive
}
