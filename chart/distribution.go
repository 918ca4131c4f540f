package chart

import (
	"math"
	"slices"

	"ptabench/results"
)

// drawPercentiles stretches the percentiles as HdrHistogram's plots do: each
// nine more is as far again.
func drawPercentiles(s *scene) {
	s.head("Percentiles", "Response time, service time and lag of the load generator by percentile, on logarithmic scales that stretch towards 100 percent.")
	c := s.course
	if len(c.Response) == 0 {
		s.nothing("No sign-in was sent in the measured load.")
		s.foot()
		return
	}
	curves := []struct {
		name   string
		role   role
		dash   string
		width  float64
		points []results.CurvePoint
	}{{"lag", c8, "1.5 3", 1.6, c.Lag}, {"service", c3, "7 3", 2, c.Service}, {"response", c1, "", 2.4, c.Response}}
	least, greatest := math.Inf(1), 0.0
	for _, curve := range curves {
		for _, p := range curve.points {
			greatest = max(greatest, float64(p.Value))
			// What is below a hundredth of the median is of no interest.
			least = min(least, max(float64(p.Value), float64(s.result.Response.P50)/100))
		}
	}
	// x is how many times the rest above a percentile has halved, in tens.
	nines := math.Max(math.Log10(float64(max(s.result.Response.Samples, 10))), 1)
	p := s.plot("Time, logarithmic", 330, false)
	p.x = scale{from: 0, to: nines, start: left, end: right}
	place := func(percentile float64) float64 {
		if percentile >= 100 {
			return p.x.at(nines)
		}
		return p.x.at(min(-math.Log10(1-percentile/100), nines))
	}
	y, ticks := logarithmic(least, greatest, p.bottom, p.top)
	p.up(y, ticks)
	for _, t := range []struct {
		percentile float64
		text       string
	}{{0, "0 %"}, {50, "50 %"}, {90, "90 %"}, {99, "99 %"}, {99.9, "99.9 %"}, {99.99, "99.99 %"}, {99.999, "99.999 %"}, {99.9999, "99.9999 %"}} {
		if -math.Log10(1-t.percentile/100) > nines {
			continue
		}
		x := place(t.percentile)
		if t.percentile > 0 {
			p.line(x, p.top, x, p.bottom, grid, 1, "")
		}
		p.text(x, p.bottom+17, muted, middleAt, 11.5, t.text)
	}
	s.y += 18
	var labels []label
	p.within(left, p.top-1, right-left, p.bottom-p.top+2, func() {
		for _, curve := range curves {
			var points []point
			for _, at := range curve.points {
				points = append(points, point{place(at.Percentile), p.y.at(float64(at.Value))})
			}
			p.polyline(points, curve.role, curve.width, curve.dash)
			if n := len(points); n > 0 {
				labels = append(labels, label{points[n-1].y, curve.role, curve.name, "max " + results.Duration(curve.points[n-1].Value)})
			}
		}
	})
	total := &s.result.Response
	for _, mark := range []struct {
		percentile float64
		ns         int64
		text       string
	}{{50, total.P50, "p50 "}, {99, total.P99, "p99 "}, {99.9, total.P999, "p99.9 "}} {
		if -math.Log10(1-mark.percentile/100) > nines {
			continue
		}
		x, y := place(mark.percentile), p.y.at(float64(mark.ns))
		p.circle(x, y, 3.5, c1)
		if x < left+130 {
			p.text(x+6, y+18, ink, startAt, 12, mark.text+results.Duration(mark.ns), bold)
			continue
		}
		p.text(x-8, y-8, ink, endAt, 12, mark.text+results.Duration(mark.ns), bold)
	}
	p.frame()
	p.labels(labels)
	s.foot("Response time counts from when a sign-in was due, service time from when it was sent; lag, between the two, is the generator's own.")
}

// drawHeatmap draws how many sign-ins took how long. Its colours are
// logarithmic, so that a single one is seen beside thousands.
func drawHeatmap(s *scene) {
	s.head("Response time, every sign-in", "A heat map: time from left to right, response time upwards on a logarithmic scale, darker where more sign-ins are."+s.faultsInWords())
	stretches := s.course.Stretches
	first, last, most := math.MaxInt, -1, uint32(0)
	for _, c := range stretches {
		for row, n := range c.Heat {
			if n > 0 {
				first, last, most = min(first, row), max(last, row), max(most, n)
			}
		}
	}
	if last < 0 {
		s.nothing("The samples of the run are needed for this, and there are none.")
		s.foot()
		return
	}
	p := s.plot("Response time, logarithmic", 330, true)
	x, _ := timeScale(p.span(), left, right)
	p.x = x
	for last-first < 9 && last+1 < len(stretches[0].Heat) { // a decade at least
		last++
	}
	p.y = scale{from: float64(results.HeatBound(first)), to: float64(results.HeatBound(last + 1)), start: p.bottom, end: p.top, log: true}
	class := func(n uint32) int {
		return min(int(float64(len(heatRoles))*math.Log(float64(n))/math.Log(float64(most)+1)), len(heatRoles)-1)
	}
	p.rect(left, p.top, right-left, p.bottom-p.top, panelGround, 1)
	p.within(left, p.top, right-left, p.bottom-p.top, func() {
		for row := first; row <= last; row++ {
			y1, y2 := p.y.at(float64(results.HeatBound(row+1))), p.y.at(float64(results.HeatBound(row)))
			for i := 0; i < len(stretches); {
				n := stretches[i].Heat[row]
				j := i + 1
				for j < len(stretches) && n > 0 && stretches[j].Heat[row] > 0 && class(stretches[j].Heat[row]) == class(n) {
					j++
				}
				if n > 0 {
					x1, x2 := p.x.at(float64(stretches[i].At)), p.x.at(float64(stretches[j-1].At+s.course.Width))
					p.rect(x1, y1, x2-x1+.3, y2-y1+.3, heatRoles[class(n)], 1)
				}
				i = j
			}
		}
	})
	p.overlay()
	_, ticks := logarithmic(p.y.from, p.y.to, p.bottom, p.top)
	for _, t := range ticks {
		if t.label != "" && t.value >= p.y.from && t.value <= p.y.to {
			at := p.y.at(t.value)
			p.line(left-4, at, left, at, muted, 1, "")
			p.text(left-7, at+4, muted, endAt, 11.5, t.label)
		}
	}
	p.frame()
	p.heatLegend(most, class)
	s.foot("Each field counts the sign-ins that were due within " + results.Duration(s.course.Width) + " and took about as long (a tenth of a decade).")
}

// overlay draws the time axis and the edges of the faults over what is drawn.
func (p *plot) overlay() {
	x, ticks := timeScale(p.span(), left, right)
	for _, t := range ticks {
		at := x.at(t.value)
		p.line(at, p.bottom, at, p.bottom+4, muted, 1, "")
		p.text(at, p.bottom+17, muted, middleAt, 11.5, t.label)
	}
	p.scene.y += 18
	if len(p.faults) > 40 {
		return
	}
	for _, b := range p.faults {
		x1, x2 := x.at(float64(b.from)), min(x.at(float64(b.to)), right)
		p.line(x1, p.top, x1, p.bottom, b.role, 1.2, "")
		p.line(x2, p.top, x2, p.bottom, b.role, 1.2, "2 3")
		p.rect(x1, p.top-4, x2-x1, 4, b.role, 1)
	}
}

// heatLegend says which colour is how many, for the counts that occur.
func (p *plot) heatLegend(most uint32, class func(uint32) int) {
	y := p.top + 10
	p.text(right+14, y, muted, startAt, 11.5, "sign-ins")
	y += 8
	for k := range slices.Backward(heatRoles[:]) {
		// The bounds of the class, by search: counts are whole.
		lower := sortSearch(most, func(n uint32) bool { return class(n) >= k })
		upper := sortSearch(most, func(n uint32) bool { return class(n) > k }) - 1
		if lower > upper {
			continue
		}
		p.rect(right+14, y, 18, 14, heatRoles[k], 1)
		text := results.Count(uint64(lower))
		if upper > lower {
			text += " to " + results.Count(uint64(upper))
		}
		p.text(right+38, y+11, muted, startAt, 11, text)
		y += 18
	}
}

// sortSearch is the least n from 1 to most that is so, most+1 when none is.
func sortSearch(most uint32, is func(uint32) bool) uint32 {
	from, to := uint32(1), most+1
	for from < to {
		middle := from + (to-from)/2
		if is(middle) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return from
}
