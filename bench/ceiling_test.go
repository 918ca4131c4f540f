package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ptabench/bench/fault"
	"ptabench/bench/noop"
	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

// noopVar makes of the test binary the target of the ceiling. Programs of roles
// do not get it from a run, as the environment they inherit is the harness's:
// tests set it there.
const noopVar = "TEST_NOOP"

func TestMain(m *testing.M) {
	if how := os.Getenv(noopVar); how != "" && slices.Contains(os.Args, roleNoop) {
		os.Exit(asNoop(how))
	}
	os.Exit(m.Run())
}

// asNoop is the role as cli runs it.
func asNoop(how string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if how == "broken" {
		fmt.Fprintln(os.Stderr, "no address to listen on")
		return 3
	}
	err := noop.Run(ctx, slog.New(slog.DiscardHandler), noop.Config{Name: roleNoop, Listen: "127.0.0.1"}, func(r observe.Ready) {
		if err := json.NewEncoder(os.NewFile(3, "ready")).Encode(r); err != nil {
			panic(err)
		}
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ceilingRun is a run of which only the ceiling is measured.
func ceilingRun(t *testing.T, o Options) *run {
	t.Helper()
	name, text, err := scenarios.Open("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	if o.Scenario, err = scenarios.Parse(name, text, nil); err != nil {
		t.Fatal(err)
	}
	o.Dir = filepath.Join(t.TempDir(), "run")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Program = []string{program}
	r := &run{Options: o}
	if r.users, err = newPopulation(o.Scenario); err != nil {
		t.Fatal(err)
	}
	if err := r.makeDir(); err != nil {
		t.Fatal(err)
	}
	if r.journal, err = fault.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.journal.End() })
	return r
}

func TestCeilingIsMeasuredAgainstAProcessOfItsOwn(t *testing.T) {
	t.Setenv(noopVar, "good")
	var phases []string
	r := ceilingRun(t, Options{Progress: func(p Progress) { phases = append(phases, p.Phase) }})
	got, err := r.measureCeiling(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", got)
	if got.PerS <= 0 || got.P99 <= 0 || got.Duration <= 0 {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(phases, []string{"measuring the load generator"}) {
		t.Errorf("phases %q", phases)
	}
	// Heal would find it, should the harness be killed meanwhile.
	journal, err := os.ReadFile(filepath.Join(r.Dir, results.JournalFile))
	if err != nil || !strings.Contains(string(journal), `"name":"noop"`) {
		t.Errorf("journal %s, %v", journal, err)
	}
}

func TestCeilingThatIsNotMeasured(t *testing.T) {
	t.Setenv(noopVar, "broken") // whoever starts it fails
	known := results.Ceiling{PerS: 1234, Duration: 5, P99: 6}
	for name, c := range map[string]struct {
		options Options
		want    results.Ceiling
		wrong   string
	}{
		"known":   {Options{Ceiling: &known}, known, ""},
		"skipped": {Options{SkipCeiling: true}, results.Ceiling{}, ""},
		"broken":  {Options{}, results.Ceiling{}, "no address to listen on"},
	} {
		got, err := ceilingRun(t, c.options).measureCeiling(t.Context())
		if got != c.want || (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCeilingIsInterrupted(t *testing.T) {
	t.Setenv(noopVar, "good")
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("somebody pressed Ctrl-C")
	r := ceilingRun(t, Options{Progress: func(Progress) { cancel(because) }})
	if got, err := r.measureCeiling(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, because) {
		t.Errorf("%+v, %v", got, err)
	}
}
