package results

import (
	"fmt"
	"slices"
	"strings"
)

// broken are the equations that do not hold and should.
func (l *Ledgers) broken() []LedgerCheck {
	return slices.DeleteFunc(slices.Clone(l.Checks), func(c LedgerCheck) bool { return c.Holds || c.Waived })
}

// waived are the equations that are not demanded of this run.
func (l *Ledgers) waived() []LedgerCheck {
	return slices.DeleteFunc(slices.Clone(l.Checks), func(c LedgerCheck) bool { return !c.Waived })
}

// ledgersText says whether the books balance.
func ledgersText(l *Ledgers) string {
	return balanceOfBooks(l.Balanced, len(l.Checks), len(l.broken()), len(l.waived()))
}

// balanceOfBooks says it of so many equations.
func balanceOfBooks(balanced bool, checks, broken, waived int) string {
	var s string
	if balanced {
		s = "balanced: " + plural(uint64(max(checks-broken-waived, 0)), "equation holds", "equations hold")
	} else {
		hold := "do not hold"
		if broken == 1 {
			hold = "does not hold"
		}
		s = fmt.Sprintf("not balanced: %d of %s %s", broken, plural(uint64(checks), "equation", "equations"), hold)
	}
	if waived > 0 {
		s += ", " + plural(uint64(waived), "is waived", "are waived")
	}
	return s
}

// checkText is an equation with its figures.
func checkText(c *LedgerCheck) string {
	return c.Text + ": " + Count(c.Left) + " " + c.Op + " " + Count(c.Right)
}

// waivedText is a waived equation with its figures, and why it is waived.
func waivedText(c *LedgerCheck) string { return "waived: " + notedText(c) }

// notedText is an equation with its figures and its note.
func notedText(c *LedgerCheck) string {
	if c.Note == "" {
		return checkText(c)
	}
	return checkText(c) + " (" + c.Note + ")"
}

// checksText is several equations, one a line.
func checksText(list []LedgerCheck, text func(*LedgerCheck) string) string {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = text(&list[i])
	}
	return strings.Join(texts, "\n")
}
