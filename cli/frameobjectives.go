package cli

import (
	"slices"
	"unicode/utf8"

	"ptabench/results"
)

// listed is how many objectives there are to show.
func (g *glance) listed() int {
	if g.soFar == nil {
		return 0
	}
	return len(g.soFar.Objectives)
}

// objectives are how each stands, so many side by side: what fails comes first.
func (g *glance) objectives(columns, abreast int) []strip {
	if g.listed() == 0 {
		return nil
	}
	list := slices.Clone(g.soFar.Objectives)
	slices.SortStableFunc(list, func(a, b results.Objective) int { return urgency(a.Verdict) - urgency(b.Verdict) })
	width := (columns - 2*(abreast-1)) / abreast
	rows := (len(list) + abreast - 1) / abreast
	lines := make([]strip, rows)
	for i := range list {
		row := i % rows
		if i >= rows {
			lines[row] = lines[row].pad((i / rows) * (width + 2))
		}
		lines[row] = append(lines[row], g.objective(&list[i], width)...)
	}
	return lines
}

// urgency puts what fails first and what is not known last.
func urgency(v results.Verdict) int {
	return slices.Index([]results.Verdict{results.Aborted, results.Fail, results.Pass, results.Inconclusive}, v)
}

func (g *glance) objective(o *results.Objective, width int) strip {
	mark, ink := "✓", inkGreen
	switch o.Verdict {
	case results.Fail:
		mark, ink = "✗", inkRed
	case results.Inconclusive:
		mark, ink = "·", inkDim
		if g.verdict != "" {
			mark, ink = "?", inkYellow
		}
	}
	value := results.ObjectiveValue(o)
	if o.Verdict == results.Inconclusive && g.verdict == "" && o.Samples == 0 {
		value = "–" // check.Standing does not tell before
		if later := "at end"; utf8.RuneCountInString(o.Text+later)+3 <= width {
			value = later
		}
	}
	room := width - 2 - utf8.RuneCountInString(value) - 1
	text := cut(o.Text, max(room, 8))
	s := strip{{mark + " ", ink}}.add(text, "")
	return s.pad(width-utf8.RuneCountInString(value)).add(value, inkOr(o.Verdict, ink))
}

// inkOr colours the value of what fails only.
func inkOr(v results.Verdict, ink string) string {
	if v == results.Pass {
		return ""
	}
	return ink
}

func inkOf(v results.Verdict) string {
	switch v {
	case results.Pass:
		return inkGreen
	case results.Fail, results.Aborted:
		return inkRed
	}
	return inkYellow
}
