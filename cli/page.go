package cli

import (
	"context"
	"fmt"
	"io"

	"ptabench/bench"
	"ptabench/page"
	"ptabench/results"
)

// paged makes runs whose directory has the report page in the end. A run that
// was measured is not worth less without its page: what kept it from being
// written is said, and the verdict stays.
func paged(run func(context.Context, bench.Options) (*results.Result, error), stderr io.Writer) func(context.Context, bench.Options) (*results.Result, error) {
	return func(ctx context.Context, o bench.Options) (*results.Result, error) {
		result, err := run(ctx, o)
		if result == nil {
			return result, err
		}
		if why := page.WriteFile(o.Dir); why != nil {
			fmt.Fprintf(stderr, "ptabench: %v\n", why)
		}
		return result, err
	}
}
