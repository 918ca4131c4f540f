package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// maxSchedule is how many faults a run may have, repetitions written out.
const maxSchedule = 20_000

// Schedule is the faults to inject, in order of time: repetitions, sequences
// and nemeses written out. Each has a name of its own and counts from time 0.
// Equal scenarios have equal schedules.
func (s *Scenario) Schedule() []Fault {
	return s.plan(func(int) bool { return true }).faults()
}

// faults is what is placed, without where it comes from; never nil.
func (p *plan) faults() []Fault {
	all := make([]Fault, len(p.placed))
	for i, f := range p.placed {
		all[i] = f.Fault
	}
	return all
}

// A placed fault is one of the schedule, and which of the scenario's it is or
// comes from.
type placed struct {
	Fault
	index int
	part  int // of those that come of it, from 0
}

// inTime orders the schedule, whole.
func inTime(a, b placed) int {
	return cmp.Or(cmp.Compare(a.At, b.At), a.index-b.index, a.part-b.part)
}

// A misplaced fault has a mistake that shows only beside the others.
type misplaced struct {
	index int
	flaw
}

// A plan is the faults of a scenario written out.
type plan struct {
	scenario *Scenario
	starts   []start // by fault
	placed   []placed
	wrong    []misplaced
}

// A start is when a fault of the scenario is on for the first time, and until
// when it is on at last.
type start struct {
	state    startState
	from, to Duration
}

type startState int

const (
	unvisited startState = iota
	underWay             // what it waits for is being found out
	found
	unknown // it, or what it waits for, has a mistake
)

// plan writes the faults out, without those that are not usable and what waits
// for them.
func (s *Scenario) plan(usable func(index int) bool) *plan {
	p := &plan{scenario: s, starts: make([]start, len(s.Faults))}
	for i := range s.Faults {
		if !usable(i) {
			p.starts[i].state = unknown
		}
	}
	var nemeses []int
	for i, f := range s.Faults {
		switch p.find(i); {
		case p.starts[i].state != found:
		case f.Kind == Nemesis: // it keeps out of the way of the others
			nemeses = append(nemeses, i)
		default:
			p.repeat(i)
		}
	}
	for _, i := range nemeses {
		p.nemesis(i)
	}
	slices.SortFunc(p.placed, inTime)
	p.ownNames()
	return p
}

func (p *plan) misplace(index int, field, value, expected string) {
	p.wrong = append(p.wrong, misplaced{index, flaw{field, value, expected}})
}

// find finds out when a fault begins and ends, and first the one it waits for.
func (p *plan) find(i int) {
	at := &p.starts[i]
	if at.state != unvisited {
		return
	}
	f := p.scenario.Faults[i]
	at.state, at.from = underWay, f.At
	if f.relative() {
		field, name := "after", f.After
		if f.With != "" {
			field, name = "with", f.With
		}
		before := p.named(name)
		switch {
		case before < 0 && p.scenario.mayBeUnnamed(name):
			at.state = unknown
			return
		case before < 0:
			p.misplace(i, field, name, "another fault of this scenario"+didYouMean(name, p.scenario.faultNames(i)))
			at.state = unknown
			return
		case p.starts[before].state == underWay:
			p.misplace(i, field, name, "a fault that does not itself wait for this one")
			at.state = unknown
			return
		}
		p.find(before)
		if p.starts[before].state != found {
			at.state = unknown
			return
		}
		if field == "after" {
			at.from += p.starts[before].to
		} else {
			at.from += p.starts[before].from
		}
	}
	if f.Until != 0 && f.relative() && f.Until <= at.from {
		p.misplace(i, "until", f.Until.String(), "more than "+at.from.String()+", when the first begins")
		at.state = unknown
		return
	}
	at.state = found
	at.to = at.from + Duration(p.times(i)-1)*f.Every + f.For
}

// times is how often a fault happens.
func (p *plan) times(i int) int {
	f, from := p.scenario.Faults[i], p.starts[i].from
	if f.Every <= 0 {
		return 1
	}
	last := p.scenario.Load.Duration - f.For
	if f.Until > 0 {
		last = min(last, f.Until-1)
	}
	return 1 + int(max(0, last-from)/f.Every)
}

// named is the number of the fault with that name, -1 when there is none.
func (p *plan) named(name string) int {
	return slices.IndexFunc(p.scenario.Faults, func(f Fault) bool { return f.Name == name })
}

// mayBeUnnamed says whether a name may be that of a fault whose kind has a
// mistake, so that it was not given one.
func (s *Scenario) mayBeUnnamed(name string) bool {
	unnamed := slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == "" && f.Name == "" })
	return unnamed && slices.ContainsFunc(Crash.words(), func(kind string) bool {
		return Fault{Kind: FaultKind(kind), Name: name}.defaultNamed()
	})
}

// faultNames are the names of the faults but one, as the scenario has them.
func (s *Scenario) faultNames(except int) []string {
	var all []string
	for i, f := range s.Faults {
		if i != except && f.Name != "" {
			all = append(all, f.Name)
		}
	}
	return all
}

// repeat places each repetition of a fault.
func (p *plan) repeat(i int) {
	f := p.scenario.Faults[i]
	every := f.Every
	f.After, f.With, f.Every, f.Until = "", "", 0, 0
	n := p.times(i)
	if len(p.placed)+n > maxSchedule {
		p.tooMany(i, "every", every.String())
		return
	}
	for k := range n {
		one := f
		one.At = p.starts[i].from + Duration(k)*every
		if every > 0 {
			one.become(k + 1)
		}
		p.placed = append(p.placed, placed{one, i, k})
	}
}

// tooMany refuses a fault that is written out to more than a run may have.
func (p *plan) tooMany(i int, field, value string) {
	p.misplace(i, field, value, fmt.Sprintf("no more than %d faults in a run, repetitions counted", maxSchedule))
}

// become makes the fault the n-th that comes of one of the scenario.
func (f *Fault) become(n int) {
	if f.Name != "" {
		f.Group, f.Name = f.Name, f.Name+"-"+strconv.Itoa(n)
	}
}

// ownNames complains about a repetition that is called like another fault.
func (p *plan) ownNames() {
	owner := map[string]placed{}
	told := map[int]bool{}
	for _, f := range p.placed {
		other, taken := owner[f.Name]
		if !taken {
			owner[f.Name] = f
			continue
		}
		if f.Group == "" {
			f, other = other, f
		}
		if f.Name != "" && f.Group != "" && !told[f.index] {
			told[f.index] = true
			p.misplace(f.index, "name", f.Group, "another name: one of its repetitions is "+f.Name+", and so is faults["+strconv.Itoa(other.index)+"]")
		}
	}
}
