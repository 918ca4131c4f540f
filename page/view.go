package page

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/results"
)

// A view is the texts of a page, for its template.
type view struct {
	Title, Mark string
	Verdict     results.Verdict
	About       string
	Setting     string
	Reasons     []string
	Live        *Live
	Progress    string // of a live page
	Figures     []keyFigure
	Objectives  []objectiveView
	faultsView
	Expected    expectedView
	Believed    []string // that do not hold
	Held        string
	Unknown     string
	Ceiling     string
	Felt        string
	SignIns     []pairView
	Codes       []pairView
	Wrong       []pairView
	Changes     string // what happened to users
	Tenants     []rowView
	TenantWays  []string // by which paths each was answered
	MoreTenants string
	Capacity    *capacityView
	Times       []rowView
	Connectors  []connectorView
	Balance     []string
	Spent       []spentView
	Books       []bookView
	BooksText   string
	Balanced    bool
	Checks      []checkView
	Named       []string // sign-ins missing or doubled
	Ended       bool     // a live page that has come to its end
	Aside       bool     // whether it can be believed stands below the faults, not below the objectives
	Processes   []rowView
	Events      []rowView
	MoreEvents  string
	Scenario    string
	Facts       []pairView
	Command     string
	Charts      map[string]*Chart
	Notes       map[string][]note // by part
}

// A note is a footnote, shown at the part that it concerns.
type note struct {
	Number int
	Text   string
}

type keyFigure struct {
	Name, Value, Basis string
	Bad                bool
}

type pairView struct{ Name, Value, Share string }

type rowView struct {
	Name  string
	Cells []string
	Bad   bool
}

type objectiveView struct {
	results.ObjectiveText
	Mark, Reason string
	Verdict      results.Verdict
	Bar          *bar
}

// A bar places a value and its interval beside its limit, in hundredths of the
// bar's length.
type bar struct{ Value, Limit, Low, Width float64 }

type connectorView struct {
	rowView
	Role  string
	Share float64 // hundredths
}

// spentView is where the time of the sign-ins of one path went.
type spentView struct {
	Of    string // the path
	Parts []spentPart
}

type spentPart struct {
	Role, Name, Value string
	From, Width       float64 // hundredths
}

type bookView struct {
	Name    string
	Entries []pairView
}

type checkView struct{ Mark, Class, Text, Note string }

func (v *view) figure(id string) figureView { return figureView{v.Charts[id], v.Notes[id]} }

func newView(in *Input, d *Data) *view {
	r := in.Result
	v := &view{Title: r.Scenario, Mark: results.Mark(r.Verdict), Verdict: r.Verdict, About: strings.TrimPrefix(r.About(), r.Scenario+": "), Setting: r.Setting(),
		Reasons: r.Reasons, Live: in.Live, Ceiling: r.CeilingText(), Felt: r.Felt(),
		Scenario: in.Scenario, Command: r.Command, Charts: map[string]*Chart{}}
	if v.Live != nil && v.Live.Done {
		v.Live = nil
	}
	if v.Live != nil {
		v.Progress = progressText(v.Live)
	}
	for i := range d.Charts {
		v.Charts[d.Charts[i].ID] = &d.Charts[i]
	}
	v.Believed, v.Held, v.Unknown = r.Believed()
	v.Figures = keyFigures(r)
	for i := range r.Objectives {
		o := &r.Objectives[i]
		shown := objectiveView{ObjectiveText: o.Tell(), Mark: results.Mark(o.Verdict), Verdict: o.Verdict, Reason: o.Reason, Bar: barOf(o)}
		if v.Live != nil && o.Samples == 0 { // its value comes at the end
			shown.Value, shown.Bar = "–", nil
		}
		v.Objectives = append(v.Objectives, shown)
	}
	v.faults(r)
	v.counts(r)
	v.connectors(in)
	v.tenants(r.Tenants)
	v.capacity(r.Capacity)
	v.spent("a pass-through sign-in", "connector", &r.Time)
	if r.FederationTime != nil {
		v.spent("a federated sign-in", "federation server", r.FederationTime)
	}
	v.books(&r.Ledgers)
	v.costs(r)
	for _, e := range in.Events {
		count := ""
		if e.Count > 1 {
			count = strconv.FormatInt(e.Count, 10)
		}
		v.Events = append(v.Events, rowView{Name: moment(e.At), Cells: []string{e.Source, words(e.Kind),
			cmp.Or(e.Connector, e.Tenant), words(e.Cause), count}})
	}
	if in.More > 0 {
		v.MoreEvents = fmt.Sprintf("%s more are in %s of the run directory.", results.Count(uint64(in.More)), results.EventsFile)
	}
	v.Facts = facts(r, v.Live)
	v.Notes = footnotes(r.Warnings)
	v.Aside = v.believedAside()
	return v
}

// words is a name of the run format as people read it.
func words(s string) string { return strings.ReplaceAll(s, "-", " ") }

func progressText(l *Live) string {
	switch left := l.End - l.At; {
	case l.At < 0:
		return "begins in " + results.Duration(int64(-l.At*1e9))
	case left > 0:
		return results.Duration(int64(l.At*10)*1e8) + " of " + results.Duration(int64(l.End*1e9)) + ", " + results.Duration(int64(math.Ceil(left))*1e9) + " left"
	}
	return "the load has ended"
}

// keyFigures are what one looks for first.
func keyFigures(r *results.Result) []keyFigure {
	n := &r.SignIns
	decided := n.ByPath.PassThrough + n.ByPath.HashSync + n.ByPath.Federation
	list := []keyFigure{
		{Name: "p99 response", Value: "–", Basis: "no sign-in was sent"},
		{Name: "lost", Value: results.Count(n.Lost()), Basis: "of " + results.Count(n.Sent) + " sign-ins", Bad: n.Lost() > 0},
		{Name: "answered wrongly", Value: results.Count(n.Wrong()), Basis: "of " + results.Count(decided) + " answers", Bad: n.Wrong() > 0},
		{Name: "after a handoff", Value: results.Count(n.HandedOff), Basis: "of " + results.Count(decided) + " answers"},
		{Name: "by hash sync", Value: results.Count(n.ByPath.HashSync), Basis: "no answer yet"},
		{Name: "rate", Value: results.PerSecond(r.Rate.AchievedPerS), Basis: "of " + results.PerSecond(r.Rate.PlannedPerS) + " planned"},
	}
	if r.Response.Samples > 0 {
		list[0].Value, list[0].Basis = results.Duration(r.Response.P99), "p50 "+results.Duration(r.Response.P50)
	}
	if decided > 0 {
		list[4].Basis = results.Percent(float64(n.ByPath.HashSync)/float64(decided)) + " of answers"
	}
	return list
}

// barOf is nil where there is nothing to compare: no limit, or one of zero.
func barOf(o *results.Objective) *bar {
	low, high := o.Value, o.Value
	if o.Interval != nil {
		low, high = o.Interval[0], o.Interval[1]
	}
	endless := high < 0 // up to sign-ins that nobody answered
	whole := max(o.Limit*1.25, high*1.05, o.Value*1.05)
	if o.Limit <= 0 || o.Value < 0 || low < 0 || math.IsNaN(whole) || math.IsInf(whole, 0) {
		return nil
	}
	if o.Unit == "ratio" {
		whole = max(1, whole/1.25)
	}
	at := func(v float64) float64 { return math.Round(min(100*v/whole, 100)*100) / 100 }
	b := &bar{Value: at(o.Value), Limit: at(o.Limit), Low: at(low)}
	if o.Interval != nil {
		if b.Width = max(at(high)-b.Low, 0.5); endless {
			b.Width = 100 - b.Low
		}
	}
	return b
}

func share(part, whole uint64) string {
	if whole == 0 {
		return ""
	}
	return results.Percent(float64(part) / float64(whole))
}

func (v *view) counts(r *results.Result) {
	n := &r.SignIns
	decided := n.ByPath.PassThrough + n.ByPath.HashSync + n.ByPath.Federation
	for _, c := range []struct {
		name     string
		n, whole uint64
	}{
		{"planned", n.Planned, 0}, {"accepted", n.Accepted, n.Planned}, {"refused", n.Refused, n.Planned},
		{"failed", n.Failed, n.Planned}, {"unknown", n.Unknown, n.Planned}, {"unsent", n.Unsent, n.Planned},
		{"by pass-through", n.ByPath.PassThrough, decided}, {"by hash sync", n.ByPath.HashSync, decided},
		{"by federation", n.ByPath.Federation, decided},
		{"after a handoff", n.HandedOff, decided}, {"wrong accepts", n.WrongAccepts, decided},
		{"wrong refusals", n.WrongRefusals, decided}, {"refused for another reason", n.OtherReason, decided},
	} {
		if c.name == "by federation" && c.n == 0 {
			continue // few runs have any
		}
		v.SignIns = append(v.SignIns, pairView{c.name, results.Count(c.n), share(c.n, c.whole)})
	}
	for _, code := range sorted(n.ByCode) {
		name := "accepted"
		if code != "0" {
			name = strings.TrimSpace("AADSTS" + code + " " + results.CodeMeaning(code))
		}
		v.Codes = append(v.Codes, pairView{name, results.Count(n.ByCode[code]), share(n.ByCode[code], n.Planned)})
	}
	for _, class := range sorted(n.Errors) {
		v.Codes = append(v.Codes, pairView{"error: " + class, results.Count(n.Errors[class]), share(n.Errors[class], n.Planned)})
	}
	for i := range r.WrongByCause {
		w := &r.WrongByCause[i]
		v.Wrong = append(v.Wrong, pairView{w.Text(), results.Count(w.Count), ""})
	}
	v.Changes = r.ChangesText()
	for _, t := range []struct {
		name string
		of   *results.Percentiles
	}{{"response", &r.Response}, {"service", &r.Service}, {"lag", &r.Lag}} {
		v.Times = append(v.Times, rowView{Name: t.name, Cells: t.of.Cells()})
	}
}

// sorted are the keys of counts, the most frequent first.
func sorted(counts map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// mostRows bounds the rows of a table of connectors, processes or checks.
const mostRows = 200

func (v *view) connectors(in *Input) {
	r := in.Result
	shown, _ := in.shown()
	most := 0.0
	for i := range r.Connectors {
		most = max(most, r.Connectors[i].Share)
	}
	for i := range r.Connectors {
		c := &r.Connectors[i]
		if i == mostRows {
			v.Balance = append(v.Balance, fmt.Sprintf("%s more connectors are in %s.", results.Count(uint64(len(r.Connectors)-i)), results.ResultFile))
			break
		}
		row := connectorView{rowView: rowView{Name: c.Name, Cells: []string{results.Count(c.SignIns), results.Percent(c.Share),
			strconv.Itoa(c.InFlightPeak), results.Count(c.HandedOff), strconv.Itoa(c.Restarts)}, Bad: c.SignIns == 0}, Role: "others"}
		if at := slices.Index(shown, c.Name); at >= 0 {
			row.Role = connectorRole(at)
		}
		if most > 0 {
			row.Share = math.Round(1e4*c.Share/most) / 100
		}
		v.Connectors = append(v.Connectors, row)
		if odd := c.Odd(); odd != "" && len(v.Balance) < 2*mostConnectors {
			v.Balance = append(v.Balance, odd)
		}
	}
	if even := r.BalanceText(); even != "" && v.Charts["shares"].Missing != "" {
		v.Balance = slices.Insert(v.Balance, 0, even)
	}
	if n := len(r.Balance.Nothing); n > mostConnectors {
		v.Balance = append(v.Balance, results.Count(uint64(n))+" connectors got nothing.")
	} else if n > 0 {
		v.Balance = append(v.Balance, strings.Join(r.Balance.Nothing, ", ")+" got nothing.")
	}
}

// spent shows where the time of the sign-ins of one path went, with the words
// for who took it between cloud and directory.
func (v *view) spent(of, server string, t *results.TimeSpent) {
	whole := t.Queue + t.Connector + t.Directory + t.Rest
	if whole <= 0 {
		return
	}
	from, s := 0.0, spentView{Of: of}
	for _, p := range []struct {
		role, name string
		ns         int64
	}{{"directory", "directory", t.Directory}, {"connector", server, t.Connector}, {"queue", "queue", t.Queue}, {"rest", "rest", t.Rest}} {
		width := 100 * float64(p.ns) / float64(whole)
		s.Parts = append(s.Parts, spentPart{Role: p.role, Name: p.name,
			Value: results.Duration(p.ns) + ", " + results.Percent(float64(p.ns)/float64(whole)),
			From:  math.Round(from*100) / 100, Width: math.Round(width*100) / 100})
		from += width
	}
	v.Spent = append(v.Spent, s)
}

func (v *view) books(l *results.Ledgers) {
	if len(l.Checks) == 0 {
		return
	}
	v.BooksText, v.Balanced = l.Text(), l.Balanced
	for _, b := range []struct {
		name    string
		entries map[string]uint64
	}{{"harness", l.Harness}, {"cloud", l.Cloud}, {"connectors", l.Connectors}, {"directory", l.Directory}, {"federation", l.Federation}} {
		if b.entries == nil && b.name == "federation" {
			continue // there was none
		}
		book := bookView{Name: b.name}
		for _, name := range slices.Sorted(maps.Keys(b.entries)) {
			if len(book.Entries) < mostRows {
				book.Entries = append(book.Entries, pairView{results.BookWord(name), results.Count(b.entries[name]), ""})
			}
		}
		v.Books = append(v.Books, book)
	}
	checks := slices.Clone(l.Checks)
	slices.SortStableFunc(checks, func(a, b results.LedgerCheck) int { return cmp.Compare(rank(&a), rank(&b)) })
	for i := range checks[:min(len(checks), mostRows)] {
		c := &checks[i]
		w := checkView{Mark: results.Mark(results.Pass), Class: "pass", Text: c.Tell(), Note: c.Note}
		switch {
		case c.Waived:
			w.Mark, w.Class = "–", "inconclusive"
		case !c.Holds:
			w.Mark, w.Class = results.Mark(results.Fail), "fail"
		}
		v.Checks = append(v.Checks, w)
	}
	for _, id := range l.Missing {
		v.Named = append(v.Named, "missing: "+id)
	}
	for _, id := range l.Doubled {
		v.Named = append(v.Named, "doubled: "+id)
	}
}

// rank has what is broken first, then what is waived.
func rank(c *results.LedgerCheck) int {
	switch {
	case c.Waived:
		return 1
	case !c.Holds:
		return 0
	}
	return 2
}

func (v *view) costs(r *results.Result) {
	for i := range r.Processes {
		if i == mostRows {
			break
		}
		p := &r.Processes[i]
		v.Processes = append(v.Processes, rowView{Name: p.Name, Cells: []string{results.Duration(p.CPUPerSignIn), results.Duration(p.CPU),
			results.Bytes(p.RSSMax), strconv.Itoa(p.Starts)}})
	}
}

func facts(r *results.Result, live *Live) []pairView {
	list := []pairView{{Name: "seed", Value: strconv.FormatUint(r.Seed, 10)}}
	add := func(name, value string) {
		if value != "" {
			list = append(list, pairView{Name: name, Value: value})
		}
	}
	begun := r.StartedAt
	if at, err := time.Parse(time.RFC3339Nano, begun); err == nil {
		begun = at.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	add("begun", begun)
	switch {
	case live == nil:
		add("length of the load", results.Duration(r.DurationNS))
	case live.End > 0:
		add("length of the load", results.Duration(int64(live.End*1e9)))
	}
	add("preset", r.Preset)
	add("network", r.Network)
	add("ptabench", r.Version)
	add("machine", r.Machine.Text())
	return list
}

// concerns tells from the words of a warning which part of the page it is
// about; the first that fits. What fits none stands with the verdict.
var concerns = []struct {
	part  string
	words []string
}{
	{"faults", []string{"fault", "inject", "undo", "heal"}},
	{"ledgers", []string{"ledger", "books", "binds", "counter"}},
	{"response", []string{"samples", "recorded before the end", "percentile", "p99"}},
	{"rate", []string{"generator", "ceiling", "rate", "lag", "unsent"}},
	{"connectors", []string{"connector"}},
	{"processes", []string{"cpu", "memory", "process", "profile"}},
	{"events", []string{"event"}},
}

// footnotes puts warnings where they belong, numbered in their order.
func footnotes(warnings []string) map[string][]note {
	notes := map[string][]note{}
	for i, w := range warnings {
		part, lower := "verdict", strings.ToLower(w)
	search:
		for _, c := range concerns {
			for _, word := range c.words {
				if strings.Contains(lower, word) {
					part = c.part
					break search
				}
			}
		}
		notes[part] = append(notes[part], note{i + 1, w})
	}
	return notes
}
