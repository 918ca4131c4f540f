package check

import (
	"fmt"
	"math"
	"strings"

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

// rateTolerance is how far off the plan the achieved rate may be.
const rateTolerance = 0.01

// judge writes the verdict and why it is not pass. What is wrong for certain
// outweighs what cannot be told.
func judge(in Input, r *results.Result) {
	doubtful := doubtsOf(in, r)
	late := len(doubtful.lag) > 0
	var wrong, open []string
	wrong = append(wrong, booksReasons(r)...)
	wrong = append(wrong, faultReasons(in, r)...)
	for _, d := range in.Deaths {
		wrong = append(wrong, fmt.Sprintf("%s ended by itself at %s: %s.", d.Name, results.Duration(d.At), d.How))
	}
	if n := in.Generator.TokensBad; n > 0 {
		wrong = append(wrong, fmt.Sprintf("Of %d tokens whose signature was checked, %d do not verify.", in.Generator.TokensVerified, n))
	}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		if o.Verdict == results.Fail && late && aboutTime(in.Objectives[i]) {
			o.Verdict = results.Inconclusive
			o.Reason += ", and the load generator itself was late"
		}
		switch o.Verdict {
		case results.Fail:
			wrong = append(wrong, fmt.Sprintf("The objective %q is missed: %s.", o.Text, o.Reason))
		case results.Inconclusive:
			open = append(open, fmt.Sprintf("The objective %q is undecided: %s.", o.Text, o.Reason))
		}
	}
	open = append(append(open, doubtful.lag...), doubtful.other...)

	if r.Reasons == nil {
		r.Reasons = []string{}
	}
	r.Reasons = append(append(r.Reasons, wrong...), open...)
	switch {
	case r.Verdict == results.Aborted:
	case len(wrong) > 0:
		r.Verdict = results.Fail
	case len(open) > 0:
		r.Verdict = results.Inconclusive
	default:
		r.Verdict = results.Pass
	}
}

func booksReasons(r *results.Result) []string {
	if r.Ledgers.Balanced {
		return nil
	}
	var broken []string
	for _, c := range r.Ledgers.Checks {
		if !c.Holds {
			text := fmt.Sprintf("%s (%d %s %d)", c.Text, c.Left, c.Op, c.Right)
			if c.Note != "" {
				text += ", " + c.Note
			}
			broken = append(broken, text)
		}
	}
	return []string{"The books do not balance; what does not hold: " + strings.Join(broken, "; ") + "."}
}

func faultReasons(in Input, r *results.Result) []string {
	var all []string
	for i, f := range r.Faults {
		why := "."
		if f.Note != "" {
			why = ": " + f.Note + "."
		}
		switch {
		case f.At == Never:
			all = append(all, fmt.Sprintf("The fault %s was not injected%s", f.Name, why))
		case f.Injections == 0:
			all = append(all, fmt.Sprintf("The fault %s hit nothing%s", f.Name, why))
		}
		if !f.Healed && f.At != Never {
			all = append(all, fmt.Sprintf("The fault %s was not undone%s", f.Name, why))
		}
		if f.At != Never && f.Injections > 0 && f.Healed && in.Faults[i].Err != "" {
			all = append(all, fmt.Sprintf("The fault %s did not go as planned%s", f.Name, why))
		}
	}
	return all
}

// doubts are why the figures may not be what they seem: about the times, and
// about all of them.
type doubts struct{ lag, other []string }

// doubtsOf holds a run against the rules that make it inconclusive.
func doubtsOf(in Input, r *results.Result) (d doubts) {
	n := r.SignIns
	if n.Sent == 0 {
		d.other = append(d.other, "Nothing was sent.")
		return d
	}
	limit, of := int64(lagLimit), "10 ms"
	if smallest := smallestResponse(in.Objectives); smallest > 0 {
		limit = int64(lagShare * smallest)
		of = fmt.Sprintf("%s, 10 %% of the smallest response time in an objective", results.Duration(limit))
	}
	if r.Lag.P99 > limit {
		d.lag = append(d.lag, fmt.Sprintf("The load generator sent late: 1 in 100 sign-ins by more than %s, over %s.", results.Duration(r.Lag.P99), of))
	}
	if n.Unsent > 0 {
		d.other = append(d.other, fmt.Sprintf("The load generator could not send %s of %s sign-ins.", results.Count(n.Unsent), results.Count(n.Planned)))
	}
	if p, a := r.Rate.PlannedPerS, r.Rate.AchievedPerS; p > 0 && math.Abs(a-p) > rateTolerance*p {
		d.other = append(d.other, fmt.Sprintf("The load was %s, more than 1 %% off the planned %s.", results.PerSecond(a), results.PerSecond(p)))
	}
	return d
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
