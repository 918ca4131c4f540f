package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/onprem/hashsync"
)

func hashSyncCommand() *cobra.Command {
	var (
		cfg     hashsync.Config
		tenants []string
	)
	cmd := &cobra.Command{
		Use:   "hashsync --state DIR --source KIND",
		Short: "Serve as the hash sync agent: carry password hashes from a directory to the cloud",
		Long: `Serve as the password hash sync agent: read which accounts of a directory
changed, in order of change, and have the cloud take the hashes of their
passwords and whether they are disabled.

The first sync carries everything; after that, each cycle carries what changed.
Locks, expiry and passwords that must be changed are not carried. Who is deleted
or renamed leaves the cloud by the old name (sources samba and file). The cloud
keeps how far it was brought, so an agent that was killed goes on from there:
nothing is lost, and nothing travels twice. The command says that it is ready
when the first sync is over.

Sources:
  embedded  the test directory of 'ptabench directory', asked by LDAPS; that one
            has a sync account when PTABENCH_SYNC_PASSWORD is set there too
  samba     a Samba domain controller on this host, by its own tools, as whoever
            owns its database; that of 'ptabench directory --kind samba --state
            DIR' is in DIR/samba/domain
  file      accounts in CSV, a header first: upn,nt_hash,disabled,must_change;
            mode 0600, since hashes stand in it

Secrets come by environment:
  PTABENCH_SYNC_PASSWORD   of --bind-dn
  PTABENCH_HASHSYNC_TOKEN  for --hash-sync-url
  PTABENCH_OBSERVE_TOKEN   for GET /counters on the observe port`,
		Example: `  ptabench hashsync --state /tmp/hashsync --source embedded \
    --directory ldaps://127.0.0.1:PORT --directory-ca /tmp/directory/ca.pem \
    --bind-dn cn=ptabench-sync,ou=services,dc=contoso,dc=test --base-dn dc=contoso,dc=test \
    --hash-sync-url https://127.0.0.1:PORT --hash-sync-ca /tmp/cloud/ca.pem --hash-sync-tenant contoso`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var errs []error
			cfg.Tenants = nil
			for _, text := range tenants {
				t, err := hashsync.ParseTenant(text)
				if err != nil {
					errs = append(errs, fmt.Errorf("hash-sync-tenant: %w", err))
					continue
				}
				cfg.Tenants = append(cfg.Tenants, t)
			}
			cfg.SyncPassword = os.Getenv("PTABENCH_SYNC_PASSWORD")
			cfg.HashSyncToken = os.Getenv("PTABENCH_HASHSYNC_TOKEN")
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			if len(errs) == 0 {
				errs = append(errs, cfg.Validate())
			}
			if err := errors.Join(errs...); err != nil {
				return fmt.Errorf("hashsync: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return hashsync.Run(ctx, log, cfg, ready)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "hashsync", "name of this process within a run")
	flags.StringVar(&cfg.State, "state", "", "directory for what the agent remembers of a file or of Samba (made if need be)")
	flags.StringVar(&cfg.Source, "source", "embedded", "what to read accounts from: "+strings.Join(hashsync.Sources, ", "))
	flags.StringVar(&cfg.Directory, "directory", "", "embedded: its LDAPS address, ldaps://host:port")
	flags.StringVar(&cfg.DirectoryCA, "directory-ca", "", "embedded: file with the authority that its certificate is verified by")
	flags.StringVar(&cfg.BindDN, "bind-dn", "", "embedded: the sync account")
	flags.StringVar(&cfg.BaseDN, "base-dn", "", "embedded: where the accounts are")
	flags.StringVar(&cfg.Samba, "samba", "", "samba: the directory that the domain was provisioned in, or its sam.ldb")
	flags.StringVar(&cfg.File, "file", "", "file: the accounts")
	flags.StringVar(&cfg.URL, "hash-sync-url", "", "https address of the cloud's hash sync port")
	flags.StringVar(&cfg.CAFile, "hash-sync-ca", "", "file with the authority that the cloud's certificate is verified by")
	flags.StringArrayVar(&tenants, "hash-sync-tenant", nil, "tenant that accounts are carried to, and of which domains: NAME or NAME=DOMAIN+DOMAIN; may be repeated")
	flags.DurationVar(&cfg.Interval, "interval", 120*time.Second, "time from the beginning of one cycle to that of the next")
	flags.DurationVar(&cfg.StandingInterval, "standing-interval", 30*time.Minute, "how often the cloud is told who is disabled; with every cycle when not longer than that")
	flags.IntVar(&cfg.Batch, "batch", 1000, "accounts sent at once")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "address to serve counters and metrics on")
	return cmd
}
