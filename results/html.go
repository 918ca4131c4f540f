package results

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/url"
	"strings"
)

// A sheet is a page of HTML by itself: no script, nothing loaded, and a policy
// that forbids both.
type sheet struct {
	Title   string
	Verdict Verdict
	Mark    string
	About   []string
	Blocks  []sheetBlock
	Command string
}

type sheetBlock struct {
	Title string
	Heads []sheetCell
	Rows  [][]sheetCell
	Notes []string
}

type sheetCell struct {
	Text    string
	Link    string // "" for none
	Figure  bool
	Verdict Verdict // of the row, on its verdict's cell
}

//go:embed sheet.css
var sheetStyle string

//go:embed sheet.html
var sheetText string

// The style stands in the page, and the policy names it by its hash.
var sheetTemplate = template.Must(template.New("sheet").Parse(strings.NewReplacer(
	"STYLE-HASH", styleHash(sheetStyle), "STYLE", sheetStyle).Replace(sheetText)))

func styleHash(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func newSheetBlock(b *block) sheetBlock {
	out := sheetBlock{Title: b.title, Notes: b.notes}
	for i, head := range b.heads {
		if b.idle(i) {
			continue
		}
		out.Heads = append(out.Heads, sheetCell{Text: head, Figure: b.figure(i)})
	}
	for _, r := range b.rows {
		var cells []sheetCell
		for i, text := range r.cells {
			if b.idle(i) {
				continue
			}
			cell := sheetCell{Text: text, Figure: b.figure(i)}
			if r.verdict != "" && b.heads[i] == "verdict" {
				cell.Verdict = r.verdict
			}
			if i < len(r.links) {
				cell.Link = linkTo(r.links[i])
			}
			cells = append(cells, cell)
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// idle says whether a column behind the texts tells nothing: nothing in any row,
// or in each what its name says already.
func (b *block) idle(column int) bool {
	if column < b.texts || len(b.rows) == 0 {
		return false
	}
	for _, r := range b.rows {
		if text := r.cells[column]; text != "" && (b.heads[column] != "scenario" || text != r.cells[0]) {
			return false
		}
	}
	return true
}

// figure says whether a column has figures.
func (b *block) figure(column int) bool {
	return column >= b.texts && !strings.Contains(" scenario directory why ", " "+b.heads[column]+" ")
}

// linkTo is a relative link to a directory.
func linkTo(dir string) string {
	if dir == "" || strings.HasPrefix(dir, "/") {
		return ""
	}
	return (&url.URL{Path: "./" + strings.TrimSuffix(dir, "/") + "/"}).String()
}

func (s *sheet) write(w io.Writer) error {
	s.Mark = mark(s.Verdict)
	return sheetTemplate.Execute(w, s)
}

// MatrixHTML writes a matrix as a page of HTML that needs nothing else.
func MatrixHTML(w io.Writer, m *Matrix) error {
	s := &sheet{Title: "matrix of " + m.Scenario, Verdict: m.Verdict, About: m.abouts(), Command: m.Command}
	for _, b := range append(m.blocks(false), m.runs()) {
		s.Blocks = append(s.Blocks, newSheetBlock(&b))
	}
	return s.write(w)
}

// SuiteHTML writes a suite as a page of HTML that needs nothing else.
func SuiteHTML(w io.Writer, s *SuiteResult) error {
	b := s.block(false)
	page := &sheet{Title: "suite " + s.Suite, Verdict: s.Verdict, About: append([]string{s.verdicts()}, s.abouts()...), Command: s.Command,
		Blocks: []sheetBlock{newSheetBlock(&b)}}
	return page.write(w)
}
