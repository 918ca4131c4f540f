package page

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ptabench/results"
)

// mostTold is how many faults are told of one by one. Of more the sentences
// are to be opened: nobody reads them all.
const mostTold = 8

// A faultsView is what was broken on purpose and what came of it.
type faultsView struct {
	Faults     []faultView
	FaultHeads []string
	MoreFaults []faultView // to be opened
	MoreTitle  string
}

type faultView struct {
	Number     int    // from 1, as the band in the charts; 0 where bands have names
	Name, Text string // what was done
	Came       string // what came of it
	Bad, Group bool
	Rows       []rowView
}

// An expectedView compares what was expected of faults with what was seen.
type expectedView struct {
	Summary string
	Others  []faultLink // those of which something was otherwise, or not seen
	Rows    []expectedRow
	Open    bool // all comparisons are shown at once
}

type faultLink struct {
	ID, Name, Mark string
	Verdict        results.Verdict
}

type expectedRow struct {
	ID, Name, Shows, What string
	Number                int
	Mark, Text            string
	Verdict               results.Verdict
	Others                []comparison // always shown
	Held                  []comparison
}

type comparison struct {
	Expected, Seen, Mark string
	Verdict              results.Verdict
}

func (v *view) faults(r *results.Result) {
	v.FaultHeads = results.FaultHeads()
	texts := r.FaultTexts()
	if v.Live != nil {
		texts = r.FaultTextsSoFar()
	}
	numbered := len(r.Faults) > mostTold // as the bands in the charts are then
	number := 1
	var all []faultView
	for _, f := range texts {
		shown := faultOf(f, number)
		number += max(len(f.Parts), 1)
		if !numbered {
			shown.Number = 0
		}
		all = append(all, shown)
	}
	v.expected(r)
	switch {
	case len(all) <= mostTold:
		v.Faults = all
	case len(v.Expected.Rows) == len(all):
		v.MoreFaults, v.MoreTitle = all, "What each of them did"
	default:
		v.Faults, v.MoreFaults = all[:mostTold], all[mostTold:]
		v.MoreTitle = results.Count(uint64(len(v.MoreFaults))) + " more"
	}
}

// believedAside tells whether what keeps a run from being believed stands below
// the faults, because the objectives beside them are the longer column. Lines
// are estimated: nobody knows how wide the window is.
func (v *view) believedAside() bool {
	const wide = 65 // characters
	objectives, faults := 0, 1
	for i := range v.Objectives {
		o := &v.Objectives[i]
		objectives += 2 + len(o.Basis)/wide + min(len(o.Basis), 1) + len(o.Reason)/wide
	}
	for i := range v.Faults {
		f := &v.Faults[i]
		faults += 2 + len(f.Text)/wide + len(f.Came)/wide
	}
	faults += 2 * len(v.Notes["faults"])
	return v.Live == nil && (objectives > faults+4 || faults < 4)
}

func faultOf(f results.FaultText, number int) faultView {
	v := faultView{Number: number, Name: f.Name, Text: f.Text, Bad: f.Bad, Group: f.Group}
	// The name stands before the sentence, in bold.
	v.Text = strings.TrimLeft(strings.TrimPrefix(v.Text, f.Name), ": ")
	if did, came, ok := strings.Cut(v.Text, "; "); ok {
		first, size := utf8.DecodeRuneInString(came)
		v.Text, v.Came = did+".", string(unicode.ToUpper(first))+came[size:]
	}
	if !f.Group {
		return v
	}
	for i := range f.Parts {
		p := &f.Parts[i]
		v.Rows = append(v.Rows, rowView{Name: fmt.Sprintf("%d %s", number+i, p.Name), Cells: append([]string{p.When()}, p.Cells()...),
			Bad: p.Lost > 0 || p.At < 0 || !p.Healed})
	}
	return v
}

// openComparisons is up to how many comparisons are shown at once.
const openComparisons = 40

// mostSeen bounds what was seen, in characters: it may be part of a log.
const mostSeen = 200

func (v *view) expected(r *results.Result) {
	list, summary := r.ExpectedTexts()
	v.Expected.Summary = summary
	all := 0
	for _, t := range list {
		row := expectedRow{ID: fmt.Sprintf("fault-%d", t.Number), Number: t.Number, Name: t.Name, Shows: t.Shows, What: t.What,
			Mark: results.Mark(t.Verdict), Verdict: t.Verdict}
		for _, e := range t.Parts {
			c := comparison{Expected: e.Text, Seen: cut(e.Observed, mostSeen), Mark: results.Mark(e.Verdict), Verdict: e.Verdict}
			if e.Verdict == results.Pass {
				row.Held = append(row.Held, c)
			} else {
				row.Others = append(row.Others, c)
			}
		}
		all += len(t.Parts)
		row.Text = fmt.Sprintf("%d of %d as expected", len(row.Held), len(t.Parts))
		if t.Verdict != results.Pass {
			v.Expected.Others = append(v.Expected.Others, faultLink{row.ID, t.Name, row.Mark, t.Verdict})
		}
		v.Expected.Rows = append(v.Expected.Rows, row)
	}
	v.Expected.Open = all <= openComparisons
}

// cut is a text of at most n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}
