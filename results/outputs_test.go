package results

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile has what means something to Markdown, HTML, XML and terminals.
const hostile = "x|y`z`\n# h\r\n<script>alert(1)</script> & \"q\" 'a' \x00\x1b[31m\x7f\u2028 \xff ]]> --> **b** [l](http://e) @who $m$ \\"

// hostileResult has hostile names everywhere, and very much of everything.
func hostileResult(t *testing.T, n int, long string) Result {
	r := fullResult(t)
	r.Scenario, r.Version, r.Command, r.Preset, r.Network = long, long, long, long, long
	r.Reasons = slices.Repeat([]string{long}, n)
	r.Warnings = slices.Repeat([]string{long}, n)
	list := func(i int) string { return fmt.Sprintf("%d%s", i, long) }
	r.Faults = nemesis(t, n)
	for i := range r.Faults {
		f := &r.Faults[i]
		f.Name, f.Kind, f.Target, f.Text, f.Note = list(i), long, long, long, long
		f.Group = "" // each by itself
		if i%2 == 0 {
			f.Group = list(i)
		}
		f.Wrong = []Wrong{{Kind: long, Path: long, Cause: long, Count: 3}}
	}
	objective, connector, gate := r.Objectives[2], r.Connectors[0], r.Gates[0]
	r.Objectives, r.Connectors, r.Gates = nil, nil, nil
	for i := range n {
		objective.Text, objective.Reason, objective.Window, objective.Method = list(i), long, long, long
		connector.Name = list(i)
		r.Objectives, r.Connectors = append(r.Objectives, objective), append(r.Connectors, connector)
	}
	for range 8 {
		gate.Name, gate.Text, gate.Reason = long, long, long
		r.Gates = append(r.Gates, gate)
	}
	r.Balance = Balance{Jain: 0.5, Least: long, Most: long + "2", Nothing: slices.Repeat([]string{long}, n)}
	r.WrongByCause = slices.Repeat([]Wrong{{Kind: long, Path: long, Cause: long, Count: 1}}, n)
	for i := range r.Ledgers.Checks {
		r.Ledgers.Checks[i].Text, r.Ledgers.Checks[i].Note = long, long
	}
	return r
}

func TestMarkdown(t *testing.T) {
	full, pass, soak := fullResult(t), passing(t), soaked(t)
	for name, r := range map[string]*Result{"fail.md": &full, "pass.md": &pass, "soak.md": &soak} {
		golden(t, name, []byte(markdownOf(t, r)))
	}
}

// GitHub refuses a summary of more than 1 MiB, all of it.
func TestMarkdownIsBounded(t *testing.T) {
	for _, long := range []string{hostile, strings.Repeat("<", 5000), strings.Repeat("&|", 5000), strings.Repeat("😀", 5000)} {
		r := hostileResult(t, 500, long)
		text := markdownOf(t, &r)
		if len(text) >= 1<<20 || !utf8.ValidString(text) {
			t.Errorf("%.10q: %d bytes, expected under %d; valid UTF-8: %v", long, len(text), 1<<20, utf8.ValidString(text))
		}
		for _, want := range []string{"and 400 more", "- and 480 more"} {
			if !strings.Contains(text, want) {
				t.Errorf("%.10q: %s is not said", long, want)
			}
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	r := hostileResult(t, 3, hostile)
	text := markdownOf(t, &r)
	for _, not := range []string{"<script", "\x00", "\x1b", "\x7f", "\r", "\u2028", "@who", "`z`", "y`", "[l]", "\n# h"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is in it", not)
		}
	}
	if rows := tableRows(text, "Faults"); len(rows) != 3 {
		t.Errorf("%d rows of faults", len(rows))
	} else {
		for _, row := range rows {
			if len(row) != 14 {
				t.Errorf("a row of %d cells: %q", len(row), row)
			}
		}
	}
	for text, want := range map[string]string{"a|b": `a\|b`, "a\nb": "a b", "- a": `\- a`, "a-b": "a-b", "<b>": "&lt;b&gt;", "p99(response) < 200ms": "p99(response) &lt; 200ms",
		"time_to_detect": `time\_to\_detect`, strings.Repeat("x", 90): strings.Repeat("x", 80) + " …"} {
		if got := escapedName(text); got != want {
			t.Errorf("%q escaped: %q, expected %q", text, got, want)
		}
	}
}

func TestJUnit(t *testing.T) {
	full, pass := fullResult(t), passing(t)
	for name, r := range map[string]*Result{"fail.xml": &full, "pass.xml": &pass} {
		var out bytes.Buffer
		if err := JUnit(&out, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
	r := hostileResult(t, 500, hostile)
	all := junitOf(t, &r)
	if len(all.Suites) != 1 || all.Tests != 500+8+2 || all.Tests != len(all.Suites[0].Cases) {
		t.Errorf("%d suites, %d tests", len(all.Suites), all.Tests)
	}
}

// How a run and its parts become cases.
func TestJUnitMapping(t *testing.T) {
	objective := func(v Verdict) Objective {
		return Objective{Text: "lost == 0", Verdict: v, Reason: "why", Unit: "count"}
	}
	broken := gates()
	broken[3].Holds = false
	unmeasured := gates()
	unmeasured[3].Value, unmeasured[3].Reason = 0, "Not measured."
	unbalanced := Ledgers{Checks: []LedgerCheck{{Text: "a = b", Left: 1, Op: "=", Right: 2}}}
	balanced := Ledgers{Balanced: true, Checks: []LedgerCheck{{Text: "a = b", Op: "=", Holds: true}}}
	for _, c := range []struct {
		name                      string
		r                         Result
		failures, errors, skipped int
		odd                       string // the cases that did not pass
	}{
		{"pass", Result{Verdict: Pass, Objectives: []Objective{objective(Pass)}, Gates: gates(), Ledgers: balanced}, 0, 0, 0, ""},
		{"missed", Result{Verdict: Fail, Objectives: []Objective{objective(Fail)}, Gates: gates(), Ledgers: balanced}, 1, 0, 0, "lost == 0"},
		{"not measured", Result{Verdict: Inconclusive, Objectives: []Objective{objective(Inconclusive)}, Gates: gates()}, 0, 0, 1, "lost == 0"},
		{"not to be believed", Result{Verdict: Inconclusive, Objectives: []Objective{objective(Pass)}, Gates: broken}, 0, 1, 0, "gate: generator-cpu"},
		{"unbalanced", Result{Verdict: Fail, Objectives: []Objective{objective(Pass)}, Ledgers: unbalanced}, 0, 1, 0, "ledgers"},
		{"aborted", Result{Verdict: Aborted, Objectives: []Objective{objective(Pass)}, Reasons: []string{"stopped"}}, 0, 1, 0, "run"},
		{"failed for another reason", Result{Verdict: Fail, Objectives: []Objective{objective(Pass)}, Reasons: []string{"a fault was not injected"}}, 1, 0, 0, "run"},
		{"inconclusive for another reason", Result{Verdict: Inconclusive, Reasons: []string{"nothing was sent"}}, 0, 1, 0, "run"},
		{"a gate was not measured", Result{Verdict: Pass, Gates: unmeasured}, 0, 0, 1, "gate: generator-cpu"},
		{"that explains no verdict", Result{Verdict: Inconclusive, Gates: unmeasured, Reasons: []string{"nothing was sent"}}, 0, 1, 1, "gate: generator-cpu; run"},
	} {
		c.r.Scenario, c.r.DurationNS, c.r.StartedAt = "crash-one", 26_500_000_000, "2026-01-02T03:04:05.678Z"
		all := junitOf(t, &c.r)
		s := all.Suites[0]
		if s.Failures != c.failures || s.Errors != c.errors || s.Skipped != c.skipped || all.Failures != c.failures || all.Errors != c.errors || all.Skipped != c.skipped {
			t.Errorf("%s: %d failures, %d errors, %d skipped", c.name, s.Failures, s.Errors, s.Skipped)
		}
		if s.Time != "26.500" || all.Time != "26.500" || s.Timestamp != "2026-01-02T03:04:05" {
			t.Errorf("%s: time %s, at %s", c.name, s.Time, s.Timestamp)
		}
		for _, test := range s.Cases {
			if test.Class != "crash-one" {
				t.Errorf("%s: %s has class %s", c.name, test.Name, test.Class)
			}
			if odd := test.Failure != nil || test.Error != nil || test.Skipped != nil; odd != slices.Contains(strings.Split(c.odd, "; "), test.Name) {
				t.Errorf("%s: case %s passed: %v", c.name, test.Name, !odd)
			}
		}
	}
}
