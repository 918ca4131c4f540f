package results

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// asExpected is how all that was expected of a fault ended: fail when anything
// was otherwise, inconclusive when anything could not be seen.
func (f *Fault) asExpected() Verdict {
	v := Pass
	for i := range f.Expected {
		switch f.Expected[i].Verdict {
		case Fail:
			return Fail
		case Inconclusive:
			v = Inconclusive
		}
	}
	return v
}

// expecting are the faults of which anything was expected.
func expecting(list []Fault) (some []*Fault) {
	for i := range list {
		if len(list[i].Expected) > 0 {
			some = append(some, &list[i])
		}
	}
	return some
}

// An ExpectedText is a fault of which something was expected, in words.
type ExpectedText struct {
	Number int // of the fault in the result, from 1
	Name   string
	Shows  string // the effect that was expected; what is done, where nobody said
	What   string // what is done to whom, as it parses, and by which means
	// Verdict is fail when anything was otherwise, inconclusive when anything
	// could not be seen.
	Verdict Verdict
	Parts   []Expected
}

// ExpectedTexts tells of the faults of which something was expected, and how
// many did so; "" when nothing was expected of any.
func (r *Result) ExpectedTexts() (list []ExpectedText, summary string) {
	for i := range r.Faults {
		f := &r.Faults[i]
		if len(f.Expected) == 0 {
			continue
		}
		t := ExpectedText{Number: i + 1, Name: f.Name, Shows: f.Shows, What: f.what(), Verdict: f.asExpected(), Parts: f.Expected}
		if t.Shows == "" {
			t.Shows = f.Text
		}
		list = append(list, t)
	}
	if len(list) > 0 {
		summary = asExpectedText(expecting(r.Faults))
	}
	return list, summary
}

// asExpectedText counts the faults that did as was expected.
func asExpectedText(list []*Fault) string {
	n := 0
	for _, f := range list {
		if f.asExpected() == Pass {
			n++
		}
	}
	return fmt.Sprintf("%d of %s as expected", n, plural(uint64(len(list)), "fault", "faults"))
}

// seenText is one comparison with what was seen. Where that is what was
// expected, word for word, it is not said twice; part of a log is not quoted.
func seenText(e *Expected) string {
	switch {
	case e.Verdict != Pass:
		return "expected " + e.Text + ", observed: " + e.Observed
	case strings.Contains(e.Text, "~"), strings.Contains(e.Text+" ", "== "+strings.ReplaceAll(e.Observed, ".0 %", "%")+" "):
		return e.Text
	}
	return e.Text + " (" + e.Observed + ")"
}

// what is what a fault does to whom, by which means.
func (f *Fault) what() string {
	return f.Text + " (" + f.Tier + ")"
}

// expected writes what was expected of faults, and what was seen: a line or
// two for each that did so, all of it for those that did not.
func (p *page) expected(list []Fault) {
	rows := expecting(list)
	if len(rows) == 0 {
		return
	}
	p.section("expected and observed   ", asExpectedText(rows))
	name := 0
	for _, f := range rows {
		name = max(name, utf8.RuneCountInString(f.Name))
	}
	name = min(name, 24)
	for _, f := range rows {
		v := f.asExpected()
		shows := f.Shows
		if shows == "" {
			shows = f.Text
		}
		if f.Tier != "" {
			shows += " [" + f.Tier + "]"
		}
		p.wrapped(verdictInk(v), "  "+mark(v)+" "+left(name, f.Name)+" ", strings.Repeat(" ", name+5), shows)
		var held []string
		for i := range f.Expected {
			e := &f.Expected[i]
			if e.Verdict == Pass {
				held = append(held, seenText(e))
				continue
			}
			p.wrapped(verdictInk(e.Verdict), "      "+mark(e.Verdict)+" ", "        ", seenText(e))
		}
		if len(held) > 0 {
			p.wrapped(dim, "      ", "      ", strings.Join(held, "; "))
		}
	}
}

// cellRunes bounds a cell that holds several comparisons.
const cellRunes = 1200

func (m *markdown) expected(list []Fault) {
	rows := expecting(list)
	if len(rows) == 0 {
		return
	}
	m.heading(3, "Expected and observed")
	m.line(asExpectedText(rows) + ".")
	m.line()
	m.table([]string{"", "fault", "what", "shows", "expected", "observed"}, 6, len(rows), func(i int) []string {
		f := rows[i]
		var expected, observed []string
		for n := range f.Expected {
			e := &f.Expected[n]
			text := escaped(e.Text, cellRunes)
			if e.Verdict != Pass {
				text = mark(e.Verdict) + " " + text
			}
			expected, observed = append(expected, text), append(observed, escaped(e.Observed, textRunes))
		}
		v := f.asExpected()
		return []string{mark(v) + " " + string(v), escapedName(f.Name), escapedText(f.what()), escapedText(f.Shows),
			strings.Join(expected, "; "), strings.Join(observed, "; ")}
	})
}

// expectedCase is the test case of one fault of which anything was expected.
func expectedCase(f *Fault) junitCase {
	c := junitCase{Name: "expected: " + f.Name}
	var all, others []string
	for i := range f.Expected {
		e := &f.Expected[i]
		all = append(all, seenText(e))
		if e.Verdict != Pass {
			others = append(others, seenText(e))
		}
	}
	c.Out = strings.Join(slices.Concat([]string{f.what(), f.Shows}, all), "\n")
	problem := &junitProblem{Message: strings.Join(others, "; "), Type: "expected"}
	switch f.asExpected() {
	case Fail:
		c.Failure = problem
	case Inconclusive:
		problem.Type = ""
		c.Skipped = problem
	}
	return c
}
