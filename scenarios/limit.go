package scenarios

import (
	"slices"
	"strings"
)

// limitForm is how a limit is written.
const limitForm = "a limit such as share(failed) > 50% for 5s"

// limitPattern is the same as a regular expression, for the JSON schema.
const limitPattern = `^ *[a-z_0-9.]+ *(\( *[a-z]+ *\))? *(<=|>=|<|>) *[^ ]+( +for +[^ ]+)? *$`

// limitMetrics are what a limit can watch: what is known while a run goes on.
var limitMetrics = []string{"share(failed)", "p99(response)", "p99(lag)", "unsent", "rate(answered)"}

// limitOperators are those of limits. To be equal says nothing of a second.
var limitOperators = []string{"<", "<=", ">", ">="}

// The bounds of how long a limit must be crossed; it is looked at each second.
const (
	minLimit = Duration(1e9)
	maxLimit = 3600 * minLimit
)

// String is the limit as it was written.
func (l Limit) String() string { return l.Text }

// ParseLimit reads one line of stop_when:
//
//	limit    = metric operator value [ "for" duration ]
//	operator = "<" | "<=" | ">" | ">="
//	metric   = "share(failed)" | "p99(response)" | "p99(lag)" | "unsent" | "rate(answered)"
//
// Values are as in objectives. An error is a Mistake with the column in the
// line.
func ParseLimit(line string) (Limit, error) {
	s := &lineScanner{line: line}
	l := Limit{For: minLimit, Text: strings.TrimSpace(line)}
	if bad := s.limit(&l); bad != nil {
		return Limit{}, *bad
	}
	return l, nil
}

func (s *lineScanner) limit(l *Limit) *Mistake {
	s.blanks()
	start := s.at
	m, bad := s.metric(&l.Metric, map[string]int{})
	if s.at == start {
		return s.mistake(start, "", shownValue(s.line), limitForm)
	}
	if bad != nil || !slices.Contains(limitMetrics, l.Metric) {
		written := strings.TrimSpace(s.line[start:s.at])
		return s.mistake(start, "", shownValue(written), meant(written, limitMetrics))
	}
	l.Unit = m.unit
	if bad := s.comparison(l.Metric, limitOperators, &l.Op); bad != nil {
		return bad
	}
	if bad := s.compared(l.Metric, l.Unit, &l.Value); bad != nil {
		return bad
	}
	keyword, offset := s.word("")
	if keyword == "" {
		return nil
	}
	if keyword != "for" {
		return s.mistake(offset, "", shownValue(keyword), "the end of the line, or for 5s")
	}
	text, offset := s.word("")
	if err := l.For.UnmarshalText([]byte(text)); err != nil || l.For < minLimit || l.For > maxLimit {
		return s.mistake(offset, "", shownStart(text), "a duration from "+minLimit.String()+" to "+maxLimit.String()+": limits are looked at second by second")
	}
	if rest, offset := s.word(""); rest != "" {
		return s.mistake(offset, "", shownValue(rest), "the end of the line")
	}
	return nil
}
