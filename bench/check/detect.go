package check

import (
	"sort"

	"ptabench/observe"
	"ptabench/scenarios"
)

// detect is how long it took until somebody noticed the fault: the cloud, or
// its users when it is the cloud that is broken. What the hash store holds, and
// who fills it, nobody notices.
func (w *watch) detect(events []observe.Event) int64 {
	switch {
	case w.ofHashes(), w.Target == scenarios.HashSyncTarget:
		return Never
	case w.unseen():
		return w.seen
	}
	// Events are in order, and a run may have as many faults as events.
	from := sort.Search(len(events), func(i int) bool { return events[i].AtNS >= w.Began })
	for _, e := range events[from:] {
		if w.UndoneAt != Never && e.AtNS > w.UndoneAt {
			break
		}
		if w.about(e) {
			return w.since(e.AtNS)
		}
	}
	return Never
}

// about says whether an event of the cloud tells of this fault.
func (w *watch) about(e observe.Event) bool {
	all := w.Target == scenarios.AllConnectors
	mine := all || w.Target == e.Connector
	directory := w.Target == scenarios.DirectoryTarget && (w.Only == "" || w.Only == e.Connector)
	switch e.Kind {
	case observe.ConnectorLost:
		return mine
	case observe.AttemptTimedOut, observe.HandedOff, observe.Dropped:
		return mine || directory
	case observe.ConnectorStatus:
		switch e.Cause {
		case "directory-unreachable":
			return mine || directory
		case "responses-lost", "draining":
			return mine
		}
		return false
	case observe.BreakerOpened: // names no connector
		return all || w.Target == scenarios.DirectoryTarget && w.Only == ""
	}
	return false
}
