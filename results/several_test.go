package results

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// oneOf is the result of a run of a matrix or suite.
func oneOf(v Verdict, scale int, detect int64, lost uint64) *Result {
	r := &Result{Format: Format, Scenario: "compare-presets", Verdict: v, StartedAt: "2026-01-02T03:04:05Z", DurationNS: 40e9, Version: "0.1.0",
		Machine: Machine{OS: "linux", Arch: "amd64", Kernel: "6.18.0", CPUModel: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26"}, Ceiling: Ceiling{PerS: 11_912 + float64(lost)},
		TimeScale: scale, Response: Percentiles{Samples: 9000, P99: 40_000_000 + detect/100},
		SignIns: SignIns{Planned: 9000, Failed: lost, WrongAccepts: 7}, Unavailable: Unavailable{Repeated: lost, Of: 40}, Balance: Balance{Jain: 0.99},
		Gates: gates(), Objectives: []Objective{{Text: "lost(crash-1) == 0", Verdict: Pass, Value: float64(lost), Unit: "count", Window: "whole"}},
		Ledgers: Ledgers{Balanced: true, Checks: []LedgerCheck{{Text: "a = b", Op: "=", Holds: true}}},
		Faults: []Fault{
			{Name: "crash-1", Kind: "crash", Target: "connector-1", Detect: detect, Failover: detect * 2, Lost: lost, P99: 50_000_000, Recover: 612_000_000, Healed: true},
			{Name: "all-down", Kind: "crash", Target: "connectors", At: 20e9, Detect: 1_100_000, Failover: 9_000_000, P99: 60_000_000, Recover: 1_200_000_000, Healed: true,
				Wrong: []Wrong{{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 5}, {Kind: "other-reason", Path: "hash-sync", Cause: "x", Count: 9}}},
			{Name: "drop-1", Kind: "block", Target: "connector-2", At: -1, Detect: -1, Failover: -1, Recover: -1, Note: "not injected"},
		}}
	if lost > 0 {
		r.Objectives[0].Verdict, r.Objectives[0].Reason = Fail, fmt.Sprintf("%d is not 0", lost)
		r.Reasons = []string{`The objective "lost(crash-1) == 0" is missed: ` + r.Objectives[0].Reason + "."}
	}
	r.normalise()
	return r
}

// comparison is presets with three runs each, of which one has no result.
func comparison() *Matrix {
	preset := func(name string) []Setting { return []Setting{{"preset", name}} }
	m := NewMatrix("compare-presets", []string{"preset"}, []MatrixInput{
		{Settings: preset("default"), Dir: "default-1", Result: oneOf(Pass, 1, 1_340_000, 0)},
		{Settings: preset("entra"), Dir: "entra-1", Result: oneOf(Fail, 1, 1_400_000, 24)},
		{Settings: preset("okta"), Dir: "okta-1", Result: oneOf(Fail, 20, -1, 310)},
		{Settings: preset("default"), Dir: "default-2", Result: oneOf(Pass, 1, 1_500_000, 0)},
		{Settings: preset("entra"), Dir: "entra-2", Result: oneOf(Fail, 1, 1_600_000, 31)},
		{Settings: preset("okta"), Dir: "okta-2", Result: oneOf(Inconclusive, 20, 6e9, 300)},
		{Settings: preset("default"), Dir: "default-3", Error: "connector-2 did not start: exit status 1"},
		{Settings: preset("entra"), Dir: "entra-3", Result: oneOf(Fail, 1, 1_500_000, 19)},
		{Settings: preset("okta"), Dir: "okta-3", Result: oneOf(Fail, 20, 7e9, 290)},
	})
	m.Command = "ptabench matrix compare-presets --vary preset=default,entra,okta --repeat 3"
	return m
}

// wide is a matrix of many long settings, each run once.
func wide() *Matrix {
	keys := []string{"preset", "connectors.count", "load.rate", "cloud.dispatch"}
	var inputs []MatrixInput
	for _, preset := range []string{"default", "entra"} {
		for _, dispatch := range []string{"least-outstanding", "random", "a-policy-with-a-name-that-goes-on-for-longer-than-there-is-room"} {
			inputs = append(inputs, MatrixInput{Settings: []Setting{{keys[0], preset}, {keys[1], "3"}, {keys[2], "1000/s"}, {keys[3], dispatch}},
				Dir: preset + "-" + dispatch, Result: oneOf(Pass, 1, 1_340_000, 0)})
		}
	}
	return NewMatrix("crash-one", keys, inputs)
}

func haSuite() *SuiteResult {
	s := NewSuite("ha", "The shipped scenarios of high availability", []SuiteInput{
		{Name: "crash-one", Scenario: "crash-one", Dir: "1-crash-one", Result: oneOf(Pass, 1, 1_340_000, 0)},
		{Name: "crash-one-entra", Scenario: "crash-one", Set: []string{"preset=entra"}, Dir: "2-crash-one-entra", Result: oneOf(Fail, 1, 1_400_000, 24)},
		{Scenario: "freeze-one", Dir: "3-freeze-one", Result: oneOf(Pass, 1, -1, 0)},
		{Name: "no-fault", Scenario: "throughput", Dir: "4-no-fault", Result: &Result{Scenario: "throughput", Verdict: Inconclusive, DurationNS: 10e9,
			Reasons: []string{"the generator was late"}, Gates: []Gate{{Name: "lag", Value: 9e6, Limit: 5e6, Unit: "ns", Text: "lag p99 under 5 ms"}}}},
		{Name: "drop-one", Scenario: "drop-one", Error: "nftables: operation not permitted"},
	})
	s.Command = "ptabench suite ha"
	return s
}

func TestMatrixAndSuite(t *testing.T) {
	matrix, broad, suite := comparison(), wide(), haSuite()
	for name, write := range map[string]func(io.Writer) error{
		"matrix.txt":      func(w io.Writer) error { return MatrixText(w, matrix, false) },
		"matrix-wide.txt": func(w io.Writer) error { return MatrixText(w, broad, false) },
		"matrix.md":       func(w io.Writer) error { return MatrixMarkdown(w, matrix) },
		"matrix.html":     func(w io.Writer) error { return MatrixHTML(w, matrix) },
		"matrix-1.json":   func(w io.Writer) error { return MatrixJSON(w, matrix) },
		"suite.txt":       func(w io.Writer) error { return SuiteText(w, suite, false) },
		"suite.md":        func(w io.Writer) error { return SuiteMarkdown(w, suite) },
		"suite.html":      func(w io.Writer) error { return SuiteHTML(w, suite) },
		"suite.xml":       func(w io.Writer) error { return SuiteJUnit(w, suite) },
		"suite-1.json":    func(w io.Writer) error { return SuiteJSON(w, suite) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, name, out.Bytes())
		for i, line := range strings.Split(out.String(), "\n") {
			if n := utf8.RuneCountInString(line); strings.HasSuffix(name, ".txt") && n > width {
				t.Errorf("%s:%d: %d columns: %s", name, i+1, n, line)
			}
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{1, 3, 3, 3}},
		{[]float64{5, 1, 3}, Spread{3, 3, 1, 5}},
		{[]float64{4, 1}, Spread{2, 2.5, 1, 4}},
		{[]float64{-1, 2, 7}, Spread{3, 7, 2, -1}}, // not observed is later than anything
		{[]float64{-1, 2}, Spread{2, -1, 2, -1}},
		{[]float64{-1, -1, 4}, Spread{3, -1, 4, -1}},
		{[]float64{0, 0}, Spread{2, 0, 0, 0}},
	} {
		if got := spread(c.values); got != c.want {
			t.Errorf("%v: %+v, expected %+v", c.values, got, c.want)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		of   []Verdict
		want Verdict
	}{
		{nil, Inconclusive}, {[]Verdict{Pass, Pass}, Pass}, {[]Verdict{Pass, Inconclusive}, Inconclusive},
		{[]Verdict{Inconclusive, Fail, Pass}, Fail}, {[]Verdict{Aborted, Fail, Pass}, Aborted},
	} {
		if got := Worst(c.of...); got != c.want {
			t.Errorf("%v: %s, expected %s", c.of, got, c.want)
		}
	}
}

// A group counts as one fault: what is counted is added up, and of times the
// worst counts.
func TestFaultFiguresOfAGroup(t *testing.T) {
	list := nemesis(t, 14)
	got := faultFigures(append(list, Fault{Name: "late", At: -1}))
	if len(got) != 1 || got[0].Name != "nemesis-1" || got[0].Faults != 14 || got[0].Detect != -1 || got[0].Failover != -1 || got[0].Lost != 2 || got[0].Wrong != 3 {
		t.Fatalf("%+v", got)
	}
	var p99, recover int64
	for _, f := range list {
		p99, recover = max(p99, f.P99), max(recover, f.Recover)
	}
	if got[0].P99 != p99 || got[0].Recover != recover {
		t.Errorf("%+v, expected p99 %d and recovered %d", got[0], p99, recover)
	}
}

func TestMatrixRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, MatrixFile)
	m := comparison()
	want := comparison()
	m.Cells[0].Runs[0].Dir = filepath.Join(dir, "default-1") // becomes relative
	if err := WriteMatrix(path, m); err != nil {
		t.Fatal(err)
	}
	got, err := ReadMatrix(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: read back\n%+v\nwritten\n%+v", err, got, want)
	}
	if m.Cells[0].Runs[0].Dir != filepath.Join(dir, "default-1") {
		t.Error("writing changed what was written")
	}
	if m.Verdict != Aborted || got.Cells[0].Verdict != Aborted || got.Cells[0].Runs[2].Measured || got.Cells[0].P99.Runs != 2 {
		t.Errorf("%+v", got.Cells[0])
	}
	refuses(t, path, MatrixFile, func() error { _, err := ReadMatrix(path); return err })
}

func TestSuiteRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SuiteFile)
	s, want := haSuite(), haSuite()
	s.Runs[1].Dir = filepath.Join(dir, "2-crash-one-entra")
	if err := WriteSuite(path, s); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSuite(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: read back\n%+v\nwritten\n%+v", err, got, want)
	}
	if s.Verdict != Aborted || len(got.Runs) != 5 || got.Runs[4].Verdict != Aborted || got.Runs[1].Worst.Lost != 24 || got.Runs[2].Worst.Detect != -1 {
		t.Errorf("%+v", got.Runs)
	}
	refuses(t, path, SuiteFile, func() error { _, err := ReadSuite(path); return err })
}

// refuses spoils a file in several ways.
func refuses(t *testing.T, path, name string, read func() error) {
	t.Helper()
	for text, want := range map[string]string{
		`{"format": 2}`:                    name + ": format 2: this ptabench reads up to 1",
		`{}`:                               name + ": format: expected a version from 1 to 1",
		"{\n}}":                            name + ":2:2: ",
		`{"format": 1, "verdict": "fine"}`: `verdict "fine"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := read()
		var newer *NewerError
		if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &newer) != strings.Contains(want, "reads up to") {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}

// All outputs of a matrix and of a suite have the same cells.
func TestOutputsOfSeveralAgree(t *testing.T) {
	m, s := comparison(), haSuite()
	for _, narrow := range []bool{true, false} {
		blocks := m.blocks(narrow)
		if len(blocks) != 3 || blocks[1].title != "crash-1" || blocks[2].title != "all-down" || len(blocks[1].rows) != 3 {
			t.Fatalf("blocks %+v", blocks)
		}
	}
	var md, page, smd, spage, text bytes.Buffer
	if err := errors.Join(MatrixMarkdown(&md, m), MatrixHTML(&page, m), SuiteMarkdown(&smd, s), SuiteHTML(&spage, s), SuiteText(&text, s, false)); err != nil {
		t.Fatal(err)
	}
	cell := regexp.MustCompile(`<t[dh](?: [^>]*)?>(?:<a [^>]*>)?([^<]*)`)
	for _, c := range []struct{ md, page string }{{md.String(), page.String()}, {smd.String(), spage.String()}} {
		var inPage, inText []string
		for _, match := range cell.FindAllStringSubmatch(c.page, -1) {
			inPage = append(inPage, match[1])
		}
		for line := range strings.SplitSeq(c.md, "\n") {
			if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") {
				continue
			}
			for text := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ") {
				text = strings.ReplaceAll(text, `\`, "")
				inText = append(inText, template.HTMLEscapeString(text))
			}
		}
		if !slices.Equal(inPage, inText) || len(inPage) < 60 {
			t.Errorf("cells of HTML\n%q, of Markdown\n%q", inPage, inText)
		}
	}
	// Each says what made the runs, where, and how to repeat them.
	made := "Made by ptabench 0.1.0 on Some CPU, 2 CPUs, 8.00 GiB of memory, linux/amd64 6.18.0, go1.26; the generator reaches at least 11,912/s there against a target that does nothing."
	for _, out := range []string{md.String(), page.String(), smd.String(), spage.String(), strings.Join(strings.Fields(text.String()), " ")} {
		if out = strings.ReplaceAll(out, `\`, ""); !strings.Contains(out, made) || !strings.Contains(out, "ptabench suite ha") && !strings.Contains(out, "ptabench matrix compare-presets") {
			t.Errorf("who made it, or how to repeat it, is not in\n%s", out)
		}
	}
	var xmlText bytes.Buffer
	if err := SuiteJUnit(&xmlText, s); err != nil {
		t.Fatal(err)
	}
	for i, suite := range parseJUnit(t, xmlText.Bytes()).Suites {
		r := &s.Runs[i]
		if suite.Name != r.title() || suite.Properties[0].Value != string(r.Verdict) || (suite.Errors+suite.Failures > 0) == (r.Verdict == Pass) {
			t.Errorf("suite %+v of run %+v", suite, r)
		}
		rows := regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(mark(r.Verdict)+" "+r.title())+` +(\S.*)$`).FindAllStringSubmatch(part(text.String(), "runs"), -1)
		if len(rows) != 1 {
			t.Fatalf("%d rows of %s in\n%s", len(rows), r.title(), &text)
		}
		if cells := strings.Fields(strings.Join(r.cells(), " ")); !slices.Equal(strings.Fields(rows[0][1]), cells) {
			t.Errorf("%s: %q in text, expected %q", r.title(), rows[0][1], cells)
		}
	}
}

// A page runs nothing and loads nothing, whatever the names.
func TestHTMLIsInert(t *testing.T) {
	result := hostileResult(t, 30, hostile)
	m := NewMatrix(hostile, []string{hostile}, []MatrixInput{
		{Settings: []Setting{{hostile, hostile}}, Dir: "javascript:alert(1)", Result: &result},
		{Settings: []Setting{{hostile, "2"}}, Dir: "../a b/" + hostile, Error: hostile}})
	s := NewSuite(hostile, hostile, []SuiteInput{{Name: hostile, Scenario: hostile, Set: []string{hostile}, Dir: hostile, Result: &result}})
	for _, write := range []func(io.Writer) error{func(w io.Writer) error { return MatrixHTML(w, m) }, func(w io.Writer) error { return SuiteHTML(w, s) }} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
		if style == nil || !strings.Contains(page, "style-src '"+styleHash(style[1])+"'") || !strings.Contains(page, "default-src 'none'") {
			t.Errorf("the policy does not admit the style:\n%.900s", page)
		}
		for _, not := range []string{"<script", `href="javascript:`, "ZgotmplZ", `href="/`, "src="} {
			if strings.Contains(page, not) {
				t.Errorf("%s is in it", not)
			}
		}
	}
	var md, xmlText bytes.Buffer
	if err := errors.Join(MatrixMarkdown(&md, m), SuiteMarkdown(&md, s), SuiteJUnit(&xmlText, s), MatrixText(io.Discard, m, true), SuiteText(io.Discard, s, true)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(md.String(), "<script") || strings.Contains(md.String(), "\x1b") {
		t.Errorf("%s", &md)
	}
	if err := xml.Unmarshal(xmlText.Bytes(), new(junitSuites)); err != nil {
		t.Error(err)
	}
}

// A matrix of any size stays under what GitHub takes.
func TestMatrixMarkdownIsBounded(t *testing.T) {
	long := strings.Repeat("<&", 3000)
	result := hostileResult(t, 30, long)
	var inputs []MatrixInput
	for i := range 150 {
		inputs = append(inputs, MatrixInput{Settings: []Setting{{"k", fmt.Sprint(i, long)}}, Dir: long, Result: &result})
	}
	var out bytes.Buffer
	if err := MatrixMarkdown(&out, NewMatrix("s", []string{"k"}, inputs)); err != nil {
		t.Fatal(err)
	}
	if out.Len() >= 1<<20 || !strings.Contains(out.String(), "and 50 more") || !strings.Contains(out.String(), "more faults in matrix.json") {
		t.Errorf("%d bytes", out.Len())
	}
}
