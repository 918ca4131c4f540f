package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check scenario files and report every mistake in them",
		Long: `Check scenario files without running anything. Every mistake of every file is
reported at once, with its line, its column and what was expected there.
The exit code is 0 when all files are right and 3 otherwise.`,
		Example: `  ptabench validate mine.yaml
  ptabench validate scenarios/*.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wrong := false
			for _, file := range args {
				s, err := readScenario(file)
				if err != nil {
					wrong = true
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %s, %s for %s, %s, %s\n", file, s.Name, s.Load.Rate,
					s.Load.Duration, plural(len(s.Faults), "fault"), plural(len(s.Objectives), "objective"))
			}
			if wrong {
				return &exitError{code: exitUsage}
			}
			return nil
		},
	}
}

// readScenario reads and checks one file.
func readScenario(file string) (*scenarios.Scenario, error) {
	text, err := scenarios.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return scenarios.Parse(file, text, nil)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
