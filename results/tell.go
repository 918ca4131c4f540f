package results

// Other packages that show a run take its texts from here, so that what they
// say is what every output says, to the word.

// An ObjectiveText is an objective in words.
type ObjectiveText struct {
	Text, Value string
	Limit       string // "" when it was not recorded
	Interval    string // "" for what was counted whole
	Basis       string // what the value rests on; "" when that is the whole load
}

// Tell puts an objective into words.
func (o *Objective) Tell() ObjectiveText {
	return ObjectiveText{Text: o.Text, Value: objectiveValue(o), Limit: objectiveLimit(o),
		Interval: objectiveInterval(o), Basis: objectiveBasis(o)}
}

// A FaultText tells of a fault, or of all that one fault of the scenario
// became.
type FaultText struct {
	Name  string
	Text  string  // one sentence
	Parts []Fault // those that one fault of the scenario became; else the one
	Group bool
	Bad   bool // sign-ins were lost, it was not injected, or it could not be undone
}

// FaultTexts tells of all faults, in their order.
func (r *Result) FaultTexts() []FaultText {
	var all []FaultText
	for _, group := range faultGroups(r.Faults) {
		t := FaultText{Name: group[0].Name, Group: group[0].Group != ""}
		if t.Group {
			t.Name, t.Text = group[0].Group, groupSentence(group)
		} else {
			t.Text = sentence(group[0])
		}
		for _, f := range group {
			t.Parts = append(t.Parts, *f)
			t.Bad = t.Bad || f.Lost > 0 || f.At < 0 || !f.Healed
		}
		all = append(all, t)
	}
	return all
}

// FaultHeads names what Cells of a fault are.
func FaultHeads() []string { return faultHeads }

// Cells are the figures of a fault, all "-" when it was not injected.
func (f *Fault) Cells() []string { return faultCells(f) }

// When is when a fault was injected, "never" when it was not.
func (f *Fault) When() string { return faultAt(f) }

// About says which run this is.
func (r *Result) About() string { return about(r) }

// Setting says under which conditions the run was made, "" under the usual
// ones.
func (r *Result) Setting() string { return settingText(r) }

// Felt is what users felt, in their terms; "" when nothing was due.
func (r *Result) Felt() string { return unavailableText(&r.Unavailable) }

// Believed says why a run cannot be believed, of which conditions it can, and
// which were not measured.
func (r *Result) Believed() (broken []string, held, unknown string) {
	for i := range r.Gates {
		if g := &r.Gates[i]; !g.Holds {
			broken = append(broken, gateBroken(g))
		}
	}
	held, unknown = believed(r.Gates)
	return broken, held, unknown
}

// CeilingText compares the load with the most that the generator can do.
func (r *Result) CeilingText() string { return ceilingText(r) }

// BalanceText says how evenly connectors were used, "" when there was nothing
// to share.
func (r *Result) BalanceText() string { return balanceText(r) }

// Odd says what set a connector apart, "" when nothing did.
func (c *Connector) Odd() string { return oddConnector(c) }

// Text says where a run was made, "" when that is not known.
func (m *Machine) Text() string {
	if m.CPUs <= 0 {
		return ""
	}
	return machineText(m)
}

// Text says whether books balance.
func (l *Ledgers) Text() string { return ledgersText(l) }

// Tell is an equation between ledgers with both sides.
func (c *LedgerCheck) Tell() string { return checkText(c) }

// Text is a kind of wrong answer in words, with its cause.
func (w *Wrong) Text() string { return wrongText(w) }

// CodeMeaning says in few words what a cloud means by an AADSTS code, "" when
// it is not known.
func CodeMeaning(code string) string { return codeMeaning[code] }

// Mark is a verdict as one character.
func Mark(v Verdict) string { return mark(v) }

// Cells are p50, p90, p99, p99.9, maximum and mean as people read them.
func (p *Percentiles) Cells() []string { return percentileCells(p) }

// Lost counts the sign-ins without a definite answer.
func (n *SignIns) Lost() uint64 { return n.lost() }

// EndedWithin is what can be said of a share of the sign-ins sent and a time,
// and what has to be added to it, "" when all were answered.
func (n *SignIns) EndedWithin() (verb, but string) {
	if n.lost() == 0 {
		return "were answered within", ""
	}
	return "ended within", "; " + n.unanswered()
}

// Wrong counts the answers that differ from the directory's in whether the
// user came in.
func (n *SignIns) Wrong() uint64 { return n.wrong() }
