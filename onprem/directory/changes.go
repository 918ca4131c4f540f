package directory

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"ptabench/observe"
	"ptabench/population"
)

// changes is what the accounts are now: the population, and what events made of
// it since. Each event takes the next update sequence number, as each change
// does in a domain controller; the accounts themselves were made in order, so
// user i has number i+1 until it changes. So whoever remembers a number can ask
// what changed since.
type changes struct {
	users *population.Population
	since time.Time // when the accounts were made
	log   *eventLog // nil keeps none
	// password is told of a password that was changed, with mu held.
	password func(user int, password string)
	// served has a server of others make an account so, with mu held, before the
	// event is kept; nil where nobody else serves.
	served func(Change) error

	mu      sync.RWMutex
	changed map[int]changed // the accounts that changed
	order   []numbered      // by number; an account that changed again is in it more than once
	last    uint64          // the number given last
	seq     uint64          // of the event applied last, as whoever sent it counts
	applied observe.AppliedChange
}

// changed is an account that is not what it was.
type changed struct {
	population.Account
	usn      uint64
	at       time.Time // of the last event
	password time.Time // zero when it is still the first
}

type numbered struct {
	usn  uint64
	user int
}

func newChanges(users *population.Population, since time.Time) *changes {
	return &changes{users: users, since: since, changed: make(map[int]changed), last: uint64(users.Len()), password: func(int, string) {}}
}

// of is an account as it is now.
func (c *changes) of(user int) changed {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.locked(user)
}

// locked is of, with mu held.
func (c *changes) locked(user int) changed {
	if a, found := c.changed[user]; found {
		return a
	}
	return changed{Account: c.users.Account(user), usn: uint64(user) + 1, at: c.since}
}

// passwordOf is the password that an account has now.
func (c *changes) passwordOf(user int) string { return c.users.VersionOf(user, c.of(user).Version) }

// highest is the number given last.
func (c *changes) highest() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.last
}

// id is that of the database that gives the numbers.
func (c *changes) id() string {
	if c.log == nil {
		return "not kept"
	}
	return c.log.ID
}

// between lists the accounts whose last change has a number of a range, in
// order of these, and no more than a limit. It says whether there are more.
func (c *changes) between(from, to uint64, limit int) (users []int, more bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for usn := max(from, 1); usn <= min(to, uint64(c.users.Len())); usn++ {
		user := int(usn - 1)
		if _, found := c.changed[user]; found {
			continue
		}
		if len(users) == limit {
			return users, true
		}
		users = append(users, user)
	}
	begin, _ := slices.BinarySearchFunc(c.order, from, func(n numbered, usn uint64) int { return cmp.Compare(n.usn, usn) })
	for _, n := range c.order[begin:] {
		if n.usn > to {
			break
		}
		if c.changed[n.user].usn != n.usn {
			continue
		}
		if len(users) == limit {
			return users, true
		}
		users = append(users, n.user)
	}
	return users, false
}

// apply has an event happen. One with the sequence number of the last is that
// one again, from somebody who did not hear the answer: it is answered as then.
func (c *changes) apply(want observe.AccountChange) (observe.AppliedChange, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if want.Seq != 0 && want.Seq == c.seq {
		return c.applied, nil
	}
	if want.Seq != 0 && want.Seq < c.seq {
		return observe.AppliedChange{}, fmt.Errorf("seq %d: %d was applied: expected a later one", want.Seq, c.seq)
	}
	user, found := c.users.Index(want.User)
	if !found {
		return observe.AppliedChange{}, fmt.Errorf("user %.80q: nobody has this name", want.User)
	}
	kind, err := population.ParseEventKind(want.Kind)
	if err != nil {
		return observe.AppliedChange{}, err
	}
	after, err := c.locked(user).After(kind)
	if err != nil {
		return observe.AppliedChange{}, fmt.Errorf("user %s: %w", want.User, err)
	}
	if c.served != nil {
		if err := c.served(c.asked(user, kind == population.ChangePassword, after)); err != nil {
			return observe.AppliedChange{}, fmt.Errorf("user %s: %s: %w", want.User, kind, err)
		}
	}
	e := event{Seq: want.Seq, USN: c.last + 1, AtNS: time.Now().UnixNano(), Kind: string(kind), User: user}
	if err := c.log.add(e); err != nil { // before anybody can see it
		return observe.AppliedChange{}, err
	}
	c.happen(e, after)
	return c.applied, nil
}

// asked is what a server of others is to make of an account.
func (c *changes) asked(user int, password bool, a population.Account) Change {
	ask := Change{User: user, State: a.State}
	if password {
		ask.Password = c.users.VersionOf(user, a.Version)
	}
	return ask
}

// serveAll has a server of others make every account as it is now, for one whose
// accounts were made anew.
func (c *changes) serveAll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for user, a := range c.changed {
		if err := c.served(c.asked(user, a.Version > 0, a.Account)); err != nil {
			return fmt.Errorf("user %s: %w", c.users.UPN(user), err)
		}
	}
	return nil
}

// happen is called with mu held, or before anybody else knows of c.
func (c *changes) happen(e event, after population.Account) {
	at := time.Unix(0, e.AtNS)
	a := changed{Account: after, usn: e.USN, at: at, password: c.changed[e.User].password}
	if e.Kind == string(population.ChangePassword) {
		a.password = at
		c.password(e.User, c.users.VersionOf(e.User, a.Version))
	}
	c.changed[e.User] = a
	c.order = append(c.order, numbered{e.USN, e.User})
	if len(c.order) > 2*len(c.changed)+1024 { // else it would grow as long as the directory runs
		c.order = slices.DeleteFunc(c.order, func(n numbered) bool { return c.changed[n.user].usn != n.usn })
	}
	c.last = e.USN
	if e.Seq != 0 {
		c.seq = e.Seq
	}
	c.applied = observe.AppliedChange{Seq: e.Seq, USN: e.USN, AtNS: e.AtNS, State: a.State.String(), Version: a.Version}
}
