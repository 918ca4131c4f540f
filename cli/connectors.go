package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ptabench/observe"
)

// inventoryTimeout is how long a cloud may take to list its connectors.
const inventoryTimeout = 10 * time.Second

func connectorsCommand() *cobra.Command {
	var cloud, address, tenant, format string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "connectors --cloud FILE",
		Short: "List the connectors of a tenant as the cloud has them",
		Long: `List the connectors of a tenant as the cloud has them: name, version, state, how
long the certificate is good for, when it last reported, and the sign-ins that
the cloud counted since it started: decided by the connector, failed at it, and
its share of what all of them decided.

A connector is "active" while it has a session or reported within two status
intervals, since the cloud started; "active, not serving" is one that is there and takes no sign-ins.

The observe token comes from the environment, or from the file observe.token
beside the cloud file:
  PTABENCH_OBSERVE_TOKEN  who may read it`,
		Example: `  ptabench connectors --cloud /tmp/cloud/cloud.json --tenant contoso
  ptabench connectors --cloud /tmp/cloud/cloud.json --format json | jq '.connectors[] | select(.serving | not)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && cmd.Flags().Changed("format") && format != "json" {
				return fmt.Errorf("--json, --format %s: expected one of the two", format)
			}
			if asJSON {
				format = "json"
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("--format %s: expected text or json", format)
			}
			if (cloud == "") == (address == "") {
				return errors.New("--cloud, --observe: expected one of the two")
			}
			client, err := observer(cloud, address)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), inventoryTimeout)
			defer cancel()
			var list observe.Inventory
			if err := client.Get(ctx, "/tenants/"+url.PathEscape(tenant)+"/connectors", &list); err != nil {
				return fmt.Errorf("asking the cloud at %s: %w", client.Address, err)
			}
			if format == "json" {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(list)
			}
			return list.WriteText(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	f.StringVar(&address, "observe", "", "host:port of the cloud's observe listener, instead of --cloud")
	f.StringVar(&tenant, "tenant", "contoso", "tenant whose connectors to list")
	f.StringVar(&format, "format", "text", "text or json")
	f.BoolVar(&asJSON, "json", false, "the same as --format json")
	cmd.AddCommand(revokeCommand())
	return cmd
}

func revokeCommand() *cobra.Command {
	var cloud, address, tenant string
	cmd := &cobra.Command{
		Use:   "revoke NAME --cloud FILE",
		Short: "Revoke a connector: its certificate is good for nothing from now on",
		Long: `Revoke a connector, for good and at once: its sessions end, its certificate is
refused and named in the cloud's revocation list. To serve again it has to be
registered anew. Doing it twice does no harm.

The observe token comes from the environment, or from the file observe.token
beside the cloud file:
  PTABENCH_OBSERVE_TOKEN  who may do it`,
		Example: `  ptabench connectors revoke connector-1 --cloud /tmp/cloud/cloud.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (cloud == "") == (address == "") {
				return errors.New("--cloud, --observe: expected one of the two")
			}
			client, err := observer(cloud, address)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), inventoryTimeout)
			defer cancel()
			var done struct {
				Serial string `json:"serial"`
				List   uint64 `json:"list"`
			}
			at := "/tenants/" + url.PathEscape(tenant) + "/connectors/" + url.PathEscape(args[0]) + "/revoke"
			if err := client.Post(ctx, at, nil, &done); err != nil {
				return fmt.Errorf("asking the cloud at %s: %w", client.Address, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "connector %s of tenant %s is revoked: certificate %s, revocation list %d\n",
				args[0], tenant, done.Serial, done.List)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&cloud, "cloud", "", "file with the ready line of the cloud (cloud.json in the state directory of ptabench cloudsim)")
	f.StringVar(&address, "observe", "", "host:port of the cloud's observe listener, instead of --cloud")
	f.StringVar(&tenant, "tenant", "contoso", "tenant whose connector it is")
	return cmd
}

// observer is a client of the cloud that a file or an address names.
func observer(cloud, address string) (*observe.Client, error) {
	client := &observe.Client{Address: address, Token: os.Getenv("PTABENCH_OBSERVE_TOKEN")}
	if cloud != "" {
		text, err := os.ReadFile(cloud)
		if err != nil {
			return nil, fmt.Errorf("--cloud: %w", err)
		}
		var ready observe.Ready
		if err := json.Unmarshal(text, &ready); err != nil {
			return nil, fmt.Errorf("--cloud %s: expected the ready line of a cloud: %w", cloud, err)
		}
		if client.Address = ready.Ports["observe"]; client.Address == "" {
			return nil, fmt.Errorf("--cloud %s: ports: expected observe", cloud)
		}
	}
	if _, _, err := net.SplitHostPort(client.Address); err != nil {
		return nil, fmt.Errorf("--observe %q: expected host:port", client.Address)
	}
	if client.Token == "" && cloud != "" {
		file := filepath.Join(filepath.Dir(cloud), "observe.token")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("PTABENCH_OBSERVE_TOKEN: expected the observe token there or in a file beside the cloud's: %w", err)
		}
		client.Token = strings.TrimSpace(string(text))
	}
	if client.Token == "" {
		return nil, errors.New("PTABENCH_OBSERVE_TOKEN: expected the observe token")
	}
	return client, nil
}
