package results

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// mostPast bounds the faults of a cut-off run that are told one by one.
const mostPast = 50

// A pastFault is a fault of a run that was cut off, as its journal and its
// events tell it.
type pastFault struct {
	number   int
	name     string
	text     string
	injected string // when, " at 5.00 s"; "" when time 0 is not known
	known    bool   // that it was injected, and not only about to be
	undone   bool
	undoneAt string
	by       string
}

// on reports whether a fault may still be on.
func (f pastFault) on() bool { return !f.undone }

// pastFaults reads which faults were injected, in order. Times are the
// journal's, which stamps a line when the injection had returned; where the
// events say the same they agree to microseconds, and events of faults that
// the journal does not have are left out: without an intent nothing was done.
func (r *Run) pastFaults(startedAt string) ([]pastFault, error) {
	zero, err := time.Parse(time.RFC3339Nano, startedAt)
	at := func(unix int64) string {
		if err != nil {
			return ""
		}
		return " at " + Duration(unix-zero.UnixNano())
	}
	var list []pastFault
	_, broken := ReadLines(filepath.Join(r.Dir, JournalFile), func(line struct {
		Kind  string `json:"kind"`
		At    int64  `json:"at_unix_ns"`
		Fault int    `json:"fault"`
		Name  string `json:"name"`
		Text  string `json:"text"`
		By    string `json:"by"`
	}) error {
		i := slices.IndexFunc(list, func(f pastFault) bool { return f.number == line.Fault })
		switch {
		case line.Kind == "intent" && i < 0:
			list = append(list, pastFault{number: line.Fault, name: line.Name, text: line.Text, injected: at(line.At)})
		case i < 0:
		case line.Kind == "injected":
			list[i].injected, list[i].known = at(line.At), true
		case line.Kind == "undone":
			list[i].undone, list[i].undoneAt, list[i].by = true, at(line.At), line.By
		}
		return nil
	})
	if broken != nil {
		return nil, broken
	}
	_, broken = r.Events(func(e Event) error {
		if e.Kind != "fault-injected" {
			return nil
		}
		for i := range list {
			if f := &list[i]; f.name == e.Cause && !f.known {
				f.injected, f.known = " at "+Duration(e.At), true
			}
		}
		return nil
	})
	return list, broken
}

// pastTexts tells of the faults of a run that was cut off.
func pastTexts(list []pastFault) (texts []string) {
	for i, f := range list {
		if i == mostPast {
			return append(texts, fmt.Sprintf("and %s more", plural(uint64(len(list)-i), "fault", "faults")))
		}
		name := f.name
		if name == "" {
			name = fmt.Sprintf("fault %d", f.number)
		}
		if f.text != "" {
			name += ", " + f.text + ","
		}
		was := "was injected"
		if !f.known {
			was = "was about to be injected"
		}
		s := name + " " + was + f.injected
		switch {
		case !f.undone:
			s += " and not undone"
		case f.by == "heal":
			s += " and undone afterwards, by heal"
		default:
			s += " and undone" + f.undoneAt
		}
		texts = append(texts, s)
	}
	return texts
}
