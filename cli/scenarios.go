package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

func scenariosCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List the shipped scenarios",
		Args:  cobra.NoArgs,
		RunE:  listScenarios,
	}
	show := &cobra.Command{
		Use:   "show NAME",
		Short: "Print a shipped scenario, to read it or to begin one of your own",
		Example: `  ptabench scenarios show quickstart
  ptabench scenarios show crash-one > mine.yaml && ptabench run mine.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := scenarios.Shipped(args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenarios, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of scenarios: every field with what it
means, its default and its bounds. An editor that knows it completes and checks
a scenario while it is written.`,
		Example: `  ptabench scenarios schema > ptabench.schema.json
  sed -i '1i # yaml-language-server: $schema=ptabench.schema.json' mine.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(scenarios.Schema())
			return err
		},
	}
	scenarios := &cobra.Command{
		Use:   "scenarios",
		Short: "List and show the shipped scenarios, and what a scenario may say",
		Args:  cobra.NoArgs,
		RunE:  listScenarios,
	}
	scenarios.AddCommand(list, show, schema, presetsCommand())
	return scenarios
}

func listScenarios(cmd *cobra.Command, _ []string) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range scenarios.List() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.Summary)
	}
	return table.Flush()
}

// completeScenario completes the name of a shipped scenario.
func completeScenario(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, s := range scenarios.List() {
		all = append(all, cobra.CompletionWithDesc(s.Name, s.Summary))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeScenarioOrFile completes the name of a shipped scenario, or of a YAML
// file.
func completeScenarioOrFile(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	all, directive := completeScenario(cmd, args, typed)
	if len(args) > 0 {
		return all, directive
	}
	return append(all, yamlFiles(typed)...), directive
}

// yamlFiles are the YAML files, and the directories that may hold some, whose
// path begins as typed.
func yamlFiles(typed string) (all []cobra.Completion) {
	dir, start := filepath.Split(typed)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil // nothing to complete
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case !strings.HasPrefix(name, start) || start == "" && strings.HasPrefix(name, "."):
		case e.IsDir():
			all = append(all, dir+name+"/")
		case strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml"):
			all = append(all, dir+name)
		}
	}
	return all
}
