package results

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Sync is what the hash sync agent did, over all its starts.
type Sync struct {
	Accounts uint64 `json:"accounts"` // that the cloud took, the first sync included
	Batches  uint64 `json:"batches"`
	Cycles   uint64 `json:"cycles"`
	Retries  uint64 `json:"retries"` // of batches
	// How old a change was that the cloud had not: the oldest at the end, and
	// the oldest ever.
	OldestNS    int64 `json:"oldest_unsynced_ns"`
	OldestMaxNS int64 `json:"oldest_unsynced_ns_max"`
}

// Happened counts what happened to users while the load went on.
type Happened struct {
	Event string `json:"event"` // change-password, disable ...
	Count uint64 `json:"count"`
	// Asked is how many the scenario asked for; 0 in runs that did not record it.
	Asked uint64 `json:"asked,omitempty"`
}

// SortHappened puts the most frequent first.
func SortHappened(list []Happened) {
	slices.SortFunc(list, func(a, b Happened) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Event, b.Event)) })
}

// ChangesText says what happened to users, and how far behind hash sync was; ""
// when there is nothing to say.
func (r *Result) ChangesText() string {
	var parts []string
	if len(r.Events) > 0 {
		var events []string
		for _, e := range r.Events {
			count := Count(e.Count)
			if e.Asked > e.Count {
				count += " of " + Count(e.Asked)
			}
			events = append(events, count+" "+e.Event)
		}
		parts = append(parts, "While the load went on, this happened to users: "+strings.Join(events, ", ")+".")
	}
	if s := r.Sync; s != nil {
		behind := "it was behind by nothing"
		if s.OldestMaxNS > 0 {
			behind = "the oldest change that the cloud had not was " + Duration(s.OldestMaxNS) + " old"
		}
		parts = append(parts, fmt.Sprintf("Hash sync carried %s in %s; %s.", plural(s.Accounts, "account", "accounts"), plural(s.Cycles, "cycle", "cycles"), behind))
	}
	return strings.Join(parts, " ")
}
