package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/results"
)

func TestThinning(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name     string
		values   []float64
		k        int
		extremes []float64
		means    []float64
	}{
		{"each", []float64{3, 1, 2}, 1, []float64{3, 1, 2}, []float64{3, 1, 2}},
		{"least first", []float64{2, 1, 5, 3}, 4, []float64{1, 5}, []float64{2.75}},
		{"greatest first", []float64{2, 9, 0, 3, 7}, 4, []float64{9, 0, 7, 7}, []float64{3.5, 7}},
		{"nothing is no value", []float64{nan, 4, nan, nan}, 2, []float64{4, 4, nan, nan}, []float64{2, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			equal := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			if got := extremes(c.values, c.k); !slices.EqualFunc(got, c.extremes, equal) {
				t.Errorf("extremes %v, expected %v", got, c.extremes)
			}
			if got := means(c.values, c.k); !slices.EqualFunc(got, c.means, equal) {
				t.Errorf("means %v, expected %v", got, c.means)
			}
			x := make([]float64, len(c.values))
			if got, want := len(pairs(x, c.k)), len(c.extremes); got != want {
				t.Errorf("%d times of extremes, expected %d", got, want)
			}
			if got, want := len(firsts(x, c.k)), len(c.means); got != want {
				t.Errorf("%d times of means, expected %d", got, want)
			}
		})
	}
	for _, n := range []int{0, 1, mostPoints, mostPoints + 1, 3600, maxSeconds} {
		if k := stretch(n); k > 1 && 2*((n+k-1)/k) > mostPoints+2 {
			t.Errorf("%d seconds are drawn as %d points, expected %d at most", n, 2*((n+k-1)/k), mostPoints)
		}
	}
}

func TestDiff(t *testing.T) {
	lines := func(s string) []string { return strings.Split(s, "") }
	for _, c := range []struct{ a, b, want string }{
		{"abc", "abc", ""}, {"abc", "axc", " a−b+x c"}, {"abcdefgh", "abcdefgX", " f g−h+X"}, {"a", "", "−a"}, {"Abcdefg", "abcdefG", "−A+a b c…  e f−g+G"},
	} {
		got := ""
		for _, l := range diff(lines(c.a), lines(c.b)) {
			got += l.Mark + l.Text
		}
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%q to %q: %q, expected %q", c.a, c.b, got, c.want)
		}
	}
}

func TestFootnotes(t *testing.T) {
	notes := footnotes([]string{"a fault may still be on", "something else", "the generator was busy"})
	for part, want := range map[string]int{"faults": 1, "verdict": 2, "rate": 3} {
		if len(notes[part]) != 1 || notes[part][0].Number != want {
			t.Errorf("%s: %v, expected the footnote %d", part, notes[part], want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		name string
		of   results.Objective
		want *bar
	}{
		{"below its limit", results.Objective{Value: 50, Limit: 100, Unit: "ns"}, &bar{Value: 40, Limit: 80, Low: 40}},
		{"interval", results.Objective{Value: 50, Limit: 100, Unit: "ns", Interval: &[2]float64{25, 75}}, &bar{Value: 40, Limit: 80, Low: 20, Width: 40}},
		{"beyond it", results.Objective{Value: 1000, Limit: 100, Unit: "ns"}, &bar{Value: 95.24, Limit: 9.52, Low: 95.24}},
		{"nothing to compare with", results.Objective{Value: 3, Unit: "count"}, nil},
		{"to never", results.Objective{Value: 50, Limit: 100, Unit: "ns", Interval: &[2]float64{25, -1}}, &bar{Value: 40, Limit: 80, Low: 20, Width: 80}},
		{"never", results.Objective{Value: -1, Limit: 100, Unit: "ns"}, nil},
	} {
		got := barOf(&c.of)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, expected %+v", c.name, got, c.want)
		}
	}
}

// TestUpdate holds what a live page is told: one line, its parts escaped.
func TestUpdate(t *testing.T) {
	m := made{seconds: 3, perSecond: 50, connectors: []string{"<b>"}, scenario: "</script>"}
	rec := results.NewCourseRecorder(m.header(), 3e9)
	m.signIns(rec.Record)
	result := rec.Recorder().Result()
	d := From(Input{Result: &result, Course: rec.Course(), Live: &Live{Events: "events", Stop: "stop", Phase: "load", At: 1, End: 3}})
	text, err := Update(d)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(text, "\n<>") {
		t.Errorf("an update has a line feed or markup of its own: %.200s", text)
	}
	var update struct {
		Data  Data              `json:"data"`
		Parts map[string]string `json:"parts"`
	}
	if err := json.Unmarshal(text, &update); err != nil {
		t.Fatal(err)
	}
	if got := update.Parts["verdict"]; !strings.Contains(got, "&lt;/script&gt;") || !strings.Contains(got, "2.00 s left") {
		t.Errorf("its verdict is %q, expected the escaped name and the time left", got)
	}
	// It has no length yet; that of the load is known.
	if got := update.Parts["facts"]; !strings.Contains(got, "<dt>length of the load</dt><dd>3.00 s</dd>") {
		t.Errorf("its facts are %q, expected the length of the load", got)
	}
	for _, name := range liveParts {
		if _, told := update.Parts[name]; !told || strings.Count(pageText+partsText, `part-`+name+`"`) == 0 {
			t.Errorf("part %s: told %v, expected it in an update and a place for it in the page", name, told)
		}
	}
	if update.Data.Live == nil || update.Data.Live.Phase != "load" {
		t.Errorf("live: %+v, expected the phase load", update.Data.Live)
	}
	// The last one is the report, and says so.
	last := From(Input{Result: &result, Course: rec.Course()})
	last.Live = &Live{Phase: Finished, Done: true}
	if text, err = Update(last); err != nil || !bytes.Contains(text, []byte("The run has ended.")) || bytes.Contains(text, []byte(`\u003e0 ns`)) {
		t.Errorf("the last update, %v: %s", err, text)
	}
	if !strings.Contains(Policy(d), "connect-src 'self'") || strings.Contains(Policy(&Data{}), "connect-src") {
		t.Error("a live page may ask its server, and a finished one nobody")
	}
}

// TestExpected holds that what was expected of faults stands beside what was
// seen, and what was otherwise is not hidden.
func TestExpected(t *testing.T) {
	for _, c := range []struct {
		kind          string
		want, unasked []string
	}{
		{"short", []string{
			`1 of 3 faults as expected; not so <a class="fail" href="#fault-2">refused-9001</a>, <a class="inconclusive" href="#fault-3">refused-9002</a>.`,
			`<span role="img" aria-label="fail">✗</span></td><td><code>serving(connectors) == 2</code></td><td>3 &amp; &lt;more&gt;</td>`,
			`<td>not known: no token</td>`, `<details open><summary>2 of 2 as expected</summary>`,
			`<b>all-down</b> killed all connectors`,
		}, []string{"Show every comparison", "What each of them did", "<more>"}},
		{"expecting", []string{
			`32 of 34 faults as expected`, "Show every comparison", "<details><summary>What each of them did</summary>",
			`<td>3 &amp; &lt;more&gt;</td>`, `<span class="number">34</span> refused-9033</th>`, `<span class="number">34</span> <b>refused-9033</b> killed`,
		}, []string{"<details open>"}},
		{"with-faults", []string{`<b>crash-1</b> killed connector-1 at 3.00 s`}, []string{"Expected and observed", "as expected"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			var out bytes.Buffer
			if err := Write(&out, kinds[c.kind].run(t, c.kind)); err != nil {
				t.Fatal(err)
			}
			_, text, _ := strings.Cut(out.String(), "<main>")
			text, _, _ = strings.Cut(text, "</main>")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not have %s", want)
				}
			}
			for _, unasked := range c.unasked {
				if strings.Contains(text, unasked) {
					t.Errorf("the page has %s", unasked)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, results.ResultFile), []byte(`{"format": 99, "verdict": "pass"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var newer *results.NewerError
	if err := WriteFile(dir); !errors.As(err, &newer) {
		t.Errorf("a run of a newer version: %v, expected a NewerError", err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, ReportFile+"*")); err != nil || len(list) > 0 {
		t.Errorf("%q are left, %v, expected nothing", list, err)
	}
	run := &results.Run{Dir: dir}
	for _, n := range []int{0, 1, Most + 1} {
		if err := Compare(io.Discard, slices.Repeat([]*results.Run{run}, n)); err == nil {
			t.Errorf("%d runs were compared, expected an error", n)
		}
	}
}

// TestHour holds that the page of an hour is small, its peaks kept, and that it
// can be looked at.
func TestHour(t *testing.T) {
	run := kinds["hour"].run(t, "hour")
	d, err := Of(run)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Render(&out, d); err != nil {
		t.Fatal(err)
	}
	if out.Len() >= 1_000_000 {
		t.Errorf("%d bytes, expected less than 1 MB", out.Len())
	}
	for i, of := range []func(s results.Interval) int64{func(s results.Interval) int64 { return s.Max }, func(s results.Interval) int64 { return s.P99 }} {
		most := int64(0)
		for _, s := range run.Result.Intervals {
			most = max(most, of(s))
		}
		if got := slices.Max(d.Charts[0].Series[i].Values); int64(got) != most {
			t.Errorf("%s: drawn up to %g ns, expected %d", d.Charts[0].Series[i].Name, got, most)
		}
	}
	t.Logf("%d bytes", out.Len())
	fits(t, run)
}

// BenchmarkWrite makes the page of 10 million sign-ins.
func BenchmarkWrite(b *testing.B) {
	m := made{seconds: 3600, perSecond: 2778, connectors: connectorNames(5), faults: []results.Fault{crash("crash-1", "connector-1", time.Minute)}}
	run := m.run(b, "much")
	var mem runtime.MemStats
	for b.Loop() {
		var out bytes.Buffer
		if err := Write(&out, run); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Len()), "bytes")
	}
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.Sys)/1e6, "MB-sys")
}
