// Package population makes the users of a run from a seed: their names,
// passwords, states, and so the true answer to every sign-in. The directory
// that serves them and the load generator that judges them are processes that
// share nothing else, so what both derive has a room of its own. Passwords
// exist only in memory.
package population

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A State is what the directory knows of an account besides its password.
type State uint8

// The states of an account. Each but Active refuses a sign-in.
const (
	Active State = iota
	Disabled
	Locked
	PasswordExpired
	MustChange
	AccountExpired
	states
)

var stateNames = [states]string{"active", "disabled", "locked", "expired", "must-change", "account-expired"}

func (s State) String() string {
	if s >= states {
		return "state " + strconv.Itoa(int(s))
	}
	return stateNames[s]
}

// ParseState is the inverse of State.String.
func ParseState(s string) (State, error) {
	for i, name := range stateNames {
		if s == name {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("state %q: expected one of %s", s, strings.Join(stateNames[:], ", "))
}

// MaxUsers is the largest population: what six digits of a user name hold.
const MaxUsers = 999_999

// A Spec says which population to make. Equal specs make equal populations.
type Spec struct {
	Seed   uint64
	Users  int
	Domain string            // of the user principal names, such as contoso.test
	Spread Spread            // over further domains
	Shares map[State]float64 // of the users, from 0 to 1; the rest are active
}

// Population is the users of one domain or several, numbered from 0. It is safe for
// concurrent use.
type Population struct {
	domains domains
	key     []byte
	state   []State
	in      [states][]int // users by state

	listed *listed // the users of a file; nil for those of a seed

	changes func() []int // the active users, who changed their password last first; made when first asked for

	derivers sync.Pool // of *deriver: what begins every HMAC is computed once
}

// Validate reports every mistake in the spec at once.
func (s Spec) Validate() error {
	var errs []error
	if s.Users < 1 || s.Users > MaxUsers {
		errs = append(errs, fmt.Errorf("users %d: expected 1 to %d", s.Users, MaxUsers))
	}
	if !domainName.MatchString(s.Domain) || len(s.Domain) > 253 {
		errs = append(errs, fmt.Errorf("domain %q: expected a name such as contoso.test", s.Domain))
	}
	if err := s.Spread.validate(s.Domain); err != nil {
		errs = append(errs, err)
	}
	total := 0.0
	for state := Active + 1; state < states; state++ {
		share := s.Shares[state]
		if !(share >= 0 && share <= 1) {
			errs = append(errs, fmt.Errorf("share of %s users %v: expected 0 to 1", state, share))
			continue
		}
		total += share
	}
	if total > 1+1e-9 {
		errs = append(errs, fmt.Errorf("shares of user states: add up to %.4g, expected at most 1", total))
	}
	return errors.Join(errs...)
}

// domainName is one or more labels of a DNS name. The names become part of
// distinguished names, so nothing in them may need escaping there.
var domainName = regexp.MustCompile(`^(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// New makes a population. The number of users in a state is its share rounded
// to the nearest, at least one where the share is not zero.
func New(spec Spec) (*Population, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("ptabench population 1\n"), spec.Seed))
	p := &Population{domains: newDomains(spec, key[:]), key: key[:], state: make([]State, spec.Users)}

	order := rand.New(rand.NewChaCha8(key)).Perm(spec.Users)
	for s := Active + 1; s < states; s++ {
		share := spec.Shares[s]
		if share == 0 {
			continue
		}
		if len(order) == 0 {
			return nil, fmt.Errorf("users %d: too few to have one in each state, none is left to be %s", spec.Users, s)
		}
		// Shares that add up to 1 may round to one user more than there are.
		n := min(max(int(math.Round(share*float64(spec.Users))), 1), len(order))
		for _, i := range order[:n] {
			p.state[i] = s
		}
		order = order[n:]
	}
	for i, s := range p.state {
		p.in[s] = append(p.in[s], i)
	}
	p.changes = sync.OnceValue(p.orderOfChange)
	return p, nil
}

// orderOfChange has a seed of its own, and orders all users before it leaves
// out those who are not active, so that it and the states say nothing of each
// other.
func (p *Population) orderOfChange() []int {
	seed := sha256.Sum256(append([]byte("ptabench population changes 1\n"), p.key...))
	return slices.DeleteFunc(rand.New(rand.NewChaCha8(seed)).Perm(len(p.state)), func(i int) bool {
		return p.state[i] != Active
	})
}

// Len is the number of users.
func (p *Population) Len() int { return len(p.state) }

// Domain is the part of user principal names after the @: of all of them, or of
// those in the first of several domains.
func (p *Population) Domain() string { return p.domains.names[0] }

// State is the state of user i.
func (p *Population) State(i int) State { return p.state[i] }

// In returns the users in a state, in ascending order. The caller must not
// change it.
func (p *Population) In(s State) []int { return p.in[s] }

// Changed returns the n active users who changed their password last, the last
// one first; all active users where n is more than these. The caller must not
// change it.
func (p *Population) Changed(n int) []int {
	order := p.changes()
	return order[:min(max(n, 0), len(order))]
}

// Name is the account name of user i, such as user000001 for the first.
func (p *Population) Name(i int) string {
	if p.listed != nil {
		return p.listed.names[i]
	}
	var b [32]byte
	return string(appendNumbered(b[:0], "user", i+1))
}

// UniqueName is the account name of user i, or where another user before has that
// one too, in another domain, the user principal name: what tells users apart in
// a directory that keeps all domains in one place.
func (p *Population) UniqueName(i int) string {
	name := p.Name(i)
	if first, found := p.IndexOfName(name); found && first != i {
		return p.UPN(i)
	}
	return name
}

// UPN is the user principal name of user i.
func (p *Population) UPN(i int) string {
	if p.listed != nil {
		return p.listed.names[i] + "@" + p.domains.names[p.DomainOf(i)]
	}
	return p.upn("user", i+1, p.DomainOf(i))
}

// AppendUPN appends the user principal name of user i.
func (p *Population) AppendUPN(b []byte, i int) []byte {
	if p.listed != nil {
		return append(b, p.UPN(i)...)
	}
	return p.appendUPN(b, "user", i+1, p.DomainOf(i))
}

// UnknownUPN is the n-th name of these domains that no user has.
func (p *Population) UnknownUPN(n int) string { return p.upn("nobody", n+1, p.DomainOfUnknown(n)) }

func (p *Population) upn(name string, n, domain int) string {
	var short [64]byte
	return string(p.appendUPN(short[:0], name, n, domain))
}

func (p *Population) appendUPN(b []byte, name string, n, domain int) []byte {
	return append(append(appendNumbered(b, name, n), '@'), p.domains.names[domain]...)
}

// appendNumbered appends a name and six digits, or more where n has more.
func appendNumbered(b []byte, name string, n int) []byte {
	b = append(b, name...)
	for limit := 100_000; limit > 1 && n < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// Index is the inverse of UPN, letter case aside.
func (p *Population) Index(upn string) (int, bool) {
	if p.listed != nil {
		i, ok := p.listed.byUPN[strings.ToLower(upn)]
		return i, ok
	}
	name, domain, ok := strings.Cut(upn, "@")
	if !ok {
		return 0, false
	}
	i, ok := p.IndexOfName(name)
	if !ok || !strings.EqualFold(domain, p.domains.names[p.DomainOf(i)]) {
		return 0, false
	}
	return i, true
}

// numbered is the number of an account name, from 1.
func numbered(name string) (int, bool) {
	if len(name) != len("user000000") || !strings.EqualFold(name[:4], "user") {
		return 0, false
	}
	n, err := strconv.ParseUint(name[4:], 10, 32)
	if err != nil || n == 0 {
		return 0, false
	}
	return int(n), true
}

// Password is the password of user i: 24 characters from the alphabet of
// base 32, led by one of each other class that a domain's policy may ask for; or
// what the file says.
func (p *Population) Password(i int) string {
	if p.listed != nil {
		return p.listed.passwords[i]
	}
	return p.derive("password", i)
}

// WrongPassword looks like the password of user i and is not it.
func (p *Population) WrongPassword(i int) string { return p.derive("wrong password", i) }

// PreviousPassword is what the password of user i was before it was changed. It
// looks like it and is not it.
func (p *Population) PreviousPassword(i int) string { return p.derive("previous password", i) }

// A deriver makes one password at a time.
type deriver struct {
	mac  hash.Hash
	text [32]byte // what is derived from
	sum  [sha256.Size]byte
}

func (p *Population) derive(what string, i int) string {
	d, ok := p.derivers.Get().(*deriver)
	if !ok {
		d = &deriver{mac: hmac.New(sha256.New, p.key)}
	}
	defer p.derivers.Put(d)
	d.mac.Reset()
	d.mac.Write(binary.BigEndian.AppendUint32(append(d.text[:0], what...), uint32(i)))
	var password [27]byte
	copy(password[:], "p#7")
	base32.StdEncoding.Encode(password[3:], d.mac.Sum(d.sum[:0])[:15])
	return string(password[:])
}
