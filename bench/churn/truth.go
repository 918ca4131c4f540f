package churn

import (
	"time"

	"ptabench/bench/load"
	"ptabench/population"
)

var _ load.Accounts = (*Driver)(nil)

// Version is that of the password that a user knows now: the new one from when
// the change was confirmed.
func (d *Driver) Version(user int) uint32 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	steps := d.of[user]
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].done != never {
			return steps[i].after.Version
		}
	}
	return d.people.Account(user).Version
}

// Recent picks one of those who changed their password, by a number that is
// evenly drawn. It is false when nobody has.
func (d *Driver) Recent(pick uint64) (user int, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.changed) == 0 {
		return 0, false
	}
	return d.changed[pick%uint64(len(d.changed))], true
}

// Between calls with each account that a user may have had at some time between
// two, until it is told to stop.
func (d *Driver) Between(user int, begin, end time.Time, yield func(population.Account) bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	from, to := begin.Sub(d.zero), end.Sub(d.zero)
	is := d.people.Account(user)
	for _, next := range d.of[user] {
		if next.done >= from && !yield(is) { // it may still have been so at from
			return
		}
		if next.began > to {
			return
		}
		is = next.after
	}
	yield(is)
}

// Last is the last event of a user that may have happened until a time, and when
// it was confirmed. It is false when there is none.
func (d *Driver) Last(user int, until time.Duration) (kind population.EventKind, at time.Duration, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, s := range d.of[user] {
		if s.began > until {
			break
		}
		kind, at, ok = s.kind, min(s.done, until), true
	}
	return kind, at, ok
}
