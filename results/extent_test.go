package results

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// What was killed part-way is no pass, in any output, and names what is missing.
func TestRunsThatWereNotMade(t *testing.T) {
	good := func() *Result { return oneOf(Pass, 1, 1_340_000, 0) }
	s := NewSuite("ha", "", []SuiteInput{{Name: "one", Scenario: "crash-one", Dir: "01-one", Result: good()}})
	m := NewMatrix("crash-one", []string{"preset"}, []MatrixInput{{Settings: []Setting{{"preset", "one"}}, Dir: "01-one", Result: good()}})
	if s.Expect([]string{"one"}); s.Verdict != Pass || s.Planned != 1 || len(s.Reasons) > 0 {
		t.Fatalf("all were made: %+v", s)
	}
	names := []string{"one", "two", "three"}
	s.Expect(names)
	m.Expect(names)
	dir := t.TempDir()
	suiteFile, matrixFile := filepath.Join(dir, SuiteFile), filepath.Join(dir, MatrixFile)
	if err := errors.Join(WriteSuite(suiteFile, s), WriteMatrix(matrixFile, m)); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSuite(suiteFile)
	if err != nil || s.Verdict != Aborted || s.Planned != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	if m, err = ReadMatrix(matrixFile); err != nil || m.Verdict != Aborted || m.Planned != 3 {
		t.Fatalf("%+v, %v", m, err)
	}
	var outs [9]bytes.Buffer
	if err := errors.Join(
		SuiteText(&outs[0], s, false), SuiteMarkdown(&outs[1], s), SuiteHTML(&outs[2], s), SuiteJUnit(&outs[3], s), SuiteJSON(&outs[4], s),
		MatrixText(&outs[5], m, false), MatrixMarkdown(&outs[6], m), MatrixHTML(&outs[7], m), MatrixJSON(&outs[8], m)); err != nil {
		t.Fatal(err)
	}
	for i := range outs {
		text := outs[i].String()
		for _, want := range []string{"aborted", "1 of 3 runs were made", "two", "three"} {
			if !strings.Contains(text, want) {
				t.Errorf("output %d has no %q:\n%s", i, want, text)
			}
		}
	}
	if all := parseJUnit(t, outs[3].Bytes()); all.Errors != 1 || len(all.Suites) != 2 || all.Suites[1].Cases[0].Error == nil {
		t.Errorf("%+v", all)
	}
	// Before the first run too.
	none := NewSuite("ha", "", nil)
	none.Expect(names)
	var text bytes.Buffer
	if err := SuiteText(&text, none, false); err != nil || !strings.HasPrefix(text.String(), "suite: ha, aborted, 0 of 3 runs\n0 of 3 runs were made.\n") {
		t.Errorf("%v\n%s", err, &text)
	}
}

// A waived equation is named wherever the books are said to balance.
func TestWaivedEquations(t *testing.T) {
	r := passing(t)
	r.Ledgers.Checks = append(r.Ledgers.Checks, LedgerCheck{Text: "a = b", Left: 1500, Op: "=", Right: 2, Holds: true, Waived: true, Note: "it was killed"})
	s := NewSuite("ha", "", []SuiteInput{{Name: "one", Scenario: "one", Result: &r}})
	var junit bytes.Buffer
	if err := SuiteJUnit(&junit, s); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(render(t, &r, false)), " ")
	for out, want := range map[string][]string{
		text:                            {"balanced: 1 equation holds, 1 is waived", "- waived: a = b: 1,500 = 2 it was killed"},
		markdownOf(t, &r):               {"balanced: 1 equation holds, 1 is waived", "- waived: a = b: 1,500 = 2 (it was killed)"},
		junit.String():                  {"waived: a = b: 1,500 = 2 (it was killed)"},
		junitText(t, &r):                {"waived: a = b: 1,500 = 2 (it was killed)"},
		balanceOfBooks(false, 25, 1, 2): {"not balanced: 1 of 25 equations does not hold, 2 are waived"},
	} {
		for _, want := range want {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
}

func junitText(t *testing.T, r *Result) string {
	t.Helper()
	var out bytes.Buffer
	if err := JUnit(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A group that nobody noticed was not noticed at once.
func TestGroupThatWasNotNoticed(t *testing.T) {
	f := &Fault{Name: "freeze-1-1", Group: "freeze-1", Kind: "freeze", Target: "connector-1", At: 1, Detect: -1, Failover: -1, Recover: -1, Healed: true}
	if got := groupSentence([]*Fault{f, f}); strings.Contains(got, "noticed after") || strings.Contains(got, "serving again") || !strings.Contains(got, "; 2 not noticed by the cloud") {
		t.Error(got)
	}
}

// One p99 has one interval: the objective's, which does not take sign-ins as
// independent, in place of the other.
func TestOneIntervalOfTheP99(t *testing.T) {
	r := passing(t)
	r.Objectives = []Objective{{Text: "p99(response) < 1s", Verdict: Pass, Unit: "ns", Value: 1e8, Limit: 1e9, Window: "steady", Interval: &[2]float64{9e7, 2e8}}}
	const line, unless = "The response p99 lies from", "if sign-ins were independent of each other"
	if text := strings.Join(strings.Fields(render(t, &r, false)), " "); !strings.Contains(text, line) || !strings.Contains(text, unless) {
		t.Error(text)
	}
	r.Objectives[0].Window = "whole"
	if text := render(t, &r, false); strings.Contains(text, line) {
		t.Error(text)
	}
}
