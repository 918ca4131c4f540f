package scenarios

import (
	"slices"
	"strings"
	"unicode"
)

// expectForm is how an expectation is written.
const expectForm = "an expectation such as serving(connector-1) == 0, newcomer == waits, or lost == 0 in row"

// expectPattern is the same as a regular expression, for the JSON schema.
const expectPattern = `^ *[a-z_0-9]+ *(\( *[a-z0-9_-]+ *\))? *((==|!=|<=|>=|<|>) *[^ ]+( +in +(row|on|settled|after))?|~ *.+) *$`

var wordOperators = []string{"==", "!="}

// maxFragment bounds a text that a log is searched for.
const maxFragment = 200

// ParseExpectation reads one line:
//
//	expectation = metric operator value [ "in" phase ]
//	            | "says" "(" process ")" "~" text
//	metric      = name | name "(" subject ")"
//	phase       = "row" | "on" | "settled" | "after"
//
// Numbers are compared by ==, !=, <, <=, > and >=, words by == and !=. Counts
// of what happens, and shares, are of the phase; numbers of connectors, states
// and ports are as they are at its end. A phase that is not written is settled,
// but for lost, availability, handed_off and renewals, which are of the row. An
// error is a Mistake with the column in the line; whether the connectors exist
// is for the caller to check.
func ParseExpectation(line string) (Expectation, error) {
	e, _, err := parseExpectation(line)
	return e, err
}

// parseExpectation returns the columns of subject and phase too.
func parseExpectation(line string) (Expectation, map[string]int, error) {
	s := &lineScanner{line: line}
	e := Expectation{Text: strings.TrimSpace(line)}
	at := map[string]int{}
	if bad := s.expectation(&e, at); bad != nil {
		return Expectation{}, nil, *bad
	}
	return e, at, nil
}

func (s *lineScanner) expectation(e *Expectation, at map[string]int) *Mistake {
	name, offset := s.word("(=!<>~")
	of, ok := expectableNamed(name)
	switch {
	case name == "":
		return s.mistake(offset, "", shownValue(s.line), expectForm)
	case !ok:
		return s.mistake(offset, "", shownValue(name), meant(name, expectableNames()))
	}
	e.Metric, e.Unit, e.Phase = name, of.unit, of.phase
	if bad := s.subject(e, of, at); bad != nil {
		return bad
	}
	switch of.unit {
	case Fragment:
		return s.fragment(e)
	case Word:
		if bad := s.comparison(e.Metric, wordOperators, &e.Op); bad != nil {
			return bad
		}
		word, offset := s.word("")
		if !slices.Contains(of.words, word) {
			return s.mistake(offset, "", shownStart(word), meant(word, of.words)+", for "+e.Metric)
		}
		e.Word = word
	default:
		if bad := s.comparison(e.Metric, operators, &e.Op); bad != nil {
			return bad
		}
		if bad := s.compared(e.Metric, e.Unit, &e.Value); bad != nil {
			return bad
		}
	}
	return s.phase(e, of, at)
}

// subject reads what is in brackets after a metric, or that nothing is.
func (s *lineScanner) subject(e *Expectation, of expectable, at map[string]int) *Mistake {
	s.blanks()
	open := s.at
	bracket := strings.HasPrefix(s.line[s.at:], "(")
	switch {
	case !bracket && of.of == noSubject:
		return nil
	case !bracket:
		return s.mistake(s.at, "", of.name, "whose, in brackets: "+of.of.form())
	case of.of == noSubject:
		return s.mistake(open, "", of.name, "no brackets after it")
	}
	s.at++
	word, offset := s.word("()=!<>~")
	if !of.of.allows(word) {
		return s.mistake(offset, "", shownStart(word), of.of.form())
	}
	e.Metric += "(" + word + ")"
	at["subject"] = s.column(offset)
	return s.closed(open)
}

// fragment reads the rest of the line, to be found in a log.
func (s *lineScanner) fragment(e *Expectation) *Mistake {
	s.blanks()
	if !strings.HasPrefix(s.line[s.at:], "~") {
		return s.mistake(s.at, "", shownStart(s.line[s.at:]), "~ and part of what it writes, after "+e.Metric)
	}
	s.at++
	s.blanks()
	e.Op, e.Word = "~", strings.TrimSpace(s.line[s.at:])
	if e.Word == "" || len(e.Word) > maxFragment || strings.ContainsFunc(e.Word, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s.mistake(s.at, "", shownValue(e.Word), "some printable text, of at most 200 bytes, after ~")
	}
	return nil
}

// phase reads a phase, if there is one, and the end of the line.
func (s *lineScanner) phase(e *Expectation, of expectable, at map[string]int) *Mistake {
	word, offset := s.word("")
	switch word {
	case "":
		return nil
	case "in":
	default:
		return s.mistake(offset, "", shownValue(word), "the end of the line, or in and a phase: "+oneOf(phases))
	}
	word, offset = s.word("")
	if !slices.Contains(phases, word) {
		return s.mistake(offset, "", shownStart(word), "a phase: "+meant(word, phases))
	}
	e.Phase = Phase(word)
	if of.phases != nil && !slices.Contains(of.phases, e.Phase) {
		return s.mistake(offset, "", word, oneOf(words(of.phases...))+" for "+of.name+", which is a probe")
	}
	at["phase"] = s.column(offset)
	if rest, offset := s.word(""); rest != "" {
		return s.mistake(offset, "", shownValue(rest), "the end of the line")
	}
	return nil
}
