package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/onprem/adfs"
	"ptabench/onprem/adfs/farm"
)

func adfsCommand() *cobra.Command {
	cfg := adfs.Config{}
	cmd := &cobra.Command{
		Use:   "adfs --farm DIR --state DIR --directory URL --directory-ca FILE --bind-dn DN --base-dn DN --relying-party URI",
		Short: "Be a federation server: check passwords, and say in signed tokens who somebody is",
		Long: `Be a federation server, as AD FS is one: check passwords against the directory,
and say in signed tokens who somebody is.

Browsers are sent to /adfs/ls/ (WS-Federation), client libraries find by
/adfs/services/trust/mex that they may ask /adfs/services/trust/13/usernamemixed
(WS-Trust 1.3), and who trusts the tokens reads
/FederationMetadata/2007-06/FederationMetadata.xml for the certificates that they
are signed by. /adfs/probe answers 200 while the directory can be reached.

Servers that are given the same --farm are one to their clients: they share the
signing certificates, which follow one another in time (--signing-…), the
browsers' sessions, and the authority of their TLS certificates, which clients
trust (DIR/ca.pem). It does not matter which of them starts first. In front of
several stands 'ptabench balancer', whose address they are told by --public.

A relying party is a URI that tokens may be for, such as the cloud's issuer;
urn:federation:MicrosoftOnline always is. Browsers bring the token where the
party asks, if the URI is an https one of the same host and port, or to the
address that is given after = with the URI, and nowhere else.

The observe port takes:
  PUT, DELETE /faults/ID   {"mode":"slow","delay_ns":2000000000}: sign-ins are
                           answered later; "refuse": at once, that they could not
                           be decided; "hang": when the fault is over
  PUT, DELETE /gates/ID    {"mode":"refuse","ports":["https"]}: as the cloud's
  POST /signing/next       makes and publishes the next signing certificate
  POST /signing/promote    has it sign from now on; where there is none, one is
                           made, which nobody had time to learn of
  GET  /signing, /counters

Secrets come by environment:
  PTABENCH_DIRECTORY_PASSWORD  of the service account --bind-dn, which looks up
                               why a bind was refused
  PTABENCH_OBSERVE_TOKEN       for all of the observe port but /metrics`,
		Example: `  export PTABENCH_DIRECTORY_PASSWORD=$(cat /tmp/directory/service.password)
  ptabench adfs --farm /tmp/farm --state /tmp/adfs-1 \
    --directory ldaps://127.0.0.1:PORT --directory-ca /tmp/directory/ca.pem \
    --bind-dn cn=ptabench-connector,ou=services,dc=contoso,dc=test --base-dn dc=contoso,dc=test \
    --relying-party https://127.0.0.1:PORT/contoso/v2.0
  curl --cacert /tmp/farm/ca.pem https://127.0.0.1:PORT/adfs/services/trust/mex`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.KeepPorts = byHand()
			cfg.BindPassword = os.Getenv("PTABENCH_DIRECTORY_PASSWORD")
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("adfs: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return adfs.Run(ctx, log, cfg, ready)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "adfs-1", "name of this process within a run")
	flags.StringVar(&cfg.State, "state", "", "directory for what this server alone keeps (made if need be)")
	flags.StringVar(&cfg.Farm, "farm", "", "directory that the servers of the farm share, 0700 (made if need be)")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "address to serve https on")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "address to serve counters, metrics, faults and certificates on")
	flags.StringVar(&cfg.Public, "public", "", "host:port that clients know: the balancer's, where there is one; by default this server's own")
	flags.StringArrayVar(&cfg.Directories, "directory", nil, "directory to ask, ldaps://host:port; repeat it for several servers of one directory")
	flags.StringVar(&cfg.DirectoryCA, "directory-ca", "", "file with the certificate, in PEM, that the directory is verified against; by default what the system trusts")
	dialectFlags(flags, &cfg.Order, &cfg.Dialect, &cfg.Names, &cfg.NameAttribute)
	flags.StringVar(&cfg.BindDN, "bind-dn", "", "service account that looks up why binds were refused")
	flags.StringVar(&cfg.BaseDN, "base-dn", "", "where in the directory the users are")
	flags.DurationVar(&cfg.MaxPasswordAge, "max-password-age", 0, "age from which a password counts as expired, for directories that do not work it out themselves; 0s for none")
	flags.StringVar(&cfg.Issuer, "issuer", "", "URI that signs the tokens; by default http://HOST/adfs/services/trust with the public host")
	flags.StringArrayVar(&cfg.Parties, "relying-party", nil, "URI that tokens may be for, or URI=https://address where browsers bring them; repeat it")
	flags.DurationVar(&cfg.Terms.Lifetime, "signing-lifetime", farm.DefaultTerms.Lifetime, "how long a signing certificate is good for")
	flags.DurationVar(&cfg.Terms.NextBefore, "signing-next-before", farm.DefaultTerms.NextBefore, "how long before it ends the next one is published")
	flags.DurationVar(&cfg.Terms.PromoteAfter, "signing-promote-after", farm.DefaultTerms.PromoteAfter, "how long that one is published before it signs")
	flags.IntVar(&cfg.Concurrency, "concurrency", adfs.DefaultConcurrency, "sign-ins at once; one more is told to try again")
	flags.IntVar(&cfg.Pool, "pool", adfs.DefaultPool, "connections to each directory server at most, opened on demand")
	flags.DurationVar(&cfg.BindTimeout, "bind-timeout", adfs.DefaultBindTimeout, "how long the directory may take for a sign-in")
	flags.DurationVar(&cfg.ConnectTimeout, "connect-timeout", adfs.DefaultConnectTimeout, "how long an attempt to connect to the directory may take")
	flags.DurationVar(&cfg.ConnectionAge, "connection-age", adfs.DefaultConnectionAge, "how long a client's connection is kept, so that a balancer can give it to a server that came back")
	return cmd
}
