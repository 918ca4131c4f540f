// Command ptabench drives sign-ins through a simulated cloud into real
// connectors bound to a test directory, breaks things on purpose, and says
// what the users felt.
package main

import (
	"context"
	"os"

	"ptabench/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
