package cli

import (
	"fmt"
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
	scenarios.AddCommand(list, show, schema)
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
