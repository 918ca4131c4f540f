package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/connector"
	"ptabench/connector/revocation"
	"ptabench/connector/updater"
	"ptabench/observe"
)

func connectorCommand() *cobra.Command {
	cfg := connector.Config{Version: version}
	var config, passwordFile string
	cmd := &cobra.Command{
		Use:   "connector --cloud FILE --state DIR --directory URL --directory-ca FILE --bind-dn DN --base-dn DN",
		Short: "Answer a tenant's sign-ins from a directory",
		Long: `Answer a tenant's sign-ins from a directory.

The connector dials out only. At its first start it turns a registration token
into a client certificate, which it keeps with its key in the state directory
(DIR/identity.pem, readable by its owner only). The cloud then tells it on port
9352, or else 5671, that sign-ins wait, and it asks for each; while it reaches
port 9350 as well, they are pushed to it there, without the round trip. It binds
to the directory over LDAPS as the user, and answers over one of the ports 10100
to 10120. In good time before the certificate expires it has it renewed, on port
9091, for a new key and without a break; once it has expired, the connector must
be registered again. It says in one JSON line that it serves, once both stand,
and goes on through outages of the cloud and of the directory until it gets
SIGTERM; then it takes no more, finishes what it has, and ends.

Where the directory has several servers, each is told by --directory. One that
dies, hangs or says that it is unavailable gets no sign-ins until it answers a
bind of the service account; what it had goes on to the next. A password that it
had may have been counted there: a wrong one can count twice.

It looks each certificate of the cloud up in the revocation list that port 80
serves, which it keeps in DIR/revocation.crl and replaces in time. While port 80
is blocked the kept list serves until it runs out; then no new connection is
made, unless --revocation says otherwise. Those that stand are let be.

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
			if err := readSettings(cmd, config); err != nil {
				return fmt.Errorf("connector: %w", err)
			}
			var err error
			if cfg.BindPassword, err = secret("PTABENCH_DIRECTORY_PASSWORD", "directory-password-file", passwordFile); err != nil {
				return fmt.Errorf("connector: %w", err)
			}
			cfg.RegistrationToken = os.Getenv("PTABENCH_REGISTRATION_TOKEN")
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			if cfg.Handoff, err = updater.TakeHandoff(); err != nil {
				return fmt.Errorf("connector: %w", err)
			}
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("connector: %w", err)
			}
			if cfg.Handoff == nil && !cfg.NoUpdate {
				if err := updater.ExecSelected(cfg.State, version); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "connector: going on with version %s: %v\n", version, err)
				}
			}
			return serveAfter(cmd, cfg.Handoff, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return connector.Run(ctx, log, cfg, lean(log, ready))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "file with flags of this command and their values, in JSON, such as 'ptabench connector install' writes; those on the command line count before it")
	flags.StringVar(&passwordFile, "directory-password-file", "", "file (0600) with the password of --bind-dn, when PTABENCH_DIRECTORY_PASSWORD is not set")
	flags.StringVar(&cfg.Name, "name", "connector-1", "name of this connector, unique within its tenant")
	flags.StringVar(&cfg.Tenant, "tenant", "contoso", "tenant whose sign-ins it answers")
	flags.StringVar(&cfg.Cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim), of which ca_pem and the port 8080 or 443 find the rest")
	flags.StringVar(&cfg.State, "state", "", "directory for key and certificate; made when it is not there")
	flags.StringSliceVar(&cfg.Directory, "directory", nil, "directory to ask, ldaps://host:port; once for each of its servers")
	dialectFlags(flags, &cfg.DirectoryOrder, &cfg.DirectoryDialect, &cfg.DirectoryNames, &cfg.NameAttribute)
	flags.DurationVar(&cfg.ServerTimeout, "directory-server-timeout", 0, "how long one of several servers may take for a sign-in before the next gets it, and be silent before it gets none; 0s for an equal share of --bind-timeout")
	flags.StringVar(&cfg.DirectoryCA, "directory-ca", "", "file with the certificate, in PEM, that the directory is verified against; the system's when not given")
	flags.StringVar(&cfg.BindDN, "bind-dn", "", "service account that looks up why binds were refused")
	flags.StringVar(&cfg.BaseDN, "base-dn", "", "where in the directory the users are")
	flags.DurationVar(&cfg.MaxPasswordAge, "max-password-age", 0, "age from which a password counts as expired, for directories that do not work it out themselves; 0s for none")
	flags.StringVar((*string)(&cfg.Revocation), "revocation", string(revocation.Hard), "when the revocation list of the cloud's certificates (port 80) has run out: refuse new connections (hard), warn and go on (soft); or check no list at all (off)")
	flags.StringVar(&cfg.HostName, "host-name", "", "name of this machine, of which the cloud may let a tenant have one connector each; by default --source, or else what the system says")
	flags.DurationVar(&cfg.RenewPoll, "renew-poll", 0, "how often the certificate is looked at, to be renewed; 0s for as often as the cloud says, 6h unless told otherwise")
	flags.DurationVar(&cfg.RenewBefore, "renew-before", connector.DefaultRenewBefore, "how long before it expires the certificate is renewed; one of a short life, when less than a third of that is left")
	flags.StringVar(&cfg.SignallingPort, "signalling-port", "", "signalling port to try first, 9352 or 5671; by default 9352")
	flags.StringVar(&cfg.ResponsePort, "response-port", "", "response port to try first, 10100 to 10120; by default any of them")
	flags.StringVar(&cfg.Source, "source", "", "IP address to dial from; by default the system chooses")
	flags.IntVar(&cfg.Concurrency, "concurrency", connector.DefaultConcurrency, "sign-ins taken at once")
	flags.IntVar(&cfg.Pool, "pool", 0, "connections to the directory at most, opened on demand; 0 for as many as --concurrency")
	flags.DurationVar(&cfg.BindTimeout, "bind-timeout", connector.DefaultBindTimeout, "how long the directory may take for a sign-in")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", connector.DefaultConnectTimeout, "how long an attempt to connect may take, to a port of the cloud or to the directory")
	flags.DurationVar(&cfg.BootstrapInterval, "bootstrap-interval", 0, "how often to ask the cloud where it listens (port 8080, or 443); 0s for as often as it says, 10m unless told otherwise")
	flags.DurationVar(&cfg.StatusInterval, "status-interval", 0, "how often to report to the cloud (port 443, or 8080); 0s for as often as it says, 10m unless told otherwise")
	flags.DurationVar(&cfg.UpdateEvery, "update-every", 0, "how often to look for an update (port 8080, or 443); 0s for as often as the cloud says, 1h unless told otherwise")
	flags.DurationVar(&cfg.UpdateDeadline, "update-deadline", updater.DefaultDeadline, "how long a new version may take to attach and to be confirmed by the cloud, before the old one is used again")
	flags.BoolVar(&cfg.NoUpdate, "no-update", false, "leave updates to somebody else, such as a package manager")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "host:port to serve counters and metrics at")
	cmd.AddCommand(deregisterCommand(), crowdCommand(), registerCommand(), installCommand(), uninstallCommand(), tokenCommand())
	return cmd
}

// deregisterCommand ends what the first start of a connector began.
func deregisterCommand() *cobra.Command {
	cfg := connector.Config{Version: version}
	var config string
	cmd := &cobra.Command{
		Use:   "deregister --cloud FILE --state DIR",
		Short: "End a connector's registration, and delete its key and certificate",
		Long: `End a connector's registration, and delete its key and certificate.

The cloud (port 9091) refuses the certificate from then on, ends the sessions
that the connector may still have, and takes it off the tenant's list; another
connector may take its place. To come back, the connector is registered again
with a new token. When the cloud cannot be reached, nothing is changed.`,
		Example: `  ptabench connector deregister --cloud /tmp/cloud/cloud.json --state /tmp/connector-1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := readSettings(cmd, config); err != nil {
				return fmt.Errorf("connector deregister: %w", err)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			if err := connector.Deregister(cmd.Context(), log, cfg); err != nil {
				return fmt.Errorf("connector deregister: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "file with flags and their values, in JSON; those on the command line count before it")
	flags.StringVar(&cfg.Cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	flags.StringVar(&cfg.State, "state", "", "state directory of the connector")
	flags.StringVar(&cfg.Source, "source", "", "IP address to dial from; by default the system chooses")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", connector.DefaultConnectTimeout, "how long it may take to reach the cloud")
	return cmd
}
