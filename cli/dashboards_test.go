package cli

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/bench"
	"ptabench/bench/load"
	"ptabench/chart"
	"ptabench/results"
	"ptabench/telemetry"
)

// A run with --metrics can be asked how it goes, in any of its phases, and is
// told no more when it has ended.
func TestRunTellsDashboards(t *testing.T) {
	url := ""
	f := &fakeRunner{end: func(_ context.Context, _ int, o bench.Options) (*results.Result, error) {
		o.Follower.Began(results.Header{StartedAt: "2026-01-02T03:04:05Z", Connectors: []string{"connector-1"}})
		o.Follower.Sample(results.Sample{Due: 1, Sent: 2, Done: 3, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Server: 1})
		o.Progress(bench.Progress{Phase: "load", At: time.Second, Load: load.Progress{Planned: 9, Sent: 3, Accepted: 1, InFlight: 2},
			SoFar: func() *results.Result { return &results.Result{} }})
		return fakeResult(o, results.Pass), nil
	}}
	inner := f.end
	said := make(chan string, 1) // the address is said before the run begins
	f.end = func(ctx context.Context, n int, o bench.Options) (*results.Result, error) {
		r, err := inner(ctx, n, o)
		url = <-said
		resp, getErr := http.Get(url)
		if getErr != nil {
			t.Error(getErr)
			return r, err
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		for _, want := range []string{`ptabench_run_sign_ins_total{outcome="accepted",path="pass-through"} 1`, `ptabench_run_phase{phase="load"} 1`,
			"ptabench_run_generator_sent_total 3", "ptabench_run_generator_done_total 1", "ptabench_run_in_flight 2",
			`ptabench_run_connector_sign_ins_total{connector="connector-1"} 1`} {
			if !strings.Contains(string(text), want+"\n") {
				t.Errorf("/metrics lacks %s", want)
			}
		}
		return r, err
	}
	stderr := lineWriter{lines: said}
	code := mainWith(context.Background(), f.runner(), []string{"run", "crash-one", "--quiet", "--metrics", ":0", "--out", filepath.Join(t.TempDir(), "r")},
		strings.NewReader(""), io.Discard, &stderr)
	if code != exitPass {
		t.Fatalf("exit %d", code)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("metrics are served after the run")
	}
}

// lineWriter passes on the address in the first line that has one.
type lineWriter struct{ lines chan string }

func (w *lineWriter) Write(p []byte) (int, error) {
	if url, ok := strings.CutPrefix(strings.TrimSpace(string(p)), "metrics: "); ok {
		w.lines <- url
	}
	return len(p), nil
}

func TestBadDashboards(t *testing.T) {
	t.Setenv(telemetry.TokenVariable, "")
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--metrics", "nowhere"}, []string{"--metrics", "PORT"}},
		{[]string{"--metrics", ":99999"}, []string{"--metrics", "65535"}},
		{[]string{"--metrics", "x:y", "--otlp", "collector:4318"}, []string{"--metrics", "--otlp", "http://127.0.0.1:4318"}},
		{[]string{"--otlp", "https://me:s3cret@h"}, []string{"--otlp", "OTEL_EXPORTER_OTLP_HEADERS"}},
		{[]string{"--metrics", "0.0.0.0:0"}, []string{telemetry.TokenVariable}},
	} {
		f := &fakeRunner{}
		args := slices.Concat([]string{"run", "crash-one", "--out", filepath.Join(t.TempDir(), "r")}, c.args)
		_, stderr, code := ptabench(t, f, args...)
		if code != exitUsage || len(f.made) > 0 || strings.Contains(stderr, "s3cret") {
			t.Errorf("%q: exit %d after %d runs: %s", c.args, code, len(f.made), stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: lacks %q: %s", c.args, want, stderr)
			}
		}
	}
}

func TestReportCharts(t *testing.T) {
	dir := runDir(t, 100, true)
	help := reportCommand().Long
	for _, name := range chart.Names() {
		out, code, err := runReport(t, dir, "--format", "svg", "--chart", name)
		if code != exitPass || !strings.HasPrefix(out, "<svg ") || !strings.HasSuffix(out, "</svg>\n") {
			t.Errorf("%s: exit %d, %v: %.60q", name, code, err, out)
		}
		if !strings.Contains(help, "  "+name+" ") {
			t.Errorf("--help does not name %s", name)
		}
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{dir, "--format", "svg"}, "none given: expected one of overview, response"},
		{[]string{dir, "--format", "svg", "--chart", "pie"}, `"pie": expected one of overview, response`},
		{[]string{dir, "--chart", "response"}, "only with --format svg"},
		{[]string{t.TempDir(), "--format", "svg", "--chart", "response"}, "neither"},
	} {
		out, code, err := runReport(t, c.args...)
		if code != exitUsage || err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(out, "<svg") {
			t.Errorf("%q: exit %d, %v", c.args, code, err)
		}
	}
	if out, code, err := runReport(t, runDir(t, 100, false), "--format", "svg", "--chart", "response"); code != exitPass || !strings.Contains(out, "aborted") {
		t.Errorf("a run that was cut off: exit %d, %v", code, err)
	}
}
