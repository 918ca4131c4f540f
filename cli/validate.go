package cli

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check scenario and suite files and report every mistake in them",
		Long: `Check files of scenarios and suites without running anything; a suite is a file
with runs, whose scenarios are checked too. Every mistake of every file is
reported at once, with its line, its column and what was expected there. What
this machine cannot do is not looked for.
The exit code is 0 when all files are right and 3 otherwise.`,
		Example: `  ptabench validate mine.yaml
  ptabench validate scenarios/*.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wrong := false
			for _, file := range args {
				what, err := validate(file)
				if err != nil {
					wrong = true
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %s\n", file, what)
			}
			if wrong {
				return &exitError{code: exitUsage}
			}
			return nil
		},
	}
}

// suiteText is what a suite has and a scenario has not.
var suiteText = regexp.MustCompile(`(?m)^runs *:`)

// validate reads and checks one file, and says what is in it.
func validate(file string) (string, error) {
	text, err := scenarios.ReadFile(file)
	if err != nil {
		return "", err
	}
	if suiteText.Match(text) {
		s, err := scenarios.ParseSuite(file, text)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("suite %s, %s", s.Name, plural(len(s.Runs), "run")), nil
	}
	s, err := scenarios.Parse(file, text, nil)
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("%s, %s for %s, %s, %s", s.Name, s.Load.Rate, s.Load.Duration,
		plural(len(s.Faults), "fault"), plural(len(s.Objectives), "objective"))
	for _, section := range s.Unused {
		what += fmt.Sprintf("; no tenant's method makes use of %s", section)
	}
	return what, nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
