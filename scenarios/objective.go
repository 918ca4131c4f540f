package scenarios

import (
	"slices"
	"strings"
)

// objectiveForm is how an objective is written.
const objectiveForm = "an objective such as failed == 0, or p99(response) < 200ms in steady"

// objectivePattern is the same as a regular expression, for the JSON schema.
const objectivePattern = `^ *[a-z_0-9.]+ *(\( *[a-z0-9_-]+ *\))? *(==|!=|<=|>=|<|>) *[^ ]+( +of +[a-z][a-z0-9-]*)?( +in +` + windowPattern + `)? *$`

var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

// String is the objective as it was written.
func (o Objective) String() string { return o.Text }

// ParseObjective reads one line:
//
//	objective = metric operator value [ "of" tenant ] [ "in" window ]
//	operator  = "==" | "!=" | "<" | "<=" | ">" | ">="
//	metric    = name | name "(" argument ")"
//	window    = "whole" | "warmup" | "steady" | "recovered" | ( "during" | "after" ) "(" fault ")"
//
// Counts, compared with whole numbers: planned, sent, accepted, refused,
// failed, unknown, unsent, handed_off, wrong_accepts, wrong_refusals,
// other_reason; repeated, sign-ins that their users had to repeat; bad_seconds,
// in which fewer than 99.9 % succeeded. Of a fault: handed_off, bad_seconds,
// lost, doubled_binds, would_lock and wrong.
// Times, compared with a time and its unit: max, mean and percentiles from p50
// to p99.999 of (response), (service) or (lag); time_to_detect,
// time_to_failover, time_to_recover, time_to_rebalance and error_window of a
// fault.
// Ratios, compared with a percentage, or a number with a point from 0.0 to 1.0:
// jain(connectors), share(pass_through), share(hash_sync), share(federation), share(failed);
// availability, the share of what was sent that got a definite answer, accepted
// or refused.
// Rates, compared with a rate: rate(achieved), rate(answered).
//
// With a tenant only that tenant's sign-ins are meant; what is about a fault or
// about connectors has none. Without a window the whole load after the warm-up is meant. What is about a
// fault, and planned, has none. An error is a Mistake with the column in the
// line. Whether the faults exist, and the window is not empty, is for the
// caller to check.
func ParseObjective(line string) (Objective, error) {
	o, _, err := parseObjective(line)
	return o, err
}

// parseObjective returns the columns of the fault, of the window and of the
// window's fault too, as fault, window and window.fault.
func parseObjective(line string) (Objective, map[string]int, error) {
	s := &lineScanner{line: line}
	o := Objective{Text: strings.TrimSpace(line)}
	at := map[string]int{}
	bad := s.objective(&o, at)
	if bad != nil {
		return Objective{}, nil, *bad
	}
	return o, at, nil
}

func (s *lineScanner) objective(o *Objective, at map[string]int) *Mistake {
	m, bad := s.metric(&o.Metric, at)
	if bad != nil {
		return bad
	}
	o.Unit = m.unit
	if bad := s.comparison(o.Metric, operators, &o.Op); bad != nil {
		return bad
	}
	if bad := s.compared(o.Metric, o.Unit, &o.Value); bad != nil {
		return bad
	}
	rest, offset := s.word("")
	if rest == "of" {
		if why := o.noTenant(); why != "" {
			return s.mistake(offset, "", "a tenant", "the end of the line: "+why)
		}
		tenant, at0 := s.word("")
		if !rules["name"].allowed(tenant) {
			return s.mistake(at0, "", shownStart(tenant), "the name of a tenant after of")
		}
		o.Tenant, at["tenant"] = tenant, s.column(at0)
		rest, offset = s.word("")
	}
	switch rest {
	case "":
		return nil
	case "in":
		at["window"] = s.column(offset)
		if why := o.noWindow(); why != "" {
			return s.mistake(offset, "", "a window", "the end of the line: "+why)
		}
		return s.window(&o.Window, at)
	}
	return s.mistake(offset, "", shownValue(rest), "the end of the line, or of and a tenant, or in and a window")
}

// noTenant says why the metric is never of one tenant, empty when it may be.
func (o Objective) noTenant() string {
	switch fault := o.Fault(); {
	case fault != "":
		return o.Metric + " is about " + fault + ", whoever it concerns"
	case o.Metric == "jain(connectors)":
		return "connectors have their tenants"
	}
	return ""
}

// noWindow says why the metric has no window, empty when it may have one.
func (o Objective) noWindow() string {
	switch fault := o.Fault(); {
	case fault != "":
		return o.Metric + " is about the time of " + fault + " already"
	case o.Metric == "planned":
		return "planned is of the whole load"
	}
	return ""
}

// metric reads a metric and its argument.
func (s *lineScanner) metric(into *string, at map[string]int) (metric, *Mistake) {
	name, offset := s.word("(=!<>")
	m, ok := metricNamed(name)
	switch {
	case ok:
	case name == "":
		return metric{}, s.mistake(offset, "", shownValue(s.line), objectiveForm)
	case percentileLike.MatchString(name):
		return metric{}, s.mistake(offset, "", shownValue(name), percentileForm)
	default:
		return metric{}, s.mistake(offset, "", shownValue(name), meantMetric(name))
	}
	*into = name
	argument, bad := s.argument(m, at)
	if argument != "" {
		*into += "(" + argument + ")"
	}
	return m, bad
}

// comparison reads an operator after what.
func (s *lineScanner) comparison(what string, allowed []string, into *string) *Mistake {
	s.blanks()
	for _, op := range operators {
		if strings.HasPrefix(s.line[s.at:], op) {
			if !slices.Contains(allowed, op) {
				break
			}
			s.at += len(op)
			*into = op
			return nil
		}
	}
	return s.mistake(s.at, "", shownStart(s.line[s.at:]), "a comparison after "+what+": "+oneOf(allowed))
}

// compared reads the value that what is compared with.
func (s *lineScanner) compared(what string, unit Unit, into *float64) *Mistake {
	text, offset := s.word("")
	value, expected := unit.parse(text)
	if expected != "" {
		if rest, _ := s.word(""); rest != "" {
			if _, wrong := unit.parse(text + rest); wrong == "" {
				return s.mistake(offset, "", shownValue(text+" "+rest), "value and unit written together, "+text+rest+", for "+what)
			}
		}
		return s.mistake(offset, "", shownStart(text), expected+", for "+what)
	}
	*into = value
	return nil
}

// shownStart is the word at the start of what is left of a line.
func shownStart(rest string) string {
	if word, _, _ := strings.Cut(rest, " "); word != "" {
		return shownValue(word)
	}
	return "nothing"
}

// argument reads what is in brackets after a metric, if anything is.
func (s *lineScanner) argument(m metric, at map[string]int) (string, *Mistake) {
	s.blanks()
	if !strings.HasPrefix(s.line[s.at:], "(") {
		if !m.bare {
			return "", s.mistake(s.at, "", m.name, "what of, in brackets: "+oneOf(m.arguments))
		}
		return "", nil
	}
	open := s.at
	s.at++
	argument, offset := s.word("()=!<>")
	switch {
	case m.name == "failed":
		return "", s.mistake(open, "", m.name, "no brackets after it; of one fault it is lost, as in lost(crash-1)")
	case len(m.arguments) == 0:
		return "", s.mistake(open, "", m.name, "no brackets after it")
	case m.arguments[0] == faultArgument && !rules["name"].allowed(argument):
		return "", s.mistake(offset, "", shownValue(argument), faultArgument+" in brackets, as in "+m.name+"(crash-1)")
	case m.arguments[0] != faultArgument && !slices.Contains(m.arguments, argument):
		return "", s.mistake(offset, "", shownValue(argument), meant(argument, m.arguments))
	}
	if m.arguments[0] == faultArgument {
		at["fault"] = s.column(offset)
	}
	return argument, s.closed(open)
}

// closed reads the bracket that closes the one at open.
func (s *lineScanner) closed(open int) *Mistake {
	s.blanks()
	if !strings.HasPrefix(s.line[s.at:], ")") {
		return s.mistake(open, "", "an open bracket", "one that is closed")
	}
	s.at++
	return nil
}
