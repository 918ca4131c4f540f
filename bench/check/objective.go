package check

import (
	"fmt"
	"strconv"

	"ptabench/results"
	"ptabench/scenarios"
)

// quantiles are the percentiles that an objective may be about.
var quantiles = map[string]float64{"p50": .5, "p90": .9, "p95": .95, "p99": .99, "p99.9": .999}

// A timed objective compares a percentile of the response, the service time or
// the lag, which takes counting the sign-ins on either side of the limit.
type timed struct {
	of      func(*results.Sample) int64
	q       float64
	limit   int64
	strict  bool   // a time equal to the limit is over it
	n, over uint64 // sign-ins of the load, and those over the limit
	times   *results.Histogram
}

func newTimed(o scenarios.Objective) *timed {
	name, argument := o.Split()
	q, ok := quantiles[name]
	if !ok {
		return nil
	}
	t := &timed{q: q, limit: int64(o.Value), strict: o.Op == "<" || o.Op == ">=", times: results.NewHistogram()}
	switch argument {
	case "response":
		t.of = func(s *results.Sample) int64 { return s.Done - s.Due }
	case "service":
		t.of = func(s *results.Sample) int64 { return s.Done - s.Sent }
	case "lag":
		t.of = func(s *results.Sample) int64 { return s.Sent - s.Due }
	default:
		return nil
	}
	return t
}

// count takes in a sign-in that was sent for the load.
func (t *timed) count(s *results.Sample) {
	v := t.of(s)
	t.n++
	t.times.Record(v)
	if v > t.limit || t.strict && v == t.limit {
		t.over++
	}
}

// objectives evaluates each objective on a result that is otherwise complete.
func objectives(in Input, r *results.Result) ([]results.Objective, error) {
	all := make([]results.Objective, 0, len(in.Objectives))
	counting := make([]*timed, len(in.Objectives))
	needed := false
	for i, o := range in.Objectives {
		counting[i] = newTimed(o)
		needed = needed || counting[i] != nil
	}
	if needed {
		for s, err := range in.Samples() {
			if err != nil {
				return nil, err
			}
			if s.Due < 0 || s.Outcome == results.OutcomeUnsent {
				continue
			}
			for _, t := range counting {
				if t != nil {
					t.count(&s)
				}
			}
		}
	}
	for i, o := range in.Objectives {
		all = append(all, evaluate(o, counting[i], r))
	}
	return all, nil
}

func evaluate(o scenarios.Objective, t *timed, r *results.Result) results.Objective {
	out := results.Objective{Text: o.Text, Unit: string(o.Unit)}
	if t != nil {
		out.Value = float64(t.times.At(t.q * 100))
		out.Verdict, out.Reason = t.conclude(o.Op, out.Value, o.Value)
	} else {
		value, why := measured(o, r)
		out.Value, out.Reason = value, why
		out.Verdict = results.Fail
		if why == "" && compare(value, o.Op, o.Value) {
			out.Verdict = results.Pass
		}
	}
	if out.Verdict == results.Fail && out.Reason == "" {
		out.Reason = "it is " + shown(out.Value, o.Unit)
	}
	return out
}

// conclude claims or refutes that a percentile is on the right side of the
// limit.
func (t *timed) conclude(op string, value, limit float64) (results.Verdict, string) {
	if t.n == 0 {
		return results.Inconclusive, "no sign-in was sent"
	}
	verdict := claim(t.n, t.over, t.q)
	switch op {
	case "<", "<=":
	case ">", ">=": // the opposite claim
		switch verdict {
		case results.Pass:
			verdict = results.Fail
		case results.Fail:
			verdict = results.Pass
		}
	default:
		verdict = results.Fail
		if compare(value, op, limit) {
			verdict = results.Pass
		}
	}
	if verdict == results.Inconclusive {
		return verdict, fmt.Sprintf("it is %s, but %s", results.Duration(int64(value)), undecided(t.n, t.q))
	}
	return verdict, ""
}

// measured is the value of what an objective is about, or why there is none.
func measured(o scenarios.Objective, r *results.Result) (value float64, why string) {
	name, argument := o.Split()
	if fault := o.Fault(); fault != "" {
		return ofFault(name, fault, r)
	}
	n := r.SignIns
	times := map[string]results.Percentiles{"response": r.Response, "service": r.Service, "lag": r.Lag}[argument]
	switch name {
	case "planned":
		return float64(n.Planned), ""
	case "sent":
		return float64(n.Sent), ""
	case "accepted":
		return float64(n.Accepted), ""
	case "refused":
		return float64(n.Refused), ""
	case "failed":
		return float64(n.Failed), ""
	case "unknown":
		return float64(n.Unknown), ""
	case "unsent":
		return float64(n.Unsent), ""
	case "handed_off":
		return float64(n.HandedOff), ""
	case "wrong_accepts":
		return float64(n.WrongAccepts), ""
	case "wrong_refusals":
		return float64(n.WrongRefusals), ""
	case "other_reason":
		return float64(n.OtherReason), ""
	case "max":
		return float64(times.Max), ""
	case "mean":
		return float64(times.Mean), ""
	case "jain":
		return r.Balance.Jain, ""
	case "share":
		part := n.ByPath.PassThrough
		if argument == "hash_sync" {
			part = n.ByPath.HashSync
		}
		all := n.ByPath.PassThrough + n.ByPath.HashSync
		if all == 0 {
			return 0, "no sign-in was decided"
		}
		return float64(part) / float64(all), ""
	case "rate":
		if argument == "answered" {
			return r.Rate.AnsweredPerS, ""
		}
		return r.Rate.AchievedPerS, ""
	}
	return 0, "it is not known how to measure " + o.Metric
}

// ofFault is a figure of one fault.
func ofFault(name, fault string, r *results.Result) (value float64, why string) {
	for _, f := range r.Faults {
		if f.Name != fault {
			continue
		}
		switch name {
		case "failed":
			return float64(f.Failed), ""
		case "handed_off":
			return float64(f.HandedOff), ""
		case "time_to_detect":
			return float64(f.Detect), ifNever(f.Detect, "the cloud noticed nothing of it")
		case "time_to_failover":
			return float64(f.Failover), ifNever(f.Failover, "no sign-in was served another way")
		case "time_to_recover":
			return float64(f.Recover), ifNever(f.Recover, "its target was not seen to serve again")
		}
	}
	return 0, "there is no such fault in the result"
}

func ifNever(t int64, why string) string {
	if t == Never {
		return why
	}
	return ""
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	}
	return false
}

// shown is a value as people read it.
func shown(v float64, unit scenarios.Unit) string {
	switch unit {
	case scenarios.Time:
		return results.Duration(int64(v))
	case scenarios.Ratio:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case scenarios.Count:
		return results.Count(uint64(v))
	case scenarios.PerSecond:
		return results.PerSecond(v)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
