package check

import (
	"fmt"
	"math"
	"slices"

	"ptabench/results"
	"ptabench/scenarios"
)

// The generator's own lateness is a real share of what it measures from here
// on: of the smallest response time that an objective sets a limit to, or in
// nanoseconds where none does.
const (
	lagShare = 0.1
	lagLimit = 10_000_000
)

const (
	rateTolerance = 0.01 // how far off the plan the achieved rate may be
	cpuLimit      = 0.85 // share of its processors that the generator may use
	ceilingShare  = 0.8  // share of what it reaches on this machine that it may be asked for
)

// spoilTimes are the gates without which objectives about time cannot be held
// against the system, because the load generator may have made the times long.
var spoilTimes = map[string]string{
	"lag":           "the load generator itself was late",
	"generator-cpu": "the load generator had no processor to spare",
	"arrivals":      "the load generator did not keep to its plan",
}

// gates holds a run against the rules that make it inconclusive, always all of
// them. What could not be measured holds, and says so.
func gates(in Input, r *results.Result, all *objectives, a *arrivals, s *steadiness) []results.Gate {
	lateness, _ := latenessAllowed(in)
	list := []results.Gate{
		lagGate(in, r), unsentGate(r), rateGate(r), cpuGate(in),
		a.gate(r.DurationNS, lateness), s.gate(lagShare * smallestResponse(in.Objectives)), samplesGate(all), ceilingGate(r),
	}
	if r.Verdict == results.Aborted {
		for i := range list {
			if g := &list[i]; slices.Contains(needEnd, g.Name) {
				g.Value, g.Holds, g.Reason = 0, true, "Not measured: the run was stopped."
			}
		}
	}
	return list
}

// needEnd are the gates that hold a run against its whole plan, which one that
// was stopped cannot keep.
var needEnd = []string{"unsent", "rate", "arrivals"}

// latenessAllowed is how late one sign-in in a hundred may be, in nanoseconds
// and in words.
func latenessAllowed(in Input) (limit int64, of string) {
	if smallest := smallestResponse(in.Objectives); smallest > 0 {
		limit = int64(lagShare * smallest)
		return limit, fmt.Sprintf("%s, 10 %% of the smallest response time in an objective", results.Duration(limit))
	}
	return lagLimit, "10 ms"
}

func lagGate(in Input, r *results.Result) results.Gate {
	limit, of := latenessAllowed(in)
	g := results.Gate{Name: "lag", Text: "the p99 of the lag is at most " + of, Unit: "ns",
		Value: float64(r.Lag.P99), Limit: float64(limit), Holds: r.Lag.P99 <= limit}
	if !g.Holds {
		g.Reason = fmt.Sprintf("The load generator sent late: 1 in 100 sign-ins by more than %s, over %s.", results.Duration(r.Lag.P99), of)
	}
	return g
}

func unsentGate(r *results.Result) results.Gate {
	n := r.SignIns
	g := results.Gate{Name: "unsent", Text: "every planned sign-in was sent", Unit: "count",
		Value: float64(n.Unsent), Holds: n.Unsent == 0}
	if !g.Holds {
		g.Reason = fmt.Sprintf("The load generator could not send %s of %s sign-ins.", results.Count(n.Unsent), results.Count(n.Planned))
	}
	return g
}

func rateGate(r *results.Result) results.Gate {
	g := results.Gate{Name: "rate", Text: "the achieved rate is within 1 % of the plan", Unit: "ratio", Limit: rateTolerance, Holds: true}
	if p, a := r.Rate.PlannedPerS, r.Rate.AchievedPerS; p > 0 {
		g.Value = math.Abs(a-p) / p
		g.Holds = math.Abs(a-p) <= rateTolerance*p
		if !g.Holds {
			g.Reason = fmt.Sprintf("The load was %s, more than 1 %% off the planned %s.", results.PerSecond(a), results.PerSecond(p))
		}
	}
	return g
}

func cpuGate(in Input) results.Gate {
	g := results.Gate{Name: "generator-cpu", Text: "the load generator never uses more than 85 % of its processors for 5 s",
		Unit: "ratio", Value: in.GeneratorCPU, Limit: cpuLimit, Holds: in.GeneratorCPU <= cpuLimit}
	switch {
	case in.GeneratorCPU <= 0:
		g.Reason = "Not measured."
	case !g.Holds:
		g.Reason = fmt.Sprintf("The load generator used %s of its processors for 5 s, more than 85 %%: it may have been late without knowing.", results.Percent(in.GeneratorCPU))
	}
	return g
}

// samplesGate shows the percentile that is farthest from having the samples
// that a claim about it takes. Its objective says that it is undecided.
func samplesGate(all *objectives) results.Gate {
	g := results.Gate{Name: "samples", Text: "every percentile in an objective has the samples that a claim about it takes", Unit: "count", Holds: true}
	least := math.Inf(1)
	for _, o := range all.all {
		if o.limit == nil || o.Op == "==" || o.Op == "!=" {
			continue
		}
		have, need := o.tally.timing[o.kind].all.Count(), needed(o.quantile, o.Op)
		if share := float64(have) / float64(need); share < least {
			least, g.Value, g.Limit = share, float64(have), float64(need)
			if share < 1 {
				g.Holds = false
				g.Reason = fmt.Sprintf("The objective %q takes %s sign-ins, and %s has %s.", o.Text, results.Count(need), inWords(o.Window), results.Count(have))
			}
		}
	}
	return g
}

func ceilingGate(r *results.Result) results.Gate {
	g := results.Gate{Name: "ceiling", Text: "the planned rate is at most 80 % of what the load generator reaches on this machine",
		Unit: "per_s", Value: r.Rate.PlannedPerS, Limit: ceilingShare * r.Ceiling.PerS, Holds: true}
	switch {
	case r.Ceiling.PerS <= 0:
		g.Reason = "Not measured."
	case g.Value > g.Limit:
		g.Holds = false
		g.Reason = fmt.Sprintf("The planned %s is more than 80 %% of the %s that the load generator reaches on this machine against a target that does nothing.",
			results.PerSecond(r.Rate.PlannedPerS), results.PerSecond(r.Ceiling.PerS))
	}
	return g
}

// smallestResponse is the smallest response time that an objective sets as an
// upper limit, in nanoseconds; 0 when none does.
func smallestResponse(all []scenarios.Objective) float64 {
	smallest := 0.0
	for _, o := range all {
		if _, of := o.Split(); of != "response" || o.Op != "<" && o.Op != "<=" {
			continue
		}
		if smallest == 0 || o.Value < smallest {
			smallest = o.Value
		}
	}
	return smallest
}

// aboutTime says whether lateness of the generator spoils an objective.
func aboutTime(o scenarios.Objective) bool {
	_, of := o.Split()
	return of == "response" && (o.Op == "<" || o.Op == "<=")
}
