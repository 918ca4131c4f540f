package results

import (
	"fmt"
	"math"
)

// Capacity is the highest rate at which an objective holds, looked for by short
// loads on the system of the run, after its own load: an interval, for a search
// that ends knows no more.
type Capacity struct {
	Objective string  `json:"objective"`           // such as p99(response) < 200ms
	Held      float64 `json:"held_per_s"`          // the highest rate that held; 0 when none did
	Broken    float64 `json:"broken_per_s"`        // the lowest rate above it that did not; 0 when all held
	CutShort  bool    `json:"cut_short,omitempty"` // the time for the search ended before the ends were as close as asked
	Note      string  `json:"note,omitempty"`
	Trials    []Trial `json:"trials"` // in the order in which they were made
}

// Trial is one short load of a search.
type Trial struct {
	Rate     float64 `json:"rate_per_s"`
	Duration int64   `json:"duration_ns"` // as planned
	Held     bool    `json:"held"`
	Why      string  `json:"why,omitempty"` // it did not hold
	Value    float64 `json:"value"`         // of what the objective compares; -1 of a percentile when so many had no answer
	Unit     string  `json:"unit"`
	Planned  uint64  `json:"planned"`
	Answered uint64  `json:"answered"`    // accepted and refused
	Lost     uint64  `json:"lost"`        // failed and unknown
	Unsent   uint64  `json:"unsent"`      // or not sent any more when it was cut short
	Elsewise uint64  `json:"other_paths"` // answered, not by the method that the tenant has
	LagP99   int64   `json:"lag_p99_ns"`
}

// Text is the interval in words.
func (c *Capacity) Text() string {
	switch {
	case c.Held > 0 && c.Broken > 0:
		return fmt.Sprintf("%s holds up to a rate between %s and %s.", c.Objective, PerSecond(c.Held), PerSecond(c.Broken))
	case c.Held > 0:
		return fmt.Sprintf("%s holds at %s, the highest rate that was tried.", c.Objective, PerSecond(c.Held))
	case c.Broken > 0:
		return fmt.Sprintf("%s does not even hold at %s, the lowest rate that was tried.", c.Objective, PerSecond(c.Broken))
	}
	return c.Objective + ": no rate was tried."
}

// Interval is the same in as few words as a cell of a table has room for.
func (c *Capacity) Interval() string {
	if c == nil {
		return "-"
	}
	switch {
	case c.Held > 0 && c.Broken > 0:
		return Count(uint64(math.Round(c.Held))) + " to " + PerSecond(c.Broken)
	case c.Held > 0:
		return "≥ " + PerSecond(c.Held)
	case c.Broken > 0:
		return "< " + PerSecond(c.Broken)
	}
	return "-"
}

// TrialHeads names what Trial.Cells gives.
func TrialHeads() []string {
	return []string{"rate", "held", "measured", "answered", "lost", "lag p99", "why not"}
}

// Cells are a trial's figures as people read them.
func (t *Trial) Cells() []string {
	held := "no"
	if t.Held {
		held = "yes"
	}
	return []string{PerSecond(t.Rate), held, number(t.Value, t.Unit, t.Unit == "ratio"), Count(t.Answered), Count(t.Lost), Duration(t.LagP99), t.Why}
}
