// Package bench runs a scenario: it starts the roles as processes, loads them
// with sign-ins, breaks them on purpose, and leaves a run directory that says
// what happened and whether it may be believed.
//
// It knows a role only as a command line and a ready line, so another build,
// or another implementation of a connector, can be put in its place.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ptabench/bench/check"
	"ptabench/bench/churn"
	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/bench/proc"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// Bounds of the steps around the load.
const (
	startWithin = 60 * time.Second // of each role
	stopGrace   = 8 * time.Second  // from SIGTERM to SIGKILL
)

// Options say what to run and where to leave it.
type Options struct {
	Scenario *scenarios.Scenario
	Dir      string   // the run directory, which must not exist
	Program  []string // starts this program's roles; the running program when empty
	Command  string   // repeats the run; kept in the result
	Version  string   // of this program; kept in the result
	// MayLoad is the address of somebody's own directory that whoever starts the
	// run says may be loaded; empty for none.
	MayLoad string
	// Clients and ClientSecretFiles are programs of one's own that people may sign
	// in to, as 'ptabench cloudsim' is told of them.
	Clients, ClientSecretFiles []string

	Profile bool // leave a CPU profile of each process in the run directory
	// Ceiling is what the load generator reaches on this machine, when that is
	// known; nil has it measured first, unless SkipCeiling.
	Ceiling     *results.Ceiling
	SkipCeiling bool
	// Unobserved asks the roles for nothing while the load goes on, neither
	// counters nor events, and keeps no interval log, so that what observing
	// costs can be measured. Such a run is inconclusive: nothing is checked.
	Unobserved bool
	// Progress is told several times a second how far the run is, from one
	// goroutine. It may be nil.
	Progress func(Progress)
	// Follower is told what is kept of the run. It may be nil.
	Follower Follower
	// Ended is told of each process that ends without being told to. It may be nil.
	Ended func(process, how string)
	// Notes is asked once, when the load is over, for warnings about what was
	// done beside the run. It may be nil, and may take some seconds.
	Notes func() []string
}

// ErrNotHealed says that a fault could not be undone.
var ErrNotHealed = errors.New("a fault could not be undone")

// Refuse says why a scenario cannot be run on this machine, or may not be by who
// says that they may load the directory at an address, all reasons at once,
// before anything is started; nil when it can.
func Refuse(s *scenarios.Scenario, mayLoad string) error {
	errs := append(fault.Refuse(s.Schedule(), s), refuseExternal(s, mayLoad)...)
	if s.Directory.Kind != scenarios.Outside {
		if _, err := newPopulation(s); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Lacks is Refuse for what can be told of a scenario that has mistakes elsewhere.
// In a network of its own a run may do more than outside, so of faults there it
// says nothing.
func Lacks(s *scenarios.Scenario, mayLoad string) error {
	errs := refuseExternal(s, mayLoad)
	if s.Network != scenarios.Namespaces {
		errs = append(fault.Refuse(s.Faults, nil), errs...)
	}
	return errors.Join(errs...)
}

func newPopulation(s *scenarios.Scenario) (*population.Population, error) {
	if s.Directory.Kind == scenarios.Outside {
		return externalUsers(s)
	}
	shares := make(map[population.State]float64)
	for state, share := range s.Population.States {
		shares[state] = float64(share)
	}
	p, err := population.New(population.Spec{Seed: s.Seed, Users: s.Population.Users,
		Domain: s.Tenants[0].Domains[0], Spread: s.PopulationSpread(), Shares: shares})
	if err != nil {
		return nil, fmt.Errorf("population: %w", err)
	}
	return p, nil
}

// run is one run under way.
type run struct {
	Options
	users    *population.Population
	churn    *churn.Driver // of what happens to users; nil for nothing
	journal  *fault.Journal
	roles    *proc.Supervisor
	system   *system
	watch    *watch
	progress progress
	faults   []scenarios.Fault // the schedule
	ceiling  results.Ceiling   // zero when it was not measured

	mu     sync.Mutex
	deaths []death
}

// death is the end of a process that was not told to end.
type death struct {
	name, how string
	at        time.Time
}

// Run runs a scenario and returns its result, which is also in the run
// directory. A result comes with an error when the run was aborted after its
// load began; the error alone when nothing was measured. When ctx ends, what
// is broken is put right and the processes are ended before Run returns.
func Run(ctx context.Context, o Options) (_ *results.Result, err error) {
	r, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if r.ceiling, err = r.measureCeiling(ctx); err != nil {
		return nil, err
	}
	r.progress.phase(r, "starting")
	if err := r.start(ctx); err != nil {
		return nil, fmt.Errorf("starting: %w", err)
	}
	defer func() { err = errors.Join(err, r.watch.stop()) }()
	return r.measure(ctx)
}

// prepare checks everything that can be known before anything is started, and
// makes the run directory.
func prepare(ctx context.Context, o Options) (_ *run, err error) {
	if err := Refuse(o.Scenario, o.MayLoad); err != nil {
		return nil, err
	}
	r := &run{Options: o, faults: o.Scenario.Schedule()}
	if r.users, err = newPopulation(o.Scenario); err != nil {
		return nil, err
	}
	if r.churn, err = newChurn(o.Scenario, r.users); err != nil {
		return nil, err
	}
	if o.Scenario.Directory.Kind == scenarios.Outside {
		if err := tryExternal(ctx, o.Scenario.Directory.External, r.users); err != nil {
			return nil, err
		}
	}
	if len(r.Program) == 0 {
		if r.Program, err = selfProgram(); err != nil {
			return nil, err
		}
	}
	if err := r.makeDir(); err != nil {
		return nil, err
	}
	if r.journal, err = fault.Create(r.Dir); err != nil {
		return nil, err
	}
	r.roles = proc.NewSupervisor(proc.Options{Started: r.journal.Process, Ended: r.ended})
	return r, nil
}

// close ends every process, whatever happened.
func (r *run) close(ctx context.Context) error {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*stopGrace)
	defer cancel()
	return errors.Join(r.roles.Close(bound, stopGrace, endOrder...), r.system.close(), r.journal.End())
}

// makeDir makes the run directory and what every run has from the start.
func (r *run) makeDir() error {
	if err := results.Create(r.Dir); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(r.Dir, "state"), 0o700); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.Dir, results.ScenarioFile), r.Scenario.YAML(), 0o644); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	return nil
}

// start brings the system up and begins to watch it.
func (r *run) start(ctx context.Context) error {
	s := newSystem(r)
	s.accounts = r.accounts()
	r.system = s
	if err := s.start(ctx); err != nil {
		return err
	}
	events, err := results.CreateEventLog(filepath.Join(r.Dir, results.EventsFile))
	if err != nil {
		return err
	}
	var watched []*watched
	if !r.Unobserved {
		watched = s.watched()
	}
	w := newWatch(watched, events, watchInterval)
	if !r.Unobserved {
		usage, err := results.CreateUsageLog(filepath.Join(r.Dir, results.UsageFile))
		if err != nil {
			return errors.Join(err, w.stop())
		}
		w.keepUsage(usage)
	}
	s.lastReading = w.lastOf
	r.mu.Lock()
	r.watch = w
	r.mu.Unlock()
	r.noteCeiling()
	return nil
}

// generator makes the load of the scenario.
func (r *run) generator(sink func(results.Sample)) (*load.Generator, error) {
	return r.system.generator(r.Scenario, r.users, sink)
}

// ended notes a process that ended without being told to. It may be called
// before there is a watch.
func (r *run) ended(p *proc.Process, how string, told bool) {
	if told {
		return
	}
	if r.Ended != nil {
		r.Ended(p.Name(), how)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaths = append(r.deaths, death{p.Name(), how, time.Now()})
	if r.watch != nil {
		r.watch.harness(results.Event{Kind: "process-ended", Connector: p.Name(), Cause: how})
	}
}

// died returns the processes that ended without being told to, with times from
// time 0.
func (r *run) died(zero time.Time) (all []check.Death) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.deaths {
		all = append(all, check.Death{Name: d.name, How: d.how, At: d.at.Sub(zero).Nanoseconds()})
	}
	return all
}
