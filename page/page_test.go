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
	if update.Data.Live == nil || update.Data.Live.Phase != "load" {
		t.Errorf("live: %+v, expected the phase load", update.Data.Live)
	}
	if !strings.Contains(Policy(d), "connect-src 'self'") || strings.Contains(Policy(&Data{}), "connect-src") {
		t.Error("a live page may ask its server, and a finished one nobody")
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

// TestHour holds that the page of an hour is small, its peaks kept.
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
