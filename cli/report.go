package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ptabench/bench/fault"
	"ptabench/chart"
	"ptabench/page"
	"ptabench/results"
)

// reportFormats are the values of report --format.
var reportFormats = []string{"text", "json", "csv", "markdown", "junit", "html", "svg"}

// reportCommand shows what was run before: a run, a matrix, a suite.
func reportCommand() *cobra.Command {
	var format, chartName string
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "Show what a run, a matrix or a suite measured",
		Long: `Show what a run, a matrix or a suite measured, from its directory.

Of a run: text, json, csv, markdown, junit, html, svg. Of a suite: text, json,
markdown, junit, html. Of a matrix: text, json, markdown, html.

  text      the summary that the command that made it ends with
  json      result.json, matrix.json or suite.json: everything that was concluded
  csv       every sign-in of a run, one a line: when it was due, sent and done,
            how it ended
  markdown  for the summary of a job on GitHub, always under its 1 MiB
  junit     JUnit XML of a run or a suite. A test case for each objective:
            failure when it was missed, skipped when it was not, or not well
            enough, measured; and one each for the ledgers, for the conditions
            under which a run can be believed and for the run: error when it
            says nothing, so when it was aborted, a condition did not hold or
            the books do not balance; skipped when a condition was not measured.
            A run that is inconclusive (exit code 2) by its objectives alone has
            skipped cases only, which most readers of JUnit take for a success:
            let a pipeline go by the exit code of run or suite
  html      the report page, of one file that needs nothing else. A run has it
            in its directory as report.html already. Two to six runs give a page
            that lays them over each other, aligned at the first fault of each
  svg       one chart of a run, for slides and documents: see --chart

The charts:
` + chartHelp() + `

Of a matrix or a suite that ended before all planned runs were made, the verdict
is aborted, and the missing runs are named.

A run that was cut off is shown as far as it got, with the verdict aborted and
the faults that its journal has; one that is going on, as far as it has come.

The exit code says whether it could be shown, not how it went: 0, or 3 when DIR
is no such directory or its files are damaged. Of samples that end early what
is whole is shown first.`,
		Example: `  ptabench report RUN
  ptabench report RUN --format json | jq .response_ns.p99
  ptabench report RUN --format csv > sign-ins.csv
  ptabench report RUN --format markdown >> "$GITHUB_STEP_SUMMARY"
  ptabench report RUN --format junit > junit.xml
  ptabench report RUN --format svg --chart response > response.svg
  ptabench report runs/before runs/after --format html > compared.html`,
		Args: reportArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := checkChart(format, chartName)
			switch {
			case err == nil && len(args) > 1:
				err = compareRuns(cmd.OutOrStdout(), args, format)
			case err == nil && format == "svg":
				err = reportChart(cmd.OutOrStdout(), args[0], chartName)
			case err == nil:
				err = report(cmd.OutOrStdout(), args[0], format)
			}
			if err != nil {
				return &exitError{code: exitUsage, err: fmt.Errorf("report: %w", err)}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "what to print: text, json, markdown, html; csv and svg of a run; junit of a run or a suite; html alone of several runs")
	cmd.Flags().StringVar(&chartName, "chart", "", "`name` of the chart for --format svg")
	_ = cmd.RegisterFlagCompletionFunc("chart", // the flag is there
		cobra.FixedCompletions(chart.Names(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", // the flag is there
		cobra.FixedCompletions(reportFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// reportArgs says what directories are expected.
func reportArgs(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("no directory: expected that of a run, a matrix or a suite, or those of 2 to %d runs", page.Most)
	case len(args) > page.Most:
		return fmt.Errorf("%d directories: expected at most %d runs to compare", len(args), page.Most)
	}
	return nil
}

// compareRuns lays several runs over each other.
func compareRuns(out io.Writer, dirs []string, format string) error {
	if err := knownFormat(format); err != nil {
		return err
	}
	if format != "html" {
		return fmt.Errorf("--format %s: of several runs, expected html", format)
	}
	var runs []*results.Run
	var errs []error
	for _, dir := range dirs {
		run, err := results.Open(dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if pid := goingOn(run); pid != 0 {
			run.GoingOn(pid)
		}
		runs = append(runs, run)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := page.Compare(out, runs); err != nil {
		return err
	}
	for _, run := range runs { // what is whole is shown first
		errs = append(errs, run.CheckSamples())
	}
	return errors.Join(errs...)
}

// A rendering writes one format of what a directory holds.
type rendering func(out io.Writer) error

func knownFormat(format string) error {
	if !slices.Contains(reportFormats, format) {
		return fmt.Errorf("--format %s: expected one of %s", format, strings.Join(reportFormats, ", "))
	}
	return nil
}

func report(out io.Writer, dir, format string) error {
	if err := knownFormat(format); err != nil {
		return err
	}
	switch {
	case exists(dir, results.MatrixFile):
		return reportMatrix(out, filepath.Join(dir, results.MatrixFile), format)
	case exists(dir, results.SuiteFile):
		return reportSuite(out, filepath.Join(dir, results.SuiteFile), format)
	}
	return reportRun(out, dir, format)
}

// exists reports whether a directory has a file, readable or not.
func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

func reportRun(out io.Writer, dir, format string) error {
	renderings := map[string]func(io.Writer, *results.Result) error{
		"text": func(w io.Writer, r *results.Result) error { return results.Text(w, r, wantsColour(w)) },
		"json": results.JSON, "markdown": results.Markdown, "junit": results.JUnit, "csv": nil, "html": nil,
	}
	render, ok := renderings[format]
	if !ok {
		return fmt.Errorf("--format %s: only of a matrix or a suite; %s is neither, for it has no %s and no %s",
			format, dir, results.MatrixFile, results.SuiteFile)
	}
	run, err := results.Open(dir)
	if err != nil {
		return err
	}
	if pid := goingOn(run); pid != 0 {
		run.GoingOn(pid)
	}
	switch format {
	case "csv":
		return run.CSV(out)
	case "html":
		if err := page.Write(out, run); err != nil {
			return err
		}
		return run.CheckSamples()
	}
	if err := render(out, &run.Result); err != nil {
		return err
	}
	return run.CheckSamples()
}

// goingOn is the process of a run that has no result because it has not come
// to its end; 0 when there is none, or the journal does not tell.
func goingOn(run *results.Run) int {
	if !run.CutOff {
		return 0
	}
	history, err := fault.Read(run.Dir)
	if err != nil || history.Harness.PID == 0 {
		return 0
	}
	if alive, err := history.Harness.Alive(); err != nil || !alive {
		return 0
	}
	return history.Harness.PID
}

func reportMatrix(out io.Writer, path, format string) error {
	m, err := results.ReadMatrix(path)
	if err != nil {
		return err
	}
	return render(out, "a matrix", format, map[string]rendering{
		"text":     func(w io.Writer) error { return results.MatrixText(w, m, wantsColour(w)) },
		"json":     func(w io.Writer) error { return results.MatrixJSON(w, m) },
		"markdown": func(w io.Writer) error { return results.MatrixMarkdown(w, m) },
		"html":     func(w io.Writer) error { return results.MatrixHTML(w, m) },
	})
}

func reportSuite(out io.Writer, path, format string) error {
	s, err := results.ReadSuite(path)
	if err != nil {
		return err
	}
	return render(out, "a suite", format, map[string]rendering{
		"text":     func(w io.Writer) error { return results.SuiteText(w, s, wantsColour(w)) },
		"json":     func(w io.Writer) error { return results.SuiteJSON(w, s) },
		"markdown": func(w io.Writer) error { return results.SuiteMarkdown(w, s) },
		"junit":    func(w io.Writer) error { return results.SuiteJUnit(w, s) },
		"html":     func(w io.Writer) error { return results.SuiteHTML(w, s) },
	})
}

func render(out io.Writer, of, format string, all map[string]rendering) error {
	if write, ok := all[format]; ok {
		return write(out)
	}
	var known []string
	for _, name := range reportFormats {
		if all[name] != nil {
			known = append(known, name)
		}
	}
	return fmt.Errorf("--format %s: not of %s; expected one of %s", format, of, strings.Join(known, ", "))
}

// wantsColour reports whether out is a terminal whose user did not decline
// colour (no-color.org).
func wantsColour(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
