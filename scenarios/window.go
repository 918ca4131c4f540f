package scenarios

import (
	"slices"
	"strings"
)

// windowPattern is how a window is written, for the JSON schema.
const windowPattern = `(whole|warmup|steady|recovered|(during|after) *\( *[a-z0-9-]+ *\))`

// wholeWord is how the zero Window is written.
const wholeWord = "whole"

var windowWords = []string{wholeWord, string(Warmup), string(Steady), string(During), string(After), string(Recovered)}

// String is the window as an objective has it.
func (w Window) String() string {
	switch {
	case w.Name == Whole:
		return wholeWord
	case w.Fault != "":
		return string(w.Name) + "(" + w.Fault + ")"
	}
	return string(w.Name)
}

// window reads a window, to the end of the line.
func (s *lineScanner) window(into *Window, at map[string]int) *Mistake {
	word, offset := s.word("()")
	at["window"] = s.column(offset)
	if !slices.Contains(windowWords, word) {
		return s.mistake(offset, "", shownStart(word), "a window: "+meant(word, windowWords))
	}
	if word != wholeWord {
		into.Name = WindowName(word)
	}
	ofFault := into.Name == During || into.Name == After
	s.blanks()
	open := s.at
	switch bracket := strings.HasPrefix(s.line[s.at:], "("); {
	case !bracket && ofFault:
		return s.mistake(s.at, "", word, "what of, in brackets: "+faultArgument)
	case bracket && !ofFault:
		return s.mistake(s.at, "", word, "no brackets after it")
	case bracket:
		s.at++
		fault, offset := s.word("()")
		if !rules["name"].allowed(fault) {
			return s.mistake(offset, "", shownValue(fault), faultArgument+" in brackets, as in "+word+"(crash-1)")
		}
		into.Fault, at["window.fault"] = fault, s.column(offset)
		if bad := s.closed(open); bad != nil {
			return bad
		}
	}
	if rest, offset := s.word(""); rest != "" {
		return s.mistake(offset, "", shownValue(rest), "the end of the line")
	}
	return nil
}

// Spans are the stretches of the load that a window means, in order and apart
// from each other; none when it is empty in this scenario. Several come only of
// a fault that repeats itself.
func (s *Scenario) Spans(w Window) []Span { return s.spans(w, s.Schedule()) }

func (s *Scenario) spans(w Window, faults []Fault) []Span {
	end := s.Load.Duration
	last := Duration(-1) // the end of the last fault
	for _, f := range faults {
		last = max(last, f.End())
	}
	var all []Span
	add := func(from, to Duration) {
		switch n := len(all); {
		case from >= to:
		case n > 0 && from <= all[n-1].To:
			all[n-1].To = max(all[n-1].To, to)
		default:
			all = append(all, Span{from, to})
		}
	}
	switch w.Name {
	case Whole:
		add(0, end)
	case Warmup:
		add(-s.Load.Warmup, 0)
	case Steady:
		if len(faults) > 0 {
			end = faults[0].At
		}
		add(0, end)
	case During:
		for _, f := range faults {
			if f.called(w.Fault) {
				add(f.At, min(f.End(), end))
			}
		}
	case After:
		over := Duration(-1)
		for _, f := range faults {
			if f.called(w.Fault) {
				over = max(over, f.End())
			}
		}
		if over < 0 {
			break
		}
		for _, f := range faults {
			if f.At >= over {
				end = min(end, f.At)
			}
		}
		add(over, end)
	case Recovered:
		if last >= 0 {
			add(last+s.Load.Recovery, end)
		}
	}
	return all
}

// called says whether a name means the fault, or one it is a part of.
func (f Fault) called(name string) bool { return f.Name == name || f.Group == name }
