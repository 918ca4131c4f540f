package capacity

import (
	"fmt"
	"math"

	"ptabench/results"
	"ptabench/scenarios"
)

// tolerated is the share of sign-ins that may be lost, not sent, or answered by
// another path in a trial that holds: what a second may lose that is no bad one.
const tolerated = 0.001

// A Tally judges one trial. It belongs to one goroutine.
type Tally struct {
	objective scenarios.Objective
	name      string
	argument  string
	quantile  float64        // of a percentile, 0 otherwise
	paths     []results.Path // by tenant, as in samples, 0 for the only one
	planned   uint64

	times                    *results.Histogram // of what the objective compares
	lag                      *results.Histogram
	sent, answered, lost     uint64
	unsent, elsewise, missed uint64
	cut                      bool
}

// NewTally prepares to judge a trial with so many planned sign-ins. Paths are
// those by which each tenant's sign-ins should be decided: one that fails over
// to another has no capacity left.
func NewTally(o scenarios.Objective, planned int, paths []results.Path) *Tally {
	t := &Tally{objective: o, paths: paths, planned: uint64(planned), times: results.NewHistogram(), lag: results.NewHistogram()}
	t.name, t.argument = o.Split()
	if q, ok := o.Percentile(); ok {
		t.quantile = float64(q)
	}
	return t
}

// Count takes in a sign-in that was due at or after the trial's beginning.
func (t *Tally) Count(s *results.Sample) {
	if s.Outcome == results.OutcomeUnsent {
		t.unsent++
		return
	}
	if s.Outcome == results.OutcomeUnknown && s.Error == results.ErrorCanceled {
		t.unsent++ // the trial was cut short: it is known already
		return
	}
	t.sent++
	took := s.Done - s.Due
	if t.argument == "service" {
		took = s.Done - s.Sent
	}
	t.lag.Record(s.Sent - s.Due)
	compared := float64(took)
	answered := s.Outcome == results.OutcomeAccepted || s.Outcome == results.OutcomeRefused
	if t.quantile > 0 && !answered { // an error is no fast answer
		t.times.RecordUnanswered()
		compared = math.Inf(1)
	} else {
		t.times.Record(took)
	}
	if t.quantile > 0 && !compare(compared, t.objective.Op, t.objective.Value) {
		t.missed++
	}
	switch {
	case answered:
		t.answered++
		if int(s.Tenant) < len(t.paths) && s.Path != t.paths[s.Tenant] {
			t.elsewise++
		}
	default:
		t.lost++
	}
}

// Hopeless says that the trial cannot hold any more, whatever follows, so that
// it need not go on to overload the system.
func (t *Tally) Hopeless() bool {
	allowed := tolerated * float64(t.planned)
	if float64(t.lost) > allowed+1 || float64(t.elsewise) > allowed+1 {
		return true
	}
	upper := t.objective.Op == "<" || t.objective.Op == "<="
	return t.quantile > 0 && upper && float64(t.missed) > (1-t.quantile)*float64(t.planned)+1
}

// Cut notes that the trial was ended early.
func (t *Tally) Cut() { t.cut = true }

// value is what the objective compares: of a percentile without end when so
// many had no answer.
func (t *Tally) value() float64 {
	switch {
	case t.quantile > 0:
		if within, ok := t.times.Within(100 * t.quantile); ok {
			return float64(within)
		}
		return math.Inf(1)
	case t.name == "max":
		return float64(t.times.Percentiles().Max)
	case t.name == "mean":
		return float64(t.times.Percentiles().Mean)
	case t.name == "availability":
		return float64(t.answered) / float64(max(t.sent, 1))
	}
	return float64(t.lost) / float64(max(t.sent, 1)) // share(failed)
}

// Result judges the trial.
func (t *Tally) Result() results.Trial {
	value := t.value()
	r := results.Trial{Value: value, Unit: string(t.objective.Unit), Planned: t.planned, Answered: t.answered, Lost: t.lost,
		Unsent: t.unsent, Elsewise: t.elsewise, LagP99: t.lag.At(99)}
	if math.IsInf(value, 1) {
		r.Value = results.Unseen
	}
	allowed := tolerated * float64(t.planned)
	share := func(n uint64) string { return results.Percent(float64(n) / float64(max(t.planned, 1))) }
	switch {
	case t.sent == 0:
		r.Why = "nothing was sent"
	case float64(t.lost) > allowed:
		r.Why = share(t.lost) + " were lost"
	case float64(t.elsewise) > allowed:
		r.Why = share(t.elsewise) + " were answered by another path"
	case math.IsInf(value, 1) && !compare(value, t.objective.Op, t.objective.Value):
		r.Why = share(t.lost) + " had no answer, which counts as slower than any limit"
	case !compare(value, t.objective.Op, t.objective.Value):
		r.Why = fmt.Sprintf("%s was %s", t.objective.Metric, shown(value, t.objective.Unit))
	case !t.cut && float64(t.unsent) > allowed:
		r.Why = share(t.unsent) + " could not be sent"
	case t.cut:
		r.Why = "it was cut short" // and yet nothing was missed: the run ended
	default:
		r.Held = true
	}
	if t.cut && r.Why != "it was cut short" {
		r.Why += ", and then it was cut short"
	}
	return r
}

// Few says that the trials of the rate that is said to hold were of fewer
// sign-ins than a claim about the objective's percentile takes; "" when they
// were not.
func Few(o scenarios.Objective, held float64, trials []results.Trial) string {
	var most uint64
	for i := range trials {
		if trials[i].Held && trials[i].Rate == held {
			most = max(most, trials[i].Planned)
		}
	}
	if need := o.LeastSamples(); held > 0 && float64(most) < need {
		return fmt.Sprintf("A trial at %s is of %s sign-ins; a claim about %s takes %s.",
			results.PerSecond(held), results.Count(most), o.Metric, results.Count(uint64(need)))
	}
	return ""
}

func shown(v float64, unit scenarios.Unit) string {
	if unit == scenarios.Time {
		return results.Duration(int64(v))
	}
	return results.Percent(v)
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}
