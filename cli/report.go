package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ptabench/results"
)

// reportFormats are the values of report --format.
var reportFormats = []string{"text", "json", "csv"}

// reportCommand shows a run that was made before.
func reportCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Show what a run measured",
		Long: `Show what a run measured, from its run directory.

  text  the summary that 'ptabench run' ends with
  json  result.json: everything that was concluded
  csv   every sign-in, one a line: when it was due, sent and done, how it ended

A run that was cut off is shown as far as it got, with the verdict aborted.

The exit code says whether the run could be shown, not how it went: 0, or 3
when RUN is no run directory or its files are damaged. Of samples that end
early what is whole is shown first.`,
		Example: `  ptabench report runs/quickstart
  ptabench report runs/quickstart --format json | jq .response_ns.p99
  ptabench report runs/quickstart --format csv > sign-ins.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := report(cmd.OutOrStdout(), args[0], format); err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("report: %w", err)}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "what to print: "+strings.Join(reportFormats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", // the flag is there
		cobra.FixedCompletions(reportFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func report(out io.Writer, dir, format string) error {
	if !slices.Contains(reportFormats, format) {
		return fmt.Errorf("--format %s: expected one of %s", format, strings.Join(reportFormats, ", "))
	}
	run, err := results.Open(dir)
	if err != nil {
		return err
	}
	switch format {
	case "csv":
		return run.CSV(out)
	case "json":
		err = results.JSON(out, &run.Result)
	default:
		err = results.Text(out, &run.Result, wantsColour(out))
	}
	if err != nil {
		return err
	}
	return run.CheckSamples()
}

// wantsColour reports whether out is a terminal whose user did not decline
// colour (no-color.org).
func wantsColour(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}
