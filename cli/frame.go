package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ptabench/bench"
	"ptabench/results"
)

// leastColumns is the width below which a frame is cut rather than laid out
// anew, and twoColumns that from which objectives stand side by side.
const (
	leastColumns = 40
	twoColumns   = 72
)

// A piece of a line and how it stands out, in ANSI codes.
type piece struct{ text, ink string }

const (
	inkBold   = "1"
	inkDim    = "2"
	inkRed    = "31"
	inkGreen  = "32"
	inkYellow = "33"
)

// A strip is one line of a frame.
type strip []piece

func (s strip) add(text, ink string) strip { return append(s, piece{text, ink}) }

// columns is how wide a strip is. Whatever comes from outside is of ASCII, or
// was made so by render, which counts the same.
func (s strip) columns() (n int) {
	for _, p := range s {
		n += utf8.RuneCountInString(p.text)
	}
	return n
}

// pad fills a strip up to a column, at least one blank.
func (s strip) pad(to int) strip { return s.add(strings.Repeat(" ", max(to-s.columns(), 1)), "") }

// render is the strip in at most so many columns, without anything that a
// terminal would obey but its own ink.
func (s strip) render(columns int, colour bool) string {
	var out strings.Builder
	left := columns
	if s.columns() > columns {
		left-- // for the ellipsis
	}
	for _, p := range s {
		if left <= 0 {
			break
		}
		runes := []rune(strings.Map(func(r rune) rune {
			if r != ' ' && !unicode.IsPrint(r) {
				return utf8.RuneError
			}
			return r
		}, p.text))
		runes = runes[:min(left, len(runes))]
		left -= len(runes)
		if text := string(runes); colour && p.ink != "" && strings.TrimSpace(text) != "" {
			out.WriteString("\x1b[" + p.ink + "m" + text + "\x1b[0m")
		} else {
			out.WriteString(text)
		}
	}
	if s.columns() > columns {
		return out.String() + "…"
	}
	return strings.TrimRight(out.String(), " ")
}

// A glance is what the live screen shows at one time.
type glance struct {
	name    string
	phase   string          // such as starting, load; empty when the run has ended
	verdict results.Verdict // when the run has ended
	at, end time.Duration
	warmup  time.Duration
	planned float64 // sign-ins a second
	rate    float64 // answered, at present
	load    tallied
	now     results.Interval // what ended in the last second
	on      []string         // faults
	next    string           // the fault to come, and when
	stop    string           // the stop condition that is crossed
	soFar   *results.Result  // nil before there is one
}

// tallied are the counts of a glance.
type tallied struct {
	answered, hashSync, failed, unknown, unsent, wrong uint64
	inFlight                                           int64
}

func talliedOf(p *bench.Progress) tallied {
	l := p.Load
	return tallied{answered: l.Accepted + l.Refused, hashSync: l.HashSync, failed: l.Failed, unknown: l.Unknown,
		unsent: l.Unsent, wrong: l.WrongAccepts + l.WrongRefusals, inFlight: l.InFlight}
}

// frame lays a glance out in a number of columns and rows; 0 rows are as many
// as it takes. What does not fit is left out, the most telling last.
func (g *glance) frame(columns, rows int) []strip {
	columns = max(columns, leastColumns)
	top := g.top(columns)
	if g.soFar == nil && g.now.Sent == 0 && g.load.answered == 0 { // nothing was sent yet
		return top
	}
	figures := g.figures(columns)
	shares := g.shares(columns)
	abreast := 1
	if n := g.listed(); columns >= twoColumns && n > 3 && (g.verdict == "" || rows > 0 && len(top)+len(figures)+len(shares)+n+2 > rows) {
		abreast = 2
	}
	objectives := g.objectives(columns, abreast)
	if rows > 0 {
		left := max(rows-len(top)-len(figures), 0)
		keep := func(list []strip, n int, what string) []strip {
			if len(list) <= n {
				return list
			}
			if n <= 0 {
				return nil
			}
			rest := len(list) - (n - 1)
			return append(slices.Clip(list[:n-1]), strip{{fmt.Sprintf("  and %d more lines of %s", rest, what), inkDim}})
		}
		shares = keep(shares, max(left/2, left-len(objectives)), "connectors")
		objectives = keep(objectives, left-len(shares), "objectives")
		if len(top)+len(figures)+len(shares)+len(objectives)+2 <= rows {
			shares, objectives = spaced(shares), spaced(objectives)
		}
	} else {
		shares, objectives = spaced(shares), spaced(objectives)
	}
	all := slices.Concat(top, figures, shares, objectives)
	if rows > 0 {
		all = all[:min(len(all), rows)] // a lower one would scroll at each drawing
	}
	return all
}

// spaced puts an empty line before a part that there is.
func spaced(part []strip) []strip {
	if len(part) == 0 {
		return nil
	}
	return append([]strip{{}}, part...)
}

// top says what runs and how far it is.
func (g *glance) top(columns int) []strip {
	s := strip{{g.name, inkBold}}.add("  ", "")
	if g.verdict != "" {
		s = s.add(string(g.verdict), inkBold+";"+inkOf(g.verdict)).add("  ", "")
		lines := []strip{s.add(fmt.Sprintf("%s of load, seed %d", lasting(time.Duration(g.soFar.DurationNS)), g.soFar.Seed), inkDim)}
		if g.verdict != results.Pass && len(g.soFar.Reasons) > 0 {
			lines = append(lines, strip{{g.soFar.Reasons[0], inkOf(g.verdict)}}) // the rest is in the summary above
		}
		return lines
	}
	var text string
	switch {
	case g.phase == "load" && g.at < g.end:
		text = fmt.Sprintf("%s of %s, %s left", sofar(g.at, g.end), lasting(g.end), remaining(g.end-g.at))
	case g.phase == "load":
		text = "waiting for the last answers"
	case g.phase == "warm-up":
		text = "warming up, " + remaining(g.end-g.at) + " left"
	default:
		return []strip{s.add(g.phase, inkYellow)}
	}
	cells := max(min(columns-s.columns()-utf8.RuneCountInString(text)-2, 40), 4)
	whole := float64(g.end + g.warmup)
	done := 0.0
	if whole > 0 {
		done = float64(g.at+g.warmup) / whole
	}
	s = s.add(eighths(cells, done), inkGreen)
	s = s.add(strings.Repeat("░", max(cells-utf8.RuneCountInString(eighths(cells, done)), 0)), inkDim)
	return []strip{s.add("  "+text, "")}
}

// sofar is how far a load is, to a tenth of a second where it takes seconds.
func sofar(at, end time.Duration) string {
	if end < 2*time.Minute {
		return fmt.Sprintf("%.1f s", at.Seconds())
	}
	return remaining(at)
}

// lasting is how long a load is.
func lasting(end time.Duration) string {
	if end < 2*time.Minute {
		return fmt.Sprintf("%.4g s", end.Seconds())
	}
	return remaining(end)
}

// remaining is a time to wait, which does not jump about.
func remaining(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

// label is the first word of a line of figures.
const labelColumns = 11

func label(text string) strip { return strip{{fmt.Sprintf("%-*s", labelColumns, text), inkDim}} }

// figures are those of the moment, and of the run so far.
func (g *glance) figures(columns int) []strip {
	rate := label("answered").add(results.PerSecond(g.rate), inkBold).add(" of "+results.PerSecond(g.planned), inkDim)
	rate = rate.pad(labelColumns+20).add(results.Count(g.load.answered), "").add(" in all", inkDim)
	switch {
	case g.verdict == "":
		rate = rate.add(fmt.Sprintf(", %d in flight", g.load.inFlight), inkDim)
	case g.load.hashSync > 0:
		rate = rate.add(", ", inkDim).add(results.Count(g.load.hashSync), "").add(" by hash sync", inkDim)
	}
	all := []strip{rate, g.lost()}
	if g.verdict == "" {
		all = append(all, percentiles("response", g.now.P50, g.now.P99, g.now.Max))
	}
	if r := g.soFar; r != nil && r.Response.Samples > 0 {
		what := "  so far"
		if g.verdict != "" {
			what = "response"
		}
		all = append(all, percentiles(what, r.Response.P50, r.Response.P99, r.Response.Max))
		all = append(all, g.trend(columns))
	}
	if g.stop != "" {
		all = append(all, label("stop?").add(g.stop, inkRed))
	}
	if g.verdict == "" {
		faults := label("fault")
		switch {
		case len(g.on) > 0:
			faults = faults.add("● "+strings.Join(g.on, ", "), inkYellow)
		case g.next != "":
			faults = faults.add("none on; next "+g.next, inkDim)
		default:
			faults = faults.add("none on, none to come", inkDim)
		}
		all = append(all, faults)
	}
	return all
}

// percentiles is one line of response times.
func percentiles(what string, p50, p99, top int64) strip {
	s := label(what)
	for i, p := range []struct {
		name string
		ns   int64
	}{{"p50", p50}, {"p99", p99}, {"max", top}} {
		s = s.add(p.name+" ", inkDim).add(results.Duration(p.ns), "").pad(labelColumns + (i+1)*15)
	}
	return s
}

// lost counts what should not be, in red where it is.
func (g *glance) lost() strip {
	s := label("lost")
	first := true
	for _, part := range []struct {
		n    uint64
		what string
	}{{g.load.failed, "failed"}, {g.load.unknown, "unknown"}, {g.load.unsent, "unsent"}, {g.load.wrong, "wrong answers"}} {
		if part.n == 0 {
			continue
		}
		if !first {
			s = s.add(", ", inkDim)
		}
		s, first = s.add(results.Count(part.n)+" "+part.what, inkRed), false
	}
	if first {
		s = s.add("none", inkGreen)
	}
	if g.load.hashSync > 0 && g.verdict == "" {
		s = s.pad(labelColumns+20).add(results.Count(g.load.hashSync), "").add(" by hash sync", inkDim)
	}
	return s
}

// trend draws the p99 of each second, or of several at a time, each as high as
// its logarithm: what matters spans from one millisecond to seconds.
func (g *glance) trend(columns int) strip {
	list := g.soFar.Intervals
	cells := max(min(columns-labelColumns-22, 60), 8)
	each := (len(list) + cells - 1) / cells
	if each < 1 {
		return label("p99")
	}
	var values []int64
	var top, low int64
	for chunk := range slices.Chunk(list, each) {
		var worst int64
		for _, in := range chunk {
			worst = max(worst, in.P99)
		}
		values, top = append(values, worst), max(top, worst)
		if worst > 0 && (low == 0 || worst < low) {
			low = worst
		}
	}
	s := label("p99").add(sparks(values, low, top), "")
	per := "second"
	if each > 1 {
		per = fmt.Sprintf("%d s", each)
	}
	return s.add(fmt.Sprintf("  each %s, ≤ %s", per, results.Duration(top)), inkDim)
}

// sparks draws one block a value on a logarithmic scale from the least to the
// greatest, of at least a decade. What is 0 is blank.
func sparks(values []int64, low, top int64) string {
	const levels = "▁▂▃▄▅▆▇█"
	from, span := math.Log(float64(max(low, 1))), 0.0
	span = max(math.Log(float64(max(top, 1)))-from, math.Ln10)
	var s strings.Builder
	for _, v := range values {
		if v <= 0 {
			s.WriteByte(' ')
			continue
		}
		level := min(int((math.Log(float64(v))-from)/span*7.999), 7)
		s.WriteString(levels[3*level : 3*level+3])
	}
	return s.String()
}

// shares draws who answered: of the last second while the load goes on, of all
// of it afterwards.
func (g *glance) shares(columns int) []strip {
	type share struct {
		name string
		n    uint64
		ink  string
	}
	var list []share
	var total uint64
	by, hashSync, federation := g.now.ByConnector, g.now.HashSync, g.now.Federation
	if g.verdict != "" {
		paths := &g.soFar.SignIns.ByPath
		by, hashSync, federation = map[string]uint64{}, paths.HashSync, paths.Federation
		for _, c := range g.soFar.Connectors {
			by[c.Name] = c.SignIns
		}
	}
	for name, n := range by {
		list, total = append(list, share{name, n, inkGreen}), total+n
	}
	slices.SortFunc(list, func(a, b share) int { return natural(a.name, b.name) })
	if total += hashSync; hashSync > 0 || g.load.hashSync > 0 {
		list = append(list, share{"hash sync", hashSync, inkYellow})
	}
	if total += federation; federation > 0 {
		list = append(list, share{"federation", federation, inkGreen})
	}
	if len(list) == 0 {
		return nil
	}
	name := 0
	for _, s := range list {
		name = max(name, len(s.name))
	}
	abreast := 1
	if len(list) > 6 && columns >= twoColumns {
		abreast = 2
	}
	width := columns / abreast
	cells := max(min(width-name-12, 50), 4)
	var lines []strip
	for chunk := range slices.Chunk(list, abreast) {
		var s strip
		for i, c := range chunk {
			part := 0.0
			if total > 0 {
				part = float64(c.n) / float64(total)
			}
			if i > 0 {
				s = s.pad(i * width)
			}
			bar := eighths(cells, part)
			s = s.add(fmt.Sprintf("%-*s  ", name, c.name), "").add(bar, c.ink).
				add(strings.Repeat(" ", cells-utf8.RuneCountInString(bar)), "")
			percent := fmt.Sprintf("%8s", results.Percent(part))
			if c.n == 0 && c.ink == inkGreen {
				s = s.add(percent, inkRed)
			} else {
				s = s.add(percent, "")
			}
		}
		lines = append(lines, s)
	}
	return lines
}

// natural puts connector-2 before connector-10.
func natural(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// eighths is a bar of a share, from 0 to 1, n columns at 1, in eighths of one.
func eighths(n int, share float64) string {
	parts := int(min(max(share, 0), 1)*float64(n)*8 + 0.5)
	s := strings.Repeat("█", parts/8)
	if rest := parts % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}
