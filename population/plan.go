package population

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// MaxEvents is the most that one plan may hold.
const MaxEvents = 1_000_000

// A Planned event is one that is due at a time of a run.
type Planned struct {
	At   time.Duration
	Kind EventKind
	User int
}

// Plan draws the events of a run: each kind arrives at random at its rate, per
// second, and takes a user whose account it fits, as the events before it left
// that. One that fits nobody is left out, and counted. Equal arguments make equal
// plans.
func (p *Population) Plan(rates map[EventKind]float64, length time.Duration, seed uint64) (plan []Planned, left map[EventKind]uint64, err error) {
	var (
		errs     []error
		expected float64
	)
	for kind, rate := range rates {
		if _, err := ParseEventKind(string(kind)); err != nil {
			errs = append(errs, err)
		}
		if !(rate >= 0) {
			errs = append(errs, fmt.Errorf("rate of %s %v: expected 0 or more per second", kind, rate))
		}
		expected += rate * length.Seconds()
	}
	if expected > MaxEvents {
		errs = append(errs, fmt.Errorf("rates: %.0f events in %v: expected at most %d", expected, length, MaxEvents))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, fmt.Errorf("events of the population: %w", err)
	}
	for _, kind := range EventKinds() {
		if rates[kind] == 0 {
			continue
		}
		// A stream of its own, so that one kind's rate moves no other's events.
		key := sha256.Sum256(fmt.Appendf(nil, "ptabench population events 1\n%x\n%s\n%d", p.key, kind, seed))
		random := rand.New(rand.NewChaCha8(key))
		for at := 0.0; ; {
			at += random.ExpFloat64() / rates[kind] * float64(time.Second)
			if at >= float64(length) {
				break
			}
			plan = append(plan, Planned{At: time.Duration(at), Kind: kind})
		}
	}
	slices.SortStableFunc(plan, func(a, b Planned) int { return cmp.Compare(a.At, b.At) })

	key := sha256.Sum256(fmt.Appendf(nil, "ptabench population events 1\n%x\nusers\n%d", p.key, seed))
	random, in := rand.New(rand.NewChaCha8(key)), [states][]int{}
	for state := range in {
		in[state] = slices.Clone(p.in[state])
	}
	kept := plan[:0]
	left = make(map[EventKind]uint64)
	for _, e := range plan {
		from, to := e.Kind.Moves()
		if len(in[from]) == 0 {
			left[e.Kind]++
			continue
		}
		n := random.IntN(len(in[from]))
		e.User = in[from][n]
		if to != from {
			last := len(in[from]) - 1
			in[from][n] = in[from][last]
			in[from], in[to] = in[from][:last], append(in[to], e.User)
		}
		kept = append(kept, e)
	}
	return kept, left, nil
}

// Moves says whom a plan has an event of the kind happen to, and what becomes of
// them. It is the first transition: active users change their password.
func (kind EventKind) Moves() (from, to State) {
	for _, t := range transitions {
		if t.kind == kind {
			return t.from, t.to
		}
	}
	panic("population: no transition of " + string(kind))
}
