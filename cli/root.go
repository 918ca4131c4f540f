// Package cli is the command line of ptabench: sub-commands, flags, exit codes.
// It is the only package that sees every role.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ptabench/bench"
	"ptabench/results"
	"ptabench/scenarios"
)

// The exit codes of every sub-command.
const (
	exitPass         = 0
	exitFail         = 1 // an objective was missed
	exitInconclusive = 2
	exitUsage        = 3 // bad usage or configuration, or a role that could not start
	exitAborted      = 4
	exitNotHealed    = 5 // a fault could not be undone
)

// exitError carries an exit code with, or instead of, an error to print.
type exitError struct {
	code int
	err  error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return mainWith(ctx, runner{refuse: bench.Refuse, lacks: bench.Lacks, run: paged(bench.Run, stderr), up: bench.Up}, args, stdin, stdout, stderr)
}

func mainWith(ctx context.Context, r runner, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	// Left to itself a panic exits with 2, which says inconclusive.
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "ptabench: a mistake in ptabench: panic: %v\n%s", p, debug.Stack())
			code = exitAborted
		}
	}()
	root := rootCommand(r)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(withArguments(ctx, args))
	if err == nil {
		return exitPass
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitUsage, err: err}
	}
	if exit.err != nil {
		fmt.Fprintf(stderr, "ptabench: %v\n", exit.err)
	}
	return exit.code
}

func rootCommand(r runner) *cobra.Command {
	root := &cobra.Command{
		Use:           "ptabench",
		Short:         "Load and break pass-through authentication, and measure what users feel",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(r), matrixCommand(r), suiteCommand(r), upCommand(r), reportCommand(), uiCommand(),
		scenariosCommand(), validateCommand(), healCommand(), versionCommand(),
		directoryCommand(), cloudsimCommand(), hashSyncCommand(), adfsCommand(), balancerCommand(), connectorCommand(), connectorsCommand(), updateCommand(), setupCommand(), appCommand(), noopCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program and of the formats it reads and writes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "ptabench %s %s %s/%s\nscenario format %d, run format %d\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, scenarios.Format, results.Format)
			return err
		},
	}
}
