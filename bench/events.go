package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ptabench/bench/churn"
	"ptabench/bench/load"
	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// newChurn plans what happens to users during the load of a scenario; nil when
// nothing does.
func newChurn(s *scenarios.Scenario, users *population.Population) (*churn.Driver, error) {
	if len(s.Population.Events) == 0 {
		return nil, nil
	}
	rates := make(map[population.EventKind]float64)
	for kind, rate := range s.Population.Events {
		rates[population.EventKind(kind)] = float64(rate)
	}
	plan, left, err := users.Plan(rates, time.Duration(s.Load.Duration), s.Seed)
	if err != nil {
		return nil, fmt.Errorf("population.events: %w", err)
	}
	return churn.New(users, plan, left), nil
}

// accounts is what the load is to know of users who change; nil when none does.
func (r *run) accounts() load.Accounts {
	if r.churn == nil {
		return nil
	}
	return r.churn
}

// happen has the events of the population happen.
func (m *measurement) happen(ctx context.Context) {
	var servers []func() *observe.Client
	for _, p := range m.system.directories {
		servers = append(servers, func() *observe.Client { return m.system.client(p) })
	}
	if err := m.churn.Run(ctx, m.zero, servers); err != nil {
		m.watch.harness(results.Event{Kind: "account-event-refused", Cause: err.Error()})
	}
}

// explain says which answers events made wrong, and what became of the events.
func (m *measurement) explain(result *results.Result) {
	if m.stale == nil {
		return
	}
	result.WrongByCause = m.stale.Explain(result.WrongByCause)
	n := m.churn.Counts()
	left := uint64(0)
	for kind, asked := range n.Asked {
		result.Events = append(result.Events, results.Happened{Event: string(kind), Count: n.Applied[kind], Asked: asked})
		left += n.Left[kind]
	}
	results.SortHappened(result.Events)
	if left > 0 {
		result.Warnings = append(result.Warnings, fmt.Sprintf("Of the events of the population that were asked for, %s found no user in the state that they need: %s.", results.Count(left), leftText(n.Left)))
	}
	switch {
	case n.Refused > 0:
		result.Warnings = append(result.Warnings, fmt.Sprintf("The directory did not accept %s of %s events of the population.", results.Count(n.Refused), results.Count(n.Planned)))
	case n.LateMax > lateEvent:
		result.Warnings = append(result.Warnings, fmt.Sprintf("Events of the population came up to %s late.", n.LateMax.Round(time.Millisecond)))
	}
}

// leftText counts events by their kinds.
func leftText(left map[population.EventKind]uint64) string {
	var parts []string
	for _, kind := range population.EventKinds() {
		if n := left[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return strings.Join(parts, ", ")
}

// lateEvent is how late an event may be without a word.
const lateEvent = time.Second

// syncFigures are how far behind hash sync was; nil without an agent.
func (r *run) syncFigures() *results.Sync {
	var f *results.Sync
	for _, last := range r.watch.readings(roleHashSync) {
		if f == nil {
			f = &results.Sync{}
		}
		n := &last.hashSync
		f.Accounts, f.Batches, f.Cycles, f.Retries = f.Accounts+n.Sent, f.Batches+n.Batches, f.Cycles+n.Cycles, f.Retries+n.Retries
		f.OldestNS, f.OldestMaxNS = n.OldestNS, max(f.OldestMaxNS, n.OldestMaxNS)
	}
	return f
}
