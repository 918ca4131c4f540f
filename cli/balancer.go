package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/onprem/balancer"
)

func balancerCommand() *cobra.Command {
	cfg := balancer.Config{}
	cmd := &cobra.Command{
		Use:   "balancer --backend NAME=HOST:PORT",
		Short: "Spread connections over the servers of a farm that answer",
		Long: `Spread connections over the servers of a farm that answer.

Each connection goes to the backend with the fewest, among those that answer a
health check: a page over https by default, because a process that is stopped
still takes connections. A backend that stops answering is taken out after two
checks, or when it cannot be dialled, and what was connected to it is cut as long
as there is another. While none answers, any is tried. The balancer reads nothing
of what it carries: TLS is between clients and backends.

The observe port takes PUT /backends/NAME {"address":"host:port"} and DELETE
/backends/NAME while it runs, PUT and DELETE /gates/ID for the port https, and
tells GET /backends and /counters, to bearers of PTABENCH_OBSERVE_TOKEN; /metrics
to everybody.`,
		Example: `  ptabench balancer --backend adfs-1=127.0.0.1:40001 --backend adfs-2=127.0.0.1:40002
  curl -H "Authorization: Bearer $PTABENCH_OBSERVE_TOKEN" http://127.0.0.1:PORT/backends`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.KeepPorts = byHand() && cfg.State != ""
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("balancer: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return balancer.Run(ctx, log, cfg, ready)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "balancer", "name of this process within a run")
	flags.StringVar(&cfg.State, "state", "", "directory that remembers the ports for the next start by hand; by default they are not remembered")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "address to balance")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "address to serve counters, metrics, gates and backends on")
	flags.StringArrayVar(&cfg.Backends, "backend", nil, "server to spread over, NAME=HOST:PORT; repeat it")
	flags.StringVar(&cfg.Check, "check", balancer.DefaultCheck, "health check: https (a page must be there) or tcp (a connection must come about)")
	flags.StringVar(&cfg.CheckPath, "check-path", balancer.DefaultCheckPath, "page that must be there")
	flags.DurationVar(&cfg.Interval, "check-interval", balancer.DefaultInterval, "how often backends are checked")
	flags.DurationVar(&cfg.CheckTimeout, "check-timeout", balancer.DefaultCheckTimeout, "how long a check may take")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", balancer.DefaultConnectTimeout, "how long a backend may take to be connected to")
	return cmd
}
