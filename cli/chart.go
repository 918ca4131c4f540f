package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ptabench/chart"
	"ptabench/results"
)

// chartHelp lists the charts for the help of report.
func chartHelp() string {
	var b strings.Builder
	for _, c := range chart.Charts() {
		fmt.Fprintf(&b, "  %-12s %s\n", c.Name, c.About)
	}
	return strings.TrimRight(b.String(), "\n")
}

// checkChart says what is wrong with --chart, before anything is read.
func checkChart(format, name string) error {
	switch {
	case format != "svg" && name != "":
		return fmt.Errorf("--chart %s: only with --format svg", name)
	case format == "svg" && !slices.Contains(chart.Names(), name):
		return fmt.Errorf("--format svg: --%w", &chart.UnknownError{Name: name})
	}
	return nil
}

// reportChart draws one chart of a run.
func reportChart(out io.Writer, dir, name string) error {
	if exists(dir, results.MatrixFile) || exists(dir, results.SuiteFile) {
		return fmt.Errorf("--format svg: only of a run; %s is a matrix or a suite, and each run of it has a directory of its own in it", dir)
	}
	run, err := results.Open(dir)
	if err != nil {
		return err
	}
	if pid := goingOn(run); pid != 0 {
		run.GoingOn(pid)
	}
	if err := chart.Write(out, run, name); err != nil {
		return err
	}
	return run.CheckSamples()
}
