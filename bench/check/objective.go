package check

import (
	"fmt"
	"strconv"
	"strings"

	"ptabench/results"
	"ptabench/scenarios"
)

// objectives are the objectives of a run with the tallies of their windows:
// one for each window, however many objectives are about it.
type objectives struct {
	all      []objective
	windows  []*tally
	capacity []float64 // of each connector; all 1 when one is not known
	seed     uint64
}

// An objective is one comparison and what it is measured by.
type objective struct {
	scenarios.Objective
	name, argument string
	quantile       float64 // of a percentile; 0 otherwise
	kind           int     // index in timeKinds; -1 when it is not about a time
	tally          *tally  // nil of one about a fault
	limit          *limit  // of a percentile
}

// newObjectives prepares the tallies for one pass over the samples.
func newObjectives(in Input) *objectives {
	all := &objectives{seed: in.Header.Seed, capacity: capacities(in)}
	type part struct {
		window scenarios.Window
		tenant string
	}
	byPart := map[part]*tally{}
	for _, o := range in.Objectives {
		m := objective{Objective: o}
		m.name, m.argument = o.Split()
		m.quantile, m.kind = quantile(m.name), -1
		for i, kind := range timeKinds {
			if kind == m.argument {
				m.kind = i
			}
		}
		if o.Fault() == "" {
			t := byPart[part{o.Window, o.Tenant}]
			if t == nil {
				t = newTally(spansOf(in, o.Window), len(in.Header.Connectors))
				t.of(o.Tenant, in.Header.Tenants)
				byPart[part{o.Window, o.Tenant}] = t
				all.windows = append(all.windows, t)
			}
			m.tally = t
			switch {
			case m.quantile > 0 && m.kind >= 0:
				m.limit = t.wantTiming(m.kind).wantLimit(int64(o.Value), o.Op == "<" || o.Op == ">=")
			case m.name == "jain":
				t.wantServed()
			case m.name == "bad_seconds":
				t.wantSeconds()
			}
		}
		all.all = append(all.all, m)
	}
	return all
}

// count takes in a sign-in.
func (all *objectives) count(s *results.Sample) {
	for _, t := range all.windows {
		t.count(s)
	}
}

// quantile is what a metric such as p99.9 is about, 0 when it is none.
func quantile(name string) float64 {
	digits, ok := strings.CutPrefix(name, "p")
	if !ok {
		return 0
	}
	percent, err := strconv.ParseFloat(digits, 64)
	if err != nil || percent <= 0 || percent >= 100 {
		return 0
	}
	return percent / 100
}

// capacities is what each connector takes at once, as the header orders them.
func capacities(in Input) []float64 {
	all := make([]float64, len(in.Header.Connectors))
	for i, name := range in.Header.Connectors {
		for _, c := range in.Fleet {
			if c.Name == name {
				all[i] = float64(c.Concurrency)
			}
		}
	}
	for _, c := range all {
		if c <= 0 {
			for i := range all {
				all[i] = 1
			}
		}
	}
	return all
}

// evaluate makes the results, when the samples are counted and the faults'
// figures are there.
func (all *objectives) evaluate(r *results.Result) []results.Objective {
	list := make([]results.Objective, 0, len(all.all))
	for i := range all.all {
		o := &all.all[i]
		out := results.Objective{Text: o.Text, Unit: string(o.Unit), Limit: o.Value}
		switch {
		case o.tally == nil:
			o.ofFault(r, &out)
		case o.tally.planned == 0:
			out.Window, out.Verdict = o.Window.String(), results.Inconclusive
			out.Reason = "no sign-in was due in " + inWords(o.Window)
			if o.Tenant != "" {
				out.Reason = "no sign-in of " + o.Tenant + " was due in " + inWords(o.Window)
			}
		default:
			out.Window = o.Window.String()
			all.measure(o, &out)
		}
		if out.Verdict == results.Fail && out.Reason == "" {
			out.Reason = "it is " + o.shown(out.Value)
		}
		list = append(list, out)
	}
	return list
}

// inWords is a window within a sentence.
func inWords(w scenarios.Window) string {
	if w.Name == scenarios.Whole {
		return "the load"
	}
	return "the window " + w.String()
}

// measure evaluates an objective about a window.
func (all *objectives) measure(o *objective, out *results.Objective) {
	t := o.tally
	if o.limit != nil {
		o.percentile(out)
		return
	}
	if n, of, ok := t.counted(o.name); ok {
		out.Samples = of
		o.census(out, float64(n))
		return
	}
	out.Samples = t.sent()
	if out.Samples == 0 {
		out.Verdict, out.Reason = results.Inconclusive, "no sign-in was sent in "+inWords(o.Window)
		return
	}
	switch o.name {
	case "max":
		o.census(out, float64(t.max[o.kind]))
	case "mean":
		o.ratio(out, t, all.seed, func(in *interval) float64 { return float64(in.times[o.kind]) }, sentIn, false)
	case "availability":
		o.ratio(out, t, all.seed, func(in *interval) float64 { return float64(in.accepted + in.refused) }, sentIn, true)
	case "share":
		of := decidedIn
		if o.argument == "failed" {
			of = sentIn
		}
		o.ratio(out, t, all.seed, sharePart[o.argument], of, true)
	case "rate":
		part := sentIn
		if o.argument == "answered" {
			part = decidedIn
		}
		o.rate(out, t, all.seed, part)
	case "jain":
		o.jain(out, t, all.seed, all.capacity)
	default:
		out.Verdict, out.Reason = results.Fail, "it is not known how to measure "+o.Metric
	}
}

func sentIn(in *interval) float64    { return float64(in.sent) }
func decidedIn(in *interval) float64 { return float64(in.accepted) + float64(in.refused) }

// sharePart is the part of a share; that of failed ones is of all sent, the
// others' of the decided ones.
var sharePart = map[string]func(*interval) float64{
	"pass_through": func(in *interval) float64 { return float64(in.passThrough) },
	"hash_sync":    func(in *interval) float64 { return float64(in.hashSync) },
	"federation":   func(in *interval) float64 { return float64(in.federation) },
	"failed":       func(in *interval) float64 { return float64(in.failed) + float64(in.unknown) },
}

// counted is a count of the window, and of how many sign-ins.
func (t *tally) counted(name string) (n, of uint64, ok bool) {
	switch name {
	case "planned":
		return t.planned, t.planned, true
	case "unsent":
		return t.unsent, t.planned, true
	case "sent":
		return t.sent(), t.planned, true
	case "accepted":
		n = t.accepted
	case "refused":
		n = t.refused
	case "failed":
		n = t.failed
	case "unknown":
		n = t.unknown
	case "handed_off":
		n = t.handedOff
	case "wrong_accepts":
		n = t.wrongAccepts
	case "wrong_refusals":
		n = t.wrongRefusals
	case "other_reason":
		n = t.otherReason
	case "repeated":
		n = t.silent()
	case "bad_seconds":
		n = uint64(t.badSeconds())
	default:
		return 0, 0, false
	}
	return n, t.sent(), true
}

// census concludes from a figure that was counted whole and so is certain.
func (o *objective) census(out *results.Objective, value float64) {
	out.Value, out.Verdict = value, results.Fail
	if compare(value, o.Op, o.Value) {
		out.Verdict = results.Pass
	}
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
	return fmt.Sprint(v)
}

// shown is a value as people read it, with as many digits as it takes to tell
// it from the limit.
func (o *objective) shown(v float64) string {
	text := shown(v, o.Unit)
	if v == o.Value || text != shown(o.Value, o.Unit) {
		return text
	}
	scale, suffix := 1.0, ""
	switch o.Unit {
	case scenarios.Time:
		scale, suffix = second, " s"
		switch {
		case o.Value < 1e3:
			scale, suffix = 1, " ns"
		case o.Value < 1e6:
			scale, suffix = 1e3, " µs"
		case o.Value < second:
			scale, suffix = 1e6, " ms"
		}
	case scenarios.PerSecond:
		suffix = "/s"
	}
	for decimals := range 13 {
		text = strconv.FormatFloat(v/scale, 'f', decimals, 64)
		if text != strconv.FormatFloat(o.Value/scale, 'f', decimals, 64) {
			break
		}
	}
	return text + suffix
}
