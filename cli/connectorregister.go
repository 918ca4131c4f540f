package cli

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/connector"
)

// registerCommand does what the first start of a connector would, ahead of it.
func registerCommand() *cobra.Command {
	cfg := connector.Config{Version: version}
	var config string
	cmd := &cobra.Command{
		Use:   "register --cloud FILE --state DIR --tenant NAME --name NAME",
		Short: "Register a connector, and keep its certificate for when it starts",
		Long: `Register a connector, and keep its certificate for when it starts.

The token of an administrator, good for one registration, comes by the
environment: PTABENCH_REGISTRATION_TOKEN. Without this command the first start
of the connector registers; so 'ptabench connector install' knows at once
whether the cloud takes it, and keeps no token.`,
		Example: `  PTABENCH_REGISTRATION_TOKEN=$(cat token) ptabench connector register \
    --cloud /tmp/cloud/cloud.json --state /tmp/connector-1 --tenant contoso --name connector-1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := readSettings(cmd, config); err != nil {
				return fmt.Errorf("connector register: %w", err)
			}
			cfg.RegistrationToken = os.Getenv("PTABENCH_REGISTRATION_TOKEN")
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			if err := connector.Register(cmd.Context(), log, cfg); err != nil {
				return fmt.Errorf("connector register: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "file with flags and their values, in JSON; those on the command line count before it")
	flags.StringVar(&cfg.Name, "name", "connector-1", "name of the connector, unique within its tenant")
	flags.StringVar(&cfg.Tenant, "tenant", "contoso", "tenant whose sign-ins it is to answer")
	flags.StringVar(&cfg.Cloud, "cloud", "", "file with the ready line of the cloud, of which ca_pem and the port 8080 or 443 suffice")
	flags.StringVar(&cfg.State, "state", "", "directory for key and certificate; made when it is not there")
	flags.StringVar(&cfg.HostName, "host-name", "", "name of this machine, of which the cloud may let a tenant have one connector each; by default --source, or else what the system says")
	flags.StringVar(&cfg.Source, "source", "", "IP address to dial from; by default the system chooses")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", connector.DefaultConnectTimeout, "how long an attempt to reach the cloud may take")
	return cmd
}
