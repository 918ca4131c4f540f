package check

import (
	"fmt"
	"strings"

	"ptabench/results"
	"ptabench/scenarios"
)

// judge writes the verdict and why it is not pass. What is wrong for certain
// outweighs what cannot be told. Of an aborted run only what is wrong for
// certain is added: that the rest cannot be told goes without saying.
func judge(in Input, r *results.Result) {
	doubts, late := doubtsOf(r)
	var wrong, open []string
	wrong = append(wrong, booksReasons(r)...)
	wrong = append(wrong, faultReasons(in, r)...)
	for _, d := range in.Deaths {
		if in.meant(d) {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s ended by itself at %s: %s.", d.Name, results.Duration(d.At), d.How))
	}
	if n := in.Generator.TokensBad; n > 0 {
		verify := "do not verify"
		if n == 1 {
			verify = "does not verify"
		}
		wrong = append(wrong, fmt.Sprintf("Of %d tokens whose signature was checked, %d %s.", in.Generator.TokensVerified, n, verify))
	}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		unanswered := o.Value == Never // no lateness explains that
		if o.Verdict == results.Fail && late != "" && aboutTime(in.Objectives[i]) && !unanswered {
			o.Verdict = results.Inconclusive
			o.Reason += ", and " + late
		}
		switch o.Verdict {
		case results.Fail:
			wrong = append(wrong, fmt.Sprintf("The objective %q is missed: %s.", o.Text, o.Reason))
		case results.Inconclusive:
			open = append(open, fmt.Sprintf("The objective %q is undecided: %s.", o.Text, o.Reason))
		}
	}
	unlike, unseen := expectedReasons(r)
	wrong, open = append(wrong, unlike...), append(open, unseen...)
	open = append(open, doubts...)
	if r.Verdict == results.Aborted {
		open = nil
		if n := r.SignIns.Errors["canceled"]; n > 0 && len(wrong) > 0 {
			wrong = append(wrong, fmt.Sprintf("Of the unknown sign-ins %s were under way when the run was stopped.", results.Count(n)))
		}
	}

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
		if note := joined(in.Faults[i].Note, in.Faults[i].Err); note != "" {
			why = ": " + note + "."
		}
		switch {
		case f.At == Never && r.Verdict == results.Aborted: // the run ended first
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

// meant reports whether a process ended because its memory was limited, which
// is what that fault is for.
func (in *Input) meant(d Death) bool {
	for _, f := range in.Faults {
		over := f.UndoneAt != Never && d.At > f.UndoneAt
		if f.Kind == scenarios.LimitMemory && f.InjectedAt != Never && d.At >= f.Began && !over && in.targets(f, d.Name) {
			return true
		}
	}
	return false
}

// targets reports whether a process is what a fault breaks.
func (in *Input) targets(f Fault, name string) bool {
	return scenarios.WithinTarget(name, f.Target)
}

// doubtsOf are the reasons of the gates that do not hold, and what of it the
// objectives about times must say. That there are too few samples the
// objectives say themselves.
func doubtsOf(r *results.Result) (why []string, late string) {
	if r.SignIns.Sent == 0 {
		return []string{"Nothing was sent."}, ""
	}
	for _, g := range r.Gates {
		if g.Holds || g.Name == "samples" {
			continue
		}
		why = append(why, g.Reason)
		if late == "" {
			late = spoilTimes[g.Name]
		}
	}
	return why, late
}
