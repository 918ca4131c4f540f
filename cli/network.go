package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ptabench/bench/netns"
	"ptabench/door"
	"ptabench/scenarios"
)

// argumentsKey is under which a command's context holds the whole command line.
type argumentsKey struct{}

func withArguments(ctx context.Context, args []string) context.Context {
	return context.WithValue(ctx, argumentsKey{}, slices.Clone(args))
}

// elsewhere runs the whole command again in a network of its own when one of
// the scenarios asks for that and it is not in one already. It returns true
// when that has been done, with how it ended; the caller returns then. It is
// called when the scenarios are known and before anything is refused or
// started: what this machine can do depends on where it is asked.
func elsewhere(cmd *cobra.Command, asked ...*scenarios.Scenario) (done bool, err error) {
	if !slices.ContainsFunc(asked, func(s *scenarios.Scenario) bool { return s.Network == scenarios.Namespaces }) {
		return false, nil
	}
	return again(cmd, nil)
}

// elsewhereWith is elsewhere for one scenario with a live page at an address:
// it listens here, where the browser is, and the run serves from there.
func elsewhereWith(cmd *cobra.Command, ui string, asked *scenarios.Scenario) (done bool, err error) {
	if inside, err := netns.Inside(); ui == "" || inside || err != nil || asked.Network != scenarios.Namespaces {
		return elsewhere(cmd, asked)
	}
	at, err := door.Address(ui)
	if err != nil {
		return false, fmt.Errorf("--ui %w", err)
	}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return false, fmt.Errorf("--ui %s: %w", ui, err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return false, fmt.Errorf("--ui %s: %w", ui, err)
	}
	defer file.Close()
	return again(cmd, []*os.File{file})
}

// handedListener is the one that elsewhereWith made, when this is elsewhere.
func handedListener() (net.Listener, error) {
	if inside, err := netns.Inside(); !inside || err != nil {
		return nil, err
	}
	file := os.NewFile(3, "listener of the live page")
	defer file.Close()
	return net.FileListener(file)
}

// again runs the whole command in a network of its own.
func again(cmd *cobra.Command, files []*os.File) (done bool, err error) {
	args, _ := cmd.Context().Value(argumentsKey{}).([]string)
	inside, code, err := netns.Enter(cmd.Context(), netns.Command{
		Args: args, Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(), Files: files,
	})
	var killed *netns.KilledError
	switch {
	case errors.As(err, &killed):
		return true, &exitError{code: exitAborted, err: fmt.Errorf("%w; what it left is undone by 'ptabench heal' and the run directory", err)}
	case err != nil:
		return true, err
	case code != exitPass:
		return true, &exitError{code: code} // said already
	}
	return !inside, nil
}
