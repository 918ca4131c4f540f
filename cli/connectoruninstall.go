package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ptabench/connector"
	"ptabench/setup/install"
)

// uninstallCommand is the end of what install began.
func uninstallCommand() *cobra.Command {
	var (
		name, dir, unitDir string
		force              bool
	)
	cmd := &cobra.Command{
		Use:   "uninstall --name NAME",
		Short: "Stop, deregister and remove a connector that was installed on this host",
		Long: `Stop, deregister and remove a connector that was installed on this host, by
'ptabench setup' or 'ptabench connector install'.

It ends when it has answered what it has. One that the cloud counts no more,
because it was revoked or another took its name, is removed without more ado.
When the cloud cannot be told, the connector stays as it is, stopped; --force
removes it all the same, and the cloud drops it by itself in time.`,
		Example: `  ptabench connector uninstall --name dc1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := uninstall(cmd.Context(), cmd.OutOrStdout(), name, dir, unitDir, force)
			if err != nil {
				return fmt.Errorf("connector uninstall: %w", err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", install.DefaultName(), "name of the connector")
	f.StringVar(&dir, "dir", "", "its directory; by default the usual one of the name")
	f.StringVar(&unitDir, "unit-dir", "", "directory of its unit; by default /etc/systemd/system")
	f.BoolVar(&force, "force", false, "remove it also when the cloud cannot be told")
	return cmd
}

func uninstall(ctx context.Context, out io.Writer, name, dir, unitDir string, force bool) error {
	if dir == "" {
		if err := install.CheckName(name); err != nil {
			return fmt.Errorf("--name %w", err)
		}
		dir = install.DefaultDir(name)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	host, err := install.ThisHost()
	if err != nil {
		return err
	}
	if unitDir != "" {
		host.UnitDir = unitDir
	}
	c, err := install.At(dir, host)
	if err != nil {
		return err
	}
	running := c.Running(ctx)
	if err := c.RemoveUnit(ctx); err != nil {
		return err
	}
	if err := c.StopBackground(ctx); err != nil {
		return err
	}
	if running {
		fmt.Fprintf(out, "✓ stopped %s\n", c.Name)
	}
	if c.Registered() {
		if err := deregisterInstalled(ctx, c); err == nil {
			fmt.Fprintf(out, "✓ deregistered %s\n", c.Name)
		} else if errors.Is(err, connector.ErrNotCounted) {
			fmt.Fprintf(out, "✓ the cloud counts %s no more: there is nothing to deregister\n", c.Name)
		} else if !force {
			return fmt.Errorf("%w; --force removes it all the same", err)
		} else {
			fmt.Fprintf(out, "✗ not deregistered: %v\n", err)
		}
	}
	if err := c.Remove(); err != nil {
		return err
	}
	fmt.Fprintf(out, "✓ removed %s\n", c.Dir)
	return nil
}

func deregisterInstalled(ctx context.Context, c *install.Connector) error {
	text, err := os.ReadFile(c.ConfigFile())
	if err != nil {
		return err
	}
	var settings map[string]string
	if err := json.Unmarshal(text, &settings); err != nil {
		return fmt.Errorf("%s: %w", c.ConfigFile(), err)
	}
	at := func(name string) string {
		if filepath.IsAbs(settings[name]) {
			return settings[name]
		}
		return filepath.Join(c.Dir, settings[name])
	}
	return connector.Deregister(ctx, slog.New(slog.DiscardHandler), connector.Config{Version: version, Cloud: at("cloud"), State: at("state"), ConnectTimeout: connector.DefaultConnectTimeout})
}
