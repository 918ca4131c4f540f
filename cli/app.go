package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ptabench/cloudsim/signin"
	"ptabench/observe"
	"ptabench/ports"
	"ptabench/sampleapp"
)

func appCommand() *cobra.Command {
	cfg := sampleapp.Config{Version: version}
	var cloud, tenant, ca string
	cmd := &cobra.Command{
		Use:   "app --cloud FILE --tenant NAME",
		Short: "Run the sample app: a small cloud service that people sign in to",
		Long: `Run the sample app: a small cloud service that people sign in to by the cloud's
sign-in page, and that greets them by name.

It listens on loopback and says where. It is made of public libraries for OpenID
Connect, and finds everything by the issuer's discovery document: that of a
tenant of --cloud, or, with --issuer, of any OpenID provider at which it is
registered with the redirect URI http://127.0.0.1:PORT/signed-in.

The secret of a confidential client comes by the environment:
  PTABENCH_CLIENT_SECRET   none when not set: the app is a public client`,
		Example: `  ptabench app --cloud cloud/cloud.json --tenant contoso`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := findIssuer(&cfg, cloud, tenant, ca); err != nil {
				return fmt.Errorf("app: %w", err)
			}
			cfg.Secret = os.Getenv("PTABENCH_CLIENT_SECRET")
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("app: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return sampleapp.Run(ctx, log, cfg, ready)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Name, "name", "app", "name of this process in logs and ready line")
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "address on loopback to serve on")
	f.StringVar(&cfg.Client, "client", signin.Sample.ID, "ID by which the app is registered at the cloud")
	f.StringVar(&cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	f.StringVar(&tenant, "tenant", "", "tenant of that cloud whose users sign in")
	f.StringVar(&cfg.Issuer, "issuer", "", "issuer, in place of --cloud and --tenant")
	f.StringVar(&ca, "ca", "", "file with the authority that the issuer's certificate is verified by (PEM); by default that of --cloud, or the host's")
	return cmd
}

// findIssuer reads from the cloud's file what was not given.
func findIssuer(cfg *sampleapp.Config, cloud, tenant, ca string) error {
	var pem []byte
	switch {
	case cloud == "" && cfg.Issuer == "":
		return errors.New("cloud: expected --cloud with --tenant, or --issuer")
	case cloud != "" && (cfg.Issuer != "" || tenant == ""):
		return errors.New("cloud: expected --tenant with it, and no --issuer")
	case cloud != "":
		b, err := os.ReadFile(cloud)
		if err != nil {
			return fmt.Errorf("cloud: %w", err)
		}
		var r observe.Ready
		if err := json.Unmarshal(b, &r); err != nil || r.Ports[ports.SignIn] == "" {
			return fmt.Errorf("cloud: %s: expected the ready line of a cloud", cloud)
		}
		cfg.Issuer, pem = "https://"+r.Ports[ports.SignIn]+"/"+tenant+"/v2.0", []byte(r.CAPEM)
	}
	if ca != "" {
		var err error
		if pem, err = os.ReadFile(ca); err != nil {
			return fmt.Errorf("ca: %w", err)
		}
	}
	if pem == nil {
		return nil
	}
	cfg.Roots = x509.NewCertPool()
	if !cfg.Roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("ca: %s: expected certificates in PEM", cmp.Or(ca, cloud))
	}
	return nil
}
