package check

import (
	"fmt"
	"math"
	"strings"

	"ptabench/results"
	"ptabench/scenarios"
)

// A Seen is what became of one expectation of a fault.
type Seen struct {
	Known bool
	Value float64 // of counts and ratios
	Word  string  // of words; of texts, what was searched
	Why   string  // it is not known
	// FromSamples leaves it to the sign-ins.
	FromSamples bool
}

// An expecting collects what sign-ins say of the expectations of one fault.
type expecting struct {
	*Fault
	connectors []string
	phases     map[scenarios.Phase]*phaseTally
}

// A phaseTally counts the sign-ins of one phase.
type phaseTally struct {
	from, to  int64
	sent      uint64
	lost      uint64
	handedOff uint64
	answered  uint64
	hashSync  uint64
	byServer  []uint64 // by number of the connector, as Sample.Server
}

// expectations are those of all faults.
type expectations struct {
	all  []*expecting
	when *timeline
}

func newExpectations(in Input) *expectations {
	e := &expectations{}
	for i := range in.Faults {
		f := &in.Faults[i]
		one := &expecting{Fault: f, connectors: in.Header.Connectors, phases: map[scenarios.Phase]*phaseTally{}}
		for _, x := range f.Expect {
			if _, known := one.phases[x.Phase]; !known {
				from, to := f.phase(x.Phase)
				one.phases[x.Phase] = &phaseTally{from: from, to: to, byServer: make([]uint64, len(in.Header.Connectors)+1)}
			}
		}
		e.all = append(e.all, one)
	}
	e.when = newTimeline(len(e.all), in.Header.Duration, func(i int) (from, to int64) {
		if f := e.all[i].Fault; len(f.Expect) > 0 && f.on() {
			return f.Began, f.RowEnd
		}
		return 0, -1
	})
	return e
}

// phase is when a phase of the fault begins and ends.
func (f *Fault) phase(p scenarios.Phase) (from, to int64) {
	switch p {
	case scenarios.PhaseOn:
		return f.Began, f.UndoBegan
	case scenarios.PhaseSettled:
		return f.SettledAt, f.UndoBegan
	case scenarios.PhaseAfter:
		return max(f.UndoneAt, f.UndoBegan), f.RowEnd
	}
	return f.Began, f.RowEnd
}

// count takes in a sign-in.
func (e *expectations) count(s *results.Sample) {
	if s.Outcome == results.OutcomeUnsent || canceled(s) {
		return
	}
	e.when.each(s.Due, s.Done, func(i int32) { e.all[i].count(s) })
}

func (e *expecting) count(s *results.Sample) {
	for p, t := range e.phases {
		// What the beginning of the fault finds under way is the fault's; what
		// the next one finds so, and this one's undo did not, is the next one's.
		began := s.Due >= t.from || p == scenarios.PhaseRow && s.Done >= t.from
		if !began || s.Due >= t.to || s.Due > e.UndoneAt && s.Done >= e.RowEnd {
			continue
		}
		t.sent++
		switch {
		case !decided(s):
			t.lost++
			continue
		case s.Attempts > 1:
			t.handedOff++
		}
		t.answered++
		switch s.Path {
		case results.PathHashSync:
			t.hashSync++
		case results.PathPassThrough:
			if int(s.Server) < len(t.byServer) {
				t.byServer[s.Server]++
			}
		}
	}
}

// figures compares what was expected with what was seen.
func (e *expectations) figures(list []results.Fault) {
	for i, one := range e.all {
		list[i].Shows = one.Shows
		for n, x := range one.Expect {
			seen := Seen{Why: "nobody looked"}
			if n < len(one.Seen) {
				seen = one.Seen[n]
			}
			if !one.on() {
				seen = Seen{Why: "the fault was not injected"}
			}
			if seen.FromSamples {
				seen = one.fromSamples(x)
			}
			list[i].Expected = append(list[i].Expected, compared(x, seen))
		}
	}
}

// fromSamples is what sign-ins say of an expectation.
func (e *expecting) fromSamples(x scenarios.Expectation) Seen {
	t := e.phases[x.Phase]
	name, of := x.Split()
	ratio := func(n, of uint64) Seen {
		if of == 0 {
			return Seen{Why: "there were no sign-ins"}
		}
		return Seen{Known: true, Value: float64(n) / float64(of)}
	}
	switch name {
	case "lost":
		return Seen{Known: true, Value: float64(t.lost)}
	case "handed_off":
		return Seen{Known: true, Value: float64(t.handedOff)}
	case "availability":
		return ratio(t.sent-t.lost, t.sent)
	}
	switch of {
	case "hash_sync":
		return ratio(t.hashSync, t.answered)
	case "pass_through":
		return ratio(t.answered-t.hashSync, t.answered)
	}
	for i, connector := range e.connectors {
		if connector == of {
			return ratio(t.byServer[i+1], t.answered)
		}
	}
	return Seen{Why: "there is no " + of}
}

// compared is one expectation as results have it.
func compared(x scenarios.Expectation, seen Seen) results.Expected {
	e := results.Expected{Text: x.Text, Phase: string(x.Phase), Verdict: results.Fail}
	switch {
	case !seen.Known:
		e.Verdict, e.Observed = results.Inconclusive, "not known: "+seen.Why
		return e
	case x.Holds(seen.Value, seen.Word):
		e.Verdict = results.Pass
	}
	switch x.Unit {
	case scenarios.Fragment:
		e.Observed = "it does not say that"
		if e.Verdict == results.Pass {
			e.Observed = lineWith(seen.Word, x.Word)
		}
	case scenarios.Word:
		e.Observed = seen.Word
	case scenarios.Ratio:
		e.Observed = results.Percent(seen.Value)
	default:
		e.Observed = results.Count(uint64(math.Max(seen.Value, 0)))
	}
	return e
}

// maxLine bounds a line of a log that a result quotes.
const maxLine = 300

// lineWith is the first line of a log that holds a text, cut around it.
func lineWith(log, text string) string {
	at := strings.Index(log, text)
	from := strings.LastIndexByte(log[:at], '\n') + 1
	line, _, _ := strings.Cut(log[from:], "\n")
	if len(line) > maxLine {
		from = min(at-from, len(line)-maxLine)
		line = "…" + line[from:from+maxLine] + "…"
	}
	return strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD")
}

// expectedReasons are why a run fails, or cannot be judged, by what was
// expected of its faults.
func expectedReasons(r *results.Result) (wrong, open []string) {
	for i := range r.Faults {
		f := &r.Faults[i]
		for _, e := range f.Expected {
			text := fmt.Sprintf("%s: expected %s; observed: %s.", f.Name, e.Text, e.Observed)
			switch e.Verdict {
			case results.Fail:
				wrong = append(wrong, text)
			case results.Inconclusive:
				open = append(open, text)
			}
		}
	}
	return wrong, open
}
