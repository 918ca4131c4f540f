package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/onprem/directory"
	"ptabench/population"
)

// passwordCommand tells somebody who runs a directory by hand what to type.
func passwordCommand() *cobra.Command {
	var spec population.Spec
	cmd := &cobra.Command{
		Use:   "password USER",
		Short: "Print the password of a user of the test directory",
		Long: `Print the password of a user of the test directory, such as user000001.

Passwords derive from the seed and the user's number, and are written nowhere.
The test directory's users exist for this run only; no real password is known
here.`,
		Example: "  ptabench directory password user000001 --seed 1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _, _ := strings.Cut(args[0], "@")
			spec.Users, spec.Domain = population.MaxUsers, "contoso.test"
			users, err := population.New(spec)
			if err != nil {
				return err
			}
			i, ok := users.Index(name + "@" + spec.Domain)
			if !ok {
				return fmt.Errorf("user %q: expected a name such as user000001", args[0])
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), users.Password(i))
			return err
		},
	}
	cmd.Flags().Uint64Var(&spec.Seed, "seed", 1, "seed of the population")
	return cmd
}

func directoryCommand() *cobra.Command {
	cfg := directory.Config{}
	var (
		states, kind string
		sync         bool
	)
	cmd := &cobra.Command{
		Use:   "directory --state DIR",
		Short: "Serve the test directory: LDAP and LDAPS over a made-up population",
		Long: `Serve the test directory: LDAP and LDAPS over a population made from a seed.

Users are user000001@contoso.test and on; they bind by that name or by their
distinguished name (cn=user000001,ou=users,dc=contoso,dc=test). A refused bind
says only result 49; why, is in the account's attributes, which the service
account cn=ptabench-connector,ou=services,dc=contoso,dc=test may read:
userAccountControl, lockoutTime, pwdLastSet, accountExpires and
msDS-User-Account-Control-Computed.

The command says in one JSON line where it listens, on a terminal in words for
people, and ends on SIGTERM. The state directory keeps the authority that
clients verify (DIR/ca.pem), so that a restart looks the same to them; started
again by hand, it takes the ports of DIR/ports.json in place of port 0 where they
are free, and warns where they are not. Passwords of users are never written; 'ptabench
directory password USER' prints one.

The observe port takes faults, each put and deleted by an ID of one's choice:
  /faults/ID      {"mode":"slow","delay_ns":2000000000}: user binds are answered
                  later; "refuse": all binds are answered that the directory is
                  unavailable (result 52); "hang": they are answered when the
                  fault is over; "crowded" with "connections": so many are
                  served, the newest beyond them are closed. With "sources", of
                  peers that dial from these addresses only.
  /gates/ID       {"mode":"refuse","ports":["ldaps"]}: as the cloud's, of the
                  ports ldap and ldaps
  /hash-store/ID  {"changed":500}: so many users have their former password in
                  the cloud's hash store; {"missing":0.05}: that share of users
                  is not in it. Deleting it puts the store right.
What happens to accounts is posted to /accounts, such as
{"user":"user000001@contoso.test","kind":"change-password"}; also disable,
enable, lock, unlock, expire, must-change, account-expire, account-renew.
DIR/events.jsonl keeps it over restarts.

With --kind slapd or samba the same users are served by OpenLDAP or by a Samba
domain controller, as a child with its own files in DIR, which ends with the
command. Both come as Debian packages (scripts/install-slapd.sh and
scripts/install-samba.sh). They know the states in their own way: slapd by the
attributes and the control of its password policy, samba by sub-codes in the
text of a refusal. What they are provisioned with is kept in --cache: 10,000
users of samba take minutes the first time. samba needs root and Linux; it
can choose no ports, so it gets a loopback address of its own, made from DIR,
and listens there on 389 and 636, unless --ldaps has another address. Accounts
change there too, by /accounts; neither has faults or counts of binds by user:
the observe port says so.

Secrets come by environment:
  PTABENCH_DIRECTORY_PASSWORD  of the service account; when it is not set, the
                               directory makes one in DIR/service.password
  PTABENCH_SYNC_PASSWORD       of the hash sync agent's account; when it is not
                               set, there is no such account
  PTABENCH_OBSERVE_TOKEN       for GET /counters, GET /binds and faults on the
                               observe port; without it, only /metrics is
                               served there
  PTABENCH_HASHSYNC_TOKEN      for --hash-sync-url`,
		Example: `  ptabench directory --state /tmp/directory --users 1000 --states disabled=2%,locked=1%
  LDAPTLS_CACERT=/tmp/directory/ca.pem ldapsearch -H ldaps://127.0.0.1:PORT \
    -D cn=ptabench-connector,ou=services,dc=contoso,dc=test -y /tmp/directory/service.password \
    -b dc=contoso,dc=test '(userPrincipalName=user000001@contoso.test)'
  ptabench directory --kind slapd --state /tmp/openldap --users 1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shares, err := parseShares(states)
			cfg.KeepPorts = byHand()
			cfg.Population.Shares = shares
			cfg.ServicePassword = os.Getenv("PTABENCH_DIRECTORY_PASSWORD")
			cfg.SyncPassword = os.Getenv("PTABENCH_SYNC_PASSWORD")
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			cfg.HashSync.Keep = !sync
			cfg.HashSync.Token = os.Getenv("PTABENCH_HASHSYNC_TOKEN")
			server, wrong := directoryServer(kind)
			if server != nil {
				wrong = cfg.ValidateFor(server)
			} else {
				wrong = errors.Join(wrong, cfg.Validate())
			}
			if err := errors.Join(err, wrong); err != nil {
				return fmt.Errorf("directory: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				if server != nil {
					return directory.RunServer(ctx, log, cfg, server, ready)
				}
				return directory.Run(ctx, log, cfg, ready)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "directory", "name of this process within a run")
	flags.StringVar(&kind, "kind", "embedded", "who serves the users: embedded, the test directory; slapd, OpenLDAP; samba, a Samba AD domain controller")
	flags.StringVar(&cfg.Cache, "cache", directoryCache(), "directory that keeps what slapd and samba were provisioned with, for the next run (0700); empty for none")
	flags.IntVar(&cfg.Population.Users, "users", 10_000, "number of users")
	flags.StringVar(&cfg.UsersFile, "users-file", "", "file of the users (CSV, 0600: upn,password and, if not active, state), in place of --users, --seed and --states")
	flags.Uint64Var(&cfg.Population.Seed, "seed", 1, "seed that users, passwords and states are made from")
	flags.StringVar(&cfg.Population.Domain, "domain", "contoso.test", "domain of the user principal names")
	flags.StringSliceVar(&cfg.Population.Spread.Others, "other-domains", nil, "further domains that users have")
	flags.Float64Var(&cfg.Population.Spread.Exponent, "zipf", 0, "exponent of Zipf's law, by which users are spread over several domains; 0: evenly")
	flags.StringVar(&states, "states", "", "share of users in states other than active, such as disabled=2%,locked=1%; also expired, must-change, account-expired")
	flags.DurationVar(&cfg.Delay, "delay", 0, "time added to the answer of every user bind")
	flags.StringVar(&cfg.State, "state", "", "directory that keeps the authority over restarts (made if need be)")
	flags.StringVar(&cfg.LDAP, "ldap", "127.0.0.1:0", "address to serve LDAP on")
	flags.StringVar(&cfg.LDAPS, "ldaps", "127.0.0.1:0", "address to serve LDAPS on")
	flags.StringVar(&cfg.Observe, "observe", "127.0.0.1:0", "address to serve counters, metrics and faults on")
	flags.StringVar(&cfg.BindLog, "bind-log", "", "file to append a line of CSV to for each user bind: at_ns, user, outcome, source")
	flags.StringVar(&cfg.HashSync.URL, "hash-sync-url", "", "https address of the cloud to push the hashes of accounts to")
	flags.BoolVar(&sync, "hash-sync-at-start", true, "push the hashes of all accounts before serving; otherwise only those that a fault of the hash store changes")
	flags.StringVar(&cfg.HashSync.CAFile, "hash-sync-ca", "", "file with the authority that the cloud's certificate is verified by")
	flags.StringVar(&cfg.HashSync.Tenant, "hash-sync-tenant", "", "tenant that the hashes are pushed to; of several, each with its domains: contoso=contoso.test+contoso.example,fabrikam=fabrikam.test")
	cmd.AddCommand(passwordCommand())
	return cmd
}

// parseShares reads the value of --states and reports every mistake in it.
func parseShares(text string) (map[population.State]float64, error) {
	shares := make(map[population.State]float64)
	if text == "" {
		return shares, nil
	}
	var errs []error
	for _, part := range strings.Split(text, ",") {
		state, share, err := parseShare(part)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("states: %q: %w", part, err))
		case shares[state] != 0:
			errs = append(errs, fmt.Errorf("states: %q: %s is given twice", part, state))
		default:
			shares[state] = share
		}
	}
	return shares, errors.Join(errs...)
}

func parseShare(text string) (population.State, float64, error) {
	name, value, ok := strings.Cut(strings.TrimSpace(text), "=")
	if !ok {
		return 0, 0, errors.New("expected state=share, such as disabled=2%")
	}
	state, err := population.ParseState(name)
	if err != nil {
		return 0, 0, err
	}
	if state == population.Active {
		return 0, 0, errors.New("the active users are those that no other state takes")
	}
	number, percent := strings.CutSuffix(value, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || math.IsNaN(share) || share < 0 || share > 1 {
		return 0, 0, fmt.Errorf("share %q: expected 0%% to 100%%", value)
	}
	return state, share, nil
}
