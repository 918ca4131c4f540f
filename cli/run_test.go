package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ptabench/bench"
	"ptabench/results"
)

func TestExitCodesOfRuns(t *testing.T) {
	for name, c := range map[string]struct {
		verdict results.Verdict // empty: nothing was measured
		err     error
		code    int
		said    string // on standard error, with --quiet
	}{
		"pass":             {results.Pass, nil, exitPass, ""},
		"fail":             {results.Fail, nil, exitFail, ""},
		"inconclusive":     {results.Inconclusive, nil, exitInconclusive, ""},
		"interrupted":      {results.Aborted, errInterrupted, exitAborted, "interrupted"},
		"a stop condition": {results.Aborted, fmt.Errorf("%w unsent > 10: 11", bench.ErrStopCondition), exitAborted, "stop condition unsent > 10: 11"},
		"not kept":         {results.Fail, errors.New("disk full"), exitAborted, "disk full"},
		"not healed":       {results.Fail, fmt.Errorf("%w: crash-1", bench.ErrNotHealed), exitNotHealed, "to undo it: ptabench heal "},
		"not started":      {"", errors.New("no such port"), exitUsage, "no such port"},
		"not even started": {"", fmt.Errorf("%w: crash-1", bench.ErrNotHealed), exitNotHealed, "could not be undone"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeRunner{end: func(_ context.Context, _ int, o bench.Options) (*results.Result, error) {
				if c.verdict == "" {
					return nil, c.err
				}
				return fakeResult(o, c.verdict), c.err
			}}
			stdout, stderr, code := ptabench(t, f, "run", "crash-one", "--quiet", "--out", filepath.Join(t.TempDir(), "r"))
			if code != c.code || c.said == "" && stderr != "" || !strings.Contains(stderr, c.said) {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, stdout, stderr)
			}
			if c.verdict != "" && stdout != fmt.Sprintf("verdict: %s\n", c.verdict) {
				t.Errorf("said %q", stdout)
			}
		})
	}
}

func TestOptionsOfRuns(t *testing.T) {
	f := &fakeRunner{}
	dir := filepath.Join(t.TempDir(), "r")
	if _, stderr, code := ptabench(t, f, "run", "crash-one", "--out", dir, "--skip-ceiling", "--unobserved", "--profile", "--seed", "9"); code != exitPass {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if o := f.made[0]; o.Dir != dir || !o.SkipCeiling || !o.Unobserved || !o.Profile || o.Scenario.Seed != 9 || o.Progress == nil {
		t.Errorf("options %+v", o)
	}
	stdout, _, code := ptabench(t, f, "run", "crash-one", "--dry-run", "--out", dir)
	if code != exitPass || len(f.made) != 1 || !strings.Contains(stdout, "name: crash-one") {
		t.Errorf("--dry-run: exit %d after %d runs: %.80s", code, len(f.made), stdout)
	}
}

// A scenario can be read where it cannot be run, and a seed is a field like any
// other.
func TestDryRunsThatAreRefused(t *testing.T) {
	stdout, stderr, code := ptabench(t, &fakeRunner{refuse: errors.New("no nftables here")}, "run", "crash-one", "--dry-run")
	if code != exitUsage || !strings.Contains(stdout, "name: crash-one") || !strings.Contains(stderr, "no nftables here") {
		t.Errorf("exit %d: %.80s\n%s", code, stdout, stderr)
	}
	_, stderr, code = ptabench(t, &fakeRunner{}, "run", "crash-one", "--dry-run", "--seed", "x")
	if code != exitUsage || !strings.Contains(stderr, "seed: x: expected a whole number") {
		t.Errorf("--seed x: exit %d: %s", code, stderr)
	}
}

func TestFilesOfRuns(t *testing.T) {
	for _, verdict := range []results.Verdict{results.Pass, results.Aborted} { // of what there is
		dir := t.TempDir()
		markdown, junit := filepath.Join(dir, "summary.md"), filepath.Join(dir, "results.xml")
		f := &fakeRunner{end: func(_ context.Context, _ int, o bench.Options) (*results.Result, error) {
			return fakeResult(o, verdict), nil
		}}
		if _, stderr, code := ptabench(t, f, "run", "crash-one", "-q", "--out", filepath.Join(dir, "r"), "--markdown", markdown, "--junit", junit); code != exitPass && verdict == results.Pass {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		for file, want := range map[string]string{markdown: "## ", junit: "<?xml"} {
			if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), want) {
				t.Errorf("%s of a run that ended %s: %.40q, %v", file, verdict, text, err)
			}
		}
	}
	f := &fakeRunner{}
	missing := filepath.Join(t.TempDir(), "no", "such.md")
	_, stderr, code := ptabench(t, f, "run", "crash-one", "--markdown", "-", "--junit", missing)
	if code != exitUsage || len(f.made) > 0 || !strings.Contains(stderr, "--markdown -") || !strings.Contains(stderr, "--junit "+missing) {
		t.Errorf("exit %d after %d runs: %s", code, len(f.made), stderr)
	}

	// A disk that fills up meanwhile does not hide the verdict.
	dir := t.TempDir()
	lost := filepath.Join(dir, "lost")
	if err := os.Mkdir(lost, 0o755); err != nil {
		t.Fatal(err)
	}
	f.end = func(_ context.Context, _ int, o bench.Options) (*results.Result, error) {
		return fakeResult(o, results.Fail), os.RemoveAll(lost)
	}
	_, stderr, code = ptabench(t, f, "run", "crash-one", "-q", "--out", filepath.Join(dir, "r"), "--markdown", filepath.Join(lost, "x.md"))
	if code != exitFail || !strings.Contains(stderr, "--markdown") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"mine.yaml", "theirs.yml", "notes.txt", ".hidden.yaml", "sub/deep.yaml"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for typed, want := range map[string][]string{
		"":           {"mine.yaml", "sub/", "theirs.yml"},
		"m":          {"mine.yaml"},
		".h":         {".hidden.yaml"},
		"sub/":       {"sub/deep.yaml"},
		"./mi":       {"./mine.yaml"},
		"nowhere/":   nil,
		dir + "/sub": {dir + "/sub/"},
	} {
		if got := yamlFiles(typed); !slices.Equal(got, want) {
			t.Errorf("%q completes to %q, want %q", typed, got, want)
		}
	}
	all, _ := completeScenarioOrFile(&cobra.Command{}, nil, "")
	if !slices.Contains(all, "mine.yaml") || !strings.HasPrefix(all[0], "quickstart") {
		t.Errorf("completes to %q", all)
	}
	if all, _ := completeScenarioOrFile(&cobra.Command{}, []string{"one"}, ""); len(all) > 0 {
		t.Errorf("a second argument completes to %q", all)
	}
}
