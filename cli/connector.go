package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/connector"
	"ptabench/observe"
)

func connectorCommand() *cobra.Command {
	cfg := connector.Config{Version: version}
	cmd := &cobra.Command{
		Use:   "connector --cloud FILE --state DIR --directory URL --directory-ca FILE --bind-dn DN --base-dn DN",
		Short: "Answer a tenant's sign-ins from a directory",
		Long: `Answer a tenant's sign-ins from a directory.

The connector dials out only. At its first start it turns a registration token
into a client certificate, which it keeps with its key in the state directory
(DIR/identity.pem, readable by its owner only). It then takes sign-ins from the
cloud over one of the ports 9350, 9352 and 5671, in this order, binds to the
directory over LDAPS as the user, and answers over one of the ports 10100 to
10120. It says in one JSON line that it serves, once both stand, and goes on
through outages of the cloud and of the directory until it gets SIGTERM; then
it takes no more, finishes what it has, and ends.

Secrets come by environment:
  PTABENCH_REGISTRATION_TOKEN  for the first start, and after the certificate
                               has expired; good for one registration
  PTABENCH_DIRECTORY_PASSWORD  of the service account --bind-dn, which looks up
                               why a bind was refused where the directory does
                               not say so itself
  PTABENCH_OBSERVE_TOKEN       for GET /counters on the observe port; without
                               it, only /metrics (Prometheus) is served there`,
		Example: `  # each connector has a state directory and a token of its own; the port is
  # that of "observe" in cloud.json
  export PTABENCH_DIRECTORY_PASSWORD=$(cat /tmp/directory/service.password)
  export PTABENCH_REGISTRATION_TOKEN=$(curl -sX POST -H "Authorization: Bearer $(cat /tmp/cloud/observe.token)" \
    http://127.0.0.1:PORT/tenants/contoso/registration-tokens | jq -r .token)
  ptabench connector --cloud /tmp/cloud/cloud.json --state /tmp/connector-1 \
    --directory ldaps://127.0.0.1:PORT --directory-ca /tmp/directory/ca.pem \
    --bind-dn cn=ptabench-connector,ou=services,dc=contoso,dc=test --base-dn dc=contoso,dc=test`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.BindPassword = os.Getenv("PTABENCH_DIRECTORY_PASSWORD")
			cfg.RegistrationToken = os.Getenv("PTABENCH_REGISTRATION_TOKEN")
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("connector: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return connector.Run(ctx, log, cfg, ready)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "connector-1", "name of this connector, unique within its tenant")
	flags.StringVar(&cfg.Tenant, "tenant", "contoso", "tenant whose sign-ins it answers")
	flags.StringVar(&cfg.Cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	flags.StringVar(&cfg.State, "state", "", "directory for key and certificate; made when it is not there")
	flags.StringVar(&cfg.Directory, "directory", "", "directory to ask, ldaps://host:port")
	flags.StringVar(&cfg.DirectoryCA, "directory-ca", "", "file with the certificate, in PEM, that the directory is verified against")
	flags.StringVar(&cfg.BindDN, "bind-dn", "", "service account that looks up why binds were refused")
	flags.StringVar(&cfg.BaseDN, "base-dn", "", "where in the directory the users are")
	flags.DurationVar(&cfg.MaxPasswordAge, "max-password-age", 0, "age from which a password counts as expired, for directories that do not work it out themselves; 0s for none")
	flags.StringVar(&cfg.Source, "source", "", "IP address to dial from; by default the system chooses")
	flags.IntVar(&cfg.Concurrency, "concurrency", connector.DefaultConcurrency, "sign-ins taken at once")
	flags.IntVar(&cfg.Pool, "pool", 0, "connections to the directory at most, opened on demand; 0 for as many as --concurrency")
	flags.DurationVar(&cfg.BindTimeout, "bind-timeout", connector.DefaultBindTimeout, "how long the directory may take for a sign-in")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", connector.DefaultConnectTimeout, "how long an attempt to connect may take, to a port of the cloud or to the directory")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "host:port to serve counters and metrics at")
	return cmd
}
