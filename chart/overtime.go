package chart

import (
	"fmt"
	"math"
	"slices"
	"time"

	"ptabench/results"
)

func drawOverview(s *scene) {
	s.head("What users felt", "Three plots over time, one above the other: response time on a logarithmic scale, sign-ins a second by outcome, "+
		"and the share of each connector; the faults are bands behind them."+s.faultsInWords())
	if s.empty() {
		s.foot()
		return
	}
	s.response(210, true, false)
	s.outcomes(130, false, false)
	s.shares(110, false, true)
	s.foot()
}

func drawResponse(s *scene) {
	s.head("Response time", "Response time over time on a logarithmic scale: median, 95th and 99th percentile and maximum of each second."+s.faultsInWords())
	if !s.empty() {
		s.response(320, true, true)
	}
	s.foot("From when a sign-in was due until it was answered or given up; a point is a second of arrivals" + s.thinned() + ".")
}

func drawOutcomes(s *scene) {
	s.head("Outcomes", "Sign-ins a second, stacked by outcome and by who answered."+s.faultsInWords())
	if !s.empty() {
		s.outcomes(320, true, true)
	}
	s.foot()
}

func drawShares(s *scene) {
	s.head("Share of each connector", "Share of the sign-ins that each connector answered, second by second, stacked to 100 percent."+s.faultsInWords())
	if !s.empty() {
		s.shares(320, true, true)
	}
	s.foot()
}

// empty says so when there was no load.
func (s *scene) empty() bool {
	for _, f := range s.course.Intervals {
		if f.Sent > 0 {
			return false
		}
	}
	s.nothing("No sign-in was sent in the measured load.")
	return true
}

// faultsInWords is for the description.
func (s *scene) faultsInWords() string {
	if len(s.faults) == 0 {
		return " No fault was injected."
	}
	text := " Faults:"
	for i, b := range s.faults {
		if i == 5 {
			return text + fmt.Sprintf(" and %d more.", len(s.faults)-i)
		}
		sep := ","
		if i == 0 {
			sep = ""
		}
		text += fmt.Sprintf("%s %s from %s to %s", sep, b.name, results.Duration(b.from), results.Duration(b.to))
	}
	return text + "."
}

// thinned says so when not every second is drawn.
func (s *scene) thinned() string {
	if len(s.course.Intervals) <= maxPoints {
		return ""
	}
	return ", of a stretch of them the lowest and the highest"
}

// middle is where a second is drawn.
func (s *scene) middle(i int) int64 {
	return min(s.course.Intervals[i].At+int64(time.Second)/2, s.span())
}

func (s *scene) response(height float64, names, last bool) {
	list := s.course.Intervals
	least, greatest := math.Inf(1), 0.0
	for _, f := range list {
		if f.Sent > 0 {
			least, greatest = min(least, float64(f.P50)), max(greatest, float64(f.Max))
		}
	}
	p := s.plot("Response time, logarithmic", height, names)
	y, ticks := logarithmic(least, greatest, p.bottom, p.top)
	p.over(last)
	p.up(y, ticks)
	var labels []label
	total := &s.result.Response
	p.within(left, p.top-1, right-left, p.bottom-p.top+2, func() {
		for _, l := range []struct {
			name  string
			about string
			role  role
			dash  string
			width float64
			of    func(*results.Interval) int64
		}{
			{"max", results.Duration(total.Max), longest, "1.5 3", 1.2, func(f *results.Interval) int64 { return f.Max }},
			{"p99", results.Duration(total.P99), p99, "", 2, func(f *results.Interval) int64 { return f.P99 }},
			{"p95", "", p95, "6 3", 1.8, func(f *results.Interval) int64 { return f.P95 }},
			{"p50", results.Duration(total.P50), p50, "", 2.2, func(f *results.Interval) int64 { return f.P50 }},
		} {
			value := func(i int) float64 {
				if v := l.of(&list[i]); list[i].Sent > 0 && v > 0 {
					return float64(v)
				}
				return math.NaN()
			}
			points := p.series(len(list), s.middle, value)
			p.polyline(points, l.role, l.width, l.dash)
			at, any := math.NaN(), false
			for i := len(points) - 1; i >= 0 && !any; i-- {
				if any = !math.IsNaN(points[i].y); any {
					at = points[i].y
				}
			}
			if any {
				about := l.about
				if about != "" {
					about += " overall"
				}
				labels = append(labels, label{at, l.role, l.name, about})
			}
		}
	})
	p.frame()
	p.labels(labels)
}

// A layer is one kind in a stack.
type layer struct {
	name  string
	about string
	role  role
	of    func(i int) float64
}

// stack draws layers over each other, in steps of one second as long as these
// can be seen.
func (p *plot) stack(layers []layer, n int, from func(int) int64, width int64) {
	total := func(i int) (sum float64) {
		for _, l := range layers {
			sum += l.of(i)
		}
		return sum
	}
	// What is lost is small and on top; it is what must not be thinned away.
	lost := func(i int) float64 { return layers[len(layers)-1].of(i) + total(i)*1e-9 }
	if len(layers) > 1 {
		lost = func(i int) float64 { return total(i) - layers[0].of(i) }
	}
	keep := results.Thin(n, maxPoints, total, lost)
	steps := len(keep) == n
	base := make([]float64, len(keep))
	points := func() (list []point) {
		for k, i := range keep {
			y := p.y.at(base[k])
			if !steps {
				list = append(list, point{p.x.at(float64(from(i) + width/2)), y})
				continue
			}
			list = append(list, point{p.x.at(float64(from(i))), y}, point{p.x.at(float64(from(i) + width)), y})
		}
		return list
	}
	p.within(left, p.top, right-left, p.bottom-p.top, func() {
		for _, l := range layers {
			below := points()
			for k, i := range keep {
				base[k] += l.of(i)
			}
			above := points()
			p.area(above, below, l.role, .82)
			p.polyline(above, ground, .6, "")
		}
	})
	p.edges()
	// Each layer is named where its middle is, on average.
	labels, sum := []label{}, 0.0
	mean := func(l layer) (m float64) {
		for i := range n {
			m += l.of(i)
		}
		return m / float64(max(n, 1))
	}
	for _, l := range layers {
		m := mean(l)
		if m > 0 {
			labels = append(labels, label{p.y.at(sum + m/2), l.role, l.name, l.about})
		}
		sum += m
	}
	p.labels(labels)
}

func (s *scene) outcomes(height float64, names, last bool) {
	list := s.course.Intervals
	n := &s.result.SignIns
	count := func(n uint64) string { return results.Count(n) + " in all" }
	refused := func(i int) uint64 {
		return list[i].Refused - min(list[i].HashSyncRefused+list[i].FederationRefused, list[i].Refused)
	}
	layers := []layer{
		{"pass-through", "accepted", good, func(i int) float64 {
			f := &list[i]
			byHash := f.HashSync - min(f.HashSyncRefused, f.HashSync)
			byFederation := f.Federation - min(f.FederationRefused, f.Federation)
			return float64(f.Accepted - min(byHash+byFederation, f.Accepted))
		}},
		{"refused", "by pass-through", unknown, func(i int) float64 { return float64(refused(i)) }},
		{"hash sync", count(n.ByPath.HashSync), retry, func(i int) float64 { return float64(list[i].HashSync) }},
		{"federation", count(n.ByPath.Federation), c4, func(i int) float64 { return float64(list[i].Federation) }},
		{"failed", count(n.Failed), bad, func(i int) float64 { return float64(list[i].Failed) }},
		{"unknown", count(n.Unknown), p95, func(i int) float64 { return float64(list[i].Unknown) }},
	}
	greatest := 0.0
	for _, f := range list {
		greatest = max(greatest, float64(f.Sent))
	}
	p := s.plot("Sign-ins a second, by outcome", height, names)
	y, ticks := linear(greatest, p.bottom, p.top, int(height/45)+1, func(v float64) string { return roundCount(v) + "/s" })
	p.over(last)
	p.up(y, ticks)
	p.stack(layers, len(list), func(i int) int64 { return list[i].At }, int64(time.Second))
	p.frame()
}

// drawn are the connectors that get a colour of their own: the first eight by
// sign-ins, in the order of the run. The rest are drawn as one.
func (s *scene) drawn() (own []int, rest []int) {
	count := make([]uint64, len(s.course.Connectors))
	for _, f := range s.course.Intervals {
		for i, name := range s.course.Connectors {
			count[i] += f.ByConnector[name]
		}
	}
	for i := range count {
		own = append(own, i)
	}
	if len(own) <= len(connectorRoles) {
		return own, nil
	}
	slices.SortStableFunc(own, func(a, b int) int { return int(min(max(int64(count[b])-int64(count[a]), -1), 1)) })
	const most = len(connectorRoles) - 1
	own, rest = slices.Clone(own[:most]), slices.Clone(own[most:])
	slices.Sort(own)
	return own, rest
}

func (s *scene) shares(height float64, names, last bool) {
	list := s.course.Intervals
	own, rest := s.drawn()
	total := make([]float64, len(list))
	for i := range list {
		for _, n := range list[i].ByConnector {
			total[i] += float64(n)
		}
	}
	part := func(i int, of ...int) float64 {
		if total[i] == 0 {
			return 0
		}
		var n uint64
		for _, c := range of {
			n += list[i].ByConnector[s.course.Connectors[c]]
		}
		return float64(n) / total[i]
	}
	var layers []layer
	for k, c := range own {
		name := s.course.Connectors[c]
		about := ""
		for _, of := range s.result.Connectors {
			if of.Name == name {
				about = results.Percent(of.Share) + " in all"
			}
		}
		layers = append(layers, layer{name, about, connectorRoles[k%len(connectorRoles)],
			func(i int) float64 { return part(i, c) }})
	}
	if len(rest) > 0 {
		layers = append(layers, layer{fmt.Sprintf("%d others", len(rest)), "", c8, func(i int) float64 { return part(i, rest...) }})
	}
	p := s.plot("Share of the sign-ins that connectors answered", height, names)
	y, ticks := linear(1, p.bottom, p.top, int(height/60)+1, percent)
	p.over(last)
	p.up(y, ticks)
	if len(layers) == 0 || slices.Max(total) == 0 {
		p.text((left+right)/2, (p.top+p.bottom)/2, muted, middleAt, 13, "No connector answered a sign-in.")
	} else {
		p.stack(layers, len(list), func(i int) int64 { return list[i].At }, int64(time.Second))
	}
	p.frame()
}

func drawInFlight(s *scene) {
	s.head("In flight", "Sign-ins that each connector had in hand, on average over each stretch of time."+s.faultsInWords())
	stretches := s.course.Stretches
	if len(stretches) == 0 || stretches[0].InFlight == nil {
		s.nothing("The samples of the run, or a number of connectors that can be drawn, are needed for this.")
		s.foot()
		return
	}
	own, rest := s.drawn()
	greatest := 0.0
	for _, f := range stretches {
		for _, v := range f.InFlight {
			greatest = max(greatest, v)
		}
	}
	p := s.plot("Sign-ins in hand, mean", 320, true)
	y, ticks := linear(greatest, p.bottom, p.top, 7, roundCount)
	p.over(true)
	p.up(y, ticks)
	var labels []label
	dashes := [...]string{"", "6 3", "2 3", "9 3 2 3"}
	p.within(left, p.top-1, right-left, p.bottom-p.top+2, func() {
		for k, c := range own {
			points := p.series(len(stretches), func(i int) int64 { return stretches[i].At + s.course.Width/2 },
				func(i int) float64 { return stretches[i].InFlight[c] })
			role := connectorRoles[k%len(connectorRoles)]
			p.polyline(points, role, 1.7, dashes[k%len(dashes)])
			labels = append(labels, label{points[len(points)-1].y, role, s.course.Connectors[c], ""})
		}
	})
	p.frame()
	p.labels(labels)
	notes := []string{fmt.Sprintf("The time that sign-ins spent in a connector, by when they were due, over the length of a stretch, %s (Little's law).", results.Duration(s.course.Width))}
	if len(rest) > 0 {
		notes = append(notes, fmt.Sprintf("Of %d connectors the %d with most sign-ins are drawn.", len(s.course.Connectors), len(own)))
	}
	s.foot(notes...)
}

func drawTimeSpent(s *scene) {
	spent := s.result.Spent()
	s.head("Where the time went", "Mean time of a "+spent.Of+" sign-in, split into queue, "+spent.Server+", directory and the rest."+s.faultsInWords())
	stretches := s.course.Stretches
	if len(stretches) == 0 {
		s.nothing("The samples of the run are needed for this.")
		s.foot()
		return
	}
	mean := &spent.Mean
	about := func(ns int64) string { return results.Duration(ns) + " overall" }
	layers := []layer{
		{"directory", about(mean.Directory), c3, func(i int) float64 { return float64(spent.In(&stretches[i]).Directory) }},
		{spent.Server, about(mean.Connector), c1, func(i int) float64 { return float64(spent.In(&stretches[i]).Connector) }},
		{"queue", about(mean.Queue), c2, func(i int) float64 { return float64(spent.In(&stretches[i]).Queue) }},
		{"rest", about(mean.Rest), c8, func(i int) float64 { return float64(spent.In(&stretches[i]).Rest) }},
	}
	greatest := 0.0
	for i := range stretches {
		t := spent.In(&stretches[i])
		greatest = max(greatest, float64(t.Queue+t.Connector+t.Directory+t.Rest))
	}
	p := s.plot("Mean time of a "+spent.Of+" sign-in", 320, true)
	y, ticks := linear(greatest, p.bottom, p.top, 7, roundTime)
	p.over(true)
	p.up(y, ticks)
	p.stack(layers, len(stretches), func(i int) int64 { return stretches[i].At }, s.course.Width)
	p.frame()
	s.foot("Service time: from when a sign-in was sent. The rest is network, TLS, tokens and scheduling. Where nothing is drawn no " + spent.Server + " answered.")
}
