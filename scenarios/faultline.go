package scenarios

import (
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// faultForm is how a fault is written on one line.
const faultForm = "a fault such as crash(connector-1) at 6s for 3s, or block(connector-2, ports=requests, mode=stall) at 13s for 5s"

// faultPattern is the same as a regular expression, for the JSON schema: what
// is inside the brackets is left to the parser.
var faultPattern = `^(` + strings.Join(Crash.words(), "|") + `) *\([^()]*\) +(at +[^ ]+|(after|with) +[^ +]+( *\+ *[^ ]+)?)` +
	` +for +[^ ]+( +every +[^ ]+( +until +[^ ]+)?)?( +as +[^ ]+)?$`

// ParseFault reads a fault from one line, as Fault.String writes it:
//
//	fault   = kind "(" [ target ] { "," setting } ")" when "for" duration
//	          [ "every" duration [ "until" duration ] ] [ "as" name ]
//	when    = "at" duration | ( "after" | "with" ) name [ "+" duration ]
//	setting = name "=" value { "," value }
//
// Only kinds that act on one thing may leave out their target. Settings are
// those of the mapping form, each only for its kinds; ports and kinds take
// several values. Words and ranges of ports are expanded. An error is a Mistake
// with the column in the line. The fault may still name a connector or a fault
// that is not there.
func ParseFault(line string) (Fault, error) {
	f, _, err := parseFault(line)
	return f, err
}

// parseFault returns the columns of the fields too.
func parseFault(line string) (Fault, map[string]int, error) {
	f, at, bad := scanFault(line)
	if bad != nil {
		return Fault{}, nil, *bad
	}
	if flaws := f.flaws(); len(flaws) > 0 {
		wrong := flaws[0]
		column, ok := at[wrong.field]
		if !ok {
			column = at["kind"]
		}
		return Fault{}, nil, Mistake{Column: column, Path: wrong.field, Value: wrong.value, Expected: wrong.expected, Excerpt: line}
	}
	return f, at, nil
}

// A lineScanner walks over a line.
type lineScanner struct {
	line string
	at   int // byte offset
}

// column of a byte offset, from 1, in characters.
func (s *lineScanner) column(offset int) int { return utf8.RuneCountInString(s.line[:offset]) + 1 }

func (s *lineScanner) mistake(offset int, path, value, expected string) *Mistake {
	return &Mistake{Column: s.column(offset), Path: path, Value: value, Expected: expected, Excerpt: s.line}
}

func (s *lineScanner) blanks() {
	for s.at < len(s.line) && s.line[s.at] == ' ' {
		s.at++
	}
}

// word takes what precedes a blank or one of the stops, after blanks.
func (s *lineScanner) word(stops string) (word string, offset int) {
	s.blanks()
	offset = s.at
	end := strings.IndexAny(s.line[s.at:], " "+stops)
	if end < 0 {
		end = len(s.line) - s.at
	}
	s.at += end
	return s.line[offset:s.at], offset
}

// scanFault reads the line. It returns the columns of the fields too.
func scanFault(line string) (Fault, map[string]int, *Mistake) {
	var f Fault
	s := &lineScanner{line: line}
	at := map[string]int{}

	word, offset := s.word("(")
	at["kind"] = s.column(offset)
	if bad := s.field(&f, "kind", word, offset); bad != nil {
		if !strings.Contains(line, "(") {
			bad.Path, bad.Value, bad.Expected = "", shownValue(line), faultForm
		}
		return f, at, bad
	}
	s.blanks()
	if !strings.HasPrefix(line[s.at:], "(") {
		return f, at, s.mistake(s.at, "", "", "( and the target, as in "+word+"("+kinds[f.Kind].example()+")")
	}
	s.at++
	if bad := s.settings(&f, at); bad != nil {
		return f, at, bad
	}
	if f.Target == "" {
		f.Target = kinds[f.Kind].target
	}
	return f, at, s.times(&f, at)
}

// times reads what follows the brackets, to the end of the line.
func (s *lineScanner) times(f *Fault, at map[string]int) *Mistake {
	keyword, offset := s.word("")
	switch keyword {
	case "at":
		if bad := s.timed(f, "at", "", at); bad != nil {
			return bad
		}
	case "after", "with":
		if bad := s.timed(f, keyword, "+", at); bad != nil {
			return bad
		}
		s.blanks()
		if strings.HasPrefix(s.line[s.at:], "+") {
			s.at++
			if bad := s.timed(f, "at", "", at); bad != nil {
				return bad
			}
		}
	default:
		return s.mistake(offset, "", shownValue(keyword), "at 6s, or after or with the name of a fault")
	}
	if keyword, offset = s.word(""); keyword != "for" {
		return s.mistake(offset, "", shownValue(keyword), "for 3s")
	}
	if bad := s.timed(f, "for", "", at); bad != nil {
		return bad
	}
	next := []string{"every", "as"}
	for {
		keyword, offset = s.word("")
		switch {
		case keyword == "":
			return nil
		case !slices.Contains(next, keyword):
			expected := "the end of the line"
			if len(next) > 0 {
				expected += ", or " + strings.Replace(oneOf(next), "as", "as and a name", 1)
			}
			return s.mistake(offset, "", shownValue(keyword), expected)
		}
		field := keyword
		switch keyword {
		case "every":
			next = []string{"until", "as"}
		case "until":
			next = []string{"as"}
		case "as":
			field, next = "name", nil
		}
		if bad := s.timed(f, field, "", at); bad != nil {
			return bad
		}
	}
}

// timed reads the value of a field after the brackets, and keeps its column.
func (s *lineScanner) timed(f *Fault, field, stops string, at map[string]int) *Mistake {
	value, offset := s.word(stops)
	at[field] = s.column(offset)
	return s.field(f, field, value, offset)
}

// settings reads what is in the brackets, and the closing one.
func (s *lineScanner) settings(f *Fault, at map[string]int) *Mistake {
	open := s.at - 1
	kind := kinds[f.Kind]
	last := ""
	for {
		text, offset := s.word(",)")
		field, value, named := strings.Cut(text, "=")
		switch {
		case named && !isSetting(field):
			return s.mistake(offset, "", shownValue(field), kind.settingsForm(f.Kind))
		case named && at[field] != 0:
			return s.mistake(offset, field, "given twice", "it once")
		case named:
			offset += len(field) + 1
		case (last == "ports" || last == "kinds") && text != "":
			field, value = last, text
		case at["target"] == 0 && last == "" && (text != "" || !strings.HasPrefix(s.line[s.at:], ")")):
			field, value = "target", text
		case text == "" && last == "": // as in refusing-directory()
			field = ""
		default:
			return s.mistake(offset, "", shownValue(text), kind.settingsForm(f.Kind))
		}
		if field != "" {
			if at[field] == 0 {
				at[field] = s.column(offset)
			}
			if bad := s.field(f, field, value, offset); bad != nil {
				return bad
			}
			last = field
		}
		s.blanks()
		switch {
		case strings.HasPrefix(s.line[s.at:], ","):
			s.at++
		case strings.HasPrefix(s.line[s.at:], ")"):
			s.at++
			return nil
		case s.at == len(s.line):
			return s.mistake(open, "", "an open bracket", "one that is closed")
		default:
			return s.mistake(s.at, "", "", "a comma or )")
		}
	}
}

// field sets one field of the fault from its text, by the same rules as the
// mapping form.
func (s *lineScanner) field(f *Fault, name, text string, offset int) *Mistake {
	described := structOf(reflect.TypeFor[Fault]()).byName[name]
	target := reflect.ValueOf(f).Elem().Field(described.index)
	if name == "ports" {
		ports, wrong := expandPort(text)
		if wrong != "" {
			return s.mistake(offset, name, shownValue(text), wrong)
		}
		f.Ports = addPorts(f.Ports, ports)
		return nil
	}
	several := target.Kind() == reflect.Slice
	if several {
		target = reflect.New(target.Type().Elem()).Elem()
	}
	if wrong := described.setText(target, text); wrong != "" {
		return s.mistake(offset, name, shownValue(text), wrong)
	}
	if several {
		f.Kinds = append(f.Kinds, FaultKind(target.String()))
	}
	return nil
}
