package results

import (
	"strings"
	"unicode/utf8"
)

// A row is a line of a table; its first cell is a name and stands left, the
// others are figures and stand right.
type row struct {
	ink   ink
	cells []string
}

// leastName is the width of the first column below which names stand on lines
// of their own.
const leastName = 8

// table writes rows under their heads, two blanks in from the left. Columns are
// as wide as their widest cell; a name that is left no room stands on a line of
// its own, above its figures.
func (p *page) table(heads []string, rows []row) {
	const indent = 2
	widths := make([]int, len(heads))
	for _, r := range append([]row{{cells: heads}}, rows...) {
		for i, cell := range r.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	figures := 0
	for _, w := range widths[1:] {
		figures += w
	}
	gap := 2
	if indent+widths[0]+figures+gap*(len(heads)-1) > width {
		gap = 1
	}
	room := width - indent - figures - gap*(len(heads)-1)
	if room < leastName {
		room = leastName
	}
	widths[0] = min(widths[0], room)
	write := func(r row) {
		name := r.cells[0]
		if utf8.RuneCountInString(name) > widths[0] {
			p.wrapped(r.ink, strings.Repeat(" ", indent), strings.Repeat(" ", indent+2), name)
			name = ""
		}
		line := strings.Repeat(" ", indent) + left(widths[0], name)
		for i, cell := range r.cells[1:] {
			line += strings.Repeat(" ", gap) + right(widths[i+1], cell)
		}
		if strings.TrimSpace(line) != "" {
			p.line(p.ink(r.ink, strings.TrimRight(line, " ")))
		}
	}
	write(row{ink: dim, cells: heads})
	for _, r := range rows {
		write(r)
	}
}
