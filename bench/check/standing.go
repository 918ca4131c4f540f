package check

import (
	"math"

	"ptabench/results"
	"ptabench/scenarios"
)

// Why an objective has no verdict while the load goes on.
const (
	atTheEnd = "known when the run has ended"
	notYet   = "not yet"
)

// Standing is how objectives stand while the load goes on, of what has ended so
// far: for somebody who watches. Verdicts are of now; it takes the samples of
// the whole run to conclude. Objectives about a fault, or about a part of the
// load, are told at the end only. Within is the time at a percentile,
// from 0 to 100, of a kind of time: Recorder.AnsweredWithin.
func Standing(list []scenarios.Objective, r *results.Result, within func(kind string, percentile float64) int64) []results.Objective {
	all := make([]results.Objective, len(list))
	for i, o := range list {
		out := &all[i]
		*out = results.Objective{Text: o.Text, Unit: string(o.Unit), Limit: o.Value, Verdict: results.Inconclusive, Reason: atTheEnd}
		if o.Fault() == "" {
			out.Window = o.Window.String()
		}
		value, known, grows := standing(o, r, within)
		if !known {
			continue
		}
		out.Value, out.Samples, out.Reason = value, r.SignIns.Sent, ""
		compared := value
		if value == Never { // nobody answered so many, which is slower than any limit
			compared = math.Inf(1)
		}
		switch {
		case compare(compared, o.Op, o.Value):
			out.Verdict = results.Pass
		case grows && value < o.Value || grows && value == o.Value && o.Op == ">":
			out.Reason = notYet
		default:
			out.Verdict = results.Fail
		}
	}
	return all
}

// standing is the value of an objective so far, and whether it can only grow.
func standing(o scenarios.Objective, r *results.Result, within func(string, float64) int64) (value float64, known, grows bool) {
	if o.Fault() != "" || o.Tenant != "" || o.Window.Name != scenarios.Whole || r.SignIns.Sent == 0 {
		return 0, false, false
	}
	name, argument := o.Split()
	if q := quantile(name); q > 0 {
		return float64(within(argument, 100*q)), true, false
	}
	n := &r.SignIns
	if count, ok := map[string]uint64{
		"sent": n.Sent, "accepted": n.Accepted, "refused": n.Refused, "failed": n.Failed, "unknown": n.Unknown,
		"unsent": n.Unsent, "handed_off": n.HandedOff, "wrong_accepts": n.WrongAccepts, "wrong_refusals": n.WrongRefusals,
		"other_reason": n.OtherReason, "repeated": n.Failed + n.Unknown, "bad_seconds": uint64(r.Unavailable.Seconds),
	}[name]; ok {
		return float64(count), true, true
	}
	times := map[string]*results.Percentiles{"response": &r.Response, "service": &r.Service, "lag": &r.Lag}
	decided := float64(n.Accepted + n.Refused)
	switch {
	case name == "max" && times[argument] != nil:
		return float64(times[argument].Max), true, true
	case name == "mean" && times[argument] != nil:
		return float64(times[argument].Mean), true, false
	case name == "availability":
		return decided / float64(n.Sent), true, false
	case name == "share" && argument == "failed":
		return float64(n.Failed+n.Unknown) / float64(n.Sent), true, false
	case name == "share" && argument == "hash_sync" && decided > 0:
		return float64(n.ByPath.HashSync) / decided, true, true // more may follow
	case name == "share" && argument == "pass_through" && decided > 0:
		return float64(n.ByPath.PassThrough) / decided, true, false
	case name == "share" && argument == "federation" && decided > 0:
		return float64(n.ByPath.Federation) / decided, true, false
	case name == "rate" && argument == "answered":
		return r.Rate.AnsweredPerS, true, false
	case name == "rate" && argument == "achieved":
		return r.Rate.AchievedPerS, true, false
	}
	return 0, false, false
}
