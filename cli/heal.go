package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"ptabench/bench/fault"
)

// healCommand undoes what a killed run left.
func healCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "heal DIR",
		Short: "Undo the faults that a killed run left, and end its processes",
		Long: `Undo what a run left when it was killed before it could do so itself.

DIR is a run directory, or that of a suite or a matrix, of which every run is
healed. The journal of a run names every process the run started and every fault
it injected. Heal ends the processes that are still there, frozen
ones too, which ends the faults they held, deletes the run's nftables table and
control groups, and marks those faults as undone. Healing twice does no harm. A
run that is still going on is left alone.

Exit codes, the gravest of all runs: 0 everything is undone, 3 DIR is no run
directory and has none, cannot be read or is still going on, 5 something could
not be undone.`,
		Example: "  ptabench heal runs/quickstart-20260102-150405\n" +
			"  ptabench heal runs/suite-ha-20260102-150405",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := heal(ctx, args[0], cmd.OutOrStdout())
			switch {
			case err == nil:
				return nil
			case errors.Is(err, fault.ErrNotHealed):
				return &exitError{code: exitNotHealed, err: err}
			}
			return &exitError{code: exitUsage, err: err}
		},
	}
}

// heal heals a run or, of a directory that is none, every run right below it.
func heal(ctx context.Context, dir string, out io.Writer) error {
	runs := runsBelow(dir)
	if exists(dir, fault.JournalName) || len(runs) == 0 {
		return fault.Heal(ctx, dir, out)
	}
	var errs []error
	for _, run := range runs {
		fmt.Fprintf(out, "%s:\n", run)
		err := fault.Heal(ctx, run, out)
		if err != nil {
			fmt.Fprintln(out, "not healed")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// runsBelow are the directories in dir that have a journal.
func runsBelow(dir string) (runs []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // healing dir itself says why
	}
	for _, e := range entries {
		if run := filepath.Join(dir, e.Name()); e.IsDir() && exists(run, fault.JournalName) {
			runs = append(runs, run)
		}
	}
	return runs
}
