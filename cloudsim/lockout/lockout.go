// Package lockout is the smart lockout of accounts: who guesses at a password
// finds the account locked after so many failures, for a minute at first and
// for longer each time.
//
// Source: Microsoft, "Protect user accounts from attacks with Microsoft Entra
// smart lockout": 10 failed attempts; the account locks again after each
// failure that follows; the period is a minute at first, and longer then, at a
// rate that is not disclosed (here: twice as long, up to an hour). Repeats of
// one of the last three wrong passwords are not counted, but for pass-through,
// where the cloud never learns which password was wrong.
package lockout

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The documented rule, and the bound on how long it locks.
const (
	Failures = 10
	First    = time.Minute
	longest  = time.Hour
)

// repeats is how many wrong passwords of an account are told from new ones.
const repeats = 3

// maxWatched bounds the accounts that are kept an eye on: some 20 MB. At the
// bound the one unheard of for longest is forgotten.
const maxWatched = 100_000

// A Rule says when an account is locked, and for how long the first time. The
// zero value locks none.
type Rule struct {
	Failures int // that lock; 0 for never
	First    time.Duration
}

// Usual is the documented rule.
func Usual() Rule { return Rule{Failures, First} }

// ParseRule reads on, off, or FAILURES/DURATION such as 5/30s.
func ParseRule(text string) (Rule, error) {
	switch text {
	case "on":
		return Usual(), nil
	case "off":
		return Rule{}, nil
	}
	n, d, ok := strings.Cut(text, "/")
	failures, err := strconv.Atoi(n)
	first, wrong := time.ParseDuration(d)
	r := Rule{failures, first}
	if !ok || err != nil || wrong != nil || failures == 0 || r.Validate() != nil {
		return Rule{}, fmt.Errorf("%q: expected on, off, or failures and a duration of 1s to 1h such as 10/60s", text)
	}
	return r, nil
}

// Validate says what is wrong with a rule.
func (r Rule) Validate() error {
	switch {
	case r == Rule{}:
		return nil
	case r.Failures < 1 || r.Failures > 1000:
		return fmt.Errorf("%d failures: expected 1 to 1000", r.Failures)
	case r.First < time.Second || r.First > longest:
		return fmt.Errorf("%v: expected 1s to %v", r.First, longest)
	}
	return nil
}

func (r Rule) String() string {
	if r.Failures == 0 {
		return "off"
	}
	return strconv.Itoa(r.Failures) + "/" + r.First.String()
}

// A Book keeps the failures of accounts. A nil Book locks nobody. It is safe for
// concurrent use.
type Book struct {
	rule Rule
	key  [32]byte // by which wrong passwords are hashed; never leaves the process

	mu     sync.Mutex
	bound  int
	held   map[string]*list.Element
	order  *list.List // of *account, from the one unheard of for longest
	locked uint64
}

// account is one that is being signed in to, or that somebody failed at.
type account struct {
	name     string
	pending  int // attempts that are being decided
	failures int // in a row
	locks    int // in a row
	until    time.Time
	// proven says that the last attempt that was decided was right: whoever
	// sends many at once knows the password.
	proven bool
	wrong  [][sha256.Size]byte // the last ones
}

// New makes a book, or none where the rule locks nobody.
func New(r Rule) (*Book, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Failures == 0 {
		return nil, nil
	}
	b := &Book{rule: r, bound: maxWatched, held: make(map[string]*list.Element), order: list.New()}
	if _, err := rand.Read(b.key[:]); err != nil {
		return nil, errors.New("lockout: no randomness")
	}
	return b, nil
}

// An Outcome is what came of an attempt.
type Outcome int

// The outcomes.
const (
	Undecided Outcome = iota // nobody said whether the password is right
	Right
	Wrong
	// WrongSeen is a wrong password that the cloud itself compared: a repeat of
	// it is not counted.
	WrongSeen
)

// Enter reports whether an attempt at an account may be made. Who may calls
// Leave with what came of it. As many are let in at once as may still fail, so
// that a crowd of guesses has no more of them than a queue.
func (b *Book) Enter(name string, now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.of(accountOf(name))
	left := b.rule.Failures - a.failures
	if a.locks > 0 {
		left = 1
	}
	if now.Before(a.until) || !a.proven && a.pending >= left {
		b.locked++
		return false
	}
	a.pending++
	return true
}

// Leave ends an attempt that Enter let in.
func (b *Book) Leave(name, password string, o Outcome, now time.Time) {
	if b == nil {
		return
	}
	var sum [sha256.Size]byte
	if o == WrongSeen {
		h := hmac.New(sha256.New, b.key[:])
		h.Write([]byte(password))
		h.Sum(sum[:0])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.of(accountOf(name)) // anew, if it was forgotten meanwhile
	a.pending = max(0, a.pending-1)
	switch o {
	case Right:
		*a = account{name: a.name, pending: a.pending, proven: true}
	case WrongSeen:
		if slices.Contains(a.wrong, sum) {
			break
		}
		if a.wrong = append(a.wrong, sum); len(a.wrong) > repeats {
			a.wrong = slices.Delete(a.wrong, 0, 1)
		}
		b.fail(a, now)
	case Wrong:
		b.fail(a, now)
	}
	if a.pending == 0 && a.failures == 0 && a.locks == 0 { // nothing to remember
		b.forget(a.name)
	}
}

// fail counts a wrong password, and locks when it is one too many.
func (b *Book) fail(a *account, now time.Time) {
	a.proven = false
	if a.failures++; a.failures < b.rule.Failures && a.locks == 0 {
		return
	}
	a.until = now.Add(min(b.rule.First<<min(a.locks, 20), longest))
	a.failures, a.locks = 0, a.locks+1
}

// of finds an account, or begins to watch it; mu is held.
func (b *Book) of(name string) *account {
	if at := b.held[name]; at != nil {
		b.order.MoveToBack(at)
		return at.Value.(*account)
	}
	if b.order.Len() >= b.bound {
		b.forget(b.order.Front().Value.(*account).name)
	}
	a := &account{name: name}
	b.held[name] = b.order.PushBack(a)
	return a
}

func (b *Book) forget(name string) {
	b.order.Remove(b.held[name])
	delete(b.held, name)
}

// Locked is how many attempts were not let in.
func (b *Book) Locked() uint64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.locked
}
