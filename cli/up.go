package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ptabench/bench"
	"ptabench/population"
	"ptabench/scenarios"
)

// upFlags are what 'ptabench up' can be told besides its scenario.
type upFlags struct {
	out, mayLoad      string
	method, directory string
	sets              []string
}

func upCommand(r runner) *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up [SCENARIO]",
		Short: "Start the system of a scenario for people to sign in to",
		Long: `Start the system of a scenario (quickstart when none is named) without its load
and its faults, and the sample app with it, and say where to sign in and as whom.

It stands until Ctrl-C, and everything ends with it. Any browser or client
library can be pointed at the cloud that trusts its authority. Meanwhile any
process may be killed by hand, and is then reported; it is not started again.
The logs are in the run directory.`,
		Example: `  ptabench up
  ptabench up --method federation
  ptabench up --directory slapd --set cloud.lockout=on
  ptabench up mine.yaml`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeScenarioOrFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"quickstart"}
			}
			return up(cmd, r, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "run directory, which must not exist (default runs/up-TIME)")
	flags.StringVar(&f.method, "method", "", "who checks passwords: pass-through, hash-sync, federation; as the scenario has it when not given")
	flags.StringVar(&f.directory, "directory", "", "kind of the directory: embedded, slapd, samba; as the scenario has it when not given")
	flags.StringArrayVar(&f.sets, "set", nil, "set a field of the scenario, such as cloud.lockout=on; repeatable")
	flags.StringVar(&f.mayLoad, "i-may-load", "", "the address of your own directory, as directory.external.url has it")
	return cmd
}

func up(cmd *cobra.Command, r runner, nameOrFile string, f upFlags) error {
	name, text, err := scenarios.Open(nameOrFile)
	if err != nil {
		return err
	}
	scenario, err := scenarios.Parse(name, text, f.settings())
	if err != nil {
		return err
	}
	dir := f.out
	if dir == "" {
		dir = newRunDirectory("up", time.Now())
	}
	stderr := cmd.ErrOrStderr()
	ctx, stop := interruptible(cmd.Context(), stderr, func() string { return dir })
	defer stop()
	fmt.Fprintf(stderr, "starting %s, in %s\n", scenario.Name, dir)
	err = r.up(ctx, bench.Options{Scenario: scenario, Dir: dir, Version: version, MayLoad: f.mayLoad,
		Ended: func(process, how string) { fmt.Fprintf(stderr, "%s ended: %s\n", process, how) },
	}, func(s bench.Standing) {
		show := standing(scenario, s)
		_, _ = io.WriteString(cmd.OutOrStdout(), show)
	})
	if err != nil && ctx.Err() != nil {
		return &exitError{code: exitAborted, err: err}
	}
	return err
}

// settings are what is set in the scenario. What it breaks, slows and demands
// does not matter here, and may not be possible by another method or directory.
func (f *upFlags) settings() []string {
	sets := []string{"faults=[]", "objectives=[]", "directory.delay=0s"}
	if f.method != "" {
		sets = append(sets, "tenants[0].method="+f.method)
	}
	if f.method == string(scenarios.Federated) {
		sets = append(sets, "tenants[0].fallback=off") // nobody else can answer
	}
	if f.directory != "" {
		sets = append(sets, "directory.kind="+f.directory)
	}
	return append(sets, f.sets...)
}

// standing says where to sign in, and as whom.
func standing(scenario *scenarios.Scenario, s bench.Standing) string {
	var text strings.Builder
	lines := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	line := func(what, is string) { fmt.Fprintf(lines, "%s\t%s\n", what, is) }
	line("sample app", s.App)
	line("cloud", s.Cloud)
	if s.Balancer != "" {
		line("federation", s.Balancer)
	}
	line("authority", s.Authority+" (a browser or client has to trust it)")
	for _, t := range scenario.Tenants {
		line("tenant "+t.Name, fmt.Sprintf("%s, by %s", strings.Join(t.Domains, ", "), t.Method))
	}
	line("observe token", s.ObserveToken)
	for _, p := range s.Processes {
		line(p.Name, fmt.Sprintf("process %d, http://%s/", p.PID, p.Ports["observe"]))
	}
	_ = lines.Flush() // to memory
	if s.Users != nil {
		fmt.Fprintf(&text, "\nSign in as\n")
		for state := population.Active; state <= population.AccountExpired; state++ {
			if in := s.Users.In(state); len(in) > 0 {
				fmt.Fprintf(lines, "  %s\t%s\t%s\n", s.Users.UPN(in[0]), s.Users.Password(in[0]), state)
			}
		}
		_ = lines.Flush()
	}
	text.WriteString("\nCtrl-C ends it.\n")
	return text.String()
}
