package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// block is the table of a suite: a row for each run. A narrow one has a mark
// for a verdict, and leaves the texts to the lines below it.
func (s *SuiteResult) block(narrow bool) block {
	b := block{title: "runs", heads: append([]string{"run", "load"}, faultHeads...), texts: 1}
	if !narrow {
		b.heads, b.texts = append(slices.Insert(b.heads, 1, "verdict"), "scenario", "directory", "why"), 2
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		row := blockRow{verdict: r.Verdict, cells: append([]string{mark(r.Verdict) + " " + r.title()}, r.cells()...)}
		if !narrow {
			row.cells = append([]string{r.title(), string(r.Verdict)}, r.cells()...)
			row.links = make([]string, len(row.cells)+2)
			row.links[len(row.cells)+1] = r.Dir
			row.cells = append(row.cells, r.of(), r.Dir, reasonsText(r.Reasons))
		}
		b.rows = append(b.rows, row)
	}
	for _, name := range s.NotMade {
		missing := SuiteRun{Name: name, Verdict: Aborted}
		row := blockRow{verdict: Aborted, cells: append([]string{mark(Aborted) + " " + name}, missing.cells()...)}
		if !narrow {
			row.cells = append([]string{name, string(Aborted)}, missing.cells()...)
			row.cells = append(row.cells, "-", "-", reasonsText(notMadeReason))
		}
		b.rows = append(b.rows, row)
	}
	return b
}

// cells are the duration of a run's load, and its figures: times of its worst
// fault, counts and p99 of the whole load.
func (r *SuiteRun) cells() []string {
	if !r.Measured {
		return []string{"-", "-", "-", "-", "-", "-", "-"}
	}
	return []string{Duration(r.DurationNS), elapsed(r.Worst.Detect), elapsed(r.Worst.Failover), Count(r.Lost), Count(r.Wrong),
		measured(r.P99), elapsed(r.Worst.Recover)}
}

// of is the scenario of a run with what was set in it.
func (r *SuiteRun) of() string { return strings.Join(append([]string{r.Scenario}, r.Set...), " ") }

// abouts are the paragraphs above the table of a suite.
func (s *SuiteResult) abouts() []string { return present(s.why(), s.about(), s.text()) }

// about says what the figures of a suite are.
func (s *SuiteResult) about() string {
	text := "Times are those of each run's slowest fault, counts and p99 those of its whole load."
	if s.Description != "" {
		text = strings.TrimRight(s.Description, ". \n") + ". " + text
	}
	return text
}

// verdicts counts the runs by verdict, the worst first.
func (s *SuiteResult) verdicts() string {
	var parts []string
	for _, v := range verdictOrder {
		var n uint64
		for i := range s.Runs {
			if s.Runs[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, Count(n)+" "+string(v))
		}
	}
	runs := plural(uint64(len(s.Runs)), "run", "runs")
	if len(s.NotMade) > 0 {
		runs = fmt.Sprintf("%d of %s", len(s.Runs), plural(uint64(s.Planned), "run", "runs"))
	}
	if len(parts) == 0 {
		return runs
	}
	return runs + ": " + strings.Join(parts, ", ")
}

// SuiteText writes a suite for people, in 80 columns.
func SuiteText(w io.Writer, s *SuiteResult, colour bool) error {
	p := &page{colour: colour}
	p.line(p.ink(bold, "suite: "), p.ink(bold, s.Suite), ", ", p.ink(bold+";"+verdictInk(s.Verdict), string(s.Verdict)), ", ", s.verdicts())
	for _, text := range s.abouts() {
		p.wrapped(plain, "", "  ", text)
	}
	b := s.block(true)
	p.block(&b)
	p.section("directories", "")
	for i := range s.Runs {
		r := &s.Runs[i]
		name := r.title()
		if of := r.of(); of != name {
			name += " (" + of + ")"
		}
		p.runLine(name, r.Verdict, r.Dir, r.Reasons)
	}
	for _, name := range s.NotMade {
		p.runLine(name, Aborted, "", notMadeReason)
	}
	p.repeat(s.Command)
	_, err := io.WriteString(w, p.text.String())
	return err
}

// SuiteMarkdown writes a suite for the page of a job on GitHub, always under
// 1 MiB.
func SuiteMarkdown(w io.Writer, s *SuiteResult) error {
	m := &markdown{}
	m.line("## ", mark(s.Verdict), " ", string(s.Verdict), ": suite ", escapedName(s.Suite))
	m.paragraphs(append([]string{s.verdicts()}, s.abouts()...))
	b := s.block(false)
	m.block(&b)
	m.repeat(s.Command)
	_, err := io.WriteString(w, m.text.String())
	return err
}
