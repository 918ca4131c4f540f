package results

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// width is that of the summary, in columns.
const width = 80

// ink is how a piece of text stands out, in ANSI codes.
type ink string

const (
	plain  ink = ""
	bold   ink = "1"
	dim    ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
)

// A page collects the lines of the summary. Text is measured before it is
// inked, so that columns line up with colour and without.
type page struct {
	text   strings.Builder
	colour bool
}

func (p *page) ink(i ink, s string) string {
	if !p.colour || i == plain || s == "" {
		return s
	}
	return "\x1b[" + string(i) + "m" + s + "\x1b[0m"
}

// line writes the pieces as one line, without blanks at its end, and without
// anything that a terminal would obey.
func (p *page) line(pieces ...string) {
	p.text.WriteString(strings.TrimRight(p.printable(strings.Join(pieces, "")), " "))
	p.text.WriteByte('\n')
}

// inked are the sequences that ink writes.
var inked = regexp.MustCompile(`^\x1b\[(0|1|2|(1;)?3[123])m`)

// printable replaces what is neither to be seen nor ink: names come from
// outside, and a result may be somebody else's.
func (p *page) printable(line string) string {
	odd := func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }
	if !strings.ContainsFunc(line, odd) {
		return line
	}
	var out strings.Builder
	for len(line) > 0 {
		if p.colour {
			if ink := inked.FindString(line); ink != "" {
				out.WriteString(ink)
				line = line[len(ink):]
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(line)
		if odd(r) {
			r = utf8.RuneError
		}
		out.WriteRune(r)
		line = line[n:]
	}
	return out.String()
}

// section begins a part of the page: its title and what goes with it.
func (p *page) section(title, rest string) {
	p.line()
	p.line(p.ink(bold, title), rest)
}

// wrapped writes words, in ink, in as many lines as they need, with a first
// indent and one for the rest. A word is never broken, nor a figure parted
// from its unit.
func (p *page) wrapped(i ink, first, rest, words string) {
	line, used := first, utf8.RuneCountInString(first)
	begun := false
	for _, word := range unbroken(words) {
		n := utf8.RuneCountInString(word)
		if begun && used+1+n > width {
			p.line(p.ink(i, line))
			line, used, begun = rest, utf8.RuneCountInString(rest), false
		}
		if begun {
			line, used = line+" ", used+1
		}
		line, used, begun = line+word, used+n, true
	}
	p.line(p.ink(i, line))
}

// unbroken splits a text at its blanks, except before a unit.
func unbroken(text string) []string {
	var words []string
	for _, word := range strings.Fields(text) {
		unit := strings.TrimRight(word, ".,;:)")
		if n := len(words); n > 0 && slices.Contains(units, unit) && strings.ContainsAny(words[n-1], "0123456789") {
			words[n-1] += " " + word
			continue
		}
		words = append(words, word)
	}
	return words
}

var units = []string{"ns", "µs", "ms", "s", "min", "h", "%", "B", "KiB", "MiB", "GiB", "TiB"}

// left and right pad s to n columns; a longer s stays whole.
func left(n int, s string) string {
	return s + strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0))
}

func right(n int, s string) string {
	return strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0)) + s
}

// bar is a bar of a share, from 0 to 1, n columns at 1, in eighths of a column.
func bar(n int, share float64) string {
	eighths := int(min(max(share, 0), 1)*float64(n)*8 + 0.5)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string("▏▎▍▌▋▊▉"[3*(rest-1) : 3*rest])
	}
	return s
}

// sparks draws one block a value, as high as the value is of the greatest.
func sparks(values []float64) string {
	var top float64
	for _, v := range values {
		top = max(top, v)
	}
	var s strings.Builder
	for _, v := range values {
		level := 0
		if top > 0 && v > 0 {
			level = 1 + int(v/top*7.999)
		}
		s.WriteString(string([]rune(" ▁▂▃▄▅▆▇█")[level]))
	}
	return s.String()
}

// sentences ends each text with a full stop.
func sentences(texts ...string) string {
	ended := make([]string, len(texts))
	for i, text := range texts {
		if ended[i] = strings.TrimSpace(text); ended[i] != "" && !strings.ContainsAny(ended[i][len(ended[i])-1:], ".!?") {
			ended[i] += "."
		}
	}
	return strings.Join(ended, " ")
}

// and joins words as a sentence does.
func and(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return fmt.Sprintf("%s and %s", strings.Join(words[:n-1], ", "), words[n-1])
	}
}
