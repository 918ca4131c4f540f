package churn

import (
	"cmp"
	"slices"
	"time"

	"ptabench/population"
	"ptabench/results"
)

// Stale counts the answers that differ from the directory's because of an event,
// by what that was and how long before it had happened. It is not for use by
// several at once.
type Stale struct {
	driver  *Driver
	intents []string
	agent   bool
	plain   results.WrongCount // the same sign-ins, as results count those without events
	by      map[staleKey]*results.Histogram
}

// unknown is the intent of users who do not exist.
const unknown = "unknown"

type staleKey struct {
	kind  results.Judgement
	path  results.Path
	event population.EventKind
}

// NewStale counts answers that the events of a driver made wrong. Intents are
// those that samples number; with an agent, hash sync carries what it does carry.
func NewStale(d *Driver, intents []string, agent bool) *Stale {
	return &Stale{driver: d, intents: intents, agent: agent, by: make(map[staleKey]*results.Histogram)}
}

// Count takes in a sign-in, of whichever judgement. Those of the warm-up are left
// out, as they are everywhere, and those of users who do not exist.
func (w *Stale) Count(s *results.Sample) {
	if s.Judgement <= results.Right || s.Due < 0 || int(s.Intent) < len(w.intents) && w.intents[s.Intent] == unknown {
		return
	}
	event, at, found := w.driver.Last(int(s.User), time.Duration(s.Done))
	if !found {
		return
	}
	w.plain.Count(s)
	key := staleKey{s.Judgement, s.Path, event}
	h := w.by[key]
	if h == nil {
		h = results.NewHistogram()
		w.by[key] = h
	}
	h.Record(max(s.Done-at.Nanoseconds(), 0))
}

// Explain puts what was counted in the place of what results say of the same
// sign-ins, who know of no events.
func (w *Stale) Explain(all []results.Wrong) []results.Wrong {
	of := make(map[[3]string]uint64)
	for _, one := range w.plain.ByCause(w.intents) {
		of[[3]string{one.Kind, one.Path, one.Cause}] += one.Count
	}
	list := []results.Wrong{}
	for _, one := range all {
		if one.Count -= min(of[[3]string{one.Kind, one.Path, one.Cause}], one.Count); one.Count > 0 {
			list = append(list, one)
		}
	}
	for key, h := range w.by {
		p := h.Percentiles()
		list = append(list, results.Wrong{Kind: key.kind.String(), Path: key.path.String(), Cause: w.cause(key), Count: p.Samples,
			Event: string(key.event), AgeP50: p.P50, AgeMax: p.Max})
	}
	slices.SortFunc(list, func(a, b results.Wrong) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}

// happened is an event in words.
var happened = map[population.EventKind]string{
	population.ChangePassword: "the password was changed",
	population.Disable:        "the user was disabled",
	population.Enable:         "the user was enabled again",
	population.Lock:           "the user was locked",
	population.Unlock:         "the user was unlocked",
	population.Expire:         "the password expired",
	population.DemandChange:   "the password must be changed",
	population.ExpireAccount:  "the account expired",
	population.RenewAccount:   "the account was renewed",
}

// cause says why an answer differs from the directory's.
func (w *Stale) cause(k staleKey) string {
	what := happened[k.event]
	if k.path != results.PathHashSync {
		return what + ", and the answer was as before"
	}
	switch k.event {
	case population.Lock, population.Unlock, population.Expire, population.ExpireAccount, population.RenewAccount:
		return what + ", which hash sync does not carry"
	}
	if !w.agent {
		return what + ", which nobody carries: there is no agent of hash sync"
	}
	return what + ", which hash sync had not carried yet"
}
