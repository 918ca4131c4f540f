package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ptabench/setup/cloud"
	"ptabench/setup/install"
)

// tokenCommand is for hosts on which no administrator can sign in.
func tokenCommand() *cobra.Command {
	var (
		from, at, ca, tenant, file string
		signIn                     signInFlags
		timeout                    time.Duration
	)
	cmd := &cobra.Command{
		Use:   "token --from FILE --out FILE",
		Short: "Make a token that registers one connector, for a host on which nobody can sign in",
		Long: `Make a token that registers one connector, for a host on which nobody can sign
in. It is written to a file (0600) and printed nowhere; take it to that host and
give it to 'ptabench connector install --token-file FILE --yes'.`,
		Example: `  ptabench connector token --from further-connector.json --administrator admin@contoso.test --out token`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			c, err := cloudFrom(from, at, ca, tenant, timeout)
			if file == "" {
				err = errors.Join(err, errors.New("--out: expected a file"))
			}
			if err != nil {
				return fmt.Errorf("connector token: %w", err)
			}
			c.Locate(ctx)
			administrator, err := signIn.signIn(ctx, cmd.OutOrStdout(), c)
			if err != nil {
				return fmt.Errorf("connector token: %w", err)
			}
			defer administrator.Close()
			token, err := administrator.NewRegistrationToken(ctx)
			if err != nil {
				return fmt.Errorf("connector token: %w", err)
			}
			if err := writeSecret(file, token.Token); err != nil {
				return fmt.Errorf("connector token: --out: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "✓ wrote %s, good for one registration until %s\n", file, token.Expires.UTC().Format("2006-01-02 15:04:05 UTC"))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "file that 'ptabench setup' made for further connectors")
	f.StringVar(&at, "cloud", "", "the cloud, instead of --from: host, host:port (of port 443), or the file with its ready line")
	f.StringVar(&ca, "cloud-ca", "", "file with the certificate, in PEM, that signs the cloud's")
	f.StringVar(&tenant, "tenant", "", "tenant of the connector")
	f.StringVar(&file, "out", "", "file to write the token to")
	f.DurationVar(&timeout, "timeout", reachTimeout, "how long each attempt to reach the cloud may take")
	signIn.add(f)
	return cmd
}

// writeSecret writes a file that others cannot read, also where there was one
// that they could.
func writeSecret(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = f.Chmod(0o600); err == nil {
		_, err = f.WriteString(text + "\n")
	}
	return errors.Join(err, f.Close())
}

// cloudFrom is the cloud of a file for further connectors, or that of flags.
func cloudFrom(from, at, ca, tenant string, timeout time.Duration) (*cloud.Cloud, error) {
	if from == "" {
		if tenant == "" {
			return nil, errors.New("--from, --tenant: expected one of them")
		}
		return cloud.Read(at, ca, tenant, timeout)
	}
	given, err := install.ReadFurther(from)
	if err != nil {
		return nil, err
	}
	if tenant == "" {
		tenant = given.Tenant
	}
	return cloud.Parse(given.Cloud, tenant, timeout)
}
