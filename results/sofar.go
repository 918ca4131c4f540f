package results

import "fmt"

// FaultTextsSoFar tells of the faults of a run that goes on: what was done, and
// not what it did, which only the whole run tells. Of a fault that is on still
// the duration is how long it is on, and it is not healed.
func (r *Result) FaultTextsSoFar() []FaultText {
	var all []FaultText
	for _, group := range faultGroups(r.Faults) {
		f := group[0]
		t := FaultText{Name: f.Name}
		on := 0
		for _, f := range group {
			if f.At >= 0 && !f.Healed {
				on++
			}
			t.Bad = t.Bad || f.At < 0
		}
		switch {
		case f.Group != "":
			t.Name = f.Group
			t.Text = fmt.Sprintf("%s: %s so far, of which %d on", f.Group, plural(uint64(len(group)), "fault", "faults"), on)
		case f.At < 0:
			t.Text = f.Name + " was not injected"
		case on > 0:
			t.Text = fmt.Sprintf("%s %s at %s and is on, for %s so far", f.Name, deed(f), Duration(f.At), Duration(f.Duration))
		default:
			t.Text = fmt.Sprintf("%s %s at %s for %s; what came of it is told when the run has ended", f.Name, deed(f), Duration(f.At), Duration(f.Duration))
		}
		if f.Note != "" {
			t.Text += " (" + f.Note + ")"
		}
		t.Text += "."
		all = append(all, t)
	}
	return all
}
