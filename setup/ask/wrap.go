package ask

import "strings"

// width is that of a small terminal.
const width = 80

// Wrap breaks the lines of a text that are longer than 80 columns at words; what
// follows a break is indented by so much, below its line's own indentation.
func Wrap(text string, indent int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if len([]rune(line)) > width {
			lines[i] = wrapLine(line, indent)
		}
	}
	return strings.Join(lines, "\n")
}

func wrapLine(line string, indent int) string {
	own := len(line) - len(strings.TrimLeft(line, " "))
	var out strings.Builder
	out.WriteString(line[:own])
	used, fresh := own, true
	for word := range strings.FieldsSeq(line) {
		n := len([]rune(word))
		switch {
		case fresh:
		case used+1+n > width:
			out.WriteString("\n" + strings.Repeat(" ", own+indent))
			used = own + indent
		default:
			out.WriteString(" ")
			used++
		}
		out.WriteString(word)
		used, fresh = used+n, false
	}
	return out.String()
}
