package scenarios

import (
	"fmt"
	"slices"
)

// minPhase is how long a phase must last at least to see something in it.
const minPhase = Duration(500e6)

// expectFlaws checks what a fault expects, as far as that can be said of it on
// its own.
func (f Fault) expectFlaws() []flaw {
	var all []flaw
	if len(f.Expect) == 0 {
		if f.Settle != 0 {
			all = append(all, flaw{"settle", f.Settle.String(), "it only with expect, whose figures begin there"})
		}
		return all
	}
	switch {
	case f.Kind == Nemesis:
		all = append(all, flaw{"expect", "given for nemesis", "it only for faults that are known beforehand"})
	case f.Settle >= f.For && f.Settle != 0 && f.For != 0:
		all = append(all, flaw{"settle", f.Settle.String(), "less than " + f.For.String() + ", which the fault lasts"})
	case f.For != 0 && f.At+f.For-f.SettledAt() < minPhase:
		all = append(all, flaw{"settle", f.SettledAt().since(f.At), "at least " + minPhase.String() + " before the fault ends, after " + f.For.String()})
	}
	return all
}

// since is a time counted from another one, as text.
func (d Duration) since(from Duration) string { return (d - from).String() }

// checkExpectations compares what faults expect with the scenario and with the
// schedule, which is nil when it is not known.
func (d *decoder) checkExpectations(s *Scenario, schedule []Fault) {
	for i, f := range s.Faults {
		for j, e := range f.Expect {
			path := fmt.Sprintf("faults[%d].expect[%d]", i, j)
			if !d.sound(path) {
				continue
			}
			_, subject := e.Split()
			if n := connectorNumber(subject); n > s.Connectors.Count && d.sound("connectors.count") {
				d.add(d.place(path+".subject", path), path, subject, connectorsOf(s.Connectors.Count))
				continue
			}
			if e.Phase == PhaseAfter && schedule != nil {
				if lasts, next := s.lasts(f.Name, schedule); lasts < minPhase {
					d.add(d.place(path+".phase", path), path, fmt.Sprintf("%v from the end of %s until %s", lasts, f.Name, next),
						"at least "+minPhase.String()+" for what is expected after it")
				}
			}
		}
	}
}

// place is the position of part of a line, or else of the line.
func (d *decoder) place(part, whole string) position {
	if at, ok := d.at[part]; ok {
		return at
	}
	return d.at[whole]
}

// lasts is the shortest time from the end of a fault, or of each that it
// becomes, until the next one begins or the load ends, and which that is.
func (s *Scenario) lasts(name string, schedule []Fault) (shortest Duration, next string) {
	shortest = s.Load.Duration
	for _, f := range schedule {
		if !f.called(name) {
			continue
		}
		end, what := s.rowEnd(f, schedule)
		if end-f.End() <= shortest {
			shortest, next = end-f.End(), what
		}
	}
	return shortest, next
}

// RowEnd is when what is seen is no longer of the fault: when the next one
// begins after its end, or the load ends.
func (s *Scenario) RowEnd(f Fault, schedule []Fault) Duration {
	end, _ := s.rowEnd(f, schedule)
	return end
}

func (s *Scenario) rowEnd(f Fault, schedule []Fault) (Duration, string) {
	end, what := s.Load.Duration, "the load ends"
	for _, other := range schedule {
		if other.At >= f.End() && other.At < end {
			end, what = other.At, other.Name+" begins"
		}
	}
	return max(end, f.End()), what
}

// ExpectsNewcomers says whether any fault needs a newcomer.
func (s *Scenario) ExpectsNewcomers() bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == AddConnector || f.ExpectsNewcomer() })
}
