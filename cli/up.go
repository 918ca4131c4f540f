package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
	clients           clientFlags
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
  ptabench up --client web=http://localhost:8000/signed-in --client-secret-file web=web.secret
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
	f.clients.register(flags)
	flags.StringVar(&f.mayLoad, "i-may-load", "", "the address of your own directory, as directory.external.url has it")
	return cmd
}

func up(cmd *cobra.Command, r runner, nameOrFile string, f upFlags) error {
	name, text, err := scenarios.Open(nameOrFile)
	if err != nil {
		return err
	}
	if _, err := parseClients(f.clients.redirects, f.clients.secrets); err != nil {
		return err
	}
	sets := f.settings()
	scenario, err := scenarios.Parse(name, text, texts(sets))
	if err != nil {
		return byFlag(err, sets)
	}
	dir := f.out
	if dir == "" {
		dir = newRunDirectory("up", time.Now())
	}
	stderr := cmd.ErrOrStderr()
	ctx, stop := interruptible(cmd.Context(), stderr, ofUp)
	defer stop()
	fmt.Fprintf(stderr, "starting %s, in %s\n", scenario.Name, dir)
	err = r.up(ctx, bench.Options{Scenario: scenario, Dir: dir, Version: version, MayLoad: f.mayLoad,
		Clients: f.clients.redirects, ClientSecretFiles: f.clients.secrets,
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

// ofUp is the farewell of a system that nothing is broken of.
var ofUp = farewell{
	func() string { return "ending the processes" },
	func() string {
		return "still ending the processes; one more interrupt ends this program at once, and them with it"
	},
}

// A setting is an override, and the flag that it was written as.
type setting struct {
	text, flag string // no flag for --set, and for what nobody wrote
	follows    bool   // from the flag, which says something else
}

func texts(sets []setting) (list []string) {
	for _, s := range sets {
		list = append(list, s.text)
	}
	return list
}

// byFlag has mistakes name the flag that was written, where it stands for a
// field.
func byFlag(err error, sets []setting) error {
	var mistakes scenarios.Mistakes
	if !errors.As(err, &mistakes) {
		return err
	}
	for i, m := range mistakes {
		if n := m.Override(); n > 0 && sets[n-1].flag != "" {
			mistakes[i] = scenarios.Mistake{File: sets[n-1].flag, Value: m.Value, Expected: m.Expected}
			if key, _, _ := strings.Cut(sets[n-1].text, "="); m.Path != key || sets[n-1].follows {
				mistakes[i].Path = m.Path
			}
		}
	}
	return mistakes
}

// settings are what is set in the scenario. What it breaks, slows and demands
// does not matter here, and may not be possible by another method or directory.
func (f *upFlags) settings() []setting {
	sets := []setting{{text: "faults=[]"}, {text: "objectives=[]"}, {text: "directory.delay=0s"}}
	if f.method != "" {
		sets = append(sets, setting{text: "tenants[0].method=" + f.method, flag: "--method"})
	}
	if f.method == string(scenarios.Federated) {
		sets = append(sets, setting{text: "tenants[0].fallback=off", flag: "--method", follows: true}) // nobody else can answer
	}
	if f.directory != "" {
		sets = append(sets, setting{text: "directory.kind=" + f.directory, flag: "--directory"})
	}
	for _, text := range f.sets {
		sets = append(sets, setting{text: text})
	}
	return sets
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
	var administrators []string // as a cloud has them that is told of none
	for _, t := range scenario.Tenants {
		administrators = append(administrators, "admin@"+t.Domains[0])
	}
	line("administrator", strings.Join(administrators, ", ")+", password in "+s.AdministratorPassword)
	line("observe token", s.ObserveToken)
	for _, p := range s.Processes {
		line(p.Name, fmt.Sprintf("process %d, http://%s/", p.PID, p.Ports["observe"]))
	}
	_ = lines.Flush() // to memory
	fmt.Fprintf(&text, "\nSign in as\n")
	user := func(i int) {
		fmt.Fprintf(lines, "  %s\t%s\t%s\n", s.Users.UPN(i), s.Users.Password(i), s.Users.State(i))
	}
	switch {
	case s.Users == nil:
		fmt.Fprintf(lines, "  the users of %s\tpasswords there\n", scenario.Directory.External.Users)
	default:
		for _, t := range scenario.Tenants {
			i, found := oneOf(s.Users, t)
			switch {
			case found:
				user(i)
			case scenario.Population.Spread.Over():
				fmt.Fprintf(lines, "  nobody of %s is active\n", t.Name)
			default:
				fmt.Fprintf(lines, "  nobody of %s\tpopulation.spread=even gives it users\n", t.Name)
			}
		}
		for state := population.Active + 1; state <= population.AccountExpired; state++ {
			if in := s.Users.In(state); len(in) > 0 {
				user(in[0])
			}
		}
	}
	_ = lines.Flush()
	text.WriteString("\nCtrl-C ends it.\n")
	return text.String()
}

// oneOf is an active user of a tenant.
func oneOf(users *population.Population, t scenarios.Tenant) (int, bool) {
	for _, i := range users.In(population.Active) {
		domain := users.Domains()[users.DomainOf(i)]
		if slices.ContainsFunc(t.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
			return i, true
		}
	}
	return 0, false
}
