package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/results"
)

const hostile = `<script>alert("1")</script>'&]]>` + "\u202e\x00\x1b[31m\xff مرحبا 🚀" + `" onload="x`

// made is a run without samples: seconds of it, with so many connectors and
// faults.
func made(seconds, connectors, faults int, name string) *results.Result {
	r := &results.Result{Format: results.Format, Scenario: name, Verdict: results.Pass, Version: "0.1.0", DurationNS: int64(seconds) * 1e9,
		Response: results.Percentiles{Samples: uint64(seconds) * 100, P50: 2e6, P90: 5e6, P99: 9e6, P999: 1e7, Max: 2e7},
		Machine:  results.Machine{CPUs: 2, CPUModel: name}, Time: results.TimeSpent{Queue: 1e6}}
	r.SignIns = results.SignIns{Sent: uint64(seconds) * 100, Accepted: uint64(seconds) * 90, Refused: uint64(seconds) * 10}
	r.Rate.PlannedPerS = 100
	for i := range connectors {
		r.Connectors = append(r.Connectors, results.Connector{Name: fmt.Sprintf("%s-%d", name, i), Share: 1 / float64(connectors)})
	}
	for i := range seconds {
		f := results.Interval{At: int64(i) * 1e9, Sent: 100, Accepted: 85, Refused: 10, Failed: 5, HashSync: 20, P50: 2e6, P95: 6e6, P99: 9e6, Max: 1e7, ByConnector: map[string]uint64{}}
		for _, c := range r.Connectors {
			f.ByConnector[c.Name] = 2
		}
		r.Intervals = append(r.Intervals, f)
	}
	for i := range faults {
		r.Faults = append(r.Faults, results.Fault{Name: fmt.Sprintf("%s %d", name, i), Kind: "crash", Target: name,
			At: int64(i) * r.DurationNS / int64(faults), Duration: 1e9, Detect: 1e6, Failover: -1, Recover: 2e6})
	}
	r.Objectives = []results.Objective{{Text: name + " < 1s", Unit: "ns", Value: 5e8, Limit: 1e9, Verdict: results.Pass, Window: "whole", Interval: &[2]float64{4e8, 6e8}},
		{Text: "failed == 0", Unit: "count", Value: 3, Verdict: results.Fail}, {Text: "availability > 99%", Unit: "ratio", Value: math.NaN(), Limit: .99}}
	r.Processes = []results.Process{{Name: name, CPU: 1e9, CPUPerSignIn: 1000, RSSMax: 1 << 20}, {}}
	return r
}

// dir writes a result as a run directory.
func dir(t testing.TB, r *results.Result) *results.Run {
	t.Helper()
	at := filepath.Join(t.TempDir(), "run")
	if err := results.Create(at); err != nil {
		t.Fatal(err)
	}
	for i := range r.Objectives {
		if math.IsNaN(r.Objectives[i].Value) { // no JSON has it
			r.Objectives[i].Value = -1
		}
	}
	if err := results.WriteResult(filepath.Join(at, results.ResultFile), r); err != nil {
		t.Fatal(err)
	}
	run, err := results.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// parsed checks that a picture is well-formed XML with nothing that runs or is
// fetched, and returns its texts.
func parsed(t *testing.T, svg []byte) (texts []string, elements map[string]int) {
	t.Helper()
	elements = map[string]int{}
	allowed := []string{"svg", "title", "desc", "style", "rect", "text", "path", "circle", "clipPath", "g"}
	d := xml.NewDecoder(bytes.NewReader(svg))
	text := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts, elements
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			elements[e.Name.Local]++
			text = e.Name.Local == "text"
			if !slices.Contains(allowed, e.Name.Local) {
				t.Errorf("element %s", e.Name.Local)
			}
			for _, a := range e.Attr {
				if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || a.Name.Local == "href" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
				if strings.Contains(a.Value, "url(") && !strings.HasPrefix(a.Value, "url(#clip") {
					t.Errorf("fetches %q", a.Value)
				}
			}
		case xml.CharData:
			if text {
				texts = append(texts, string(e))
			}
		case xml.EndElement:
			text = false
		}
	}
}

func TestEveryChartOfEveryRun(t *testing.T) {
	empty := &results.Result{Verdict: results.Aborted}
	single := made(1, 1, 0, "single")
	runs := map[string]*results.Result{
		"usual": made(30, 3, 2, "usual"), "hostile": made(10, 3, 2, hostile), "empty": empty, "one second": single,
		"hundreds of faults": made(300, 3, 400, "soak"), "a thousand connectors": made(5, 1000, 1, "many"), "an hour": made(3600, 2, 1, "hour"),
	}
	for name, r := range runs {
		run := dir(t, r)
		for _, c := range Charts() {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				var out bytes.Buffer
				if err := Write(&out, run, c.Name); err != nil {
					t.Fatal(err)
				}
				texts, elements := parsed(t, out.Bytes())
				if elements["title"] != 1 || elements["desc"] != 1 || elements["script"] != 0 || len(texts) < 3 {
					t.Errorf("%v, texts %q", elements, texts)
				}
				if n := out.Len(); n > 400_000 {
					t.Errorf("%d bytes", n)
				}
				if strings.ContainsAny(out.String(), "\u202e\x00\x1b") {
					t.Error("a character that turns text around, or that XML does not have")
				}
				if !strings.Contains(out.String(), "prefers-color-scheme: dark") {
					t.Error("does not turn dark")
				}
			})
		}
	}
}

func TestWhatAChartSays(t *testing.T) {
	run := dir(t, made(30, 3, 2, "usual"))
	for name, want := range map[string][]string{
		"response":   {"p50", "p99", "max", "2.00 ms overall", "9.00 ms overall", "usual 0", "10 ms"},
		"outcomes":   {"pass-through", "hash sync", "failed", "100/s"},
		"shares":     {"usual-0", "33.3 % in all", "100 %"},
		"objectives": {"✓", "✗", "500 ms", "failed == 0"},
		"faults":     {"usual 1", "noticed after 1.00 ms, none lost, recovered after 2.00 ms"},
		"processes":  {"1.00 MiB", "3.3 % (1.00 µs)"},
		"heatmap":    {"The samples of the run are needed for this, and there are none."},
	} {
		var out bytes.Buffer
		if err := Write(&out, run, name); err != nil {
			t.Fatal(err)
		}
		texts, _ := parsed(t, out.Bytes())
		for _, w := range want {
			if !slices.Contains(texts, w) {
				t.Errorf("%s lacks %q: %q", name, w, texts)
			}
		}
	}
}

func TestUnknownChart(t *testing.T) {
	var unknown *UnknownError
	for _, name := range []string{"", "nothing"} {
		if err := Write(io.Discard, nil, name); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "overview, response") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTicks(t *testing.T) {
	labels := func(ticks []tick) (list []string) {
		for _, k := range ticks {
			list = append(list, k.label)
		}
		return list
	}
	for _, c := range []struct {
		greatest float64
		most     int
		want     string
	}{{0, 5, "0 0.2 0.4 0.6 0.8 1"}, {1037, 5, "0 500 1,000 1,500"}, {100, 5, "0 20 40 60 80 100"}, {7, 4, "0 2 4 6 8"}, {math.NaN(), 2, "0 0.5 1"}} {
		if _, ticks := linear(c.greatest, 0, 1, c.most, roundCount); strings.Join(labels(ticks), " ") != c.want {
			t.Errorf("linear to %v: %q, expected %q", c.greatest, labels(ticks), c.want)
		}
	}
	for _, c := range []struct {
		least, greatest float64
		want            string
	}{
		{1.5e6, 713e6, "1 ms|2 ms|5 ms|10 ms|20 ms|50 ms|100 ms|200 ms|500 ms|1 s"},
		{3e6, 3e6, "2 ms|5 ms|10 ms|20 ms"},
		{0, 0, "1 µs|2 µs|5 µs|10 µs"},
		{1e3, 36e11, "1 µs||||10 µs"},
	} {
		s, ticks := logarithmic(c.least, c.greatest, 100, 0)
		if got := strings.Join(labels(ticks), "|"); got != c.want && !strings.HasPrefix(strings.ReplaceAll(got, "|||", "||||"), c.want) {
			t.Errorf("logarithmic from %v to %v: %q, expected %q", c.least, c.greatest, got, c.want)
		}
		if s.from > max(c.least, 1e3) || s.to < c.greatest || s.to < 10*s.from*(1-1e-9) {
			t.Errorf("logarithmic from %v to %v spans %v to %v", c.least, c.greatest, s.from, s.to)
		}
	}
	for _, c := range []struct {
		length time.Duration
		last   string
	}{{0, "1.0 s"}, {26 * time.Second, "25 s"}, {5 * time.Minute, "5:00 min"}, {time.Hour, "60:00 min"}, {5 * time.Hour, "5:00 h"}, {24 * time.Hour, "24:00 h"}} {
		if _, ticks := timeScale(int64(c.length), 0, 1); ticks[len(ticks)-1].label != c.last || len(ticks) > 14 {
			t.Errorf("time to %v: %q", c.length, labels(ticks))
		}
	}
}

// Colours have 3:1 against their ground (WCAG 1.4.11), text 4.5:1.
func TestContrast(t *testing.T) {
	luminance := func(hex string) float64 {
		var rgb [3]int
		if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
			t.Fatalf("%s: %v", hex, err)
		}
		var of [3]float64
		for i, v := range rgb {
			if of[i] = float64(v) / 255; of[i] <= .04045 {
				of[i] /= 12.92
			} else {
				of[i] = math.Pow((of[i]+.055)/1.055, 2.4)
			}
		}
		return .2126*of[0] + .7152*of[1] + .0722*of[2]
	}
	contrast := func(a, b string) float64 {
		x, y := luminance(a), luminance(b)
		return (max(x, y) + .05) / (min(x, y) + .05)
	}
	for r := good; r < h1; r++ {
		c := palette[r]
		if light, dark := contrast(c.Light, palette[ground].Light), contrast(c.Dark, palette[ground].Dark); light < 3 || dark < 3 {
			t.Errorf("%s: %.1f and %.1f", c.Name, light, dark)
		}
	}
	for _, r := range []role{ink, muted, met, missed} {
		c := palette[r]
		if light, dark := contrast(c.Light, palette[ground].Light), contrast(c.Dark, palette[ground].Dark); light < 4.5 || dark < 4.5 {
			t.Errorf("text in %s: %.1f and %.1f", c.Name, light, dark)
		}
	}
}
