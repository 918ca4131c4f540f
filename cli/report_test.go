package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/bench/fault"
	"ptabench/results"
)

// runReport runs the command and returns what it printed and its exit code.
func runReport(t *testing.T, args ...string) (out string, code int, err error) {
	t.Helper()
	cmd := reportCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true // as the root has it
	var stdout bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stdout)
	cmd.SetArgs(args)
	err = cmd.Execute()
	var exit *exitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		code = exit.code
	default:
		code = exitUsage // as Main has it
	}
	return stdout.String(), code, err
}

// runDir makes a run of n accepted sign-ins, finished or cut off.
func runDir(t *testing.T, n int, finished bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := results.Create(dir); err != nil {
		t.Fatal(err)
	}
	w, err := results.CreateSamples(filepath.Join(dir, results.SamplesFile), results.Header{
		Scenario: "quickstart", Seed: 1, Duration: 1e9, Planned: uint64(n), Intents: []string{"right"}, Connectors: []string{"connector-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := results.NewRecorder(w.Header(), nil)
	for i := range n {
		s := results.Sample{Seq: uint32(i), Due: int64(i), Sent: int64(i), Done: int64(i) + 1e6,
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1, Server: 1}
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
		rec.Record(s)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if finished {
		r := rec.Result()
		r.Verdict = results.Pass
		if err := results.WriteResult(filepath.Join(dir, results.ResultFile), &r); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		finished bool
		verdict  string
	}{{true, "pass"}, {false, "aborted"}} {
		dir := runDir(t, 100, c.finished)
		out, code, err := runReport(t, dir)
		if code != 0 || err != nil || !strings.HasPrefix(out, "verdict: "+c.verdict+"\n") {
			t.Errorf("text of a run, finished %v: exit %d, %v\n%s", c.finished, code, err, out)
		}
		out, code, err = runReport(t, dir, "--format", "json")
		var r results.Result
		if code != 0 || err != nil || json.Unmarshal([]byte(out), &r) != nil || string(r.Verdict) != c.verdict || r.SignIns.Accepted != 100 {
			t.Errorf("json of a run, finished %v: exit %d, %v\n%s", c.finished, code, err, out)
		}
		out, code, err = runReport(t, dir, "--format=csv")
		if code != 0 || err != nil || strings.Count(out, "\n") != 101 || !strings.Contains(out, "\n99,0,right,99,99,1000099,1000000,accepted,") {
			t.Errorf("csv of a run, finished %v: exit %d, %v\n%s", c.finished, code, err, out)
		}
	}
}

func TestReportOfBadInput(t *testing.T) {
	shorter := func(dir string, by int64) string {
		path := filepath.Join(dir, results.SamplesFile)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-by); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	with := func(name, text string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	torn, cut, records := shorter(runDir(t, 100, false), 3), shorter(runDir(t, 100, true), 3), shorter(runDir(t, 100, true), 64)
	for _, c := range []struct {
		name  string
		args  []string
		shown string // what is whole
		want  string
	}{
		{"no argument", nil, "", "no directory: expected that of a run, a matrix or a suite, or those of 2 to 6 runs"},
		{"too many runs", []string{torn, torn, torn, torn, torn, torn, torn, "--format", "html"}, "", "7 directories: expected at most 6 runs to compare"},
		{"unknown format", []string{torn, "--format", "xml"}, "", "--format xml: expected one of text, json, csv, markdown, junit, html, svg"},
		{"unknown format of several", []string{torn, torn, "--format", "xml"}, "", "--format xml: expected one of text, json, csv, markdown, junit, html, svg"},
		{"several runs as text", []string{torn, torn}, "", "--format text: of several runs, expected html"},
		{"several runs, some of them no runs", []string{filepath.Join(torn, "absent"), torn, t.TempDir(), "--format", "html"}, "", "neither result.json nor samples"},
		{"a chart of something else", []string{torn, "--chart", "response"}, "", "--chart response: only with --format svg"},
		{"svg without a chart", []string{torn, "--format", "svg"}, "", "--format svg: --chart"},
		{"an unknown chart", []string{torn, "--format", "svg", "--chart", "pie"}, "", "pie"},
		{"nothing there", []string{filepath.Join(torn, "absent")}, "", "no such file or directory"},
		{"a file", []string{filepath.Join(torn, "samples")}, "", "not a directory"},
		{"an empty directory", []string{t.TempDir()}, "", "neither result.json nor samples"},
		{"newer result", []string{with("result.json", `{"format": 3}`)}, "", "result.json: format 3: this ptabench reads up to 2"},
		{"broken result", []string{with("result.json", "{\n}}")}, "", "result.json:2:2: "},
		{"newer samples", []string{with("samples", "ptabench-samples 3\n{}\n")}, "", "samples: format 3: this ptabench reads up to 2"},
		{"torn samples, text", []string{torn}, "verdict: aborted", "cut off within record 100"},
		{"torn samples, json", []string{torn, "--format", "json"}, `"accepted": 99`, "cut off within record 100"},
		{"torn samples, csv", []string{torn, "--format", "csv"}, "\n98,0,right", "cut off within record 100"},
		{"torn samples, html", []string{torn, "--format", "html"}, "<!doctype html>", "cut off within record 100"},
		{"torn samples, svg", []string{torn, "--format", "svg", "--chart", "response"}, "<svg", "cut off within record 100"},
		{"torn samples of a finished run", []string{cut}, "verdict: pass", "cut off within record 100"},
		{"short samples of a finished run", []string{records}, "verdict: pass", "holds 99 of the 100 sign-ins"},
		{"short samples of a finished run, csv", []string{records, "--format", "csv"}, "\n98,0,right", "holds 99 of the 100 sign-ins"},
	} {
		out, code, err := runReport(t, c.args...)
		if code != exitUsage || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: exit %d, %v; expected %d, %s", c.name, code, err, exitUsage, c.want)
		}
		if !strings.Contains(out, c.shown) || c.shown == "" && out != "" {
			t.Errorf("%s: printed %q, expected %q", c.name, out, c.shown)
		}
	}
}

func TestReportForMachines(t *testing.T) {
	dir := runDir(t, 100, true)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--format", "markdown"}, "## ✓ pass: quickstart\n"},
		{[]string{"--format", "junit"}, `<testsuite name="quickstart"`},
		{[]string{"--format", "html"}, "<title>quickstart: pass</title>"},
		{[]string{"--format", "svg", "--chart", "response"}, "<svg "},
		{[]string{runDir(t, 100, false), "--format", "html"}, "<title>2 runs compared: aborted</title>"},
	} {
		out, code, err := runReport(t, append([]string{dir}, c.args...)...)
		if code != 0 || err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: exit %d, %v; expected %s in\n%.2000s", c.args, code, err, c.want, out)
		}
	}
}

func TestReportOfMatrixAndSuite(t *testing.T) {
	result := results.Result{Scenario: "crash-one", Verdict: results.Fail}
	matrix, suite := t.TempDir(), t.TempDir()
	m := results.NewMatrix("crash-one", []string{"preset"}, []results.MatrixInput{
		{Settings: []results.Setting{{Key: "preset", Value: "entra"}}, Dir: filepath.Join(matrix, "entra"), Result: &result}})
	s := results.NewSuite("ha", "", []results.SuiteInput{{Scenario: "crash-one", Dir: "crash-one", Result: &result}})
	if err := errors.Join(results.WriteMatrix(filepath.Join(matrix, results.MatrixFile), m), results.WriteSuite(filepath.Join(suite, results.SuiteFile), s)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, format, want string }{
		{matrix, "text", "matrix: crash-one, fail\n"},
		{matrix, "json", `"dir": "entra"`},
		{matrix, "markdown", "## ✗ fail: matrix of crash-one\n"},
		{matrix, "html", "<!doctype html>"},
		{suite, "text", "suite: ha, fail, 1 run: 1 fail\n"},
		{suite, "json", `"suite": "ha"`},
		{suite, "markdown", "## ✗ fail: suite ha\n"},
		{suite, "junit", `<testsuite name="crash-one"`},
		{suite, "html", "<!doctype html>"},
	} {
		out, code, err := runReport(t, c.dir, "--format", c.format)
		if code != 0 || err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, %v; expected %s in\n%s", c.format, code, err, c.want, out)
		}
	}
	for _, c := range []struct{ dir, format, want string }{
		{matrix, "csv", "--format csv: not of a matrix; expected one of text, json, markdown, html"},
		{matrix, "junit", "--format junit: not of a matrix; expected one of text, json, markdown, html"},
		{suite, "csv", "--format csv: not of a suite; expected one of text, json, markdown, junit, html"},
	} {
		out, code, err := runReport(t, c.dir, "--format", c.format)
		if code != exitUsage || out != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: exit %d, %v; expected %s", c.format, code, err, c.want)
		}
	}
	if err := os.WriteFile(filepath.Join(suite, results.SuiteFile), []byte(`{"format": 9}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, code, err := runReport(t, suite); code != exitUsage || err == nil || !strings.Contains(err.Error(), "suite.json: format 9: this ptabench reads up to 1") {
		t.Errorf("a newer suite: exit %d, %v", code, err)
	}
}

func TestReportOfARunThatGoesOn(t *testing.T) {
	dir := runDir(t, 100, false)
	journal, err := fault.Create(dir) // this process is its harness
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	out, code, err := runReport(t, dir)
	if code != 0 || err != nil || !strings.Contains(out, "verdict: inconclusive\n") || !strings.Contains(out, "still going on") {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
}
