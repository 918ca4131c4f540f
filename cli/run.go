package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ptabench/bench"
	"ptabench/results"
	"ptabench/scenarios"
)

// A runner makes runs. Tests put another one in its place.
type runner struct {
	refuse func(s *scenarios.Scenario, mayLoad string) error
	lacks  func(s *scenarios.Scenario, mayLoad string) error // of one with mistakes
	run    func(context.Context, bench.Options) (*results.Result, error)
	up     func(context.Context, bench.Options, func(bench.Standing)) error
}

// runFlags are what a run can be told besides its scenario.
type runFlags struct {
	out             string
	sets            []string
	seed            string
	dryRun          bool
	quiet           bool
	profile         bool
	skipCeiling     bool
	unobserved      bool
	mayLoad         string // address of somebody's own directory
	markdown, junit string
	ui              string // address of the live page; empty for none
	dashboards      dashboardFlags
}

func runCommand(r runner) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario and judge it",
		Long: `Run a scenario: start the cloud simulator, the directory and the connectors as
processes, load them with sign-ins, break them as the scenario says, and judge.

SCENARIO is a shipped name (see 'ptabench scenarios') or a YAML file. The run
directory holds everything measured; 'ptabench report' shows it again.

First, for a second and a half, the load generator is measured against a target
that does nothing: a load close to what it reaches there says little of the
system under test.

On a terminal a live screen shows how it goes, and what the run came to stays in
its place; elsewhere there is a line now and then. --ui shows the report page in
a browser while the run goes on, with a button that stops it as Ctrl-C does; the
address that is printed has a token, and the page ends as the report. It is
served until the command ends, which waits up to 3 s for open pages to take the
last update.

Ctrl-C, SIGTERM and a hang-up end a run early: what is broken is put right and
every process ended. A second one says that this goes on, and how to do it by
hand; a third ends the program at once, and 'ptabench heal' puts right the rest.

Exit codes: 0 pass, 1 an objective was missed, 2 inconclusive, 3 bad usage or
configuration, 4 aborted, by a stop condition of the scenario too, 5 a fault
could not be undone.`,
		Example: `  ptabench run quickstart
  ptabench run crash-one --set cloud.handoff=off
  ptabench run quickstart --ui :8080
  ptabench run throughput --set load.rate=2000/s --out runs/at-2000
  ptabench run crash-one --quiet --junit results.xml --markdown summary.md
  ptabench run mine.yaml --dry-run`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarioOrFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("seed") {
				f.sets = append(f.sets, "seed="+f.seed)
			}
			return run(cmd, r, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "run directory, which must not exist (default runs/NAME-TIME)")
	flags.StringArrayVar(&f.sets, "set", nil, "set a field of the scenario, such as cloud.handoff=off or tenants[0].fallback=off; repeatable")
	flags.StringVar(&f.seed, "seed", "", "seed of everything random, a whole `number`, instead of the scenario's")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check the scenario, print it as resolved and say what this machine lacks for it, start nothing")
	flags.BoolVar(&f.profile, "profile", false, "leave a CPU profile of each process in the run directory (costs a few percent)")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but the verdict line")
	flags.StringVar(&f.markdown, "markdown", "", "write the summary to this file too, as Markdown")
	flags.StringVar(&f.junit, "junit", "", "write the objectives to this file too, as JUnit XML (see 'ptabench report --help')")
	flags.StringVar(&f.ui, "ui", "", "show the run in a browser while it goes on, at this `[HOST]:PORT`; on this machine only unless there is a host, at a free port when it is 0")
	f.dashboards.register(flags)
	flags.BoolVar(&f.skipCeiling, "skip-ceiling", false, "do not measure the load generator first; the result says so")
	mayLoadFlagOf(flags, &f.mayLoad)
	flags.BoolVar(&f.unobserved, "unobserved", false, "ask the processes for nothing while the load goes on; nothing is checked then, and the run is inconclusive")
	_ = flags.MarkHidden("unobserved") // it is there
	return cmd
}

func run(cmd *cobra.Command, r runner, nameOrFile string, f runFlags) error {
	name, text, err := scenarios.Open(nameOrFile)
	if err != nil {
		return err
	}
	scenario, err := scenarios.Parse(name, text, f.sets)
	if err != nil {
		return errors.Join(err, r.lacks(scenarios.Readable(name, text, f.sets), f.mayLoad))
	}
	if err := errors.Join(refuseOutputs(runOutputs(f.markdown, f.junit, nil)...), f.dashboards.check(scenario)); err != nil {
		return err
	}
	done, err := elsewhereWith(cmd, f.ui, scenario)
	var ended *exitError // how it ended there
	if there := done && (err == nil || errors.As(err, &ended)); f.dryRun && !there {
		// What this machine lacks comes last: the scenario can be read all the same.
		if err := dryRun(cmd.OutOrStdout(), scenario); err != nil {
			return err
		}
	}
	if done || err != nil {
		return err
	}
	if err := r.refuse(scenario, f.mayLoad); err != nil || f.dryRun {
		return err
	}
	dir := f.out
	if dir == "" {
		dir = newRunDirectory(scenario.Name, time.Now())
	}
	stderr := &redirected{to: cmd.ErrOrStderr()}
	ctx, stop := interruptible(cmd.Context(), stderr, ofRun(func() string { return dir }))
	defer stop()
	return judge(ctx, cmd, stderr, r, f, bench.Options{
		Scenario: scenario, Dir: dir, Version: version, Profile: f.profile,
		SkipCeiling: f.skipCeiling, Unobserved: f.unobserved, MayLoad: f.mayLoad,
		Command: repeatCommand(nameOrFile, f.sets, mayLoadFlag(f.mayLoad)...),
	})
}

// newRunDirectory is where what nobody gave a directory goes: by its name and the
// time, and by a number when that is taken.
func newRunDirectory(name string, now time.Time) string {
	dir := filepath.Join("runs", name+"-"+now.Format("20060102-150405"))
	free := dir
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil { // what else is wrong with it, whoever makes it will say
			return free
		}
		free = fmt.Sprintf("%s-%d", dir, n)
	}
}

// dryRun prints a scenario as resolved and, where that is not what it says, the
// faults as they will be injected.
func dryRun(out io.Writer, s *scenarios.Scenario) error {
	text := s.YAML()
	schedule := s.Schedule()
	if !slices.EqualFunc(schedule, s.Faults, func(a, b scenarios.Fault) bool { return a.String() == b.String() }) {
		text = append(text, "# The faults as they will be injected:\n"...)
		for _, f := range schedule {
			text = fmt.Appendf(text, "#   %s\n", f)
		}
	}
	_, err := out.Write(text)
	return err
}

// judge runs the scenario, shows its result and turns it into an exit code.
func judge(ctx context.Context, cmd *cobra.Command, stderr *redirected, r runner, f runFlags, o bench.Options) (ended error) {
	debug.SetGCPercent(gcPercent)
	out := cmd.OutOrStdout()
	ctx, page, err := openPage(ctx, stderr, f.ui, &o)
	if err != nil {
		return err
	}
	defer func() { ended = alsoFailed(ended, page.close()) }()
	boards, err := openDashboards(ctx, stderr, f.dashboards, &o)
	if err != nil {
		return err
	}
	var screen *screen
	if !f.quiet {
		screen = newScreen(out, o.Scenario, o.Dir)
		o.Progress = both(screen.show, o.Progress)
		stderr.through(screen.beside)
	}
	result, err := r.run(ctx, o)
	page.finish(o.Dir, result, err)
	boards.close(stderr, result)
	if screen != nil {
		stderr.through(nil)
		screen.close()
	}
	if result == nil {
		if errors.Is(err, bench.ErrNotHealed) {
			return &exitError{code: exitNotHealed, err: err}
		}
		if ctx.Err() != nil {
			return &exitError{code: exitAborted, err: fmt.Errorf("run: stopped before anything was measured: %w", err)}
		}
		return fmt.Errorf("run: %w", err)
	}
	var shown error
	if f.quiet {
		fmt.Fprintf(out, "verdict: %s\n", result.Verdict)
	} else {
		shown = unlessClosed(results.Text(out, result, wantsColour(out)))
		screen.summary(result)
		fmt.Fprintf(out, "\nrun directory: %s\n", o.Dir)
	}
	written := writeOutputs(runOutputs(f.markdown, f.junit, result)...)
	return alsoFailed(exitOf(result.Verdict, err, o.Dir), errors.Join(shown, written))
}

// exitOf maps how a run ended to an exit code. What it says of an aborted run
// is why: with --quiet nothing else does.
func exitOf(v results.Verdict, err error, dir string) error {
	switch {
	case errors.Is(err, bench.ErrNotHealed):
		return &exitError{code: exitNotHealed, err: fmt.Errorf("%w\nto undo it: ptabench heal %s", err, shellWord(dir))}
	case v == results.Aborted || err != nil:
		return &exitError{code: exitAborted, err: err}
	case v == results.Fail:
		return &exitError{code: exitFail}
	case v == results.Inconclusive:
		return &exitError{code: exitInconclusive}
	}
	return nil
}

// alsoFailed adds an error to how a command ended. The exit code stays that of
// the verdict, unless that is pass.
func alsoFailed(ended, also error) error {
	var exit *exitError
	switch {
	case also == nil:
		return ended
	case errors.As(ended, &exit):
		return &exitError{code: exit.code, err: errors.Join(exit.err, also)}
	}
	return errors.Join(ended, also)
}

// repeatCommand is what to type to run the same again.
func repeatCommand(scenario string, sets []string, more ...string) string {
	return commandLine(slices.Concat([]string{"ptabench", "run", scenario}, each("--set", sets), more)...)
}

// mayLoadFlagOf adds --i-may-load.
func mayLoadFlagOf(flags *pflag.FlagSet, address *string) {
	flags.StringVar(address, "i-may-load", "", "the address of your own directory, as directory.external.url has it: says that you may load it with sign-ins, wrong passwords among them")
}

// mayLoadFor is the address for one of several scenarios: none for another kind of
// directory.
func mayLoadFor(s *scenarios.Scenario, address string) string {
	if s.Directory.Kind != scenarios.Outside {
		return ""
	}
	return address
}

func mayLoadFlag(address string) []string {
	if address == "" {
		return nil
	}
	return []string{"--i-may-load", address}
}

// each is a flag given once for each value.
func each(flag string, values []string) []string {
	var words []string
	for _, value := range values {
		words = append(words, flag, value)
	}
	return words
}

// commandLine is words as one types them in a POSIX shell.
func commandLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellWord(word)
	}
	return strings.Join(quoted, " ")
}

// shellWord quotes a word for a POSIX shell where it needs it.
func shellWord(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,%@") == ""
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
