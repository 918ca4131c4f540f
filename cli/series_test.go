package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/bench"
	"ptabench/results"
	"ptabench/scenarios"
)

// A fakeRunner makes runs of nothing.
type fakeRunner struct {
	made   []bench.Options
	refuse error
	asked  []string // what may be loaded, as told to refuse
	// end is how the n-th run ends, from 1; pass when it is nil.
	end func(ctx context.Context, n int, o bench.Options) (*results.Result, error)
}

func (f *fakeRunner) runner() runner {
	return runner{
		refuse: func(_ *scenarios.Scenario, mayLoad string) error {
			f.asked = append(f.asked, mayLoad)
			return f.refuse
		},
		lacks: func(*scenarios.Scenario, string) error { return f.refuse },
		run: func(ctx context.Context, o bench.Options) (*results.Result, error) {
			f.made = append(f.made, o)
			if err := results.Create(o.Dir); err != nil {
				return nil, err
			}
			if f.end == nil {
				return fakeResult(o, results.Pass), nil
			}
			return f.end(ctx, len(f.made), o)
		},
	}
}

// fakeResult is as Result makes one: no list of it is nil.
func fakeResult(o bench.Options, v results.Verdict) *results.Result {
	r := results.NewRecorder(results.Header{Scenario: o.Scenario.Name, Seed: o.Scenario.Seed, Version: version}, nil).Result()
	r.Verdict, r.TimeScale = v, 1
	r.Ceiling = results.Ceiling{PerS: 5000, Duration: int64(time.Second)}
	if v != results.Pass {
		r.Reasons = []string{"because"}
	}
	return &r
}

// ptabench runs a command of the whole program, with runs of nothing.
func ptabench(t *testing.T, f *fakeRunner, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return ptabenchWith(t.Context(), f, args...)
}

func ptabenchWith(ctx context.Context, f *fakeRunner, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = mainWith(ctx, f.runner(), args, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// TestMatrixMayLoad: who may load a directory of their own says so once, for the
// combinations that do.
func TestMatrixMayLoad(t *testing.T) {
	const url = "ldaps://dc1.corp.example"
	file := filepath.Join(t.TempDir(), "mine.yaml")
	text := "format: 1\nname: mine\nload: {rate: 10/s, duration: 5s, mix: {right: 100%}}\n" +
		"tenants: [{name: contoso, domains: [corp.example], fallback: off}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	external := "{kind: external, external: {url: '" + url + "', account: cn=a, base: dc=b, users: u, confirm: c, max_rate: 20/s}}"
	f := &fakeRunner{}
	if _, stderr, code := ptabench(t, f, "matrix", file, "--vary", "directory={kind: embedded},"+external, "--i-may-load", url, "--out", filepath.Join(t.TempDir(), "m")); code != exitPass {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if want := []string{"", url}; !slices.Equal(f.asked, want) || len(f.made) != 2 || f.made[0].MayLoad != "" || f.made[1].MayLoad != url {
		t.Errorf("told %q, made %+v", f.asked, f.made)
	}
	if strings.Contains(f.made[0].Command, "--i-may-load") || !strings.HasSuffix(f.made[1].Command, "--i-may-load "+url) {
		t.Errorf("to repeat: %s and %s", f.made[0].Command, f.made[1].Command)
	}
	// Where no combination is of such a directory, whoever refuses runs says so.
	f = &fakeRunner{}
	ptabench(t, f, "matrix", file, "--vary", "seed=1,2", "--i-may-load", url, "--out", filepath.Join(t.TempDir(), "m"))
	if want := []string{url, url}; !slices.Equal(f.asked, want) {
		t.Errorf("told %q, expected %q", f.asked, want)
	}
}

func TestMatrixRunsEveryCombinationInRounds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	f := &fakeRunner{}
	stdout, stderr, code := ptabench(t, f, "matrix", "crash-one", "--vary", "cloud.handoff=on,off",
		"--vary", "connectors.count=2,3", "--set", "load.rate=20/s", "--repeat", "2", "--out", dir)
	if code != exitPass {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	want := []string{
		"01-cloud.handoff=on,connectors.count=2", "02-cloud.handoff=on,connectors.count=3",
		"03-cloud.handoff=off,connectors.count=2", "04-cloud.handoff=off,connectors.count=3",
		"05-cloud.handoff=on,connectors.count=2", "06-cloud.handoff=on,connectors.count=3",
		"07-cloud.handoff=off,connectors.count=2", "08-cloud.handoff=off,connectors.count=3",
	}
	for i, o := range f.made {
		handoff, count := i%4 < 2, 2+i%2
		if o.Dir != filepath.Join(dir, want[i]) || bool(o.Scenario.Cloud.Handoff) != handoff || o.Scenario.Connectors.Count != count || o.Scenario.Load.Rate != 20 {
			t.Errorf("run %d: %s, handoff %v, %d connectors", i+1, o.Dir, o.Scenario.Cloud.Handoff, o.Scenario.Connectors.Count)
		}
		// Measured once, and passed on.
		if (o.Ceiling == nil) != (i == 0) {
			t.Errorf("run %d: ceiling %+v", i+1, o.Ceiling)
		}
	}
	if len(f.made) != len(want) {
		t.Errorf("%d runs, want %d", len(f.made), len(want))
	}
	m, err := results.ReadMatrix(filepath.Join(dir, results.MatrixFile))
	if err != nil || len(m.Cells) != 4 || len(m.Cells[0].Runs) != 2 || m.Cells[0].Runs[1].Dir != want[4] {
		t.Errorf("matrix %+v, %v", m, err)
	}
	again := "ptabench matrix crash-one --vary cloud.handoff=on,off --vary connectors.count=2,3 --set load.rate=20/s --repeat 2"
	if m.Command != again || !strings.Contains(f.made[3].Command, "ptabench run crash-one --set load.rate=20/s --set cloud.handoff=off --set connectors.count=3") {
		t.Errorf("commands %q, %q", m.Command, f.made[3].Command)
	}
	for _, name := range []string{"matrix.md", "matrix.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, line := range []string{"8 runs in " + dir, "[1/8] cloud.handoff=on, connectors.count=2 (round 1): pass", " left\n"} {
		if !strings.Contains(stderr, line) {
			t.Errorf("progress has no %q:\n%s", line, stderr)
		}
	}
	if n := strings.Count(stderr, "\n"); n != 9 {
		t.Errorf("%d lines of progress, want one for each run and one before:\n%s", n, stderr)
	}
}

func TestExitCodesOfMatrices(t *testing.T) {
	verdict := func(v results.Verdict, err error) func(context.Context, int, bench.Options) (*results.Result, error) {
		return func(_ context.Context, n int, o bench.Options) (*results.Result, error) {
			if n != 2 {
				return fakeResult(o, results.Pass), nil
			}
			return fakeResult(o, v), err
		}
	}
	for name, c := range map[string]struct {
		end        func(context.Context, int, bench.Options) (*results.Result, error)
		matrix     int
		suite      int
		runs       int // made
		said       string
		inTheTable string
	}{
		"all pass":          {nil, exitPass, exitPass, 3, "pass", "pass"},
		"a fail":            {verdict(results.Fail, nil), exitPass, exitFail, 3, "fail", "because"},
		"an inconclusive":   {verdict(results.Inconclusive, nil), exitInconclusive, exitInconclusive, 3, "inconclusive", "because"},
		"a stop condition":  {verdict(results.Aborted, bench.ErrStopCondition), exitAborted, exitAborted, 3, "aborted", "because"},
		"one is not healed": {verdict(results.Fail, bench.ErrNotHealed), exitNotHealed, exitNotHealed, 2, "to undo it: ptabench heal ", "because"},
		"one does not start": {func(_ context.Context, n int, o bench.Options) (*results.Result, error) {
			return nil, errors.New("no such port")
		}, exitAborted, exitAborted, 3, "nothing was measured: no such port", "no such port"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeRunner{end: c.end}
			stdout, stderr, code := ptabench(t, f, "matrix", "crash-one", "--vary", "connectors.count=2,3,4", "--out", filepath.Join(t.TempDir(), "m"))
			if code != c.matrix || len(f.made) != c.runs || !strings.Contains(stderr, c.said) || !strings.Contains(stdout, c.inTheTable) {
				t.Errorf("matrix: exit %d after %d runs, want %d after %d\n%s%s", code, len(f.made), c.matrix, c.runs, stdout, stderr)
			}
			f = &fakeRunner{end: c.end}
			stdout, stderr, code = ptabench(t, f, "suite", threeRuns(t), "--out", filepath.Join(t.TempDir(), "s"))
			if code != c.suite || len(f.made) != c.runs || !strings.Contains(stderr, c.said) || !strings.Contains(stdout, c.inTheTable) {
				t.Errorf("suite: exit %d after %d runs, want %d after %d\n%s%s", code, len(f.made), c.suite, c.runs, stdout, stderr)
			}
		})
	}
}

// threeRuns is a suite.
func threeRuns(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "ours.yaml")
	text := "format: 1\nname: ours\nruns:\n- scenario: crash-one\n- scenario: crash-one\n  name: again\n  set: [connectors.count=4]\n- scenario: freeze-one\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSuite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	f := &fakeRunner{}
	stdout, stderr, code := ptabench(t, f, "suite", threeRuns(t), "--out", dir, "--set", "load.rate=20/s", "--skip-ceiling")
	if code != exitPass {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for i, want := range []string{"01-crash-one", "02-again", "03-freeze-one"} {
		o := f.made[i]
		if o.Dir != filepath.Join(dir, want) || o.Scenario.Load.Rate != 20 || !o.SkipCeiling || (o.Scenario.Connectors.Count == 4) != (i == 1) {
			t.Errorf("run %d: %s, %v, %d connectors", i+1, o.Dir, o.Scenario.Load.Rate, o.Scenario.Connectors.Count)
		}
	}
	if got, want := f.made[1].Command, "ptabench run crash-one --set connectors.count=4 --set load.rate=20/s"; got != want {
		t.Errorf("command %q, want %q", got, want)
	}
	s, err := results.ReadSuite(filepath.Join(dir, results.SuiteFile))
	if err != nil || len(s.Runs) != 3 || s.Runs[1].Name != "again" || s.Runs[1].Dir != "02-again" ||
		!slices.Equal(s.Runs[1].Set, []string{"connectors.count=4", "load.rate=20/s"}) {
		t.Errorf("suite %+v, %v", s, err)
	}
	for _, name := range []string{"suite.md", "suite.html", "suite.xml"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormatsOfSeries(t *testing.T) {
	for format, begins := range map[string]string{"text": "matrix: ", "markdown": "## ", "html": "<!", "json": "{"} {
		dir := filepath.Join(t.TempDir(), "m")
		stdout, _, code := ptabench(t, &fakeRunner{}, "matrix", "crash-one", "--vary", "connectors.count=2,3", "--out", dir, "--format", format)
		if code != exitPass || !strings.HasPrefix(stdout, begins) || !sameAsFile(t, dir, "matrix", format, stdout) {
			t.Errorf("matrix as %s: exit %d, %.60q", format, code, stdout)
		}
	}
	for format, begins := range map[string]string{"text": "suite: ", "markdown": "## ", "html": "<!", "json": "{", "junit": "<?xml"} {
		dir := filepath.Join(t.TempDir(), "s")
		stdout, _, code := ptabench(t, &fakeRunner{}, "suite", threeRuns(t), "--out", dir, "--format", format)
		if code != exitPass || !strings.HasPrefix(stdout, begins) || !sameAsFile(t, dir, "suite", format, stdout) {
			t.Errorf("suite as %s: exit %d, %.60q", format, code, stdout)
		}
	}
}

// sameAsFile says whether what was printed is what the directory has too.
func sameAsFile(t *testing.T, dir, name, format, printed string) bool {
	t.Helper()
	if format == "text" { // has no file
		return strings.HasSuffix(printed, "\ndirectory: "+dir+"\n")
	}
	text, err := os.ReadFile(filepath.Join(dir, name+map[string]string{"markdown": ".md", "html": ".html", "json": ".json", "junit": ".xml"}[format]))
	if err != nil {
		t.Fatal(err)
	}
	return string(text) == printed
}

func TestInterruptedSeries(t *testing.T) {
	for _, command := range [][]string{{"matrix", "crash-one", "--vary", "connectors.count=2,3,4"}, {"suite", threeRuns(t)}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		f := &fakeRunner{end: func(ctx context.Context, n int, o bench.Options) (*results.Result, error) {
			if n == 1 {
				return fakeResult(o, results.Pass), nil
			}
			cancel(errInterrupted) // within the second
			return fakeResult(o, results.Aborted), context.Cause(ctx)
		}}
		dir := filepath.Join(t.TempDir(), "series")
		stdout, stderr, code := ptabenchWith(ctx, f, append(command, "--out", dir)...)
		if code != exitAborted || len(f.made) != 2 || !strings.Contains(stderr, "interrupted: 2 of 3 runs were made") {
			t.Errorf("%s: exit %d after %d runs\n%s", command[0], code, len(f.made), stderr)
		}
		// What there is is shown and kept.
		if !strings.Contains(stdout, "aborted") {
			t.Errorf("%s shows\n%s", command[0], stdout)
		}
		for _, name := range []string{".json", ".md", ".html"} {
			if _, err := os.Stat(filepath.Join(dir, command[0]+name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// At any time the directory says how much is missing: a run may be the last
// that there is time for.
func TestKilledSeries(t *testing.T) {
	for _, command := range [][]string{{"matrix", "crash-one", "--vary", "connectors.count=2,3,4"}, {"suite", threeRuns(t)}} {
		dir := filepath.Join(t.TempDir(), "series")
		f := &fakeRunner{end: func(_ context.Context, n int, o bench.Options) (*results.Result, error) {
			for _, ext := range []string{".json", ".md", ".html"} {
				text, err := os.ReadFile(filepath.Join(dir, command[0]+ext))
				if want := fmt.Sprintf("%d of 3 runs were made", n-1); err != nil || !strings.Contains(string(text), want) || !strings.Contains(string(text), "aborted") {
					t.Errorf("%s%s within run %d: %v, no %q in\n%s", command[0], ext, n, err, want, text)
				}
			}
			return fakeResult(o, results.Pass), nil
		}}
		stdout, stderr, code := ptabench(t, f, append(command, "--out", dir)...)
		if code != exitPass || len(f.made) != 3 || strings.Contains(stdout, "aborted") {
			t.Errorf("%s: exit %d\n%s%s", command[0], code, stdout, stderr)
		}
	}
}

// Whoever reads the output may go away: what was measured is concluded.
func TestClosedOutput(t *testing.T) {
	reader, closed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]int{"suite": exitFail, "run": exitFail} {
		dir := filepath.Join(t.TempDir(), command)
		f := &fakeRunner{end: func(_ context.Context, n int, o bench.Options) (*results.Result, error) {
			return fakeResult(o, results.Fail), nil
		}}
		args := map[string][]string{"suite": {"suite", threeRuns(t)}, "run": {"run", "crash-one"}}[command]
		if code := mainWith(t.Context(), f.runner(), append(args, "--out", dir), strings.NewReader(""), closed, closed); code != want {
			t.Errorf("%s: exit %d, want %d", command, code, want)
		}
	}
}

// Everything that is wrong is told before anything is started, at once.
func TestRefusedSeries(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("format: 1\nname: bad\nruns:\n- scenario: crash-one\n  set: [load.rate=fast]\n- scenario: freeze-one\n  set: [nothing.like=it]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	exists := t.TempDir()
	tooMany := make([]string, 15)
	for i := range tooMany {
		tooMany[i] = fmt.Sprint(i + 1)
	}
	many := strings.Join(tooMany, ",")
	for name, c := range map[string]struct {
		args   []string
		refuse error
		want   []string
	}{
		"two combinations": {args: []string{"matrix", "crash-one", "--vary", "cloud.dispatch=random,lucky", "--vary", "load.rate=20/s,fast"},
			want: []string{"cloud.dispatch=random, load.rate=fast", "cloud.dispatch=lucky, load.rate=20/s", "cloud.dispatch=lucky, load.rate=fast", "lucky", "fast"}},
		"no field":                            {args: []string{"matrix", "crash-one", "--vary", "cloud.colour=red,blue"}, want: []string{"cloud.colour"}},
		"a run on this machine, and mistakes": {args: []string{"run", "crash-one", "--set", "load.rate=fast"}, refuse: errors.New("no nftables here"), want: []string{"fast", "no nftables here"}},
		"nothing varied":                      {args: []string{"matrix", "crash-one"}, want: []string{"--vary: expected at least one"}},
		"flags":                               {args: []string{"matrix", "crash-one", "--vary", "a", "--repeat", "0", "--format", "pdf"}, want: []string{"--vary a", "--repeat 0", "--format pdf"}},
		"too many":                            {args: []string{"matrix", "crash-one", "--vary", "seed=" + many, "--vary", "connectors.count=" + many}, want: []string{"more than 200 runs"}},
		"too many rounds":                     {args: []string{"matrix", "crash-one", "--vary", "seed=1,2", "--repeat", "101"}, want: []string{"more than 200 runs"}},
		"this machine": {args: []string{"matrix", "crash-one", "--vary", "seed=1,2,3,4,5"}, refuse: errors.New("no nftables here"),
			want: []string{"seed=1; seed=2; seed=3; and 2 more:\nno nftables here"}},
		"a directory that exists": {args: []string{"matrix", "crash-one", "--vary", "seed=1,2", "--out", exists}, want: []string{"exists already"}},
		"no scenario":             {args: []string{"matrix", "crash-two", "--vary", "seed=1,2"}, want: []string{"crash-one"}},
		"a suite's scenarios":     {args: []string{"suite", bad}, want: []string{"fast", "nothing"}},
		"set in a suite":          {args: []string{"suite", threeRuns(t), "--set", "load.rate=fast"}, want: []string{"crash-one:", "again:", "freeze-one:", "fast"}},
		"no suite":                {args: []string{"suite", "hb"}, want: []string{"ha"}},
		"a suite's format":        {args: []string{"suite", "ha", "--format", "pdf"}, want: []string{"--format pdf", "junit"}},
		"a suite on this machine": {args: []string{"suite", threeRuns(t)}, refuse: errors.New("no nftables here"), want: []string{"no nftables here"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			f := &fakeRunner{refuse: c.refuse}
			_, stderr, code := ptabench(t, f, c.args...)
			if code != exitUsage || len(f.made) > 0 {
				t.Errorf("exit %d after %d runs", code, len(f.made))
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("no word of %q in\n%s", want, stderr)
				}
			}
			if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func TestListSuites(t *testing.T) {
	listed, _, code := ptabench(t, &fakeRunner{}, "suite")
	if code != exitPass || !strings.HasPrefix(listed, "ha ") {
		t.Errorf("exit %d:\n%s", code, listed)
	}
	if again, _, code := ptabench(t, &fakeRunner{}, "suite", "--list"); code != exitPass || again != listed {
		t.Errorf("--list: exit %d:\n%s", code, again)
	}
}

// TestPanicIsNoVerdict: the runtime would exit with the code of inconclusive.
func TestPanicIsNoVerdict(t *testing.T) {
	t.Chdir(t.TempDir())
	f := &fakeRunner{end: func(context.Context, int, bench.Options) (*results.Result, error) { panic("a mistake") }}
	_, stderr, code := ptabench(t, f, "run", "crash-one")
	if code != exitAborted || !strings.Contains(stderr, "panic: a mistake") || !strings.Contains(stderr, "series_test.go") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestDryRunShowsTheSchedule: what a nemesis will do can be read before it does.
func TestDryRunShowsTheSchedule(t *testing.T) {
	schedule := func(args ...string) string {
		stdout, _, code := ptabench(t, &fakeRunner{}, append([]string{"run", "--dry-run"}, args...)...)
		if code != exitPass {
			t.Fatalf("%v: exit %d", args, code)
		}
		_, lines, _ := strings.Cut(stdout, "# The faults as they will be injected:\n")
		return lines
	}
	soak := schedule("soak", "--seed", "1")
	if n := strings.Count(soak, "\n#   ") + 1; n < 20 || soak != schedule("soak", "--seed", "1") || soak == schedule("soak", "--seed", "2") {
		t.Errorf("the seed does not make the schedule:\n%s", soak)
	}
	if plain := schedule("crash-one"); plain != "" {
		t.Errorf("said twice: %s", plain)
	}
}
