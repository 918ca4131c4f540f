package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

func presetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "presets",
		Short: "Print what each preset sets, and where its figures come from",
		Long: `Print the presets: the documented behaviour of products, as one line of a
scenario, such as "preset: entra". Below each are the fields that it sets, and
for each whether the vendor documents the value or we assume it, and why.

A scenario may leave these fields out. With a preset other than the default it
may not contradict them.`,
		Example: `  ptabench scenarios presets
  ptabench run crash-all --set preset=okta --set time_scale=100`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for i, preset := range scenarios.Presets() {
				if i > 0 {
					fmt.Fprintln(table)
				}
				fmt.Fprintln(table, preset)
				for _, s := range scenarios.PresetSettings(preset) {
					fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Field, s.Value, s.Source)
				}
			}
			return table.Flush()
		},
	}
}
