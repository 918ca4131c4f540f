package page

import "math"

// mostPoints is how many points in time a chart has at most: more than a wide
// screen has columns for, and few enough that an hour's page is small.
const mostPoints = 1800

// stretch is how many of n points one drawn stretch stands for, each of which
// is drawn as two points.
func stretch(n int) int {
	if n <= mostPoints {
		return 1
	}
	return (2*n + mostPoints - 1) / mostPoints
}

// extremes draws each stretch of k points as its least and its greatest value,
// in the order in which they came, so that no peak and no dip is lost. What is
// not a number counts only where there is nothing else.
func extremes(values []float64, k int) []float64 {
	if k <= 1 {
		return values
	}
	out := make([]float64, 0, 2*(len(values)/k+1))
	for from := 0; from < len(values); from += k {
		part := values[from:min(from+k, len(values))]
		least, most := -1, -1
		for i, v := range part {
			if math.IsNaN(v) {
				continue
			}
			if least < 0 || v < part[least] {
				least = i
			}
			if most < 0 || v > part[most] {
				most = i
			}
		}
		if least < 0 {
			out = append(out, math.NaN(), math.NaN())
			continue
		}
		out = append(out, part[min(least, most)], part[max(least, most)])
	}
	return out
}

// means draws each stretch of k points as one, their mean, for what is counted:
// the sum under the line stays.
func means(values []float64, k int) []float64 {
	if k <= 1 {
		return values
	}
	out := make([]float64, 0, len(values)/k+1)
	for from := 0; from < len(values); from += k {
		part := values[from:min(from+k, len(values))]
		sum := 0.0
		for _, v := range part {
			if !math.IsNaN(v) {
				sum += v
			}
		}
		out = append(out, sum/float64(len(part)))
	}
	return out
}

// firsts are the times of the stretches of k points, and pairs those of the
// two points that extremes draws for each.
func firsts(x []float64, k int) []float64 {
	if k <= 1 {
		return x
	}
	var out []float64
	for from := 0; from < len(x); from += k {
		out = append(out, x[from])
	}
	return out
}

func pairs(x []float64, k int) []float64 {
	if k <= 1 {
		return x
	}
	var out []float64
	for from := 0; from < len(x); from += k {
		last := x[min(from+k, len(x))-1]
		out = append(out, x[from]+(last-x[from])/4, x[from]+(last-x[from])*3/4)
	}
	return out
}
