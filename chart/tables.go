package chart

import (
	"fmt"
	"math"
	"strings"
	"time"

	"ptabench/results"
)

// maxRows bounds what a picture lists: what is more belongs into the report.
const maxRows = 24

// more says what a list left out, "" when nothing.
func more(n int, noun string) string {
	if n <= maxRows {
		return ""
	}
	return fmt.Sprintf("%d more %ss are in the report.", n-maxRows, noun)
}

// drawObjectives draws each objective as a bar against its limit.
func drawObjectives(s *scene) {
	s.head("Objectives", "Each objective with its value, its 95 percent interval where there is one, and its limit.")
	list := s.result.Objectives
	if len(list) == 0 {
		s.nothing("The scenario has no objectives.")
		s.foot()
		return
	}
	const from, to = 470.0, 800.0 // of the bars
	s.y += 12
	s.text(from, s.y, muted, startAt, 11.5, "value against its limit")
	s.text(936, s.y, muted, endAt, 11.5, "value")
	s.y += 6
	for i := range list[:min(len(list), maxRows)] {
		o := &list[i]
		s.y += 30
		mark, of := "–", muted
		switch o.Verdict {
		case results.Pass:
			mark, of = "✓", met
		case results.Fail:
			mark, of = "✗", missed
		}
		s.description += fmt.Sprintf(" %s: %s, %s.", o.Text, valueOf(o), o.Verdict)
		s.text(24, s.y, of, startAt, 15, mark, bold)
		s.text(46, s.y, ink, startAt, 13, fit(o.Text, 13, from-66))
		s.text(936, s.y, ink, endAt, 13, valueOf(o), bold)
		s.against(o, from, to, of)
	}
	var notes []string
	if text := more(len(list), "objective"); text != "" {
		notes = append(notes, text)
	}
	s.y += 8
	s.foot(append(notes, "The line across a bar is the limit, the shaded side is not allowed; a whisker bounds the value with 95 % confidence.")...)
}

// valueOf is the value of an objective with its unit.
func valueOf(o *results.Objective) string {
	switch {
	case o.Unit == "ns" && o.Value < 0:
		return "never"
	case o.Unit == "ns":
		return results.Duration(int64(o.Value))
	case o.Unit == "per_s":
		return results.PerSecond(o.Value)
	case o.Unit == "ratio" && strings.Contains(o.Text, "%"):
		return results.Percent(o.Value)
	case o.Unit == "count":
		return roundCount(o.Value)
	}
	return fmt.Sprintf("%.4g", o.Value)
}

// against draws the bar of an objective. Its limit stands at two thirds, the
// side of it that is not allowed is shaded; what is beyond the end is cut, with
// a mark. Against 0, and against what an old run did not write down, there is
// nothing to draw.
func (s *scene) against(o *results.Objective, from, to float64, of role) {
	if o.Limit <= 0 || o.Value < 0 {
		return
	}
	y := s.y - 11
	limit := from + (to-from)*2/3
	at := func(v float64) float64 { return min(from+(limit-from)*max(v, 0)/o.Limit, to) }
	s.rect(from, y, to-from, 14, panelGround, 1)
	switch {
	case strings.Contains(o.Text, "<"):
		s.rect(limit, y, to-limit, 14, missed, .16)
	case strings.Contains(o.Text, ">"):
		s.rect(from, y, limit-from, 14, missed, .16)
	}
	s.rect(from, y+2, max(at(o.Value)-from, 2), 10, of, .85)
	if o.Interval != nil {
		x1, x2 := at(o.Interval[0]), at(o.Interval[1])
		endless := o.Interval[1] < 0 // up to sign-ins that nobody answered
		if endless {
			x2 = to
		}
		s.line(x1, y+7, x2, y+7, ink, 1.4, "")
		s.line(x1, y+3, x1, y+11, ink, 1.4, "")
		if !endless {
			s.line(x2, y+3, x2, y+11, ink, 1.4, "")
		}
	}
	if at(o.Value) >= to {
		s.text(to+4, s.y, of, startAt, 12, "›", bold)
	}
	s.line(limit, y-3, limit, y+17, ink, 2, "")
}

// drawFaults draws each fault as a bar, with what it did in words.
func drawFaults(s *scene) {
	s.head("Faults", "Each fault over time: when it began and ended, when all was well again, and what it cost."+s.faultsInWords())
	var list []results.Fault
	for _, f := range s.result.Faults {
		if f.At >= 0 {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		s.nothing("No fault was injected.")
		s.foot()
		return
	}
	rows := list[:min(len(list), maxRows)]
	s.y += 4
	const row = 44.0
	p := &plot{scene: s, top: s.y + 8, bottom: s.y + 8 + row*float64(len(rows))}
	x, ticks := timeScale(s.span(), 24, 936)
	for _, t := range ticks {
		at := x.at(t.value)
		p.line(at, p.top, at, p.bottom, grid, 1, "")
		a := middleAt
		switch {
		case at < 40:
			a = startAt
		case at > 920:
			a = endAt
		}
		p.text(at, p.bottom+17, muted, a, 11.5, t.label)
	}
	for i, f := range rows {
		y := p.top + row*float64(i) + 6
		of := faultRole(f.Kind)
		end := f.At + max(f.Duration, 0)
		x1, x2 := x.at(float64(f.At)), x.at(float64(end))
		if f.Recover > 0 {
			p.rect(x2, y+4, max(min(x.at(float64(end+f.Recover)), 936)-x2, 2), 6, of, .4)
		}
		p.rect(x1, y, max(min(x2, 936)-x1, 3), 14, of, .9)
		words := faultWords(&f)
		s.description += " " + f.Name + ": " + words + "."
		// Names stand at the bar's left edge, as far as there is room.
		text := f.Name + "  " + words
		at := max(min(x1, 936-textWidth(text, 12)-12), 24)
		nameWidth := textWidth(f.Name, 12) + 8
		p.text(at, y+29, of, startAt, 12, fit(f.Name, 12, 300), bold)
		p.text(at+min(nameWidth, 308), y+29, ink, startAt, 12, fit(words, 12, 936-at-min(nameWidth, 308)))
	}
	s.y = p.bottom + 18
	p.line(24, p.bottom, 936, p.bottom, muted, 1, "")
	var notes []string
	if text := more(len(list), "fault"); text != "" {
		notes = append(notes, text)
	}
	s.foot(append(notes, "The pale part behind a bar is how long it took until the target served again.")...)
}

// faultWords is what a fault did.
func faultWords(f *results.Fault) string {
	var parts []string
	if f.Detect >= 0 {
		parts = append(parts, "noticed after "+results.Duration(f.Detect))
	}
	if f.Failover >= 0 {
		parts = append(parts, "served another way after "+results.Duration(f.Failover))
	}
	if f.HandedOff > 0 {
		parts = append(parts, results.Count(f.HandedOff)+" answered after a handoff")
	}
	lost := "none lost"
	if f.Lost > 0 {
		lost = results.Count(f.Lost) + " lost"
	}
	parts = append(parts, lost)
	if f.Recover >= 0 {
		parts = append(parts, "recovered after "+results.Duration(f.Recover))
	} else {
		parts = append(parts, "recovery not seen")
	}
	return strings.Join(parts, ", ")
}

// drawProcesses draws what each process cost.
func drawProcesses(s *scene) {
	s.head("What it cost", "CPU and the most memory of each process.")
	list := s.result.Processes
	if len(list) == 0 {
		s.nothing("The processes were not measured.")
		s.foot()
		return
	}
	const cpuFrom, cpuTo, memFrom, memTo = 210.0, 470.0, 620.0, 830.0
	var cpu, memory float64
	for _, p := range list {
		cpu, memory = max(cpu, float64(p.CPU)), max(memory, float64(p.RSSMax))
	}
	length := time.Duration(max(s.result.DurationNS, 1)).Seconds()
	s.y += 14
	s.text(cpuFrom, s.y, muted, startAt, 11.5, "CPU, share of one processor (of each sign-in)")
	s.text(memFrom, s.y, muted, startAt, 11.5, "memory, the most that was resident")
	for _, p := range list[:min(len(list), maxRows)] {
		s.y += 26
		s.text(cpuFrom-12, s.y, ink, endAt, 13, fit(p.Name, 13, cpuFrom-40))
		draw := func(of role, from, to, v, greatest float64, text string) {
			width := 0.0
			if greatest > 0 {
				width = math.Max((to-from)*v/greatest, 1)
			}
			s.rect(from, s.y-11, width, 14, of, .85)
			s.text(from+width+8, s.y, ink, startAt, 12, text)
		}
		share := percent(time.Duration(p.CPU).Seconds() / length)
		draw(c1, cpuFrom, cpuTo, float64(p.CPU), cpu, fmt.Sprintf("%s (%s)", share, results.Duration(p.CPUPerSignIn)))
		draw(c3, memFrom, memTo, float64(p.RSSMax), memory, results.Bytes(p.RSSMax))
		s.description += fmt.Sprintf(" %s: %s of a processor, %s.", p.Name, share, results.Bytes(p.RSSMax))
	}
	s.y += 8
	if text := more(len(list), "processe"); text != "" {
		s.foot(text)
		return
	}
	s.foot()
}
