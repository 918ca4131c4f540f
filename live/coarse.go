package live

import (
	"math"

	"ptabench/page"
)

// Bounds of what an update draws, however long the run has gone on: a page that
// is sent again and again is coarser than the report, which is sent once.
const (
	mostValues = 2400 // of a chart, in all its series
	mostCells  = 3000 // of a heat map
	leastX     = 120  // points in time that a chart of many series keeps
)

// coarser is what a chart says of that.
const coarser = "While the run goes on it is drawn coarser than in the report."

// coarsen draws what goes over the bounds in fewer points: of lines the least
// and the greatest of each stretch stay, so that no peak and no dip is lost; of
// what is counted the mean, so that the area stays; of a heat map the sums.
func coarsen(charts []page.Chart) {
	for i := range charts {
		c := &charts[i]
		most := max(mostValues/max(len(c.Series), 1), leastX)
		switch {
		case c.Kind == page.Lines && len(c.X) > most:
			coarsenLines(c, stretch(2*len(c.X), most))
		case c.Kind == page.Stack && len(c.X) > most:
			coarsenStack(c, stretch(len(c.X), most))
		case c.Kind == page.Heat && c.Heat != nil && len(c.Heat.Cells) > 3*mostCells:
			coarsenHeat(c, stretch(len(c.Heat.Cells), 3*mostCells))
		default:
			continue
		}
		if c.Note != "" {
			c.Note += " "
		}
		c.Note += coarser
	}
}

// stretch is how many of n points one of at most most stands for.
func stretch(n, most int) int { return (n + most - 1) / most }

// stretches calls on for each stretch of k of n points: from, to, and the last
// one may be shorter.
func stretches(n, k int, on func(from, to int)) {
	for from := 0; from < n; from += k {
		on(from, min(from+k, n))
	}
}

func coarsenLines(c *page.Chart, k int) {
	var x []float64
	stretches(len(c.X), k, func(from, to int) {
		first, last := c.X[from], c.X[to-1]
		x = append(x, first+(last-first)/4, first+(last-first)*3/4)
	})
	for i := range c.Series {
		s := &c.Series[i]
		var values page.Values
		stretches(len(s.Values), k, func(from, to int) {
			values = append(values, extremes(s.Values[from:to])...)
		})
		s.Values = values
	}
	c.X = x
}

// extremes are the least and the greatest of some values, in the order in which
// they came. What is not a number counts only where there is nothing else.
func extremes(values []float64) []float64 {
	least, most := 0, 0
	for i, v := range values {
		if v < values[least] || math.IsNaN(values[least]) {
			least = i
		}
		if v > values[most] || math.IsNaN(values[most]) {
			most = i
		}
	}
	return []float64{values[min(least, most)], values[max(least, most)]}
}

func coarsenStack(c *page.Chart, k int) {
	c.X, c.Step = everyNth(c.X, k), c.Step*float64(k)
	for i := range c.Series {
		s := &c.Series[i]
		var values page.Values
		stretches(len(s.Values), k, func(from, to int) {
			values = append(values, mean(s.Values[from:to]))
		})
		s.Values = values
	}
}

// mean is that of the values that are numbers, and none without any.
func mean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(n)
}

func coarsenHeat(c *page.Chart, k int) {
	c.X, c.Step = everyNth(c.X, k), c.Step*float64(k)
	h := &page.HeatMap{Bounds: c.Heat.Bounds}
	rows := len(h.Bounds)
	sums := make([]uint32, rows*len(c.X))
	for i := 0; i+2 < len(c.Heat.Cells); i += 3 {
		column, row := int(c.Heat.Cells[i])/k, int(c.Heat.Cells[i+1])
		sums[column*rows+row] += c.Heat.Cells[i+2]
	}
	for i, n := range sums {
		if n > 0 {
			h.Cells = append(h.Cells, uint32(i/rows), uint32(i%rows), n)
			h.Most = max(h.Most, n)
		}
	}
	c.Heat = h
}

func everyNth(x []float64, k int) []float64 {
	var kept []float64
	stretches(len(x), k, func(from, _ int) { kept = append(kept, x[from]) })
	return kept
}
