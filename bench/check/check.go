// Package check concludes what a run shows, from what was collected while it
// went on: whether the four ledgers balance, what each fault did, whether each
// objective holds, and the verdict. It does no I/O but reading the samples and
// the sign-in log, and knows no clock: equal inputs give equal conclusions.
package check

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// Input is what was collected. Times are nanoseconds from time 0.
type Input struct {
	Header     results.Header // of the samples
	Objectives []scenarios.Objective
	Population *population.Population
	// Spans are the stretches of the load that a window means, as planned:
	// Scenario.Spans. Without it every window but the whole load is empty.
	Spans func(scenarios.Window) []scenarios.Span
	// Fleet is what each connector was given: Scenario.Connector of each.
	// Balance is by capacity when all are there.
	Fleet []scenarios.Override
	// GeneratorCPU is the greatest share of the processors it may use that the
	// load generator used over any 5 seconds of the load; 0 when that was not
	// measured.
	GeneratorCPU float64

	// Generator is what the load generator counted, the warm-up included.
	Generator Generator
	// RequestID is the client request id of a sign-in.
	RequestID func(seq uint32) string
	// OtherLoads are client request ids, one of each load that the harness made
	// besides and that no book here is about: their entries are left out.
	OtherLoads []string
	// Samples iterates over all sign-ins of the run from the first. It is
	// called twice.
	Samples func() iter.Seq2[results.Sample, error]
	// SignInLog is the cloud's own book, read once to its end.
	SignInLog io.Reader
	// BindLogs are the directory servers' books of user binds, each read once to
	// its end; none when they kept none, and then no doubled binds are counted.
	// Their times are turned into the run's by Header.StartedAt.
	BindLogs []io.Reader

	Events     []observe.Event  // of the cloud, in order
	Cloud      []CloudBook      // one for each start
	Connectors []ConnectorBook  // one for each start of each
	Directory  []DirectoryBook  // one for each start of each
	Federation []FederationBook // one for each start of each federation server
	// Federated says by Sample.Tenant whose passwords federation servers take;
	// nil for nobody's.
	Federated []bool
	// Paths are those by which sign-ins are decided while all is well, likewise;
	// without any hash sync is never the usual way.
	Paths []results.Path
	// Uncounted says why the directory keeps no books of its binds, such as: of
	// kind slapd; empty when it does.
	Uncounted string
	Faults    []Fault
	Deaths    []Death
}

// A Death is a process that ended without being told to, by a fault or
// otherwise: no fault's figures tell of it.
type Death struct {
	Name string
	How  string // such as "signal: killed"
	At   int64
}

// Generator is the generator's own count, which the samples must agree with.
type Generator struct {
	Planned, Sent, Unsent     uint64
	TokensVerified, TokensBad uint64 // signatures checked, and wrong
}

// A CloudBook is what the cloud simulator counted between a start and its end.
type CloudBook struct {
	Counters observe.CloudCounters
	Killed   bool // it counted on after this reading, and took that along
}

// A ConnectorBook is what a connector counted between a start and its end.
type ConnectorBook struct {
	Name     string
	Counters observe.AgentCounters
	Killed   bool
}

// A DirectoryBook is what the directory counted between a start and its end.
type DirectoryBook struct {
	Counters observe.DirectoryCounters
	Users    []observe.UserBinds
	Killed   bool
}

// A FederationBook is what a federation server counted between a start and its
// end.
type FederationBook struct {
	Name     string
	Counters observe.FederationCounters
	Killed   bool
}

// federated says whether a sign-in begins at a federation server.
func (in *Input) federated(s *results.Sample) bool {
	return int(s.Tenant) < len(in.Federated) && in.Federated[s.Tenant]
}

// Conclude completes a result that holds what derives from the samples: its
// ledgers, faults, objectives, what the cloud knows of connectors, the verdict
// and its reasons. A verdict of Aborted stays. At an error, which is one of
// reading, the verdict is Fail unless it is Aborted, and the reason says so.
func Conclude(in Input, r *results.Result) error {
	err := conclude(in, r)
	if err != nil {
		r.Reasons = append(r.Reasons, fmt.Sprintf("The run could not be checked: %v.", err))
		if r.Verdict != results.Aborted {
			r.Verdict = results.Fail
		}
	}
	return err
}

func conclude(in Input, r *results.Result) error {
	in.Events = slices.Clone(in.Events)
	slices.SortStableFunc(in.Events, func(a, b observe.Event) int { return cmp.Compare(a.AtNS, b.AtNS) })
	for _, e := range in.Events {
		if e.Kind == observe.EventsOverflowed {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%d events of the cloud were lost; times to detect may be too long.", e.Count))
		}
	}
	CompleteConnectors(in, r)

	// What each sign-in says of anything is taken in two passes.
	b, err := newBook(in)
	if err != nil {
		return err
	}
	faults, asked := newWatches(in), newObjectives(in)
	expected := newExpectations(in)
	came, steady := &arrivals{}, newSteadiness(spansOf(in, scenarios.Window{Name: scenarios.Steady}))
	err = each(in, func(s *results.Sample) {
		b.record(s, in.federated(s))
		faults.look(s)
		expected.count(s)
		asked.count(s)
		came.count(s)
		steady.count(s)
	})
	if err != nil {
		return err
	}
	faults.turn(in.Header.Duration)
	var both errgroup.Group // the books and the faults know nothing of each other
	both.Go(func() error { return b.read(in) })
	if len(in.Faults) > 0 {
		both.Go(func() error { return each(in, faults.count) })
	}
	if err := both.Wait(); err != nil {
		return err
	}
	if r.Faults, err = faults.figures(in); err != nil {
		return err
	}
	expected.figures(r.Faults)
	r.Warnings = append(r.Warnings, faults.doubles.warnings()...)
	r.Ledgers = balanceBooks(in, b)
	r.Objectives = asked.evaluate(r)
	r.Gates = gates(in, r, asked, came, steady)
	judge(in, r)
	return nil
}

// each calls take for each sign-in of the run, which is its own until it
// returns.
func each(in Input, take func(*results.Sample)) error {
	var held results.Sample // one for all: they would be garbage one by one
	for s, err := range in.Samples() {
		if err != nil {
			return err
		}
		held = s
		take(&held)
	}
	return nil
}

// spansOf are the stretches of a window.
func spansOf(in Input, w scenarios.Window) []scenarios.Span {
	switch {
	case in.Spans != nil:
		return in.Spans(w)
	case w.Name == scenarios.Whole:
		return []scenarios.Span{{From: 0, To: scenarios.Duration(in.Header.Duration)}}
	}
	return nil
}

// CompleteConnectors adds what the cloud and the harness know of connectors: of
// the input it reads Fleet, Cloud and the names of Connectors.
func CompleteConnectors(in Input, r *results.Result) {
	for i := range r.Connectors {
		c := &r.Connectors[i]
		for _, given := range in.Fleet {
			if given.Name == c.Name {
				c.Capacity, c.DelayNS = given.Concurrency, int64(given.DirectoryDelay)
			}
		}
		for _, book := range in.Cloud {
			for _, t := range book.Counters.Tenants {
				for _, counted := range t.Connectors {
					if counted.Name == c.Name {
						c.InFlightPeak = max(c.InFlightPeak, counted.InFlightPeak)
						c.HandedOff += counted.HandedOff
					}
				}
			}
		}
		starts := 0
		for _, book := range in.Connectors {
			if book.Name == c.Name {
				starts++
			}
		}
		c.Restarts = max(starts-1, 0)
	}
	r.Balance = results.BalanceOf(r.Connectors)
}
