package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"ptabench/bench/noop"
	"ptabench/observe"
)

// noopCommand is the target of the load generator's ceiling. It is hidden: by
// itself it is of no use to anybody.
func noopCommand() *cobra.Command {
	var cfg noop.Config
	cmd := &cobra.Command{
		Use:    "noop",
		Short:  "Answer every sign-in with the same token, for the load generator's ceiling",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return noop.Run(ctx, log, cfg, ready)
			})
		},
	}
	cmd.Flags().StringVar(&cfg.Name, "name", noop.Role, "name of this process in its ready line")
	cmd.Flags().StringVar(&cfg.Listen, "listen", "127.0.0.1", "address to listen on")
	return cmd
}
