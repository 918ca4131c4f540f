// Command ptabench drives sign-ins through a simulated cloud into real
// connectors bound to a test directory, breaks things on purpose, and says
// what the users felt.
package main

import (
	"context"
	"os"
	"slices"
	"syscall"

	"ptabench/bench/proc"
	"ptabench/cli"
)

func main() {
	if len(os.Args) > 1 && slices.Contains([]string{"run", "suite", "matrix"}, os.Args[1]) {
		anew()
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// anew begins again in the environment of the roles, as far as that is about the
// monitor thread: a quarter of what the load generator costs at a few hundred
// sign-ins a second. Where that cannot be, or would show on the terminal, it
// returns.
func anew() {
	env, changed := proc.WithSysmon(os.Environ())
	if !changed || proc.SysmonTraces() {
		return
	}
	if self, err := os.Executable(); err == nil {
		_ = syscall.Exec(self, os.Args, env)
	}
}
