package results

import (
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A summary of a job on GitHub may have 1 MiB; more is refused whole. So there
// are at most so many rows to a table, runes to a name and to a longer text,
// and what is left out is counted.
const (
	mostRows    = 100
	mostReasons = 20
	nameRunes   = 80
	labelRunes  = 160 // of several settings
	textRunes   = 300
	// A command that is cut off is no use, and there is one to a document.
	commandRunes = 4000
)

// A markdown document is collected here. What comes from outside is escaped by
// name and text; everything else is ours.
type markdown struct{ text strings.Builder }

func (m *markdown) line(pieces ...string) {
	m.text.WriteString(strings.Join(pieces, ""))
	m.text.WriteByte('\n')
}

func (m *markdown) heading(level int, title string) {
	m.line()
	m.line(strings.Repeat("#", level), " ", title)
	m.line()
}

// paragraphs writes each text as one.
func (m *markdown) paragraphs(texts []string) {
	for _, text := range texts {
		m.line()
		m.line(escapedText(text))
	}
}

// repeat says how to do it again.
func (m *markdown) repeat(command string) {
	if command != "" {
		m.heading(3, "Repeat")
		m.line(escaped(command, commandRunes))
	}
}

// bullets lists texts, the first of them when there are very many.
func (m *markdown) bullets(texts []string) {
	for i, text := range texts {
		if i == mostReasons {
			m.line("- and ", Count(uint64(len(texts)-i)), " more")
			return
		}
		m.line("- ", escapedText(text))
	}
}

// table writes cells, escaped already; the first of so many columns stand
// left, the others are figures.
func (m *markdown) table(heads []string, texts int, rows int, row func(i int) []string) {
	m.tableOf(heads, func(column int) bool { return column >= texts }, rows, row)
}

// tableOf is table, with figures in any columns.
func (m *markdown) tableOf(heads []string, figure func(column int) bool, rows int, row func(i int) []string) {
	m.line("| ", strings.Join(heads, " | "), " |")
	for i := range heads {
		rule := "| --- "
		if figure(i) {
			rule = "| ---: "
		}
		m.text.WriteString(rule)
	}
	m.line("|")
	for i := range min(rows, mostRows) {
		m.line("| ", angles.Replace(strings.Join(row(i), " | ")), " |")
	}
	if rows > mostRows {
		m.line()
		m.line("and ", Count(uint64(rows-mostRows)), " more")
	}
}

// angles are all that figures have of Markdown: <0.1 %.
var angles = strings.NewReplacer("<", "&lt;", ">", "&gt;")

// escapedName and escapedText make of a text from outside what Markdown shows
// as that text, on one line, in a table as well as elsewhere, and bounded.
func escapedName(s string) string { return escaped(s, nameRunes) }

func escapedText(s string) string { return escaped(s, textRunes) }

func escaped(s string, most int) string {
	var out strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			out.WriteString(" …")
			break
		}
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '>':
			out.WriteString("&gt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '@': // else GitHub tells whoever has that name
			out.WriteString("&#64;")
		case strings.ContainsRune("\\`*_[]{}#~$|!", r):
			out.WriteByte('\\')
			out.WriteRune(r)
		case n == 1 && strings.ContainsRune("+-=", r): // would begin a list
			out.WriteByte('\\')
			out.WriteRune(r)
		case unicode.IsSpace(r):
			out.WriteByte(' ')
		case r == utf8.RuneError || !unicode.IsPrint(r):
			out.WriteRune(utf8.RuneError)
		default:
			out.WriteRune(r)
		}
	}
	return strings.TrimSpace(out.String())
}

// Markdown writes the summary of a run for the page of a job on GitHub, always
// under 1 MiB. It derives from the result alone.
func Markdown(w io.Writer, r *Result) error {
	m := &markdown{}
	m.line("## ", mark(r.Verdict), " ", string(r.Verdict), ": ", escapedName(r.Scenario))
	m.line()
	m.bullets(r.Reasons)
	if len(r.Reasons) > 0 {
		m.line()
	}
	m.line(escapedText(about(r)))
	if under := settingText(r); under != "" {
		m.line()
		m.line("Under ", escapedText(under), ".")
	}
	m.objectives(r.Objectives)
	m.believed(r)
	m.signIns(r)
	m.tenants(r.Tenants)
	m.capacity(r.Capacity)
	m.expected(r.Faults)
	m.faults(r.Faults)
	m.balance(r)
	m.wrong(r.WrongByCause)
	if text := r.ChangesText(); text != "" {
		m.heading(3, "Changes")
		m.line(text)
	}
	m.ledgers(&r.Ledgers)
	if len(r.Warnings) > 0 {
		m.heading(3, "Notes")
		m.bullets(r.Warnings)
	}
	m.repeat(r.Command)
	_, err := io.WriteString(w, m.text.String())
	return err
}

func (m *markdown) objectives(list []Objective) {
	if len(list) == 0 {
		return
	}
	m.heading(3, "Objectives")
	m.table([]string{"", "objective", "why", "window", "value", "95 % interval", "limit"}, 4, len(list), func(i int) []string {
		o := &list[i]
		return []string{mark(o.Verdict) + " " + string(o.Verdict), escapedText(o.Text), escapedText(o.Reason),
			escapedName(objectiveWindow(o)), objectiveValue(o), objectiveInterval(o), objectiveLimit(o)}
	})
}

func (m *markdown) believed(r *Result) {
	m.heading(3, "Can it be believed")
	for i := range r.Gates {
		if g := &r.Gates[i]; !g.Holds {
			m.line("- ", mark(Inconclusive), " ", escapedText(gateBroken(g)))
		}
	}
	held, unknown := believed(r.Gates)
	if held != "" {
		m.line("- ", mark(Pass), " ", escapedText(held))
	}
	if unknown != "" {
		m.line("- ", escapedText(unknown))
	}
	m.line("- ", ceilingText(r))
}

func (m *markdown) signIns(r *Result) {
	n := &r.SignIns
	m.heading(3, "Sign-ins")
	counts := []struct {
		name         string
		count, whole uint64
	}{
		{"planned", n.Planned, n.Planned}, {"accepted", n.Accepted, n.Planned}, {"refused", n.Refused, n.Planned},
		{"failed", n.Failed, n.Planned}, {"unknown", n.Unknown, n.Planned}, {"unsent", n.Unsent, n.Planned},
		{"by pass-through", n.ByPath.PassThrough, n.decided()}, {"by hash sync", n.ByPath.HashSync, n.decided()},
		{"by federation", n.ByPath.Federation, n.decided()}, {"after a handoff", n.HandedOff, n.decided()}, {"wrong accepts", n.WrongAccepts, n.decided()},
		{"wrong refusals", n.WrongRefusals, n.decided()}, {"other reason", n.OtherReason, n.decided()},
	}
	if n.ByPath.Federation == 0 {
		counts = slices.Delete(counts, 8, 9)
	}
	m.table([]string{"sign-ins", "count", "share"}, 1, len(counts), func(i int) []string {
		c := counts[i]
		return []string{c.name, Count(c.count), share(c.count, c.whole)}
	})
	if felt := unavailableText(&r.Unavailable); felt != "" {
		m.line()
		m.line(felt)
	}
	m.line()
	times := []struct {
		name string
		t    *Percentiles
	}{{"response", &r.Response}, {"service", &r.Service}, {"lag", &r.Lag}}
	m.table([]string{"time", "p50", "p90", "p99", "p99.9", "max", "mean"}, 1, len(times), func(i int) []string {
		return append([]string{times[i].name}, percentileCells(times[i].t)...)
	})
	if text := n.unansweredText(); text != "" {
		m.line()
		m.line(text)
	}
}

func (m *markdown) faults(list []Fault) {
	if len(list) == 0 {
		return
	}
	m.heading(3, "Faults")
	var groups []string
	for _, group := range faultGroups(list) {
		if group[0].Group != "" {
			groups = append(groups, groupSentence(group))
		}
	}
	if m.bullets(groups); len(groups) > 0 {
		m.line()
	}
	heads := append(append([]string{"fault", "what", "at"}, faultHeads...), "after a handoff", "doubled binds", "would lock", "bad seconds", "rebalanced")
	m.table(heads, 2, len(list), func(i int) []string {
		f := &list[i]
		cells := append([]string{escapedName(f.Name), escapedText(f.Text), faultAt(f)}, faultCells(f)...)
		if f.At < 0 {
			return append(cells, "-", "-", "-", "-", "-")
		}
		return append(cells, Count(f.HandedOff), Count(f.DoubledBinds), Count(f.WouldLock),
			Count(uint64(max(f.BadSeconds, 0))), measured(f.Rebalance))
	})
}

func (m *markdown) balance(r *Result) {
	if len(r.Connectors) == 0 {
		return
	}
	m.heading(3, "Balance")
	m.table([]string{"connector", "sign-ins", "share", "per capacity", "in-flight peak", "handoffs", "restarts"}, 1, len(r.Connectors), func(i int) []string {
		c := &r.Connectors[i]
		return []string{escapedName(c.Name), Count(c.SignIns), Percent(c.Share), perCapacity(c),
			Count(uint64(max(c.InFlightPeak, 0))), Count(c.HandedOff), Count(uint64(max(c.Restarts, 0)))}
	})
	if even := balanceText(r); even != "" {
		m.line()
		m.line(escapedText(even))
	}
	if nothing := r.Balance.Nothing; len(nothing) > 0 {
		m.line()
		m.line(escapedText(and(nothing) + " got nothing."))
	}
}

func (m *markdown) wrong(list []Wrong) {
	if len(list) == 0 {
		return
	}
	m.heading(3, "Answers that differ from the directory's")
	m.table([]string{"answer", "count"}, 1, len(list), func(i int) []string {
		return []string{escapedText(wrongText(&list[i])), Count(list[i].Count)}
	})
}

func (m *markdown) ledgers(l *Ledgers) {
	if len(l.Checks) == 0 {
		return
	}
	m.heading(3, "Ledgers")
	m.line(ledgersText(l))
	var texts []string
	for _, c := range l.broken() {
		texts = append(texts, checkText(&c))
	}
	for _, c := range l.waived() {
		texts = append(texts, waivedText(&c))
	}
	if len(texts) == 0 {
		return
	}
	m.line()
	m.bullets(texts)
}

// percentileCells are the figures of a time, "-" when there are none.
func percentileCells(t *Percentiles) []string {
	var cells []string
	for _, v := range []int64{t.P50, t.P90, t.P99, t.P999, t.Max, t.Mean} {
		if t.Samples == 0 {
			cells = append(cells, "-")
		} else {
			cells = append(cells, Duration(v))
		}
	}
	return cells
}

// decided counts the sign-ins that somebody gave a definite answer.
func (n *SignIns) decided() uint64 {
	return n.ByPath.PassThrough + n.ByPath.HashSync + n.ByPath.Federation
}
