package check

import (
	"fmt"
	"math"

	"ptabench/results"
	"ptabench/scenarios"
)

// How intervals are made, in words.
const (
	byOrder     = "order statistics"
	byBootstrap = "block bootstrap"
)

// percentile claims or refutes that a percentile is on the right side of the
// limit, which no sign-in is within that nobody answered.
func (o *objective) percentile(out *results.Objective) {
	times := o.tally.timing[o.kind]
	n, over := times.all.Count(), o.limit.total
	out.Samples = n
	if n == 0 {
		out.Verdict, out.Reason = results.Inconclusive, "no sign-in was sent in "+inWords(o.Window)
		return
	}
	value := times.at(o.quantile)
	out.Value = orNever(value)
	if low, high, capped, ok := times.interval(o.quantile); ok && !math.IsInf(min(low, value), 1) {
		out.Interval, out.Method = &[2]float64{min(low, value), orNever(max(high, value))}, byOrder
		if capped && !math.IsInf(high, 1) {
			out.Method += ", up to the greatest time"
		}
	}
	is := "it is " + o.shown(out.Value)
	if silent := o.tally.silent(); silent > 0 && o.argument != "lag" {
		is = fmt.Sprintf("%s had no answer, which counts as slower than any limit", results.Percent(float64(silent)/float64(n)))
		if out.Value != Never {
			is = "it is " + o.shown(out.Value) + ", and " + is
		}
	}
	if o.Op == "==" || o.Op == "!=" {
		if o.census(out, value); out.Verdict == results.Fail {
			out.Reason = is
		}
		out.Value = orNever(value)
		return
	}
	effect := designEffect(times.n, o.limit.over)
	independent := max(uint64(float64(n)/effect), 1)
	out.Verdict = claim(independent, min(uint64(math.Round(float64(over)/effect)), independent), o.quantile)
	if o.Op == ">" || o.Op == ">=" { // the opposite claim
		switch out.Verdict {
		case results.Pass:
			out.Verdict = results.Fail
		case results.Fail:
			out.Verdict = results.Pass
		}
	}
	switch out.Verdict {
	case results.Fail:
		out.Reason = is
	case results.Inconclusive:
		out.Reason = is + ", but " + undecided(n, independent, o.quantile, o.Op)
	}
}

// orNever is a time as results have it.
func orNever(v float64) float64 {
	if math.IsInf(v, 1) {
		return Never
	}
	return v
}

// estimated concludes from a figure and its interval.
func (o *objective) estimated(out *results.Objective, value, low, high float64, ok bool) {
	out.Value = value
	if o.Op == "==" || o.Op == "!=" {
		o.census(out, value)
	}
	if !ok {
		if out.Verdict == "" {
			out.Verdict = results.Inconclusive
			out.Reason = fmt.Sprintf("it is %s, but %s sign-ins are too few for a confidence interval", o.shown(value), results.Count(out.Samples))
		}
		return
	}
	out.Interval, out.Method = &[2]float64{min(low, value), max(high, value)}, byBootstrap
	if out.Verdict != "" {
		return
	}
	out.Verdict = side(out.Interval[0], out.Interval[1], o.Op, o.Value)
	within := fmt.Sprintf("%s to %s", o.shown(out.Interval[0]), o.shown(out.Interval[1]))
	switch out.Verdict {
	case results.Fail:
		out.Reason = fmt.Sprintf("it is %s, 95 %% confidence interval %s", o.shown(value), within)
	case results.Inconclusive:
		out.Reason = fmt.Sprintf("it is %s, but the limit lies within its 95 %% confidence interval, %s", o.shown(value), within)
	}
}

// ratio evaluates the ratio of two sums over the window. That of a share of
// sign-ins is never taken as surer than independent ones would make it: when
// none of them failed the bootstrap sees no chance at work at all. A share
// compared with 0 or 1 is not estimated: one sign-in decides.
func (o *objective) ratio(out *results.Objective, t *tally, seed uint64, part, whole func(*interval) float64, share bool) {
	columns := [][]float64{t.column(part), t.column(whole)}
	of := func(sums []float64) (float64, bool) { return sums[0] / sums[1], sums[1] > 0 }
	k, n := total(columns[0]), total(columns[1])
	out.Samples = uint64(n)
	if n == 0 {
		out.Verdict, out.Reason = results.Inconclusive, "no sign-in was decided in "+inWords(o.Window)
		return
	}
	low, high, ok := newBootstrap(columns, seed, o.Text).percentile(of)
	if share {
		l, h := shareInterval(uint64(k), uint64(n))
		low, high = max(min(low, l), 0), min(max(high, h), 1)
		if o.Value == 0 || o.Value == 1 {
			o.census(out, k/n)
		}
	}
	o.estimated(out, k/n, low, high, ok)
}

// rate evaluates how many sign-ins a second were as of a part.
func (o *objective) rate(out *results.Objective, t *tally, seed uint64, part func(*interval) float64) {
	columns := [][]float64{t.column(part), t.lengths()}
	of := func(sums []float64) (float64, bool) { return sums[0] / sums[1], sums[1] > 0 }
	low, high, ok := newBootstrap(columns, seed, o.Text).percentile(of)
	o.estimated(out, total(columns[0])/total(columns[1]), low, high, ok)
}

// jain evaluates Jain's index of what connectors served for their capacity.
func (o *objective) jain(out *results.Objective, t *tally, seed uint64, capacity []float64) {
	out.Samples = t.passThrough
	if t.passThrough == 0 || t.servers == 0 {
		out.Verdict, out.Reason = results.Inconclusive, "no sign-in was decided by pass-through in "+inWords(o.Window)
		return
	}
	columns := t.perCapacity(capacity)
	work := make([]float64, len(columns))
	for i, c := range columns {
		work[i] = total(c)
	}
	value := results.Jain(work)
	low, high, ok := newBootstrap(columns, seed, o.Text).jain(value)
	o.estimated(out, value, low, high, ok)
}

func total(column []float64) (sum float64) {
	for _, v := range column {
		sum += v
	}
	return sum
}

// ofFault evaluates an objective about a fault, or about all faults that one
// line of the scenario made: counts add up, and of times the longest counts.
// When the run was stopped before all of them were injected it cannot be told
// any more, unless what there was is over an upper limit already.
func (o *objective) ofFault(r *results.Result, out *results.Objective) {
	fault, found, ended := o.Fault(), false, ""
	stopped := r.Verdict == results.Aborted
	for i := range r.Faults {
		f := &r.Faults[i]
		if f.Name != fault && f.Group != fault {
			continue
		}
		found = true
		if f.At == Never && stopped {
			if ended == "" {
				ended = f.Name
			}
			continue
		}
		value, never := faultFigure(o.name, f)
		switch {
		case never != "":
			out.Value, out.Verdict, out.Reason = Never, results.Fail, never
			if f.Name != fault {
				out.Reason += " in " + f.Name
			}
			return
		case o.Unit == scenarios.Count:
			out.Value += value
		default:
			out.Value = max(out.Value, value)
		}
	}
	over := (o.Op == "<" || o.Op == "<=" || o.Op == "==" && out.Value > o.Value) && !compare(out.Value, o.Op, o.Value)
	switch {
	case stopped && (!found || ended != "") && !over:
		out.Verdict, out.Reason = results.Inconclusive, "it was not injected: the run ended before"
		if found && ended != fault {
			out.Reason = ended + " was not injected: the run ended before"
		}
	case !found:
		out.Verdict, out.Reason = results.Fail, "there is no such fault in the result"
	default:
		o.census(out, out.Value)
	}
}

// faultFigure is a figure of one fault, or why there is none.
func faultFigure(name string, f *results.Fault) (value float64, never string) {
	if f.At == Never {
		return 0, "it was not injected"
	}
	seen := func(t int64, why string) (float64, string) {
		if t == Never {
			return 0, why
		}
		return float64(t), ""
	}
	switch name {
	case "lost":
		return float64(f.Lost), ""
	case "handed_off":
		return float64(f.HandedOff), ""
	case "doubled_binds":
		return float64(f.DoubledBinds), ""
	case "would_lock":
		return float64(f.WouldLock), ""
	case "bad_seconds":
		return float64(f.BadSeconds), ""
	case "error_window":
		return float64(f.ErrorWindow), ""
	case "wrong":
		for _, w := range f.Wrong {
			value += float64(w.Count)
		}
		return value, ""
	case "time_to_detect":
		return seen(f.Detect, "nobody noticed anything of it")
	case "time_to_failover":
		return seen(f.Failover, "no sign-in was served another way")
	case "time_to_recover":
		return seen(f.Recover, "its target was not seen to serve again")
	case "time_to_rebalance":
		return seen(f.Rebalance, "the shares of the connectors did not become what they were, and stay so")
	}
	return 0, "it is not known how to measure " + name
}
