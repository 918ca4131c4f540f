package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ptabench/bench"
	"ptabench/results"
	"ptabench/scenarios"
)

// A series is several runs, one after the other, each in a directory of its
// own below one directory: those of a matrix, or of a suite.
type series struct {
	runner
	dir         string // exists
	runs        []planned
	skipCeiling bool
	mayLoad     string // address of somebody's own directory
	progress    io.Writer
	width       int // of the terminal that progress is; 0 when it isn't one

	at       atomic.Pointer[string]                     // run directory at present
	ceilings map[scenarios.Connections]*results.Ceiling // measured by the first run of each kind
	spare    time.Duration                              // what the last runs took beside their load, on average
}

// planned is one run of a series.
type planned struct {
	label    string
	dir      string // below the directory of the series
	scenario *scenarios.Scenario
	command  string // repeats this run by itself
}

// ran is how a run of a series went.
type ran struct {
	result *results.Result // nil when nothing was measured
	err    error
}

// failure is why there is no result.
func (r ran) failure() string {
	if r.err == nil {
		return ""
	}
	return r.err.Error()
}

// firstSpare is how long a run is thought to take beside its load before there
// was one.
const firstSpare = 6 * time.Second

// newSeries makes the directory of a series.
func newSeries(cmd *cobra.Command, r runner, kind, name, out string, runs []planned, skipCeiling bool) (*series, error) {
	dir := out
	if dir == "" {
		dir = newRunDirectory(kind+"-"+name, time.Now())
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("--out %s: exists already; nothing was overwritten", dir)
		}
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	s := &series{runner: r, dir: dir, runs: runs, skipCeiling: skipCeiling, progress: cmd.ErrOrStderr(),
		width: terminalWidth(cmd.ErrOrStderr()), ceilings: make(map[scenarios.Connections]*results.Ceiling), spare: firstSpare}
	s.at.Store(&dir)
	return s, nil
}

// labels name the runs in their order.
func (s *series) labels() []string {
	labels := make([]string, len(s.runs))
	for i, p := range s.runs {
		labels[i] = p.label
	}
	return labels
}

// run makes the runs in their order and tells done of each. It ends early when
// ctx ends, or when a fault could not be undone: what runs on a broken machine
// measures that. It returns the gravest of how the runs went, as an exit code
// of code, and why it ended early.
func (s *series) run(ctx context.Context, code func(ran) int, done func(int, ran)) (exit int, err error) {
	debug.SetGCPercent(gcPercent)
	fmt.Fprintf(s.progress, "%s in %s, about %s\n", plural(len(s.runs), "run"), s.dir, about(s.left(0)))
	for i, p := range s.runs {
		if ctx.Err() != nil {
			return graver(exit, exitAborted), fmt.Errorf("%w: %d of %s were made", context.Cause(ctx), i, plural(len(s.runs), "run"))
		}
		r := s.one(ctx, i, p)
		done(i, r)
		exit = graver(exit, code(r))
		if errors.Is(r.err, bench.ErrNotHealed) {
			return exitNotHealed, fmt.Errorf("%s: %w\nto undo it: ptabench heal %s", p.label, r.err, shellWord(filepath.Join(s.dir, p.dir)))
		}
	}
	if ctx.Err() != nil { // within the last one
		return graver(exit, exitAborted), context.Cause(ctx)
	}
	return exit, nil
}

// one makes a run and says in one line how it went.
func (s *series) one(ctx context.Context, i int, p planned) ran {
	dir := filepath.Join(s.dir, p.dir)
	s.at.Store(&dir)
	head := fmt.Sprintf("[%*d/%d] %s: ", len(fmt.Sprint(len(s.runs))), i+1, len(s.runs), p.label)
	began := time.Now()
	kept := p.scenario.Load.Connections
	result, err := s.runner.run(ctx, bench.Options{
		Scenario: p.scenario, Dir: dir, Version: version, Command: p.command,
		Ceiling: s.ceilings[kept], SkipCeiling: s.skipCeiling, MayLoad: mayLoadFor(p.scenario, s.mayLoad),
		Progress: func(now bench.Progress) { s.draw(head, now) },
	})
	if result != nil && result.Ceiling.PerS > 0 && s.ceilings[kept] == nil {
		ceiling := result.Ceiling
		s.ceilings[kept] = &ceiling
	}
	if result != nil && ctx.Err() == nil {
		s.spare = (time.Duration(i)*s.spare + time.Since(began) - length(p.scenario)) / time.Duration(i+1)
	}
	s.clear()
	text := head + outcome(ran{result, err})
	if left := s.left(i + 1); left > 0 && ctx.Err() == nil {
		text += ", " + about(left) + " left"
	}
	fmt.Fprintln(s.progress, text)
	return ran{result, err}
}

// outcome is how a run went, in a few words.
func outcome(r ran) string {
	if r.result == nil {
		first, _, _ := strings.Cut(r.failure(), "\n")
		return "nothing was measured: " + first
	}
	n := r.result.SignIns
	return fmt.Sprintf("%s, p99 %s, %s lost", r.result.Verdict, results.Duration(r.result.Response.P99), results.Count(n.Failed+n.Unknown))
}

// draw shows how far the run at hand is, on a terminal.
func (s *series) draw(head string, p bench.Progress) {
	if s.width == 0 {
		return
	}
	text := head + p.Phase
	if p.Changed != nil {
		return
	}
	if p.Phase == "load" || p.Phase == "warm-up" {
		text = fmt.Sprintf("%s%.0f s of %.0f s, %s", head, p.At.Seconds(), p.End.Seconds(), tally(p))
	}
	fmt.Fprintf(s.progress, "\r\x1b[K%s", cut(text, s.width-1))
}

// clear takes away what draw has drawn.
func (s *series) clear() {
	if s.width > 0 {
		fmt.Fprint(s.progress, "\r\x1b[K")
	}
}

// left is how long the runs from number i on will take.
func (s *series) left(i int) (total time.Duration) {
	for _, p := range s.runs[i:] {
		total += length(p.scenario) + s.spare
	}
	return total
}

// length is how long the load of a scenario goes on, with the search after it.
func length(s *scenarios.Scenario) time.Duration {
	return time.Duration(s.Load.Warmup + s.Load.Duration + s.Capacity.Within)
}

// about is a time to wait.
func about(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}

// graver is the one of two exit codes that tells of the graver thing.
func graver(a, b int) int {
	for _, code := range []int{exitNotHealed, exitAborted, exitFail, exitInconclusive} {
		if a == code || b == code {
			return code
		}
	}
	return exitPass
}

// exitCode is that of a run in a series. One that could not be made is aborted.
func exitCode(r ran) int {
	switch {
	case errors.Is(r.err, bench.ErrNotHealed):
		return exitNotHealed
	case r.result == nil || r.err != nil || r.result.Verdict == results.Aborted:
		return exitAborted
	case r.result.Verdict == results.Fail:
		return exitFail
	case r.result.Verdict == results.Inconclusive:
		return exitInconclusive
	}
	return exitPass
}

// seriesDir is the name of the directory of the n-th of a number of runs, made of
// what it is: what a file name should not hold is replaced.
func seriesDir(n, of int, what string) string {
	const longest = 100 // bytes; most file systems take 255
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.=+,@", r) {
			return r
		}
		return '_'
	}, what)
	return fmt.Sprintf("%0*d-%s", max(2, len(fmt.Sprint(of))), n, safe[:min(len(safe), longest)])
}

// cut shortens a text to a number of columns.
func cut(text string, columns int) string {
	if columns <= 0 || utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:columns-1]) + "…"
}

// A view is one way to show what a series came to.
type view struct {
	format string // value of --format
	file   string // in the directory of the series; empty when it has none
	write  func(io.Writer) error
}

// write writes the files of a series, all that it can.
func (s *series) write(all []view) error {
	var errs []error
	for _, v := range all {
		if v.file != "" {
			errs = append(errs, writeFile(filepath.Join(s.dir, v.file), v.write))
		}
	}
	return errors.Join(errs...)
}

// show prints a series in one format.
func (s *series) show(out io.Writer, format string, all []view) error {
	var errs []error
	for _, v := range all {
		if v.format == format {
			errs = append(errs, unlessClosed(v.write(out)))
		}
	}
	if format == "text" {
		fmt.Fprintf(out, "\ndirectory: %s\n", s.dir)
	}
	return errors.Join(errs...)
}

// conclude maps how a series ended to what its command returns.
func conclude(exit int, errs ...error) error {
	err := errors.Join(errs...)
	if exit == exitPass {
		return err
	}
	return &exitError{code: exit, err: err}
}
