package page

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"ptabench/page/pagetest"
	"ptabench/results"
)

func TestMain(m *testing.M) { os.Exit(pagetest.Main(m)) }

//go:embed testdata/axe.js
var axe string

// open loads a page from a file and waits until all of it is drawn.
func open(t *testing.T, file string) *pagetest.Tab {
	t.Helper()
	tab := pagetest.Open(t)
	tab.Run(t, chromedp.Navigate("file://"+file), chromedp.WaitReady(`html[data-drawn="true"]`))
	return tab
}

// written leaves the page of a run in its directory and returns its path.
func written(t testing.TB, run *results.Run) string {
	t.Helper()
	if err := WriteFile(run.Dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(run.Dir, ReportFile)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 1_000_000 {
		t.Errorf("%s: %d bytes, expected less than 1 MB", ReportFile, info.Size())
	}
	return file
}

// quiet fails the test when a page complained or asked anybody for anything.
func quiet(t *testing.T, tab *pagetest.Tab) {
	t.Helper()
	for _, e := range tab.Errors() {
		t.Errorf("the page said: %s", e)
	}
	if out := tab.Outside(""); len(out) > 0 {
		t.Errorf("the page asked for %q, expected nothing", out)
	}
	loaded := pagetest.Value[[]string](t, tab, `performance.getEntriesByType("resource").map((e) => e.name)`)
	if loaded = slices.DeleteFunc(loaded, func(s string) bool { return strings.HasPrefix(s, "data:") }); len(loaded) > 0 {
		t.Errorf("the page loaded %q, expected nothing", loaded)
	}
}

// drawn is what uPlot draws of a chart, x first.
type drawn struct {
	Kind   string     `json:"kind"`
	Names  []string   `json:"names"`
	Values [][]*int64 `json:"values"`
}

func read(t *testing.T, tab *pagetest.Tab, id string) drawn {
	t.Helper()
	text := pagetest.Value[string](t, tab, fmt.Sprintf(`(() => { const c = ptabench.charts[%q];
		return JSON.stringify({kind: c.data.kind, names: c.u.series.slice(1).map((s) => s.label),
			values: c.u.data.slice(1).map((l) => Array.from(l, (v) => v == null ? null : Math.round(v)))}); })()`, id))
	var d drawn
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// same compares a drawn series with what every second of the result gives, of
// which nothing is drawn as null.
func same(t *testing.T, chart, name string, got []*int64, seconds []results.Interval, want func(*results.Interval) int64, none int64) {
	t.Helper()
	if len(got) != len(seconds) {
		t.Errorf("%s, %s: %d points, expected %d", chart, name, len(got), len(seconds))
		return
	}
	for i := range seconds {
		value := none
		if got[i] != nil {
			value = *got[i]
		}
		if w := want(&seconds[i]); value != w {
			t.Errorf("%s, %s: second %d is drawn as %d, expected %d", chart, name, i, value, w)
			return
		}
	}
}

// TestDrawn reads back from the browser what is drawn, and compares it with
// result.json, or what the samples give where a run was cut off.
func TestDrawn(t *testing.T) {
	for _, kind := range []string{"with-faults", "without-faults", "cut-off"} {
		t.Run(kind, func(t *testing.T) {
			run := kinds[kind].run(t, kind)
			seconds := run.Result.Intervals
			if len(seconds) < 5 {
				t.Fatalf("%d seconds, expected more", len(seconds))
			}
			tab := open(t, written(t, run))
			response := read(t, tab, "response")
			for i, want := range []func(*results.Interval) int64{
				func(s *results.Interval) int64 { return s.Max }, func(s *results.Interval) int64 { return s.P99 },
				func(s *results.Interval) int64 { return s.P95 }, func(s *results.Interval) int64 { return s.P50 },
			} {
				same(t, "response", response.Names[i], response.Values[i], seconds, want, 0)
			}
			// A stack is drawn from its top layer down, each with those below it.
			outcomes := read(t, tab, "outcomes")
			same(t, "outcomes", outcomes.Names[0], outcomes.Values[0], seconds, func(s *results.Interval) int64 { return int64(s.Sent) }, 0)
			refused := slices.Index(outcomes.Names, "refused")
			if refused < 0 {
				t.Fatalf("layers %q, expected refused among them", outcomes.Names)
			}
			same(t, "outcomes", "refused", outcomes.Values[refused], seconds,
				func(s *results.Interval) int64 { return int64(s.Accepted + s.Refused) }, 0)
			curve := read(t, tab, "curve")
			last := curve.Values[0][len(curve.Values[0])-1]
			if last == nil || *last != run.Result.Response.Max {
				t.Errorf("the curve of responses ends at %v, expected %d", last, run.Result.Response.Max)
			}
			if got, want := pagetest.Value[int](t, tab, `ptabench.data.bands.length`), len(run.Result.Faults); got != want {
				t.Errorf("%d bands, expected %d", got, want)
			}
			quiet(t, tab)
		})
	}
}

// TestOdd opens the pages of runs that have very much or nearly nothing.
func TestOdd(t *testing.T) {
	for _, kind := range []string{"one-sample", "no-sample", "same", "many-faults", "many-connectors"} {
		t.Run(kind, func(t *testing.T) {
			tab := fits(t, kinds[kind].run(t, kind))
			if kind == "many-connectors" {
				if n := pagetest.Value[int](t, tab, `ptabench.charts.shares.data.series.length`); n != mostConnectors+1 {
					t.Errorf("%d layers, expected %d and the others", n, mostConnectors)
				}
			}
		})
	}
}

// fits opens the page of a run, and holds that it is no wider than its window,
// that each chart has a scale, and that the browser has nothing to complain of.
func fits(t *testing.T, run *results.Run) *pagetest.Tab {
	t.Helper()
	tab := open(t, written(t, run))
	if got := pagetest.Value[bool](t, tab, `document.documentElement.scrollWidth <= innerWidth`); !got {
		t.Error("the page is wider than its window")
	}
	for _, id := range pagetest.Value[[]string](t, tab, `Object.values(ptabench.charts).filter((c) => c.u && !(c.u.scales.y.min < c.u.scales.y.max)).map((c) => c.data.id)`) {
		t.Errorf("%s has no scale to be drawn on", id)
	}
	t.Logf("to be used after %.0f ms", pagetest.Value[float64](t, tab, `performance.getEntriesByName("ready")[0].startTime`))
	quiet(t, tab)
	return tab
}

// label is text as it was drawn on a canvas, by the pixels that it takes.
type label struct {
	Text string  `json:"text"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Row  float64 `json:"row"`
}

// TestBands holds that the names of faults do not run into each other, be they
// few or very many.
func TestBands(t *testing.T) {
	for kind, first := range map[string]string{"with-faults": "crash-1: crash connector-1", "expecting": "1", "many-faults": "1"} {
		t.Run(kind, func(t *testing.T) {
			file := written(t, kinds[kind].run(t, kind))
			tab := pagetest.Open(t)
			tab.Run(t, chromedp.Navigate("file://"+file), chromedp.WaitReady(`html[data-drawn="true"]`))
			tab.Run(t, chromedp.Evaluate(`(() => {
				const u = ptabench.charts.response.u, plain = u.ctx.fillText;
				window.names = [];
				u.ctx.fillText = function (text, x, y) {
					if (y < u.bbox.top) names.push({text, from: x, to: x + this.measureText(text).width, row: y});
					return plain.apply(this, arguments);
				};
				u.redraw(); })()`, nil))
			tab.Until(t, "names.length")
			list := pagetest.Value[[]label](t, tab, "names")
			if len(list) < 2 || list[0].Text != first {
				t.Fatalf("names %+v, expected at least two, the first %q", list, first)
			}
			for i, a := range list {
				for _, b := range list[:i] {
					if a.Row == b.Row && a.From < b.To && b.From < a.To {
						t.Errorf("%q runs into %q", a.Text, b.Text)
					}
				}
			}
			quiet(t, tab)
		})
	}
}

// TestComparisons opens what was expected of many faults, and what they did to
// the reading of a chart.
func TestComparisons(t *testing.T) {
	tab := open(t, written(t, kinds["expecting"].run(t, "expecting")))
	for _, want := range []int{34, 0} { // once to open, once to close
		tab.Run(t, chromedp.Click(`[data-open="expected"]`, chromedp.ByQuery))
		if n := pagetest.Value[int](t, tab, `document.querySelectorAll("#part-expected details[open]").length`); n != want {
			t.Errorf("%d comparisons are open, expected %d", n, want)
		}
	}
	tab.Run(t, chromedp.Focus(`#chart-response .plot`, chromedp.ByQuery),
		chromedp.Evaluate(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true, cancelable: true}))`, nil))
	if spoken := pagetest.Value[string](t, tab, `document.getElementById("spoken").textContent`); !strings.HasPrefix(spoken, "1.5 s: max ") {
		t.Errorf("it says %q, expected a second without a fault", spoken)
	}
	tab.Run(t, chromedp.Evaluate(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true, cancelable: true}))`, nil))
	if spoken := pagetest.Value[string](t, tab, `document.getElementById("spoken").textContent`); !strings.HasPrefix(spoken, "2.5 s (2 refused-9001): max ") {
		t.Errorf("it says %q, expected the fault that is on", spoken)
	}
	quiet(t, tab)
}

// TestAccessible has axe-core look for what keeps people out, light and dark,
// and on a phone.
func TestAccessible(t *testing.T) {
	run, other := kinds["short"].run(t, "accessible"), kinds["short"].run(t, "other")
	compared := filepath.Join(t.TempDir(), "compared.html")
	f, err := os.Create(compared)
	if err != nil {
		t.Fatal(err)
	}
	if err := Compare(f, []*results.Run{run, other}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file, scheme string
		width              int64
		opened             string // each table is looked at once
	}{
		{"light", written(t, run), "light", 1280, "details"}, {"dark phone", written(t, run), "dark", 390, "details:not(.data)"},
		{"compared", compared, "light", 1280, "details"}, {"compared, dark phone", compared, "dark", 390, "details:not(.data)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := pagetest.Open(t)
			tab.Run(t, chromedp.EmulateViewport(c.width, 900), media(c.scheme),
				chromedp.Navigate("file://"+c.file), chromedp.WaitReady(`html[data-drawn="true"]`),
				chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).forEach((d) => { d.open = true; })`, c.opened), nil))
			var found []struct {
				ID    string   `json:"id"`
				Help  string   `json:"help"`
				Where []string `json:"where"`
			}
			tab.Run(t, chromedp.Evaluate(axe+";0", nil), chromedp.Evaluate(`axe.run().then((r) => r.violations.map((v) => ({id: v.id, help: v.help,
				where: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))})))`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
				return p.WithAwaitPromise(true)
			}))
			for _, v := range found {
				t.Errorf("%s: %s, at %q", v.ID, v.Help, v.Where)
			}
			if !pagetest.Value[bool](t, tab, `document.documentElement.scrollWidth <= innerWidth`) {
				t.Error("the page is wider than its window")
			}
			quiet(t, tab)
		})
	}
}

// TestHostile has names that would do harm if they were taken for anything but
// text.
func TestHostile(t *testing.T) {
	const evil = `<img src=x onerror="window.harmed=1"></script><script>window.harmed=1</script>'"&` + "\u202e🙂"
	m := kinds["with-faults"]
	m.scenario = evil
	m.connectors = []string{evil, "b</title><svg onload=window.harmed=1>", "__proto__"}
	m.warnings = []string{evil, `"><iframe src="https://example.com">`}
	fault := crash(evil, evil, 3*time.Second)
	fault.Note, fault.Shows = evil, evil
	fault.Expected = []results.Expected{{Text: evil, Phase: evil, Observed: evil, Verdict: results.Fail}, {Text: evil, Observed: evil, Verdict: results.Pass}}
	m.faults = []results.Fault{fault}
	run := m.run(t, "hostile")
	tab := open(t, written(t, run))
	if pagetest.Value[bool](t, tab, `"harmed" in window`) {
		t.Error("a name was run as a script")
	}
	if n := pagetest.Value[int](t, tab, `document.querySelectorAll("img, iframe, script:not(:nth-last-of-type(-n+3)), [onerror], [onload]").length`); n != 0 {
		t.Errorf("%d elements came from names, expected none", n)
	}
	if got := pagetest.Value[string](t, tab, `document.querySelector("h1").textContent`); !strings.HasPrefix(got, evil) {
		t.Errorf("the title is %q, expected %q", got, evil)
	}
	if got := pagetest.Value[string](t, tab, `ptabench.charts.shares.data.series[0].name`); got != evil {
		t.Errorf("the first connector is %q, expected %q", got, evil)
	}
	quiet(t, tab)
}

// TestKeyboard reads a chart with the keyboard alone: the cursor, which is the
// same in all charts, and the zoom.
func TestKeyboard(t *testing.T) {
	tab := open(t, written(t, kinds["with-faults"].run(t, "keyboard")))
	tab.Run(t, chromedp.Focus(`#chart-response .plot`, chromedp.ByQuery))
	press := func(key string) {
		tab.Run(t, chromedp.Evaluate(fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true}))`, key), nil))
	}
	press("End")
	press("ArrowLeft")
	spoken := pagetest.Value[string](t, tab, `document.getElementById("spoken").textContent`)
	if !strings.HasPrefix(spoken, "18.5 s: max ") {
		t.Errorf("it says %q, expected the second before the last", spoken)
	}
	if at := pagetest.Value[int](t, tab, `ptabench.charts.memory.u.cursor.idx`); at != 18 {
		t.Errorf("the cursor of memory stands at point %d, expected 18, as that of response", at)
	}
	span := func(id string) float64 {
		return pagetest.Value[float64](t, tab, fmt.Sprintf(`(({min, max}) => max - min)(ptabench.charts[%q].u.scales.x)`, id))
	}
	before := span("outcomes")
	press("+")
	tab.Run(t, chromedp.Evaluate(`new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))`, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if after := span("outcomes"); math.Abs(after-before/2) > 0.01*before {
		t.Errorf("zoomed into response, outcomes show %g s, expected %g", after, before/2)
	}
	quiet(t, tab)
}
