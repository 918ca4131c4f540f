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
	read := readFault(line)
	if len(read.mistakes) > 0 {
		return Fault{}, read.mistakes[0]
	}
	return read.fault, nil
}

// A faultLine is what can be read of a fault on one line.
type faultLine struct {
	fault    Fault          // what there is of it
	at       map[string]int // columns of its fields
	mistakes []Mistake
	cut      bool // it was not read to its end, but for the name
}

// readFault reads a line as far as that can be done, and finds all that is
// wrong with what it has read.
func readFault(line string) faultLine {
	s := &lineScanner{line: line}
	read := faultLine{at: map[string]int{}}
	f := &read.fault
	bad := s.fault(f, read.at)
	read.mistakes = s.wrong
	if bad != nil {
		read.cut = true
		read.mistakes = append(read.mistakes, *bad)
		if name := lastName(line); f.Name == "" && rules["name"].allowed(name) {
			f.Name = name
		}
		return read
	}
	has := func(field string) bool {
		return slices.ContainsFunc(s.wrong, func(m Mistake) bool { return m.Path == field })
	}
	for _, flaw := range f.flaws(has) {
		column, ok := read.at[flaw.field]
		if !ok {
			column = read.at["kind"]
		}
		read.mistakes = append(read.mistakes, Mistake{Column: column, Path: flaw.field, Value: flaw.value, Expected: flaw.expected, Excerpt: line})
	}
	return read
}

// lastName is the word after the last as of a line, empty when there is none.
func lastName(line string) string {
	words := strings.Fields(line)
	for i := len(words) - 2; i > 0; i-- {
		if words[i] == "as" {
			return words[i+1]
		}
	}
	return ""
}

// A lineScanner walks over a line.
type lineScanner struct {
	line  string
	at    int       // byte offset
	wrong []Mistake // values of fields; they keep nobody from reading on
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

// fault reads the line and the columns of its fields. The mistake is what ended
// the reading early.
func (s *lineScanner) fault(f *Fault, at map[string]int) *Mistake {

	word, offset := s.word("(")
	at["kind"] = s.column(offset)
	if bad := s.field(f, "kind", word, offset); bad != nil {
		if !strings.Contains(s.line, "(") {
			bad.Path, bad.Value, bad.Expected = "", shownValue(s.line), faultForm
		}
		return bad
	}
	s.blanks()
	if !strings.HasPrefix(s.line[s.at:], "(") {
		return s.mistake(s.at, "", "", "( and the target, as in "+word+"("+kinds[f.Kind].example()+")")
	}
	s.at++
	if bad := s.settings(f, at); bad != nil {
		return bad
	}
	if f.Target == "" {
		f.Target = kinds[f.Kind].target
	}
	return s.times(f, at)
}

// times reads what follows the brackets, to the end of the line.
func (s *lineScanner) times(f *Fault, at map[string]int) *Mistake {
	keyword, offset := s.word("")
	switch keyword {
	case "at":
		s.timed(f, "at", "", at)
	case "after", "with":
		s.timed(f, keyword, "+", at)
		s.blanks()
		if strings.HasPrefix(s.line[s.at:], "+") {
			s.at++
			s.timed(f, "at", "", at)
		}
	default:
		return s.mistake(offset, "", shownStart(keyword), "at 6s, or after or with the name of a fault")
	}
	if keyword, offset = s.word(""); keyword != "for" {
		return s.mistake(offset, "", shownStart(keyword), "for and a duration, such as for 3s")
	}
	s.timed(f, "for", "", at)
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
		s.timed(f, field, "", at)
	}
}

// timed reads the value of a field after the brackets, and keeps its column.
func (s *lineScanner) timed(f *Fault, field, stops string, at map[string]int) {
	value, offset := s.word(stops)
	at[field] = s.column(offset)
	s.value(f, field, value, offset)
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
			s.value(f, field, value, offset)
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

// value sets one field, and remembers what is wrong with it.
func (s *lineScanner) value(f *Fault, name, text string, offset int) {
	if bad := s.field(f, name, text, offset); bad != nil {
		s.wrong = append(s.wrong, *bad)
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
