package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ptabench/bench/netns"
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
	args, _ := cmd.Context().Value(argumentsKey{}).([]string)
	inside, code, err := netns.Enter(cmd.Context(), netns.Command{
		Args: args, Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
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
