package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/signed"
	"ptabench/update"
)

// updateTimeout is how long a cloud may take to say how updates went.
const updateTimeout = 10 * time.Second

func updateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Publish new versions of the connector, and see how they are taken up",
		Long: `Publish new versions of the connector, and see how they are taken up.

A version is published into a directory that the cloud serves on 8080 and 443
('ptabench cloudsim --update-dir DIR --update-key KEY.pub'), with a manifest that
is signed by a key of its own: whoever holds the cloud cannot publish. A
connector keeps to the first public key that its cloud tells it. It looks every
hour, or as it is told, and within a tenant one connector at a time is updated.

A connector never writes to the program that was installed: new versions are
kept in DIR/bin of its state directory, and the last that has proved itself is
what its next start becomes.`,
	}
	cmd.AddCommand(updateKeyCommand(), updatePublishCommand(), updateWithdrawCommand(), updateStatusCommand())
	return cmd
}

func updateKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "key FILE",
		Short:   "Make the key that versions are signed by",
		Long:    "Make the key that versions are signed by: FILE (0600), for whoever publishes,\nand FILE.pub, for the cloud. A key that is there is never replaced.",
		Example: `  ptabench update key /etc/ptabench/update.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := update.MakeKey(args[0]); err != nil {
				return fmt.Errorf("update key: %w", err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s.pub\n", args[0], args[0])
			return err
		},
	}
}

func updatePublishCommand() *cobra.Command {
	var r update.Release
	var to, key string
	cmd := &cobra.Command{
		Use:   "publish --version V --to DIR --key FILE",
		Short: "Publish a version of the connector",
		Long: `Publish a version of the connector: a copy of the program, stamped with the
version (which 'ptabench version' of it says), and a signed manifest with its
platform, size and hashes. It takes the place of the version before; connectors
that are at that version or a later one leave it alone.`,
		Example: `  ptabench update publish --version 0.2.0 --to /var/lib/ptabench/updates --key /etc/ptabench/update.key`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := publish(r, to, key)
			if err != nil {
				return fmt.Errorf("update publish: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %s for %s, %d bytes, sha256 %s, until %s\n",
				m.Version, m.Platform, m.Size, m.SHA256, m.ExpiresAt.Format(time.RFC3339))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Binary, "binary", "", "the program; by default this one")
	f.StringVar(&r.Version, "version", "", "its version, such as 1.2.3")
	f.StringVar(&r.From, "from", "", "oldest version that may be updated to it; by default any")
	f.StringVar(&r.Platform, "platform", update.Platform(), "platform of the program")
	f.DurationVar(&r.Validity, "valid", update.DefaultValidity, "how long it may be taken up")
	f.StringVar(&to, "to", "", "directory that the cloud serves")
	f.StringVar(&key, "key", "", "file with the key to sign by ('ptabench update key'), which only its owner may read")
	return cmd
}

func publish(r update.Release, to, key string) (*update.Manifest, error) {
	var wrong []error
	if err := update.CheckVersion(r.Version); err != nil {
		wrong = append(wrong, fmt.Errorf("--version: %w", err))
	}
	if err := update.CheckPlatform(r.Platform); err != nil {
		wrong = append(wrong, fmt.Errorf("--platform: %w", err))
	}
	if r.From != "" && signed.CheckVersion(r.From) != nil {
		wrong = append(wrong, fmt.Errorf("--from: %w", signed.CheckVersion(r.From)))
	}
	if r.Validity <= 0 {
		wrong = append(wrong, fmt.Errorf("--valid %v: expected more than 0s", r.Validity))
	}
	if to == "" {
		wrong = append(wrong, errors.New("--to: expected a directory"))
	}
	var err error
	if key == "" {
		wrong = append(wrong, errors.New("--key: expected a file"))
	} else if r.Key, err = update.ReadKey(key); err != nil {
		wrong = append(wrong, fmt.Errorf("--key: %w", err))
	}
	if r.Binary == "" {
		if r.Binary, err = os.Executable(); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(r.Binary); err != nil {
		wrong = append(wrong, fmt.Errorf("--binary: %w", err))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return update.Publish(to, r, time.Now())
}

func updateWithdrawCommand() *cobra.Command {
	var to, platform string
	cmd := &cobra.Command{
		Use:     "withdraw --to DIR",
		Short:   "Take back what is published",
		Long:    "Take back what is published for a platform. Connectors that have taken it up\nstay with it: to replace it, publish a later version.",
		Example: `  ptabench update withdraw --to /var/lib/ptabench/updates`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return errors.New("update withdraw: --to: expected a directory")
			}
			if err := update.CheckPlatform(platform); err != nil {
				return fmt.Errorf("update withdraw: --platform: %w", err)
			}
			said := "withdrawn: what was published for %s in %s\n"
			if _, err := os.Stat(update.ManifestFile(to, platform)); errors.Is(err, fs.ErrNotExist) {
				said = "nothing was published for %s in %s\n"
			}
			if err := update.Withdraw(to, platform); err != nil {
				return fmt.Errorf("update withdraw: %w", err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), said, platform, to)
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "directory that the cloud serves")
	cmd.Flags().StringVar(&platform, "platform", update.Platform(), "platform to withdraw it for")
	return cmd
}

func updateStatusCommand() *cobra.Command {
	var cloud, address string
	cmd := &cobra.Command{
		Use:     "status --cloud FILE",
		Short:   "Say how connectors have taken up what was published",
		Long:    "Say how connectors have taken up what was published since the cloud started, and\nfor how long each did not serve meanwhile.",
		Example: `  ptabench update status --cloud /tmp/cloud/cloud.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (cloud == "") == (address == "") {
				return errors.New("--cloud, --observe: expected one of the two")
			}
			client, err := observer(cloud, address)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), updateTimeout)
			defer cancel()
			var all observe.Updates
			if err := client.Get(ctx, "/updates", &all); err != nil {
				return fmt.Errorf("asking the cloud at %s: %w", client.Address, err)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "BEGAN\tTENANT\tCONNECTOR\tFROM\tTO\tSTATE\tNOT SERVING\tREASON")
			for _, u := range all.Updates {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%v\t%s\n", time.Unix(0, u.BeganNS).UTC().Format(time.TimeOnly),
					u.Tenant, u.Connector, u.From, u.To, u.State, time.Duration(u.NotServingNS).Round(time.Millisecond), u.Reason)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	cmd.Flags().StringVar(&address, "observe", "", "host:port of the cloud's observe listener, instead of --cloud")
	return cmd
}
