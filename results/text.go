package results

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text writes the summary of a run for people: 80 columns of UTF-8, the verdict
// first. It derives from the result alone. Colour is for terminals.
func Text(w io.Writer, r *Result, colour bool) error {
	p := &page{colour: colour}
	p.verdict(r)
	p.objectives(r.Objectives)
	p.believed(r)
	p.signIns(r)
	p.times(r)
	p.capacity(r.Capacity)
	p.timeline(r.Intervals)
	p.tenants(r.Tenants)
	p.connectors(r)
	p.expected(r.Faults)
	p.faults(r.Faults)
	p.wrong(r.WrongByCause)
	p.changes(r.ChangesText())
	p.ledgers(&r.Ledgers)
	p.costs(r)
	p.notes(r)
	_, err := io.WriteString(w, p.text.String())
	return err
}

func verdictInk(v Verdict) ink {
	switch v {
	case Pass:
		return green
	case Fail, Aborted:
		return red
	default:
		return yellow
	}
}

func mark(v Verdict) string {
	switch v {
	case Pass:
		return "✓"
	case Fail:
		return "✗"
	case Aborted:
		return "!"
	default:
		return "?"
	}
}

func (p *page) verdict(r *Result) {
	p.line(p.ink(bold, "verdict: "), p.ink(bold+";"+verdictInk(r.Verdict), string(r.Verdict)))
	for _, reason := range r.Reasons {
		p.wrapped(plain, "  - ", "    ", reason)
	}
	p.wrapped(plain, "", "  ", about(r))
	if under := settingText(r); under != "" {
		p.wrapped(plain, "", "  ", "under "+under)
	}
}

// about says which run this is.
func about(r *Result) string {
	s := r.Scenario + ": " + Duration(r.DurationNS) + " of load"
	if start, err := time.Parse(time.RFC3339Nano, r.StartedAt); err == nil {
		s += " from " + start.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	s += ", seed " + strconv.FormatUint(r.Seed, 10)
	if r.Version != "" {
		s += ", ptabench " + r.Version
	}
	return s
}

func (p *page) objectives(list []Objective) {
	if len(list) == 0 {
		return
	}
	p.section("objectives", "")
	for _, o := range list {
		value := objectiveValue(&o)
		gap := width - 4 - utf8.RuneCountInString(value)
		p.line("  ", p.ink(verdictInk(o.Verdict), mark(o.Verdict)), " ", left(gap, o.Text), value)
		if basis := objectiveBasis(&o); basis != "" {
			p.wrapped(dim, "    ", "    ", basis)
		}
		if o.Reason != "" {
			p.wrapped(plain, "    ", "    ", o.Reason)
		}
	}
}

// believed says whether the run says anything of the system under test.
func (p *page) believed(r *Result) {
	p.section("can it be believed", "")
	for i := range r.Gates {
		if g := &r.Gates[i]; !g.Holds {
			p.wrapped(yellow, "  "+mark(Inconclusive)+" ", "    ", gateBroken(g))
		}
	}
	held, unknown := believed(r.Gates)
	if held != "" {
		p.wrapped(plain, "  "+mark(Pass)+" ", "    ", held)
	}
	if unknown != "" {
		p.wrapped(plain, "  - ", "    ", unknown)
	}
	p.wrapped(plain, "  ", "    ", ceilingText(r))
}

func (p *page) signIns(r *Result) {
	n := &r.SignIns
	p.section("sign-ins   ", fmt.Sprintf("%s planned, %s; sent %s, answered %s", Count(n.Planned),
		PerSecond(r.Rate.PlannedPerS), PerSecond(r.Rate.AchievedPerS), PerSecond(r.Rate.AnsweredPerS)))
	decided := n.decided()
	cell := func(name string, count, whole uint64, bad bool) string {
		i := plain
		if bad && count > 0 {
			i = red
		}
		text := "  " + left(17, name) + right(10, Count(count))
		if whole > 0 {
			text += right(9, share(count, whole))
		}
		return p.ink(i, left(40, text))
	}
	p.line(cell("accepted", n.Accepted, n.Planned, false), cell("by pass-through", n.ByPath.PassThrough, decided, false))
	p.line(cell("refused", n.Refused, n.Planned, false), cell("by hash sync", n.ByPath.HashSync, decided, false))
	p.line(cell("failed", n.Failed, n.Planned, true), cell("after a handoff", n.HandedOff, decided, false))
	p.line(cell("unknown", n.Unknown, n.Planned, true), cell("wrong accepts", n.WrongAccepts, decided, true))
	p.line(cell("unsent", n.Unsent, n.Planned, true), cell("wrong refusals", n.WrongRefusals, decided, true))
	if n.OtherReason > 0 {
		p.line(left(40, ""), cell("other reason", n.OtherReason, decided, true))
	}
	if n.ByPath.Federation > 0 {
		p.line(left(40, ""), cell("by federation", n.ByPath.Federation, decided, false))
	}
	if felt := unavailableText(&r.Unavailable); felt != "" {
		i := plain
		if r.Unavailable.Repeated > 0 || r.Unavailable.Seconds > 0 {
			i = red
		}
		p.wrapped(i, "  ", "  ", felt)
	}
	p.tally("  codes: ", n.ByCode, func(code string) string {
		if code == "0" {
			return "" // the accepted ones, shown above
		}
		if number, err := strconv.Atoi(code); err != nil || number == 0 {
			return code
		}
		return strings.TrimSpace("AADSTS" + code + " " + codeMeaning[code])
	})
	p.tally("  errors: ", n.Errors, func(class string) string { return class })
}

// tally writes counts by kind in one sentence, the most frequent first.
func (p *page) tally(title string, counts map[string]uint64, name func(string) string) {
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, kind := range kinds {
		if text := name(kind); text != "" {
			parts = append(parts, Count(counts[kind])+" "+text)
		}
	}
	if len(parts) > 0 {
		p.wrapped(plain, title, strings.Repeat(" ", len(title)), strings.Join(parts, "; "))
	}
}

// codeMeaning says in few words what a cloud means by an AADSTS code.
var codeMeaning = map[string]string{
	"50034": "unknown user",
	"50053": "locked",
	"50055": "password expired",
	"50057": "disabled",
	"50126": "wrong password",
	"50144": "password expired",
	"80001": "no connector available",
	"80002": "not validated in time",
	"80005": "transient",
	"80007": "directory unreachable",
	"80010": "password could not be opened",
	"80012": "logon hours",
	"80014": "answered after the deadline",
}

func (p *page) times(r *Result) {
	const column = 11
	head := left(14, "")
	for _, name := range []string{"p50", "p90", "p99", "p99.9", "max", "mean"} {
		head += right(column, name)
	}
	p.section("time", head[len("time"):])
	row := func(name string, t *Percentiles) {
		line := "  " + left(12, name)
		for _, cell := range percentileCells(t) {
			line += right(column, cell)
		}
		p.line(line)
	}
	row("response", &r.Response)
	row("service", &r.Service)
	row("lag", &r.Lag)
	if text := r.SignIns.unansweredText(); text != "" {
		p.wrapped(plain, "  ", "  ", text)
	}
	if bounds := r.Response.P99Interval; bounds[1] > 0 {
		if !boundsP99(r.Objectives) {
			p.wrapped(plain, "  ", "  ", fmt.Sprintf("The response p99 lies from %s to %s, with 95 %% confidence if sign-ins were "+
				"independent of each other; an objective's interval counts those of one stall as fewer.",
				Duration(bounds[0]), Duration(bounds[1])))
		}
	} else if r.Response.Samples > 0 {
		p.wrapped(plain, "  ", "  ", fmt.Sprintf("%s: too few to bound the p99 with 95 %% confidence.",
			plural(r.Response.Samples, "sign-in is", "sign-ins are")))
	}
	t := r.Time
	if whole := t.Queue + t.Connector + t.Directory + t.Rest; whole > 0 {
		p.wrapped(plain, "  ", "  ", fmt.Sprintf(
			"Of the %s that a pass-through sign-in was under way on average, it was %s in the queue, "+
				"%s in the connector, %s in the directory, and %s elsewhere.",
			Duration(whole), Duration(t.Queue), Duration(t.Connector), Duration(t.Directory), Duration(t.Rest)))
	}
	if text := federationText(r.FederationTime); text != "" {
		p.wrapped(plain, "  ", "  ", text)
	}
}

// boundsP99 says that an objective has an interval of the response p99 of the
// whole load. It is the better one: it does not take sign-ins as independent.
func boundsP99(list []Objective) bool {
	return slices.ContainsFunc(list, func(o Objective) bool {
		return o.Interval != nil && objectiveWindow(&o) == "whole" && strings.HasPrefix(o.Text, "p99(response)")
	})
}

// timeline draws the load by second, or by several where there are more
// seconds than columns.
func (p *page) timeline(list []Interval) {
	const columns = 48
	if len(list) < 3 {
		return
	}
	each := (len(list) + columns - 1) / columns
	var answered, p99 []float64
	var most, slowest float64
	for chunk := range slices.Chunk(list, each) {
		var n, worst float64
		for _, s := range chunk {
			n += float64(s.Accepted+s.Refused) / float64(len(chunk))
			worst = max(worst, float64(s.P99))
		}
		answered, p99 = append(answered, n), append(p99, worst)
		most, slowest = max(most, n), max(slowest, worst)
	}
	per := "each second"
	if each > 1 {
		per = fmt.Sprintf("each %d s", each)
	}
	p.section(per, "")
	p.line("  ", left(12, "answered"), left(columns+2, sparks(answered)), "up to ", PerSecond(most))
	p.line("  ", left(12, "p99"), left(columns+2, sparks(p99)), "up to ", Duration(int64(slowest)))
}

func (p *page) connectors(r *Result) {
	if len(r.Connectors) == 0 {
		return
	}
	name := 11
	var most float64
	capacity := 0
	for _, c := range r.Connectors {
		name = max(name, utf8.RuneCountInString(c.Name))
		most = max(most, c.Share)
		capacity = max(capacity, c.Capacity)
	}
	heads := right(10, "sign-ins") + right(9, "share") + right(16, "in-flight peak")
	if capacity > 0 {
		heads = right(10, "sign-ins") + right(9, "share") + right(14, "per capacity") + right(16, "in-flight peak")
	}
	figures := len(heads)
	space := max(width-2-name-2-figures, 8)
	p.section("connectors", right(width-figures-len("connectors"), "")+heads)
	for _, c := range r.Connectors {
		part := 0.0
		if most > 0 {
			part = c.Share / most
		}
		line := right(10, Count(c.SignIns)) + right(9, Percent(c.Share))
		if capacity > 0 {
			line += right(14, perCapacity(&c))
		}
		p.line("  ", left(name+2, c.Name), p.ink(green, left(space, bar(space, part))), line, right(16, Count(uint64(max(c.InFlightPeak, 0)))))
	}
	if even := balanceText(r); even != "" {
		p.wrapped(plain, "  ", "  ", even)
	}
	for i := range r.Connectors {
		if odd := oddConnector(&r.Connectors[i]); odd != "" {
			p.wrapped(plain, "  ", "  ", odd)
		}
	}
	if nothing := r.Balance.Nothing; len(nothing) > 0 {
		p.wrapped(yellow, "  ", "  ", and(nothing)+" got nothing.")
	}
}
