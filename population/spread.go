package population

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// MaxDomains is how many domains the users of a population have at most.
const MaxDomains = 255

// A Spread says how the users of a population are spread over its domains. The
// zero value leaves all of them in the first.
type Spread struct {
	// Others are the domains besides Spec.Domain, in order.
	Others []string
	// Exponent is that of Zipf's law: the k-th domain, from 1, has a share of
	// the users that is in proportion to k^-Exponent. With 0 all are alike.
	Exponent float64
}

// MaxExponent bounds Spread.Exponent: beyond it nobody but the first has users.
const MaxExponent = 8

func (s Spread) validate(first string) error {
	var errs []error
	if len(s.Others) >= MaxDomains {
		errs = append(errs, fmt.Errorf("domains %d: expected at most %d", len(s.Others)+1, MaxDomains))
	}
	seen := []string{strings.ToLower(first)}
	for _, domain := range s.Others {
		switch lower := strings.ToLower(domain); {
		case !domainName.MatchString(domain) || len(domain) > 253:
			errs = append(errs, fmt.Errorf("domain %q: expected a name such as contoso.test", domain))
		case slices.Contains(seen, lower):
			errs = append(errs, fmt.Errorf("domain %q: expected once", domain))
		default:
			seen = append(seen, lower)
		}
	}
	if !(s.Exponent >= 0 && s.Exponent <= MaxExponent) {
		errs = append(errs, fmt.Errorf("exponent of the spread %v: expected 0 to %d", s.Exponent, MaxExponent))
	}
	return errors.Join(errs...)
}

// domains are those of a population, and which each user has.
type domains struct {
	names []string // in lower case
	upTo  []uint64 // cumulative shares, of 2^64; the last is the largest number
	of    []uint8  // by user; nil where all are in the first
}

func newDomains(spec Spec, key []byte) domains {
	d := domains{names: []string{strings.ToLower(spec.Domain)}}
	for _, name := range spec.Spread.Others {
		d.names = append(d.names, strings.ToLower(name))
	}
	n := len(d.names)
	if n == 1 {
		return d
	}
	weights, sum := make([]float64, n), 0.0
	for k := range weights {
		weights[k] = math.Pow(float64(k+1), -spec.Spread.Exponent)
		sum += weights[k]
	}
	d.upTo = make([]uint64, n)
	reached := 0.0
	for k, w := range weights {
		reached += w / sum
		d.upTo[k] = uint64(min(reached*(1<<64), math.MaxUint64))
	}
	d.upTo[n-1] = math.MaxUint64

	// A stream of its own, so that states and passwords are those of a
	// population of one domain.
	seed := sha256.Sum256(append([]byte("ptabench population domains 1\n"), key...))
	random := rand.New(rand.NewChaCha8(seed))
	d.of = make([]uint8, spec.Users)
	for i := range d.of {
		if i < n {
			d.of[i] = uint8(i) // so that no domain is without users, where there are enough
			continue
		}
		d.of[i] = d.pick(random.Uint64())
	}
	return d
}

// pick is the domain at a place in the cumulative shares.
func (d *domains) pick(at uint64) uint8 {
	k, found := slices.BinarySearch(d.upTo, at)
	if found && at < math.MaxUint64 {
		k++
	}
	return uint8(min(k, len(d.upTo)-1))
}

// Domains are the domains of user principal names, in order. The caller must
// not change it.
func (p *Population) Domains() []string { return p.domains.names }

// DomainOf is the number of the domain of user i, in Domains.
func (p *Population) DomainOf(i int) int {
	if p.domains.of == nil {
		return 0
	}
	return int(p.domains.of[i])
}

// DomainOfUnknown is that of UnknownUPN(n): those whom nobody knows are spread
// over the domains as the users are.
func (p *Population) DomainOfUnknown(n int) int {
	if p.domains.of == nil {
		return 0
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte("unknown\n"), p.key...), uint64(n)))
	return int(p.domains.pick(binary.BigEndian.Uint64(sum[:])))
}

// IndexOfName is the inverse of Name, letter case aside.
func (p *Population) IndexOfName(name string) (int, bool) {
	if p.listed != nil {
		i, ok := p.listed.byName[strings.ToLower(name)]
		return i, ok
	}
	n, ok := numbered(name)
	if !ok || n > len(p.state) {
		return 0, false
	}
	return n - 1, true
}
