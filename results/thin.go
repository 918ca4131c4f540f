package results

// Thin chooses which of n points of a series stay so that at most most do, at
// least 4: the first, the last, and of each stretch between them the one where
// low is least and the one where high is greatest, in order. So no peak and no
// dip is lost, which an average, or every n-th point, would lose. Of several
// lines over the same points, low and high are the least and the greatest of
// them all. Values that are not numbers are passed over.
func Thin(n, most int, low, high func(i int) float64) []int {
	most = max(most, 4)
	keep := make([]int, 0, min(n, most))
	if n <= most {
		for i := range n {
			keep = append(keep, i)
		}
		return keep
	}
	keep = append(keep, 0)
	inner, stretches := n-2, (most-2)/2
	for s := range stretches {
		from, to := 1+s*inner/stretches, 1+(s+1)*inner/stretches
		least, greatest := from, from
		for i := from + 1; i < to; i++ {
			// Written so that anything replaces what is not a number.
			if v := low(i); v < low(least) || low(least) != low(least) && v == v {
				least = i
			}
			if v := high(i); v > high(greatest) || high(greatest) != high(greatest) && v == v {
				greatest = i
			}
		}
		first, second := min(least, greatest), max(least, greatest)
		keep = append(keep, first)
		if second != first {
			keep = append(keep, second)
		}
	}
	return append(keep, n-1)
}
