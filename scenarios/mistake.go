package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxMistakes is how many mistakes are printed; more help nobody.
const maxMistakes = 50

// A Mistake is one thing wrong with a scenario.
type Mistake struct {
	File     string // as given to Parse; "--set key=value" when an override is at fault; empty for a line parsed on its own
	Line     int    // from 1; 0 when there are no lines, as in an override
	Column   int    // from 1, in characters; 0 when the whole file is meant
	Path     string // such as tenants[0].fallback; empty for the whole document
	Value    string // what is there, or what is wrong with it; may be empty
	Expected string
	Excerpt  string // the line of the document

	order int // of the file among the sources: the document, then the overrides
}

// Override is the number of the override at fault, from 1; 0 for the document.
func (m Mistake) Override() int { return m.order }

// Error has the form compilers use: where, what, what was expected, and below
// it the line with a caret.
func (m Mistake) Error() string {
	var b strings.Builder
	switch {
	case m.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", m.File, m.Line, m.Column)
	case m.Column > 0 && m.File != "":
		fmt.Fprintf(&b, "%s, column %d: ", m.File, m.Column)
	case m.Column > 0:
		fmt.Fprintf(&b, "column %d: ", m.Column)
	case m.File != "":
		fmt.Fprintf(&b, "%s: ", m.File)
	}
	for _, part := range []string{m.Path, m.Value} {
		if part != "" {
			fmt.Fprintf(&b, "%s: ", part)
		}
	}
	fmt.Fprintf(&b, "expected %s", m.Expected)
	if m.Column > 0 && m.Excerpt != "" {
		gutter := "     "
		if m.Line > 0 {
			gutter = fmt.Sprintf("%5d", m.Line)
		}
		line, caret := excerpt(m.Excerpt, m.Column)
		fmt.Fprintf(&b, "\n%s | %s\n      | %s^", gutter, line, caret)
	}
	return b.String()
}

// Mistakes are all the mistakes of a scenario, in the order of the document.
type Mistakes []Mistake

func (all Mistakes) Error() string {
	var b strings.Builder
	for i, m := range all {
		if i == maxMistakes {
			fmt.Fprintf(&b, "\n… and %d more mistakes", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(m.Error())
	}
	return b.String()
}

func (all Mistakes) sort() {
	slices.SortStableFunc(all, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// excerptWidth is how much of a long line is shown, in characters.
const excerptWidth = 110

// excerpt cuts a line around a column and makes it printable. It returns what
// precedes the caret too, with the tabs of the line, so that the caret stands
// below its character.
func excerpt(line string, column int) (shown, caret string) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from := 0
	if at > excerptWidth-10 {
		from = at - excerptWidth/2
	}
	to := min(len(runes), from+excerptWidth)
	var text, pad strings.Builder
	if from > 0 {
		text.WriteRune('…')
		pad.WriteByte(' ')
	}
	for i, r := range runes[from:to] {
		if r != '\t' && !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		text.WriteRune(r)
		if from+i < at {
			if r != '\t' {
				r = ' '
			}
			pad.WriteRune(r)
		}
	}
	if to < len(runes) {
		text.WriteRune('…')
	}
	return text.String(), pad.String()
}

// shownValue is a value of a document as an error shows it: short, printable.
func shownValue(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	if text == "" || strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", text)
	}
	return text
}

// oneOf lists words: a, b or c.
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// meant lists the words that text should have been one of, and names the one
// that was probably meant. A long list is left out then.
func meant(text string, words []string) string {
	guess := didYouMean(text, words)
	if guess != "" && len(words) > 8 {
		return "another word" + guess
	}
	return oneOf(words) + guess
}

// didYouMean names the word that is written almost like text; it is empty when
// there is none.
func didYouMean(text string, words []string) string {
	fold := strings.NewReplacer("-", "_", " ", "_")
	text = fold.Replace(strings.ToLower(text))
	best, distance := "", 1+max(1, min(len(text), 64)/3)
	for _, w := range words {
		if d := editDistance(text, fold.Replace(w)); d < distance {
			best, distance = w, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b, byte by byte. Texts too long to be a slip of
// the pen are far from everything.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			next[j+1] = min(row[j]+change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
