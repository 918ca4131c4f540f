package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ptabench/results"
)

// Measures of the page, in pixels.
const (
	left      = 68  // of the plots: the ticks' labels are before it
	right     = 822 // and the lines' labels behind it
	labelRoom = 960 - right - 12
	bandRow   = 16 // a row of names of faults
	bandRows  = 2
	maxPoints = 700 // of a line: a pixel has no more

	maxNamedBands = 24 // of more faults the few that find room say nothing
)

// scene is one picture in the making.
type scene struct {
	*canvas
	result *results.Result
	course *results.Course
	faults []band
	y      float64 // what is above is drawn
	length int64   // of the time axis, ns
}

// A band is a fault, or the faults of one group that follow each other without
// a gap, behind the lines of a plot.
type band struct {
	name     string
	role     role
	from, to int64
}

// bandsOf are the faults that were injected, in order.
func bandsOf(r *results.Result) (list []band) {
	for _, f := range r.Faults {
		if f.At < 0 {
			continue
		}
		list = append(list, band{f.Name, faultRole(f.Kind), f.At, f.At + max(f.Duration, 0)})
	}
	slices.SortStableFunc(list, func(a, b band) int { return int(min(max(a.from-b.from, -1), 1)) })
	return list
}

// span is how long the load went on, by everything that tells.
func (s *scene) span() int64 {
	if s.length == 0 {
		s.length = s.result.DurationNS
		if n := len(s.course.Intervals); n > 0 && s.length <= 0 {
			s.length = s.course.Intervals[n-1].At + int64(time.Second)
		}
		for _, b := range s.faults {
			s.length = max(s.length, min(b.to, b.from+int64(time.Hour)))
		}
	}
	return max(s.length, int64(time.Second))
}

// head writes the title, and what and how the run was.
func (s *scene) head(title, about string) {
	r := s.result
	name := fit(strings.TrimSpace(r.Scenario), 18, 420)
	if name == "" {
		name = "run"
	}
	s.title = title + ": " + r.Scenario
	s.text(24, 34, ink, startAt, 18, title+" · "+name, bold)
	s.verdict(936, 33)
	parts := []string{}
	if r.Rate.PlannedPerS > 0 {
		parts = append(parts, results.PerSecond(r.Rate.PlannedPerS)+" sign-ins planned for "+results.Duration(r.DurationNS))
	}
	if n := len(r.Connectors); n > 0 {
		parts = append(parts, plural(n, "connector"))
	}
	if r.SignIns.Sent > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s answered", results.Count(r.SignIns.Accepted+r.SignIns.Refused), results.Count(r.SignIns.Sent)))
	}
	if r.Response.Samples > 0 {
		parts = append(parts, "p99 "+results.Duration(r.Response.P99))
	}
	sub := strings.Join(parts, " · ")
	s.text(24, 54, muted, startAt, 13, fit(sub, 13, 900))
	s.description = about
	if sub != "" {
		s.description += " " + sub + "."
	}
	s.description += " Verdict: " + string(r.Verdict) + "."
	s.y = 66
}

// verdict writes the verdict with a mark, for colour does not stand alone.
func (s *scene) verdict(x, y float64) {
	mark, of := "–", muted
	switch s.result.Verdict {
	case results.Pass:
		mark, of = "✓", met
	case results.Fail, results.Aborted:
		mark, of = "✗", missed
	}
	s.text(x, y, of, endAt, 15, mark+" "+string(s.result.Verdict), bold)
}

// foot says what made the picture, and ends it.
func (s *scene) foot(notes ...string) {
	for _, note := range notes {
		s.y += 17
		s.text(24, s.y, muted, startAt, 11.5, fit(note, 11.5, 912))
	}
	s.y += 20
	r := s.result
	parts := []string{"ptabench " + r.Version, fmt.Sprintf("seed %d", r.Seed)}
	if r.StartedAt != "" {
		parts = append(parts, strings.SplitN(r.StartedAt, ".", 2)[0])
	}
	if m := r.Machine; m.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%s, %s", m.CPUModel, plural(m.CPUs, "CPU")))
	}
	if n := len(r.Warnings); n > 0 {
		parts = append(parts, plural(n, "warning")+" in the report")
	}
	s.line(24, s.y-14, 936, s.y-14, grid, 1, "")
	s.text(24, s.y+2, muted, startAt, 11, fit(strings.Join(parts, " · "), 11, 912))
	s.height = s.y + 14
}

// nothing says that there is nothing to draw, and why.
func (s *scene) nothing(why string) {
	s.rect(left, s.y+14, right-left, 90, panelGround, 1)
	s.text((left+right)/2, s.y+63, muted, middleAt, 13, why)
	s.y += 118
	s.description += " " + why
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return results.Count(uint64(n)) + " " + noun + "s"
}

// A plot is a rectangle with axes.
type plot struct {
	*scene
	top, bottom float64
	x, y        scale
}

// plot makes room for one over time, with the names of the faults above it.
func (s *scene) plot(heading string, height float64, names bool) *plot {
	s.y += 22
	s.text(left, s.y, ink, startAt, 13, heading, bold)
	if names {
		s.y += float64(s.nameBands(s.y + 8))
	}
	p := &plot{scene: s, top: s.y + 10, bottom: s.y + 10 + height}
	s.y = p.bottom
	return p
}

// over sets the time as the x axis and draws its ticks and the bands.
func (p *plot) over(label bool) {
	x, ticks := timeScale(p.span(), left, right)
	p.x = x
	p.bands()
	for _, t := range ticks {
		at := x.at(t.value)
		p.line(at, p.bottom, at, p.bottom+4, muted, 1, "")
		if label {
			p.text(at, p.bottom+17, muted, middleAt, 11.5, t.label)
		}
	}
	if label {
		p.scene.y += 18
	}
}

// up sets the y axis and draws its ticks.
func (p *plot) up(y scale, ticks []tick) {
	p.y = y
	for _, t := range ticks {
		at := y.at(t.value)
		if t.label != "" {
			p.line(left, at, right, at, grid, 1, "")
			p.text(left-7, at+4, muted, endAt, 11.5, t.label)
		}
	}
}

// edges draws the begin and end of each fault again, over what hides them.
func (p *plot) edges() {
	if len(p.faults) > 40 {
		return
	}
	for _, b := range p.faults {
		for i, at := range [...]int64{b.from, b.to} {
			if x := p.x.at(float64(at)); x <= right {
				p.line(x, p.top, x, p.bottom, ground, 3, "")
				p.line(x, p.top, x, p.bottom, b.role, 1.3, [...]string{"", "2 3"}[i])
			}
		}
	}
}

func (p *plot) frame() { p.line(left, p.bottom, right, p.bottom, muted, 1, "") }

// bands draws the faults behind what follows. Beyond some dozens their edges
// would be all that is seen.
func (p *plot) bands() {
	edges := len(p.faults) <= 40
	p.within(left, p.top, right-left, p.bottom-p.top, func() {
		for _, b := range p.faults {
			x1, x2 := p.x.at(float64(b.from)), p.x.at(float64(b.to))
			p.rect(x1, p.top, max(x2-x1, 1), p.bottom-p.top, b.role, .13)
			if edges {
				p.line(x1, p.top, x1, p.bottom, b.role, 1, "")
				p.line(x2, p.top, x2, p.bottom, b.role, 1, "2 3")
			}
		}
	})
}

// nameBands writes the names of the faults above their bands, in two rows, and
// returns how many pixels high that is. Of what finds no room it says how many,
// and of very many that alone.
func (s *scene) nameBands(y float64) int {
	if len(s.faults) == 0 {
		return 0
	}
	if len(s.faults) > maxNamedBands {
		s.text(right, y-8, muted, endAt, 11.5, plural(len(s.faults), "fault"))
		return 0
	}
	x, _ := timeScale(s.span(), left, right)
	var ends [bandRows]float64
	for i := range ends {
		ends[i] = left - 8
	}
	rows, unnamed := 1, 0
	for _, b := range s.faults {
		name := fit(b.name, 11.5, 170)
		width := textWidth(name, 11.5)
		at := x.at(float64(b.from))
		row := slices.IndexFunc(ends[:], func(end float64) bool { return at >= end+8 })
		if row < 0 || at+width > right+labelRoom || at < left {
			unnamed++
			continue
		}
		ends[row] = at + width
		rows = max(rows, row+1)
		s.text(at, y+float64(row+1)*bandRow-2, b.role, startAt, 11.5, name, bold)
	}
	if unnamed > 0 {
		s.text(right, y-8, muted, endAt, 11.5, fmt.Sprintf("%s of %s not named", results.Count(uint64(unnamed)), plural(len(s.faults), "fault")))
	}
	return rows*bandRow + 2
}

// A label stands behind the end of a line.
type label struct {
	y     float64
	role  role
	name  string
	about string
}

// labels writes labels at the right of the plot where their lines end, moved
// apart where they would overlap.
func (p *plot) labels(list []label) {
	if len(list) == 0 {
		return
	}
	step := 15.0
	for _, l := range list {
		if l.about != "" {
			step = 28
		}
	}
	step = min(step, max((p.bottom-p.top+10)/float64(len(list)), 11))
	order := slices.Clone(list)
	for i := range order {
		if math.IsNaN(order[i].y) {
			order[i].y = p.bottom
		}
	}
	slices.SortStableFunc(order, func(a, b label) int { return int(min(max((a.y-b.y)*1e6, -1), 1)) })
	for i := range order {
		order[i].y = max(order[i].y, p.top+4)
		if i > 0 {
			order[i].y = max(order[i].y, order[i-1].y+step)
		}
	}
	lowest := p.bottom - step + 15
	for i := len(order) - 1; i >= 0; i-- {
		order[i].y = min(order[i].y, lowest)
		lowest = order[i].y - step
	}
	for _, l := range order {
		p.text(right+10, l.y+4, l.role, startAt, 12, fit(l.name, 13, labelRoom-2), bold)
		if step >= 26 {
			p.text(right+10, l.y+17, muted, startAt, 11, fit(l.about, 11, labelRoom))
		}
	}
}

// series are the points of a line over time, thinned.
func (p *plot) series(n int, at func(int) int64, value func(int) float64) []point {
	keep := results.Thin(n, maxPoints, value, value)
	points := make([]point, 0, len(keep))
	for _, i := range keep {
		v := value(i)
		y := math.NaN()
		if !math.IsNaN(v) {
			y = p.y.at(v)
		}
		points = append(points, point{p.x.at(float64(at(i))), y})
	}
	return points
}
