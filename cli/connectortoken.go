package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ptabench/setup"
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
			if tenant == "" && from == "" {
				tenant = setup.TenantOf(signIn.administrator)
			}
			c, err := cloudFrom(from, at, ca, tenant, timeout)
			if err = errors.Join(err, freeFile(file)); err != nil {
				return fmt.Errorf("connector token: %w", err)
			}
			c.Locate(ctx)
			if err := reached(c); err != nil {
				return fmt.Errorf("connector token: %w", err)
			}
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
	f.StringVar(&at, "cloud", "", "the cloud, instead of that of --from: host, host:port (of port 443), or the file with its ready line")
	f.StringVar(&ca, "cloud-ca", "", "file with the certificate, in PEM, that signs the cloud's")
	f.StringVar(&tenant, "tenant", "", "tenant of the connector; by default that of --from, or the first word of the administrator's domain")
	f.StringVar(&file, "out", "", "file to write the token to; one that holds something is not overwritten")
	f.DurationVar(&timeout, "timeout", reachTimeout, "how long each attempt to reach the cloud may take")
	signIn.add(f)
	return cmd
}

// freeFile refuses a file that holds something: a token's file is not told
// from others by what is in it.
func freeFile(file string) error {
	if file == "" {
		return errors.New("--out: expected a file")
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--out: %w", err)
	case !info.Mode().IsRegular() || info.Size() > 0:
		return fmt.Errorf("--out %s: it is there already, and is not overwritten: expected a new or an empty file", file)
	}
	return nil
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

// cloudFrom is the cloud of flags, or else that of a file for further connectors.
func cloudFrom(from, at, ca, tenant string, timeout time.Duration) (*cloud.Cloud, error) {
	if from == "" {
		if tenant == "" {
			return nil, errors.New("--from, --tenant, --administrator: expected one of them, to tell the tenant")
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
	if at != "" {
		return cloud.Read(at, ca, tenant, timeout)
	}
	return cloud.Parse(given.Cloud, tenant, timeout)
}
