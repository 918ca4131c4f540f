package scenarios

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// objectiveForm is how an objective is written.
const objectiveForm = "an objective such as failed == 0, or p99(response) < 200ms"

// objectivePattern is the same as a regular expression, for the JSON schema.
const objectivePattern = `^ *[a-z_0-9.]+ *(\( *[a-z0-9_-]+ *\))? *(==|!=|<=|>=|<|>) *[^ ]+ *$`

// What the argument of a metric may be, besides words.
const faultArgument = "the name of a fault"

// A metric is one thing an objective can compare.
type metric struct {
	name      string
	arguments []string // words, or faultArgument alone; empty when it has none
	bare      bool     // may be written without an argument too
	unit      Unit
}

var metrics = func() []metric {
	times := []string{"response", "service", "lag"}
	ofFault := []string{faultArgument}
	var all []metric
	for _, name := range []string{"planned", "sent", "accepted", "refused", "unknown", "unsent", "wrong_accepts", "wrong_refusals", "other_reason"} {
		all = append(all, metric{name: name, bare: true, unit: Count})
	}
	for _, name := range []string{"failed", "handed_off"} {
		all = append(all, metric{name: name, arguments: ofFault, bare: true, unit: Count})
	}
	for _, name := range []string{"p50", "p90", "p95", "p99", "p99.9", "max", "mean"} {
		all = append(all, metric{name: name, arguments: times, unit: Time})
	}
	for _, name := range []string{"time_to_detect", "time_to_failover", "time_to_recover"} {
		all = append(all, metric{name: name, arguments: ofFault, unit: Time})
	}
	return append(all,
		metric{name: "jain", arguments: []string{"connectors"}, unit: Ratio},
		metric{name: "share", arguments: []string{"pass_through", "hash_sync"}, unit: Ratio},
		metric{name: "rate", arguments: []string{"achieved", "answered"}, unit: PerSecond},
	)
}()

func metricNamed(name string) (metric, bool) {
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i < 0 {
		return metric{}, false
	}
	return metrics[i], true
}

var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

// String is the objective as it was written.
func (o Objective) String() string { return o.Text }

// Split takes the metric apart: p99(response) is p99 and response, failed is
// failed and nothing.
func (o Objective) Split() (name, argument string) {
	name, argument, _ = strings.Cut(strings.TrimSuffix(o.Metric, ")"), "(")
	return name, argument
}

// Fault is the fault that the objective is about, empty when it is about the
// whole load.
func (o Objective) Fault() string {
	name, argument := o.Split()
	if m, ok := metricNamed(name); ok && argument != "" && m.arguments[0] == faultArgument {
		return argument
	}
	return ""
}

// ParseObjective reads one line:
//
//	objective = metric operator value
//	operator  = "==" | "!=" | "<" | "<=" | ">" | ">="
//	metric    = count | count "(" fault ")" | name "(" argument ")"
//
// Counts, compared with whole numbers: planned, sent, accepted, refused,
// failed, unknown, unsent, handed_off, wrong_accepts, wrong_refusals,
// other_reason; failed and handed_off also of one fault.
// Times, compared with a time and its unit: p50, p90, p95, p99, p99.9, max and
// mean of (response), (service) or (lag); time_to_detect, time_to_failover and
// time_to_recover of a fault.
// Ratios, compared with a percentage or a number from 0 to 1:
// jain(connectors), share(pass_through), share(hash_sync).
// Rates, compared with a rate: rate(achieved), rate(answered).
//
// After the value, "in" is reserved for a window. An error is a Mistake with
// the column in the line. Whether the fault exists is for the caller to check.
func ParseObjective(line string) (Objective, error) {
	s := &lineScanner{line: line}
	o := Objective{Text: strings.TrimSpace(line)}

	name, offset := s.word("(=!<>")
	m, ok := metricNamed(name)
	if !ok {
		var names []string
		for _, m := range metrics {
			names = append(names, m.name)
		}
		if name == "" {
			return Objective{}, *s.mistake(offset, "", shownValue(line), objectiveForm)
		}
		return Objective{}, *s.mistake(offset, "", shownValue(name), meant(name, names))
	}
	o.Metric, o.Unit = name, m.unit
	argument, bad := s.argument(m)
	if bad != nil {
		return Objective{}, *bad
	}
	if argument != "" {
		o.Metric += "(" + argument + ")"
	}

	s.blanks()
	for _, op := range operators {
		if strings.HasPrefix(line[s.at:], op) {
			o.Op = op
			break
		}
	}
	if o.Op == "" {
		return Objective{}, *s.mistake(s.at, "", shownStart(line[s.at:]), "a comparison after "+o.Metric+": "+oneOf(operators))
	}
	s.at += len(o.Op)

	text, offset := s.word("")
	value, expected := m.unit.parse(text)
	if expected != "" {
		return Objective{}, *s.mistake(offset, "", shownStart(text), expected+", for "+o.Metric)
	}
	o.Value = value

	switch rest, offset := s.word(""); rest {
	case "":
		return o, nil
	case "in":
		return Objective{}, *s.mistake(offset, "", "a window", "the end of the line: this version compares figures of the whole measured load, and of faults by name")
	default:
		return Objective{}, *s.mistake(offset, "", shownValue(rest), "the end of the line")
	}
}

// shownStart is the word at the start of what is left of a line.
func shownStart(rest string) string {
	if word, _, _ := strings.Cut(rest, " "); word != "" {
		return shownValue(word)
	}
	return "nothing"
}

// argument reads what is in brackets after a metric, if anything is.
func (s *lineScanner) argument(m metric) (string, *Mistake) {
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
	case len(m.arguments) == 0:
		return "", s.mistake(open, "", m.name, "no brackets after it")
	case m.arguments[0] == faultArgument && !rules["name"].allowed(argument):
		return "", s.mistake(offset, "", shownValue(argument), faultArgument+" in brackets, as in "+m.name+"(crash-1)")
	case m.arguments[0] != faultArgument && !slices.Contains(m.arguments, argument):
		return "", s.mistake(offset, "", shownValue(argument), meant(argument, m.arguments))
	}
	s.blanks()
	if !strings.HasPrefix(s.line[s.at:], ")") {
		return "", s.mistake(open, "", "an open bracket", "one that is closed")
	}
	s.at++
	return argument, nil
}

var (
	countRE = regexp.MustCompile(`^[0-9]{1,15}$`)
	ratioRE = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,15})?$`)
)

// parse reads a value of the unit. The second result says what was expected,
// and is empty when the text was right.
func (u Unit) parse(text string) (float64, string) {
	switch u {
	case Count:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !countRE.MatchString(text) {
			return 0, "a whole number"
		}
		return n, ""
	case Time:
		var d Duration
		if d.UnmarshalText([]byte(text)) != nil || text == "0" {
			return 0, "a time with its unit, such as 200ms"
		}
		return float64(d), ""
	case PerSecond:
		var r Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return 0, rateForm
		}
		return float64(r), ""
	}
	var s Share
	err := s.UnmarshalText([]byte(text))
	if ratioRE.MatchString(text) {
		n, _ := strconv.ParseFloat(text, 64) // the expression leaves nothing to refuse
		s, err = Share(n), nil
	}
	if err != nil || s > 1 {
		return 0, "a percentage from 0% to 100%, or a number from 0 to 1"
	}
	return float64(s), ""
}

// faultColumn is where in its line the objective names its fault, from 1.
func (o Objective) faultColumn(line string) int {
	return utf8.RuneCountInString(line[:strings.IndexByte(line, '(')+1]) + 1
}
