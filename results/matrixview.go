package results

import (
	"io"
	"slices"
	"strings"
)

// A block is one table of a matrix or a suite, before it becomes text, Markdown
// or HTML. Its first columns are texts, the others figures.
type block struct {
	title string
	heads []string
	texts int
	rows  []blockRow
	notes []string // below the table
}

type blockRow struct {
	verdict Verdict // "" when the row has none
	cells   []string
	links   []string // by cell, to directories; may be shorter
	ends    [2][]string
}

// wholeHeads names what wholeFigures gives.
var wholeHeads = []string{"p99", "lost", "wrong", "repeated", "Jain"}

// A figure is a spread and how it is written.
type figure struct {
	Spread
	text func(float64) string
}

func timeFigure(s Spread) figure {
	return figure{s, func(v float64) string { return elapsed(int64(v)) }}
}
func p99Figure(s Spread) figure {
	return figure{s, func(v float64) string { return measured(int64(v)) }}
}
func countFigure(s Spread) figure { return figure{s, significantCount} }
func jainFigure(s Spread) figure {
	return figure{s, func(v float64) string {
		if v <= 0 { // no connector had anything to do
			return "-"
		}
		return number(v, "ratio", false)
	}}
}

// significantCount is a count, or the mean of two.
func significantCount(v float64) string {
	if v == float64(uint64(v)) {
		return Count(uint64(v))
	}
	return Count(uint64(v)) + ".5"
}

func (c *Cell) whole() []figure {
	return []figure{p99Figure(c.P99), countFigure(c.Lost), countFigure(c.WrongAnswers), countFigure(c.Repeated), jainFigure(c.Jain)}
}

func (f *FaultSpread) figures() []figure {
	return []figure{timeFigure(f.Detect), timeFigure(f.Failover), countFigure(f.Lost), countFigure(f.Wrong), p99Figure(f.P99), timeFigure(f.Recover)}
}

// spreadText is a median, with the ends where they differ; "-" of no run.
func (f figure) spreadText() string {
	if f.Runs == 0 {
		return "-"
	}
	least, most := f.ends()
	if least == "" {
		return f.text(f.Median)
	}
	return f.text(f.Median) + " (" + least + " to " + most + ")"
}

// ends are the least and the most, "" when they cannot be told apart.
func (f figure) ends() (least, most string) {
	if f.Runs == 0 {
		return "", ""
	}
	if least, most = f.text(f.Least), f.text(f.Most); least == most {
		return "", ""
	}
	return least, most
}

// cellsOf writes figures: medians alone and the ends apart when narrow, else
// all in one.
func cellsOf(list []figure, narrow bool) (cells []string, ends [2][]string) {
	differ := false
	for _, f := range list {
		least, most := f.ends()
		if narrow && f.Runs > 0 {
			cells = append(cells, f.text(f.Median))
		} else {
			cells = append(cells, f.spreadText())
		}
		differ = differ || least != ""
		ends[0], ends[1] = append(ends[0], least), append(ends[1], most)
	}
	if !narrow || !differ {
		return cells, [2][]string{}
	}
	return cells, ends
}

// blocks are the tables of a matrix: the whole run, then each fault. Narrow
// ones have a mark for a verdict, and ends of spreads in rows of their own.
func (m *Matrix) blocks(narrow bool) []block {
	keys := strings.Join(m.Keys, ", ")
	if keys == "" {
		keys = "setting"
	}
	whole := block{title: "the whole run", heads: append([]string{keys, "verdict"}, wholeHeads...), texts: 2}
	if narrow {
		whole.heads, whole.texts = slices.Delete(whole.heads, 1, 2), 1
	}
	var names []string
	rows, unasked := map[string][]blockRow{}, map[string]bool{} // by fault
	for i := range m.Cells {
		c := &m.Cells[i]
		cells, ends := cellsOf(c.whole(), narrow)
		texts := []string{c.label(), string(c.Verdict)}
		if narrow {
			texts = []string{mark(c.Verdict) + " " + c.label()}
		}
		whole.rows = append(whole.rows, blockRow{verdict: c.Verdict, cells: append(texts, cells...), ends: ends})
		for j := range c.Faults {
			f := &c.Faults[j]
			if rows[f.Name] == nil {
				names = append(names, f.Name)
			}
			unasked[f.Name] = unasked[f.Name] || f.Lost.Runs > 0 && min(f.Detect.Runs, f.Failover.Runs, f.Recover.Runs) == 0
			cells, ends := cellsOf(f.figures(), narrow)
			rows[f.Name] = append(rows[f.Name], blockRow{cells: append([]string{c.label()}, cells...), ends: ends})
		}
	}
	all := append([]block{whole}, m.methodBlocks(keys)...)
	for _, name := range names {
		b := block{title: name, heads: append([]string{keys}, faultHeads...), texts: 1, rows: rows[name]}
		if unasked[name] {
			b.notes = []string{unneededLegend}
		}
		all = append(all, b)
	}
	return all
}

// runs lists the runs of a matrix with their directories and reasons.
func (m *Matrix) runs() block {
	b := block{title: "runs", heads: []string{strings.Join(m.Keys, ", "), "verdict", "directory", "why"}, texts: 4}
	for i := range m.Cells {
		c := &m.Cells[i]
		for j := range c.Runs {
			r := &c.Runs[j]
			b.rows = append(b.rows, blockRow{verdict: r.Verdict, links: []string{"", "", r.Dir},
				cells: []string{c.label(), string(r.Verdict), r.Dir, reasonsText(r.Reasons)}})
		}
	}
	for _, name := range m.NotMade {
		b.rows = append(b.rows, blockRow{verdict: Aborted, cells: []string{name, string(Aborted), "-", reasonsText(notMadeReason)}})
	}
	return b
}

// reasonsText is the first reasons in one text.
func reasonsText(reasons []string) string {
	const shown = 3
	text := sentences(reasons[:min(shown, len(reasons))]...)
	if len(reasons) > shown {
		text = sentences(text, "And "+Count(uint64(len(reasons)-shown))+" more")
	}
	return text
}

// abouts are the paragraphs above the tables of a matrix.
func (m *Matrix) abouts() []string {
	return present(m.why(), m.about(), m.costsText(), m.Note, m.text())
}

// present are the texts that are not empty.
func present(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// about says how the figures of a matrix came to be.
func (m *Matrix) about() string {
	repeats := 0
	for i := range m.Cells {
		repeats = max(repeats, len(m.Cells[i].Runs))
	}
	s := plural(uint64(len(m.Cells)), "setting", "settings") + " of " + strings.Join(m.Keys, ", ")
	if repeats > 1 {
		s += ", up to " + plural(uint64(repeats), "run", "runs") + " each: figures are the median over runs, and the least and the most where they differ"
	}
	return s + "."
}

// unneededLegend explains what is not there of a fault.
const unneededLegend = "- That did not have to happen: no sign-in needed what was broken, or all were answered as ever."

// block writes a table of a matrix or a suite.
func (p *page) block(b *block) {
	p.section(b.title, "")
	rows := make([]row, 0, len(b.rows))
	for _, r := range b.rows {
		i := plain
		if r.verdict != "" {
			i = verdictInk(r.verdict)
		}
		rows = append(rows, row{ink: i, cells: r.cells})
		for j, name := range []string{"  least", "  most"} {
			if len(r.ends[j]) > 0 {
				rows = append(rows, row{ink: dim, cells: append([]string{name}, r.ends[j]...)})
			}
		}
	}
	p.table(b.heads, rows)
	for _, note := range b.notes {
		p.wrapped(dim, "  ", "    ", note)
	}
}

// MatrixText writes a matrix for people, in 80 columns.
func MatrixText(w io.Writer, m *Matrix, colour bool) error {
	p := &page{colour: colour}
	p.line(p.ink(bold, "matrix: "), p.ink(bold, m.Scenario), ", ", p.ink(bold+";"+verdictInk(m.Verdict), string(m.Verdict)))
	for _, text := range m.abouts() {
		i := plain
		if text == m.Note {
			i = yellow
		}
		p.wrapped(i, "", "  ", text)
	}
	for _, b := range m.blocks(true) {
		p.block(&b)
	}
	p.section("runs", "")
	for i := range m.Cells {
		c := &m.Cells[i]
		for j := range c.Runs {
			p.runLine(c.label(), c.Runs[j].Verdict, c.Runs[j].Dir, c.Runs[j].Reasons)
		}
	}
	for _, name := range m.NotMade {
		p.runLine(name, Aborted, "", notMadeReason)
	}
	p.repeat(m.Command)
	_, err := io.WriteString(w, p.text.String())
	return err
}

// runLine is a run of several: how it ended, where it is, and why.
func (p *page) runLine(name string, v Verdict, dir string, reasons []string) {
	text := name + ": " + string(v)
	if dir != "" {
		text += ", " + dir
	}
	p.wrapped(verdictInk(v), "  "+mark(v)+" ", "    ", text)
	if v != Pass && len(reasons) > 0 {
		p.wrapped(plain, "    ", "    ", reasonsText(reasons))
	}
}

// repeat says how to do it again.
func (p *page) repeat(command string) {
	if command != "" {
		p.section("repeat", "")
		p.line("  ", command) // whole, to be copied
	}
}

// block writes a table of a matrix or a suite.
func (m *markdown) block(b *block) {
	m.heading(3, escapedText(b.title))
	heads := make([]string, len(b.heads))
	for i, head := range b.heads {
		heads[i] = escapedText(head)
	}
	m.tableOf(heads, b.figure, len(b.rows), func(i int) []string {
		cells := make([]string, len(b.rows[i].cells))
		for j, cell := range b.rows[i].cells {
			cells[j] = escaped(cell, labelRunes)
			if b.heads[j] == "why" {
				cells[j] = escapedText(cell)
			}
		}
		return cells
	})
	m.paragraphs(b.notes)
}

// blocksBytes bounds the tables of figures in a Markdown document: none begins
// behind so many bytes. The greatest table has 300 KiB.
const blocksBytes = 500 << 10

// MatrixMarkdown writes a matrix for the page of a job on GitHub, always under
// 1 MiB.
func MatrixMarkdown(w io.Writer, m *Matrix) error {
	d := &markdown{}
	d.line("## ", mark(m.Verdict), " ", string(m.Verdict), ": matrix of ", escapedName(m.Scenario))
	d.paragraphs(m.abouts())
	blocks := m.blocks(false)
	for i := range blocks {
		if d.text.Len() > blocksBytes {
			d.line()
			d.line("and ", plural(uint64(len(blocks)-i), "more fault", "more faults"), " in ", MatrixFile)
			break
		}
		d.block(&blocks[i])
	}
	runs := m.runs()
	d.block(&runs)
	d.repeat(m.Command)
	_, err := io.WriteString(w, d.text.String())
	return err
}
