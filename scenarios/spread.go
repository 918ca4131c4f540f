package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"ptabench/population"
)

// A Spread says how users are spread over the domains of all tenants: first,
// even, or by Zipf's law with an exponent, such as zipf 1.1. The zero value is
// first.
type Spread string

// The spreads without a number.
const (
	SpreadFirst Spread = "first" // all users are of the first domain of the first tenant
	SpreadEven  Spread = "even"
)

// spreadRule is its syntax; population.MaxExponent is the greatest exponent.
var spreadRule = textRule{regexp.MustCompile(`^(first|even|zipf ([0-7](\.[0-9]{1,6})?|8))$`), 16,
	"first, even, or zipf and an exponent up to 8, such as zipf 1.1"}

// Exponent is that of Zipf's law; 0 for even.
func (s Spread) Exponent() float64 {
	number, _ := strings.CutPrefix(string(s), "zipf ")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	return n
}

// Over says whether the load is on all tenants and not on the first alone.
func (s Spread) Over() bool { return s != "" && s != SpreadFirst }

// Loaded are the tenants that the load signs in to.
func (s *Scenario) Loaded() []Tenant {
	if !s.Population.Spread.Over() {
		return s.Tenants[:1]
	}
	return s.Tenants
}

// Domains are those that users have, in order, and for each the number of its
// tenant among Loaded.
func (s *Scenario) Domains() (domains []string, tenant []int) {
	if !s.Population.Spread.Over() {
		return s.Tenants[0].Domains[:1], []int{0}
	}
	for i, t := range s.Tenants {
		for _, domain := range t.Domains {
			domains, tenant = append(domains, domain), append(tenant, i)
		}
	}
	return domains, tenant
}

// PopulationSpread is the same for the population.
func (s *Scenario) PopulationSpread() population.Spread {
	domains, _ := s.Domains()
	return population.Spread{Others: domains[1:], Exponent: s.Population.Spread.Exponent()}
}

// ShareOf is the share of the users that a tenant has, by plan.
func (s *Scenario) ShareOf(tenant string) (share float64) {
	_, of := s.Domains()
	sum := 0.0
	for k, i := range of {
		w := math.Pow(float64(k+1), -s.Population.Spread.Exponent())
		sum += w
		if s.Tenants[i].Name == tenant {
			share += w
		}
	}
	return share / sum
}

// ConnectorsOf are the numbers of a tenant's connectors, from and including to;
// from is greater where it has none. The first tenant has those that no other
// takes, and so the lowest numbers.
func (s *Scenario) ConnectorsOf(tenant int) (from, to int) {
	from = 1
	for i := range s.Tenants {
		n := s.Tenants[i].Connectors
		if i == 0 {
			n = s.Connectors.Count
			for _, t := range s.Tenants[1:] {
				n -= t.Connectors
			}
		}
		if i == tenant {
			return from, from + n - 1
		}
		from += n
	}
	return from, from - 1
}

// TenantOf is the tenant of the n-th connector, from 1.
func (s *Scenario) TenantOf(n int) Tenant {
	for i, t := range s.Tenants {
		if from, to := s.ConnectorsOf(i); from <= n && n <= to {
			return t
		}
	}
	return s.Tenants[0]
}

// checkSpread finds what tenants cannot share.
func (d *decoder) checkSpread(s *Scenario) {
	d.checkShares(s)
	if !d.sound("population.spread") || !s.Population.Spread.Over() || !d.ofTenants(s, "domains") {
		return
	}
	if domains, _ := s.Domains(); len(domains) > population.MaxDomains {
		d.wrong("population.spread", string(s.Population.Spread), fmt.Sprintf("first with %d domains, or at most %d domains", len(domains), population.MaxDomains))
	}
}

// checkShares compares the connectors that tenants are given with those that
// there are.
func (d *decoder) checkShares(s *Scenario) {
	if !d.sound("connectors.count") || !d.ofTenants(s, "connectors") {
		return
	}
	given, last := 0, 0 // the last tenant that is given any
	for i, t := range s.Tenants {
		if i > 0 && t.Connectors > 0 {
			given, last = given+t.Connectors, i
		}
	}
	first := &s.Tenants[0]
	switch rest := s.Connectors.Count - given; {
	case rest < 0:
		d.wrong(fmt.Sprintf("tenants[%d].connectors", last), fmt.Sprintf("%d in all", given), fmt.Sprintf("no more than connectors.count, which is %d", s.Connectors.Count))
		return
	case first.Connectors != 0 && first.Connectors != rest:
		d.wrong("tenants[0].connectors", strconv.Itoa(first.Connectors), fmt.Sprintf("%d, or no such line: those of connectors.count that no other tenant takes", rest))
		return
	}
	if s.Connectors.Count == 0 || !d.sound("population.spread") || !s.Population.Spread.Over() {
		return // nobody has any, which is a mistake of its own, or only the first needs some
	}
	for i, t := range s.Tenants {
		if from, to := s.ConnectorsOf(i); t.Method != PassThrough || from <= to || !d.sound(fmt.Sprintf("tenants[%d].method", i)) {
			continue
		}
		const expected = "at least 1: its users sign in by pass-through"
		path := fmt.Sprintf("tenants[%d].connectors", i)
		switch _, written := d.at[path]; {
		case written:
			d.wrong(path, "0", expected)
		case i == 0:
			d.wrong(path, "the others take all of connectors.count", expected)
		default:
			d.wrong(path, "missing", expected)
		}
	}
}

// loadedNames are the names of the tenants that the load signs in to.
func (d *decoder) loadedNames(s *Scenario) (names []string) {
	for _, t := range d.loaded(s) {
		names = append(names, t.Name)
	}
	return names
}
