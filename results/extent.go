package results

import (
	"fmt"
	"strings"
)

// Extent is how much of several runs was planned, so that what was killed
// part-way is not taken for the whole.
type Extent struct {
	Planned int      `json:"planned,omitempty"`  // runs; 0 when it was not recorded
	NotMade []string `json:"not_made,omitempty"` // names of the planned runs that are missing
	Reasons []string `json:"reasons,omitempty"`  // why the verdict is worse than the runs'
}

// expect says of how many runs those made are the first, and whether any is
// missing.
func (e *Extent) expect(made int, names []string) (missing bool) {
	*e = Extent{Planned: len(names)}
	if made >= len(names) {
		return false
	}
	e.NotMade = names[made:]
	e.Reasons = []string{fmt.Sprintf("%d of %s were made", made, plural(uint64(len(names)), "run", "runs"))}
	return true
}

// why are the reasons in one text, "" when there are none.
func (e *Extent) why() string { return reasonsText(e.Reasons) }

// notMade are the names of the missing runs, one a line.
func (e *Extent) notMade() string {
	if len(e.NotMade) == 0 {
		return ""
	}
	return "not made:\n" + strings.Join(e.NotMade, "\n")
}

// notMadeReason is the reason of each missing run.
var notMadeReason = []string{"not made"}
