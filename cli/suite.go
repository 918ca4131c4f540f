package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ptabench/results"
	"ptabench/scenarios"
)

// suiteFlags are what a suite can be told besides its name.
type suiteFlags struct {
	sets        []string
	out, format string
	skipCeiling bool
	list        bool
}

func suiteCommand(r runner) *cobra.Command {
	var f suiteFlags
	cmd := &cobra.Command{
		Use:   "suite [NAME|FILE]",
		Short: "Run several scenarios and judge them together",
		Long: `Run the scenarios of a suite, one after the other, and end with one table and
one exit code.

A suite is a shipped one by its name (without an argument they are listed) or a
YAML file: a name, and runs, each a scenario and what is set in it. All of them
are checked before the first begins.

The directory holds suite.json, suite.md, suite.xml (JUnit), suite.html and the
run directory of each run. Ctrl-C ends it early, with a table of what there is.

Exit codes, the gravest of all runs: 5 a fault could not be undone (which ends
the suite), 4 a run was aborted or could not be made, 1 an objective was missed,
2 a run was inconclusive, 0 all passed; 3 bad usage or configuration.`,
		Example: `  ptabench suite
  ptabench suite ha --out runs/ha
  ptabench suite ha --set load.rate=500/s --format markdown > summary.md
  ptabench suite ours.yaml --format junit > results.xml`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeSuite,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.list || len(args) == 0 {
				return listSuites(cmd)
			}
			return suite(cmd, r, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.sets, "set", nil, "set a field in all scenarios, over what the suite sets; repeatable")
	flags.StringVar(&f.out, "out", "", "directory of the suite, which must not exist (default runs/suite-NAME-TIME)")
	flags.BoolVar(&f.skipCeiling, "skip-ceiling", false, "do not measure the load generator before the first run")
	flags.BoolVar(&f.list, "list", false, "list the shipped suites")
	formatFlag(cmd, &f.format, suiteFormats)
	return cmd
}

func listSuites(cmd *cobra.Command) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range scenarios.Suites() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.Summary)
	}
	return table.Flush()
}

// completeSuite completes the name of a shipped suite, or of a YAML file.
func completeSuite(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, s := range scenarios.Suites() {
		all = append(all, cobra.CompletionWithDesc(s.Name, s.Summary))
	}
	return append(all, yamlFiles(typed)...), cobra.ShellCompDirectiveNoFileComp
}

func suite(cmd *cobra.Command, r runner, nameOrFile string, f suiteFlags) error {
	if err := checkFormat(f.format, suiteFormats); err != nil {
		return err
	}
	plan, err := planSuite(nameOrFile, f)
	if err != nil {
		return err
	}
	if done, err := elsewhere(cmd, plan.scenarios...); done || err != nil {
		return err
	}
	if err := refuseAll(plan.labels, plan.scenarios, "", r.refuse); err != nil {
		return err
	}
	s, err := newSeries(cmd, r, "suite", plan.suite.Name, f.out, plan.runs, f.skipCeiling)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context(), cmd.ErrOrStderr(), ofRun(func() string { return *s.at.Load() }))
	defer stop()

	var inputs []results.SuiteInput
	var kept error // of the file, the last
	file := filepath.Join(s.dir, results.SuiteFile)
	made := func() *results.SuiteResult {
		all := results.NewSuite(plan.suite.Name, plan.suite.Description, inputs)
		all.Command = plan.command
		all.Expect(s.labels())
		return all
	}
	views := func(all *results.SuiteResult) []view {
		return []view{
			{"json", "", func(w io.Writer) error { return results.SuiteJSON(w, all) }}, // its file is there
			{"markdown", "suite.md", func(w io.Writer) error { return results.SuiteMarkdown(w, all) }},
			{"html", "suite.html", func(w io.Writer) error { return results.SuiteHTML(w, all) }},
			{"junit", "suite.xml", func(w io.Writer) error { return results.SuiteJUnit(w, all) }},
			{"text", "", func(w io.Writer) error { return results.SuiteText(w, all, wantsColour(w)) }},
		}
	}
	// Again and again, from before the first run on: whatever happens, what there
	// is can be read, and says how much of it is missing.
	keep := func() {
		all := made()
		kept = errors.Join(results.WriteSuite(file, all), s.write(views(all)))
	}
	keep()
	exit, err := s.run(ctx, exitCode, func(i int, run ran) {
		of := plan.suite.Runs[i]
		inputs = append(inputs, results.SuiteInput{Name: of.Name, Scenario: plan.scenarios[i].Name,
			Set: slices.Concat(of.Set, f.sets), Dir: s.runs[i].dir, Result: run.result, Error: run.failure()})
		keep()
	})
	if len(inputs) == 0 {
		return conclude(exit, err, kept)
	}
	return conclude(exit, err, kept, s.show(cmd.OutOrStdout(), f.format, views(made())))
}

// suitePlan is every run of a suite.
type suitePlan struct {
	suite     *scenarios.Suite
	labels    []string
	scenarios []*scenarios.Scenario
	runs      []planned
	command   string // repeats all
}

// planSuite reads a suite and its scenarios, and reports everything that is
// wrong with any of them.
func planSuite(nameOrFile string, f suiteFlags) (*suitePlan, error) {
	name, text, err := scenarios.OpenSuite(nameOrFile)
	if err != nil {
		return nil, err
	}
	p := &suitePlan{command: repeatSuite(nameOrFile, f)}
	if p.suite, err = scenarios.ParseSuite(name, text); err != nil {
		return nil, err
	}
	var errs []error
	for i, run := range p.suite.Runs {
		file, text, err := run.Open(name)
		if err != nil { // it was there a moment ago
			errs = append(errs, err)
			continue
		}
		sets := slices.Concat(run.Set, f.sets)
		scenario, err := scenarios.Parse(file, text, sets)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:\n%w", run.Name, err))
			continue
		}
		p.labels, p.scenarios = append(p.labels, run.Name), append(p.scenarios, scenario)
		p.runs = append(p.runs, planned{label: run.Name, dir: seriesDir(i+1, len(p.suite.Runs), run.Name),
			scenario: scenario, command: repeatCommand(scenarioPath(run.Scenario, file), sets)})
	}
	return p, errors.Join(errs...)
}

// scenarioPath is by which argument `ptabench run` finds a run's scenario: the
// name of a shipped one, else its file.
func scenarioPath(scenario, file string) string {
	if slices.ContainsFunc(scenarios.List(), func(l scenarios.Listed) bool { return l.Name == scenario }) {
		return scenario
	}
	return file
}

// repeatSuite is what to type to run the same suite again.
func repeatSuite(suite string, f suiteFlags) string {
	return commandLine(slices.Concat([]string{"ptabench", "suite", suite}, each("--set", f.sets))...)
}
