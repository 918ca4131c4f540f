package bench

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"ptabench/bench/capacity"
	"ptabench/results"
	"ptabench/scenarios"
)

const (
	// trialRamp is load before a trial, of the same rate, that counts for nothing.
	trialRamp = 300 * time.Millisecond
	// lookAtTrial is how often a trial is asked whether there is still hope.
	lookAtTrial = 50 * time.Millisecond
)

// errHopeless ends a trial whose outcome is known.
var errHopeless = errors.New("the trial cannot hold any more")

// findCapacity looks for the highest rate at which the scenario's objective
// holds, on the system as the load has left it. The books of the run are read
// before: none of this is in them but the entries in the cloud's log, and those
// are told by the ids that it returns, one of each load.
func (m *measurement) findCapacity(ctx context.Context) (found *results.Capacity, loads []string) {
	m.watch.endUsage()
	asked := m.Scenario.Capacity
	found = &results.Capacity{Objective: asked.Objective, Trials: []results.Trial{}}
	search := capacity.New(capacity.Plan{From: float64(asked.From), To: float64(asked.To), Precision: float64(asked.Precision),
		Trial: time.Duration(asked.Trial), Within: time.Duration(asked.Within)})
	for ctx.Err() == nil {
		rate, length, more := search.Next()
		if !more {
			break
		}
		m.progress.phase(m.run, "capacity: trying "+results.PerSecond(rate))
		began := time.Now()
		trial, id, err := m.try(ctx, rate, length, uint64(len(found.Trials)))
		if id != "" {
			loads = append(loads, id)
		}
		if err != nil {
			found.CutShort = true
			found.Note = "The search was cut short: " + err.Error() + ". "
			break
		}
		m.idle(ctx)
		search.Told(trial.Held, time.Since(began))
		found.Trials = append(found.Trials, trial)
		m.watch.harness(results.Event{Kind: "capacity-trial", Cause: trialText(&trial), Count: int64(trial.Answered)})
	}
	found.Held, found.Broken = search.Ends()
	found.CutShort = found.CutShort || search.CutShort()
	found.Note = strings.Join(strings.Fields(found.Note+search.Note()+" "+capacity.Few(asked.Limit(), found.Held, found.Trials)), " ")
	return found, loads
}

func trialText(t *results.Trial) string {
	if t.Held {
		return "held at " + results.PerSecond(t.Rate)
	}
	return "did not hold at " + results.PerSecond(t.Rate) + ": " + t.Why
}

// try makes one trial: the sign-ins of the scenario at another rate, for a
// short time. It ends early when it cannot hold any more.
func (m *measurement) try(ctx context.Context, rate float64, length time.Duration, number uint64) (trial results.Trial, id string, err error) {
	s := *m.Scenario
	s.Load.Rate, s.Load.Warmup, s.Load.Duration = scenarios.Rate(rate), scenarios.Duration(trialRamp), scenarios.Duration(length)
	s.Load.Pool = min(max(int(rate)/8, 64), 512)
	s.Seed += number + 1 // other arrivals of the same users

	var mu sync.Mutex
	var tally *capacity.Tally
	g, err := m.system.generator(&s, m.users, func(sample results.Sample) {
		if sample.Due < 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		tally.Count(&sample)
	})
	if err != nil {
		return trial, "", err
	}
	tally = capacity.NewTally(m.Scenario.Capacity.Limit(), g.Planned(0), methodPaths(m.Scenario))
	id = g.RequestID(0)
	if err := g.Connect(ctx); err != nil {
		return trial, id, err
	}
	hope, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(lookAtTrial)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				mu.Lock()
				hopeless := tally.Hopeless()
				if hopeless {
					tally.Cut()
				}
				mu.Unlock()
				if hopeless {
					giveUp(errHopeless)
					return
				}
			case <-hope.Done():
				return
			}
		}
	})
	err = g.Run(hope, time.Now().Add(leadTime))
	giveUp(nil)
	looking.Wait()
	if err != nil && !errors.Is(err, errHopeless) {
		return trial, id, err
	}
	trial = tally.Result()
	trial.Rate, trial.Duration = rate, int64(length)
	return trial, id, nil
}

// idle waits until the system has finished what it has in hand, so that one
// trial leaves nothing to the next.
func (m *measurement) idle(ctx context.Context) {
	until := time.Now().Add(settle + time.Duration(m.Scenario.Cloud.Deadline))
	for m.watch.read(ctx); m.watch.busy() && time.Now().Before(until) && ctx.Err() == nil; m.watch.read(ctx) {
		time.Sleep(20 * time.Millisecond)
	}
}

// methodPaths are the paths by which sign-ins are decided while all is well, by
// tenant as in samples: 0 is the only one.
func methodPaths(s *scenarios.Scenario) []results.Path {
	of := map[scenarios.Method]results.Path{
		scenarios.PassThrough: results.PathPassThrough, scenarios.HashSync: results.PathHashSync, scenarios.Federated: results.PathFederation,
	}
	paths := []results.Path{of[s.Tenants[0].Method]}
	for _, t := range s.Loaded() {
		paths = append(paths, of[t.Method])
	}
	return paths
}
