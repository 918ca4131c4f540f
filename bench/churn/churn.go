// Package churn has accounts change while a load goes on: passwords are changed,
// users disabled and locked, by a plan. It knows at any time what the directory
// must answer, and later what made an answer wrong: it is the truth by which
// answers are judged, and it is not asked of those who are judged.
package churn

import (
	"context"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"ptabench/backoff"
	"ptabench/observe"
	"ptabench/population"
)

// A Driver has the events of a plan happen, one after another.
type Driver struct {
	people *population.Population
	plan   []population.Planned

	mu      sync.RWMutex
	zero    time.Time      // what steps count from
	of      map[int][]step // by user
	changed []int          // who changed their password, in order; a user may be in it more than once
	counts  Counts
}

// Counts is what became of the plan.
type Counts struct {
	Planned uint64
	Asked   map[population.EventKind]uint64 // planned or left out; nobody writes it any more
	Left    map[population.EventKind]uint64 // of these, that no user was in the state for; likewise
	Applied map[population.EventKind]uint64 // that every directory server confirmed
	Refused uint64                          // that one did not accept
	Unknown uint64                          // asked for, and nobody said whether it happened
	LateMax time.Duration                   // how long after it was due one was confirmed, at most
}

// A step is an event of a user. What the account was before and what it is after
// it may both be found between the two times.
type step struct {
	kind        population.EventKind
	began, done time.Duration // since time 0; done is never for one not confirmed
	after       population.Account
}

const never = time.Duration(math.MaxInt64)

// New prepares a plan, of which some events were left out.
func New(people *population.Population, plan []population.Planned, left map[population.EventKind]uint64) *Driver {
	asked := make(map[population.EventKind]uint64)
	maps.Copy(asked, left)
	for _, e := range plan {
		asked[e.Kind]++
	}
	return &Driver{people: people, plan: plan, of: make(map[int][]step),
		counts: Counts{Planned: uint64(len(plan)), Asked: asked, Left: left, Applied: make(map[population.EventKind]uint64)}}
}

// Run has each event happen when it is due, counted from zero, at every
// directory server: one that is down holds up what follows. It returns when the
// plan is done or the context ends; its error names the first event that a
// server did not accept.
func (d *Driver) Run(ctx context.Context, zero time.Time, servers []func() *observe.Client) error {
	d.mu.Lock()
	d.zero = zero
	d.mu.Unlock()
	var first error
	for n, e := range d.plan {
		if !backoff.Sleep(ctx, time.Until(zero.Add(e.At))) {
			return first
		}
		after, err := d.now(e.User).After(e.Kind)
		if err == nil {
			err = d.happen(ctx, zero, uint64(n+1), e, after, servers)
		}
		if err != nil {
			d.mu.Lock()
			d.counts.Refused++
			d.mu.Unlock()
			if first == nil {
				first = fmt.Errorf("event %d, %s of %s: %w", n+1, e.Kind, d.people.UPN(e.User), err)
			}
		}
	}
	return first
}

// happen asks for one event until every server has answered.
func (d *Driver) happen(ctx context.Context, zero time.Time, seq uint64, e population.Planned, after population.Account, servers []func() *observe.Client) error {
	change := observe.AccountChange{Seq: seq, User: d.people.UPN(e.User), Kind: string(e.Kind)}
	d.begin(e, time.Since(zero), after)
	for i, server := range servers {
		if err := d.ask(ctx, server, change); err != nil {
			if ctx.Err() != nil { // it may have happened
				d.mu.Lock()
				d.counts.Unknown++
				d.mu.Unlock()
				return nil
			}
			if i == 0 {
				d.forget(e.User)
			}
			return err
		}
	}
	d.end(e, time.Since(zero))
	return nil
}

// askWithin bounds one question to a directory.
const askWithin = 2 * time.Second

// ask tries for as long as nobody answers: a directory that applied it already
// answers the same again.
func (d *Driver) ask(ctx context.Context, server func() *observe.Client, change observe.AccountChange) error {
	var wait backoff.Backoff
	for {
		bound, cancel := context.WithTimeout(ctx, askWithin)
		err := server().Post(bound, "/accounts", change, nil)
		cancel()
		if err == nil || observe.Refused(err) {
			return err
		}
		if !wait.Wait(ctx) {
			return err
		}
	}
}

func (d *Driver) begin(e population.Planned, at time.Duration, after population.Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[e.User] = append(d.of[e.User], step{kind: e.Kind, began: at, done: never, after: after})
}

func (d *Driver) end(e population.Planned, at time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	steps := d.of[e.User]
	steps[len(steps)-1].done = at
	if e.Kind == population.ChangePassword {
		d.changed = append(d.changed, e.User)
	}
	d.counts.Applied[e.Kind]++
	d.counts.LateMax = max(d.counts.LateMax, at-e.At)
}

// forget takes back the last event of a user, which did not happen.
func (d *Driver) forget(user int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[user] = d.of[user][:len(d.of[user])-1]
}

// now is a user's account after all events so far.
func (d *Driver) now(user int) population.Account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if steps := d.of[user]; len(steps) > 0 {
		return steps[len(steps)-1].after
	}
	return d.people.Account(user)
}

// Counts is a copy.
func (d *Driver) Counts() Counts {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c := d.counts
	c.Applied = maps.Clone(d.counts.Applied)
	return c
}
