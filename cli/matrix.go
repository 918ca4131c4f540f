package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ptabench/results"
	"ptabench/scenarios"
)

// maxMatrix bounds the runs of a matrix: at half a minute each, they take an
// hour and three quarters.
const maxMatrix = 200

// matrixFormats are the values of matrix --format and suite --format.
var (
	matrixFormats = []string{"text", "markdown", "html", "json"}
	suiteFormats  = []string{"text", "markdown", "html", "json", "junit"}
)

// matrixFlags are what a matrix can be told besides its scenario.
type matrixFlags struct {
	vary, sets  []string
	repeat      int
	out, format string
	skipCeiling bool
	mayLoad     string // address of somebody's own directory
}

func matrixCommand(r runner) *cobra.Command {
	var f matrixFlags
	cmd := &cobra.Command{
		Use:   "matrix SCENARIO [--vary KEY=A,B,C ...]",
		Short: "Run a scenario under several settings and compare them in one table",
		Long: `Run the same scenario once for each combination of settings, one run after the
other, and compare in one table what its faults did: time to detect, sign-ins
lost, wrong answers, response p99, time to recover.

SCENARIO is a shipped name or a YAML file. A KEY is a field of it, as for --set:
preset, cloud.dispatch, connectors.count, load.rate. A comma within brackets or
quotes belongs to its value. Without --vary it is what the scenario's field vary
says. All combinations are checked before the first run.
With --repeat, whole rounds are repeated, so that what changes on the machine
meanwhile hits all combinations alike; the table then shows medians. With a
directory of your own, each run loads it anew.

The directory holds matrix.json, matrix.md, matrix.html and the run directory of
each run. Ctrl-C ends it early, with a table of what there is.

A matrix compares: that one of its combinations misses an objective is what one
wanted to know, and no error. Exit codes: 0 every run could be measured,
2 one of them was inconclusive, 3 bad usage or configuration, 4 one was aborted
or could not be made, or the matrix was interrupted, 5 a fault could not be
undone (which ends it).`,
		Example: `  ptabench matrix compare-presets
  ptabench matrix crash-one --vary cloud.handoff=on,off
  ptabench matrix crash-all --vary connectors.count=2,3 --vary cloud.dispatch=random,round-robin
  ptabench matrix crash-one --vary cloud.heartbeat=100ms,250ms,1s --repeat 3 --out runs/heartbeats`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarioOrFile,
		RunE:              func(cmd *cobra.Command, args []string) error { return matrix(cmd, r, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.vary, "vary", nil, "a field of the scenario and its values, such as cloud.handoff=on,off; repeatable")
	flags.StringArrayVar(&f.sets, "set", nil, "set a field for all runs, such as load.rate=500/s; repeatable")
	flags.IntVar(&f.repeat, "repeat", 1, "runs of each combination, in whole rounds")
	flags.StringVar(&f.out, "out", "", "directory of the matrix, which must not exist (default runs/matrix-NAME-TIME)")
	flags.BoolVar(&f.skipCeiling, "skip-ceiling", false, "do not measure the load generator before the first run")
	mayLoadFlagOf(flags, &f.mayLoad)
	formatFlag(cmd, &f.format, matrixFormats)
	return cmd
}

// formatFlag adds --format with its values.
func formatFlag(cmd *cobra.Command, format *string, values []string) {
	cmd.Flags().StringVar(format, "format", "text", "what to print at the end: "+strings.Join(values, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", // the flag is there
		cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func checkFormat(format string, values []string) error {
	if slices.Contains(values, format) {
		return nil
	}
	return fmt.Errorf("--format %s: expected one of %s", format, strings.Join(values, ", "))
}

func matrix(cmd *cobra.Command, r runner, nameOrFile string, f matrixFlags) error {
	name, text, err := scenarios.Open(nameOrFile)
	if err != nil {
		return err
	}
	plan, err := planMatrix(r, nameOrFile, name, text, f)
	if err != nil {
		return err
	}
	if done, err := elsewhere(cmd, plan.scenarios...); done || err != nil {
		return err
	}
	if err := refuseAll(plan.labels, plan.scenarios, f.mayLoad, r.refuse); err != nil {
		return err
	}
	s, err := newSeries(cmd, r, "matrix", plan.scenarios[0].Name, f.out, plan.runs(f.repeat), f.skipCeiling)
	if err != nil {
		return err
	}
	s.mayLoad = f.mayLoad
	ctx, stop := interruptible(cmd.Context(), cmd.ErrOrStderr(), ofRun(func() string { return *s.at.Load() }))
	defer stop()

	var inputs []results.MatrixInput
	var kept error // of the file, the last
	file := filepath.Join(s.dir, results.MatrixFile)
	made := func() *results.Matrix {
		m := results.NewMatrix(plan.scenarios[0].Name, plan.keys, inputs)
		m.Command = plan.command
		m.Expect(s.labels())
		return m
	}
	views := func(m *results.Matrix) []view {
		return []view{
			{"json", "", func(w io.Writer) error { return results.MatrixJSON(w, m) }}, // its file is there
			{"markdown", "matrix.md", func(w io.Writer) error { return results.MatrixMarkdown(w, m) }},
			{"html", "matrix.html", func(w io.Writer) error { return results.MatrixHTML(w, m) }},
			{"text", "", func(w io.Writer) error { return results.MatrixText(w, m, wantsColour(w)) }},
		}
	}
	// Again and again, from before the first run on: whatever happens, what there
	// is can be read, and says how much of it is missing.
	keep := func() {
		m := made()
		kept = errors.Join(results.WriteMatrix(file, m), s.write(views(m)))
	}
	keep()
	exit, err := s.run(ctx, matrixCode, func(i int, run ran) {
		inputs = append(inputs, results.MatrixInput{Settings: plan.settings[i%len(plan.settings)],
			Dir: s.runs[i].dir, Result: run.result, Error: run.failure()})
		keep()
	})
	if len(inputs) == 0 {
		return conclude(exit, err, kept)
	}
	return conclude(exit, err, kept, s.show(cmd.OutOrStdout(), f.format, views(made())))
}

// matrixCode is the exit code of a run of a matrix: an objective that was
// missed is a finding.
func matrixCode(r ran) int {
	if code := exitCode(r); code != exitFail {
		return code
	}
	return exitPass
}

// matrixPlan is every combination of a matrix.
type matrixPlan struct {
	keys      []string
	settings  [][]results.Setting
	labels    []string
	scenarios []*scenarios.Scenario
	commands  []string // each repeats one combination
	command   string   // repeats all
}

// planMatrix makes every combination, and reports everything that is wrong
// with any of them.
func planMatrix(r runner, nameOrFile, name string, text []byte, f matrixFlags) (*matrixPlan, error) {
	if len(f.vary) == 0 {
		base, err := scenarios.Parse(name, text, f.sets)
		if err != nil {
			return nil, errors.Join(err, lacking(r, name, text, f.sets, f.mayLoad))
		}
		f.vary = base.Vary
	}
	varied, err := parseVaries(f.vary, f.sets)
	errs := []error{err, checkFormat(f.format, matrixFormats)}
	if f.repeat < 1 {
		errs = append(errs, fmt.Errorf("--repeat %d: expected 1 or more", f.repeat))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &matrixPlan{command: repeatMatrix(nameOrFile, f)}
	runs := f.repeat
	for _, v := range varied {
		p.keys = append(p.keys, v.key)
		if runs *= len(v.values); runs > maxMatrix || runs < 0 {
			return nil, fmt.Errorf("--vary: more than %d runs; vary less, or repeat less", maxMatrix)
		}
	}
	wrong := &grouped{}
	for _, settings := range combinations(varied) {
		sets, label := slices.Clone(f.sets), combinationText(settings)
		for _, s := range settings {
			sets = append(sets, s.Key+"="+s.Value)
		}
		scenario, err := scenarios.Parse(name, text, sets)
		var mayLoad []string
		if err != nil {
			wrong.add(label, errors.Join(err, lacking(r, name, text, sets, f.mayLoad)))
		} else {
			mayLoad = mayLoadFlag(mayLoadFor(scenario, f.mayLoad))
		}
		p.settings, p.labels = append(p.settings, settings), append(p.labels, label)
		p.scenarios, p.commands = append(p.scenarios, scenario), append(p.commands, repeatCommand(nameOrFile, sets, mayLoad...))
	}
	return p, wrong.err()
}

// lacking is what else is missing for one combination that has mistakes.
func lacking(r runner, name string, text []byte, sets []string, mayLoad string) error {
	told := scenarios.Readable(name, text, sets)
	return r.lacks(told, mayLoadFor(told, mayLoad))
}

// runs are the runs of the plan, round after round.
func (p *matrixPlan) runs(rounds int) (all []planned) {
	total := rounds * len(p.labels)
	for round := range rounds {
		for i, label := range p.labels {
			dir := seriesDir(len(all)+1, total, strings.ReplaceAll(label, ", ", ","))
			if rounds > 1 {
				label = fmt.Sprintf("%s (round %d)", label, round+1)
			}
			all = append(all, planned{label: label, dir: dir, scenario: p.scenarios[i], command: p.commands[i]})
		}
	}
	return all
}

// refuseAll says which scenarios cannot be run on this machine, or may not be by
// who says that they may load the directory at an address.
func refuseAll(labels []string, all []*scenarios.Scenario, mayLoad string, refuse func(s *scenarios.Scenario, mayLoad string) error) error {
	external := slices.ContainsFunc(all, func(s *scenarios.Scenario) bool { return s.Directory.Kind == scenarios.Outside })
	wrong := &grouped{}
	for i, s := range all {
		given := mayLoad
		if external {
			given = mayLoadFor(s, mayLoad)
		}
		wrong.add(labels[i], refuse(s, given))
	}
	return wrong.err()
}

// repeatMatrix is what to type to make the same matrix again.
func repeatMatrix(scenario string, f matrixFlags) string {
	words := slices.Concat([]string{"ptabench", "matrix", scenario}, each("--vary", f.vary), each("--set", f.sets))
	if f.repeat > 1 {
		words = append(words, "--repeat", strconv.Itoa(f.repeat))
	}
	return commandLine(append(words, mayLoadFlag(f.mayLoad)...)...)
}

// grouped collects errors, of which the same one may come of many.
type grouped struct {
	texts  []string
	labels map[string][]string
}

func (g *grouped) add(label string, err error) {
	if err == nil {
		return
	}
	if g.labels == nil {
		g.labels = make(map[string][]string)
	}
	text := err.Error()
	if g.labels[text] == nil {
		g.texts = append(g.texts, text)
	}
	g.labels[text] = append(g.labels[text], label)
}

// err names each error once, with whom it is of.
func (g *grouped) err() error {
	const named = 3
	var errs []error
	for _, text := range g.texts {
		of := g.labels[text]
		who := strings.Join(of[:min(len(of), named)], "; ")
		if len(of) > named {
			who += fmt.Sprintf("; and %d more", len(of)-named)
		}
		errs = append(errs, fmt.Errorf("%s:\n%s", who, text))
	}
	return errors.Join(errs...)
}
