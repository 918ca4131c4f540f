package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ptabench/bench"
	"ptabench/results"
	"ptabench/scenarios"
)

// runFlags are what a run can be told besides its scenario.
type runFlags struct {
	out     string
	sets    []string
	seed    uint64
	dryRun  bool
	quiet   bool
	profile bool
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario and judge it",
		Long: `Run a scenario: start the cloud simulator, the directory and the connectors as
processes, load them with sign-ins, break them as the scenario says, and judge.

SCENARIO is a shipped name (see 'ptabench scenarios') or a YAML file. The run
directory holds everything measured; 'ptabench report' shows it again.

Exit codes: 0 pass, 1 an objective was missed, 2 inconclusive, 3 bad usage or
configuration, 4 aborted, 5 a fault could not be undone.`,
		Example: `  ptabench run quickstart
  ptabench run crash-one --set cloud.handoff=off
  ptabench run throughput --set load.rate=2000/s --out runs/at-2000
  ptabench run mine.yaml --dry-run`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("seed") {
				f.sets = append(f.sets, "seed="+strconv.FormatUint(f.seed, 10))
			}
			return run(cmd, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "run directory, which must not exist (default runs/NAME-TIME)")
	flags.StringArrayVar(&f.sets, "set", nil, "set a field of the scenario, such as cloud.handoff=off or tenants[0].fallback=off; repeatable")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of everything random, instead of the scenario's")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check the scenario, print it as resolved, start nothing")
	flags.BoolVar(&f.profile, "profile", false, "leave a CPU profile of each process in the run directory (costs a few percent)")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but the verdict line")
	return cmd
}

func run(cmd *cobra.Command, nameOrFile string, f runFlags) error {
	name, text, err := scenarios.Open(nameOrFile)
	if err != nil {
		return err
	}
	scenario, err := scenarios.Parse(name, text, f.sets)
	if err != nil {
		return err
	}
	if err := bench.Refuse(scenario); err != nil {
		return err
	}
	if f.dryRun {
		_, err := cmd.OutOrStdout().Write(scenario.YAML())
		return err
	}
	dir := f.out
	if dir == "" {
		dir = filepath.Join("runs", scenario.Name+"-"+time.Now().Format("20060102-150405"))
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return judge(ctx, cmd, scenario, f.quiet, bench.Options{
		Scenario: scenario, Dir: dir, Version: version, Profile: f.profile,
		Command: repeatCommand(nameOrFile, f.sets),
	})
}

// judge runs the scenario, shows its result and turns it into an exit code.
func judge(ctx context.Context, cmd *cobra.Command, s *scenarios.Scenario, quiet bool, o bench.Options) error {
	debug.SetGCPercent(gcPercent)
	out := cmd.OutOrStdout()
	var screen *screen
	if !quiet {
		screen = newScreen(out, s, o.Dir)
		o.Progress = screen.show
	}
	result, err := bench.Run(ctx, o)
	if screen != nil {
		screen.close()
	}
	if result == nil {
		if ctx.Err() != nil {
			return &exitError{code: exitAborted, err: fmt.Errorf("run: stopped before anything was measured: %w", err)}
		}
		if errors.Is(err, bench.ErrNotHealed) {
			return &exitError{code: exitNotHealed, err: err}
		}
		return fmt.Errorf("run: %w", err)
	}
	if quiet {
		fmt.Fprintf(out, "verdict: %s\n", result.Verdict)
	} else {
		if err := results.Text(out, result, wantsColour(out)); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nrun directory: %s\n", o.Dir)
	}
	return exitOf(result.Verdict, err, o.Dir)
}

// exitOf maps how a run ended to an exit code.
func exitOf(v results.Verdict, err error, dir string) error {
	switch {
	case errors.Is(err, bench.ErrNotHealed):
		return &exitError{code: exitNotHealed, err: fmt.Errorf("%w\nto undo it: ptabench heal %s", err, dir)}
	case v == results.Aborted:
		return &exitError{code: exitAborted}
	case err != nil:
		return &exitError{code: exitAborted, err: err}
	case v == results.Fail:
		return &exitError{code: exitFail}
	case v == results.Inconclusive:
		return &exitError{code: exitInconclusive}
	}
	return nil
}

// repeatCommand is what to type to run the same again.
func repeatCommand(scenario string, sets []string) string {
	words := []string{"ptabench", "run", shellWord(scenario)}
	for _, s := range sets {
		words = append(words, "--set", shellWord(s))
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word for a POSIX shell where it needs it.
func shellWord(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,%@") == ""
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
