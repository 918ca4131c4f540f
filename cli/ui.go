package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ptabench/browse"
	"ptabench/door"
)

// uiCommand shows what was run before in a browser.
func uiCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "ui [DIR...]",
		Short: "Browse and compare runs, suites and matrices in a browser",
		Long: `Serve a list of the runs, suites and matrices found below some directories, runs
by default, to a browser on this machine: filter it, open their reports, lay two
to six runs over each other, and see how their scenarios differ.

It only reads, and only below those directories. The address that it prints has
a token in it, which the browser trades for a cookie; without either, and from
any other site, nothing is shown. Ctrl-C ends it.

A run that was cut off, goes on still, is damaged or was written by a later
ptabench is in the list too, and says so.`,
		Example: `  ptabench ui
  ptabench ui runs ~/downloads/ci-artifacts --listen :8800`,
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if len(dirs) == 0 {
				dirs = []string{"runs"}
			}
			return ui(cmd, dirs, listen)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&listen, "listen", ":0", "`[HOST]:PORT` to listen on; this machine only unless there is a host, a free port when it is 0")
	return cmd
}

func ui(cmd *cobra.Command, dirs []string, listen string) error {
	at, err := door.Address(listen)
	if err != nil {
		return fmt.Errorf("--listen %w", err)
	}
	library, err := browse.Open(dirs, goingOn)
	if err != nil {
		return fmt.Errorf("ui: %w", err)
	}
	defer library.Close()
	d, err := door.Open(at)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", listen, err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	server := d.Server(library)
	server.WriteTimeout = time.Minute // of a report of millions of sign-ins too
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(d.Listener()) }()
	fmt.Fprintln(cmd.OutOrStdout(), d.URL())
	select {
	case err := <-ended:
		return fmt.Errorf("ui: %w", err)
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if server.Shutdown(bound) != nil { // somebody takes too long
		_ = server.Close() // fails when it is closed
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ui: %w", err)
	}
	return nil
}
