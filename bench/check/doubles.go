package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"ptabench/results"
	"ptabench/scenarios"
)

// A sign-in that is handed to another connector may be bound twice, and count
// a wrong password twice. Which were is found by joining the sign-ins of more
// than one attempt with the directory's log of binds.

// bindsAfter is how long after its answer a sign-in may still be bound, by a
// connector that was given up.
const bindsAfter = 5 * second

// maxHanded bounds the sign-ins of more than one attempt that are joined.
const maxHanded = 1 << 19

// handed is a sign-in of more than one attempt.
type handed struct {
	due, done int64
	user      uint32
	more      uint8 // attempts after the first
	wrong     bool  // its password was wrong
	doubled   uint8 // of its binds
	relocked  uint8 // of these, with a wrong password
}

// A cluster is a stretch of time in which sign-ins of one user, at least one
// of them of more than one attempt, cannot be told apart in the log of binds.
type cluster struct {
	from, to             int64
	first, last          int32  // its sign-ins among the handed ones
	own, ownWrong        uint32 // binds that its sign-ins need, and those by single ones in the same time
	binds, wrong         uint32 // that the log has
	possible, wrongCould uint32 // binds made again at most
}

// doubles joins them. It does nothing without a log.
type doubles struct {
	on       bool
	unknown  int // numbers of intents
	wrong    []bool
	users    int
	handed   []handed
	skipped  uint64
	clusters []cluster
	of       []int32 // by user: where his clusters begin; one more than users
	torn     int
}

func newDoubles(in Input) *doubles {
	d := &doubles{on: len(in.BindLogs) > 0, users: in.Population.Len(), unknown: slices.Index(in.Header.Intents, string(scenarios.IntentUnknown))}
	for _, intent := range in.Header.Intents {
		d.wrong = append(d.wrong, intent == string(scenarios.IntentWrong) || intent == string(scenarios.IntentOld))
	}
	return d
}

func (d *doubles) knows(s *results.Sample) bool {
	return int(s.Intent) != d.unknown && int(s.User) < d.users
}

func (d *doubles) look(s *results.Sample) {
	if !d.on || s.Attempts < 2 || !d.knows(s) {
		return
	}
	if len(d.handed) == maxHanded {
		d.skipped++
		return
	}
	d.handed = append(d.handed, handed{due: s.Due, done: s.Done, user: s.User, more: s.Attempts - 1, wrong: d.wrong[s.Intent]})
}

// turn makes the clusters, when all are there.
func (d *doubles) turn() {
	if len(d.handed) == 0 {
		return
	}
	slices.SortFunc(d.handed, func(a, b handed) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.due, b.due), cmp.Compare(a.done, b.done))
	})
	d.of = make([]int32, d.users+1)
	user := uint32(math.MaxUint32)
	for i, h := range d.handed {
		if n := len(d.clusters); n == 0 || h.user != user || h.due > d.clusters[n-1].to {
			d.clusters = append(d.clusters, cluster{from: h.due, first: int32(i)})
			d.of[h.user+1]++
			user = h.user
		}
		c := &d.clusters[len(d.clusters)-1]
		c.to = max(c.to, h.done+bindsAfter)
		c.last = int32(i)
		c.own++
		c.possible += uint32(h.more)
		if h.wrong {
			c.ownWrong++
			c.wrongCould += uint32(h.more)
		}
	}
	for u := range d.users {
		d.of[u+1] += d.of[u]
	}
}

// within are the clusters of a user that touch a stretch of time.
func (d *doubles) within(user int, from, to int64) []cluster {
	mine := d.clusters[d.of[user]:d.of[user+1]]
	if len(mine) == 0 {
		return nil
	}
	first := sort.Search(len(mine), func(i int) bool { return mine[i].to >= from })
	last := first
	for last < len(mine) && mine[last].from <= to {
		last++
	}
	return mine[first:last]
}

// count takes in, in the second pass, a sign-in that was bound once at most:
// its bind is its own, wherever in its time it was made.
func (d *doubles) count(s *results.Sample) {
	if len(d.handed) == 0 || s.Attempts > 1 || !d.knows(s) || s.Path == results.PathHashSync && s.Attempts == 0 {
		return
	}
	near := d.within(int(s.User), s.Due, s.Done)
	for i := range near {
		near[i].own++
		if d.wrong[s.Intent] {
			near[i].ownWrong++
		}
	}
}

// read joins the log of binds and completes the figures of the faults.
func (d *doubles) read(in Input, w *watches) error {
	if len(d.handed) == 0 {
		return nil
	}
	zero, err := zeroOf(in.Header)
	if err != nil {
		return err
	}
	// Wrong passwords of a user in the window of a fault, for those users who
	// had any sign-in handed on.
	type account struct {
		fault int32
		user  int
	}
	failures := map[account]int{}
	take := func(b bind) {
		user, ok := in.Population.Index(string(b.user))
		if !ok || d.of[user] == d.of[user+1] {
			return
		}
		at := b.at - zero
		near := d.within(user, at, at)
		for i := range near {
			near[i].binds++
			if b.wrong {
				near[i].wrong++
			}
		}
		if b.wrong {
			w.on.each(at, at, func(i int32) {
				if w.all[i].has(at, at) {
					failures[account{i, user}]++
				}
			})
		}
	}
	for _, log := range in.BindLogs {
		torn, err := readBinds(log, take)
		if err != nil {
			return err
		}
		d.torn += torn
	}
	d.share()
	again := map[account]int{}
	for _, h := range d.handed {
		if h.doubled == 0 {
			continue
		}
		w.on.each(h.due, h.done, func(i int32) {
			if f := w.all[i]; f.has(h.due, h.done) {
				f.out.DoubledBinds += uint64(h.doubled)
				again[account{i, int(h.user)}] += int(h.relocked)
			}
		})
	}
	for a, extra := range again {
		if n := failures[a]; n >= results.LockThreshold && n-extra < results.LockThreshold {
			w.all[a.fault].out.WouldLock++
		}
	}
	return nil
}

// share gives the binds beyond what sign-ins need to those that can have made
// them, the earliest first.
func (d *doubles) share() {
	for _, c := range d.clusters {
		beyond := min(c.binds-min(c.own, c.binds), c.possible)
		wrong := min(c.wrong-min(c.ownWrong, c.wrong), c.wrongCould, beyond)
		give := func(left uint32, want bool) uint32 {
			for i := c.first; i <= c.last && left > 0; i++ {
				h := &d.handed[i]
				if h.wrong != want {
					continue
				}
				n := min(left, uint32(h.more))
				h.doubled = uint8(n)
				if want {
					h.relocked = uint8(n)
				}
				left -= n
			}
			return left
		}
		give(wrong, true)
		give(beyond-wrong, false)
	}
}

// warnings say what the join could not use.
func (d *doubles) warnings() (all []string) {
	if d.skipped > 0 {
		all = append(all, fmt.Sprintf("%s sign-ins of more than one attempt were left out of the count of doubled binds, which takes the first %s.",
			results.Count(d.skipped), results.Count(maxHanded)))
	}
	if d.torn > 0 {
		all = append(all, fmt.Sprintf("%d lines of the log of binds were not whole; doubled binds may be more than counted.", d.torn))
	}
	return all
}
