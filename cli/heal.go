package cli

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ptabench/bench/fault"
)

// healCommand undoes what a killed run left.
func healCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "heal RUN",
		Short: "Undo the faults that a killed run left, and end its processes",
		Long: `Undo what a run left when it was killed before it could do so itself.

RUN is a run directory. Its journal names every process the run started and
every fault it injected. Heal ends the processes that are still there, frozen
ones too, which ends the faults they held, deletes the run's nftables table and
control groups, and marks those faults as undone. Healing twice does no harm. A
run that is still going on is left alone.

Exit codes: 0 everything is undone, 3 RUN is no run directory, cannot be read
or is still going on, 5 something could not be undone.`,
		Example: "  ptabench heal runs/quickstart-20260102-150405",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := fault.Heal(ctx, args[0], cmd.OutOrStdout())
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
