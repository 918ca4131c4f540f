package load

import (
	"fmt"
	"net/url"

	"ptabench/population"
)

// A Tenant is one of those that the users of a load sign in to.
type Tenant struct {
	Name string
	URL  string // of its token endpoint, on the host of Config.URL
	// Federation says where its users bring their passwords; nil for the cloud.
	Federation *Federation
}

// tenants are those of a load, and which domain of the population is whose.
type tenants struct {
	people *population.Population
	of     []int // by domain; nil when all are of the only one
	all    []tenant
}

// A tenant is what a sign-in to it takes.
type tenant struct {
	number uint8 // as in samples
	post   *post
	farm   *farm // nil when passwords go to the cloud
	conns  *connections
}

// newTenants prepares those of a Config. One without any has one tenant, at
// Config.URL.
func newTenants(cfg *Config, target *url.URL) (*tenants, error) {
	t := &tenants{people: cfg.Population}
	if len(cfg.Tenants) == 0 {
		t.all = []tenant{{post: newPost(target, cfg.Scope, cfg.Pool > 0)}}
		return t, nil
	}
	idPrefix := newIDPrefix()
	for i, of := range cfg.Tenants {
		to, err := url.Parse(of.URL)
		if err != nil || to.Scheme != "https" || to.Host != target.Host {
			return nil, fmt.Errorf("tenant %s: url %q: expected an https address of the same host and port as %q", of.Name, of.URL, cfg.URL)
		}
		one := tenant{post: newPost(to, cfg.Scope, cfg.Pool > 0)}
		one.post.idPrefix = idPrefix // sequence numbers are of the load, not of the tenant
		if len(cfg.Tenants) > 1 {
			one.number = uint8(i + 1)
		}
		if of.Federation != nil {
			if err := of.Federation.validate(); err != nil {
				return nil, fmt.Errorf("tenant %s: %w", of.Name, err)
			}
			one.farm = t.farm(of.Federation)
		}
		t.all = append(t.all, one)
	}
	domains := len(cfg.Population.Domains())
	if len(t.all) == 1 {
		return t, nil
	}
	if len(cfg.TenantOf) != domains {
		return nil, fmt.Errorf("tenants of domains: %d, expected one for each of %d domains", len(cfg.TenantOf), domains)
	}
	for i, of := range cfg.TenantOf {
		if of < 0 || of >= len(t.all) {
			return nil, fmt.Errorf("tenant %d of domain %s: expected 0 to %d", of, cfg.Population.Domains()[i], len(t.all)-1)
		}
	}
	t.of = cfg.TenantOf
	return t, nil
}

// leastOfPool is how many connections a tenant among several has at least,
// where the pool has so many.
const leastOfPool = 16

// pools gives each tenant connections of its own to the cloud, of a pool by
// its part of the users: users of one tenant do not wait in line with those of
// another, so that what they feel of each other's trouble is the cloud's doing.
// Tenants of one farm share those to the farm, as they share its servers.
func (t *tenants) pools(with *dialer, pool int) {
	if t.of == nil {
		t.all[0].conns = newConnections(with, pool)
		return
	}
	users := make([]int, len(t.all))
	for i := range t.people.Len() {
		users[t.of[t.people.DomainOf(i)]]++
	}
	for i := range t.all {
		share := (pool*users[i] + t.people.Len() - 1) / t.people.Len()
		t.all[i].conns = newConnections(with, max(share, min(pool, leastOfPool)))
	}
}

// farm is the one at an address: several tenants may share it.
func (t *tenants) farm(f *Federation) *farm {
	for i := range t.all {
		if known := t.all[i].farm; known != nil && known.Federation == *f {
			return known
		}
	}
	return &farm{Federation: *f}
}

// farms are those of all tenants, each once.
func (t *tenants) farms() (all []*farm) {
	seen := make(map[*farm]bool)
	for i := range t.all {
		if f := t.all[i].farm; f != nil && !seen[f] {
			seen[f] = true
			all = append(all, f)
		}
	}
	return all
}

// ofUser is the tenant of a user of a kind.
func (t *tenants) ofUser(kind uint8, user uint32) *tenant {
	switch {
	case len(t.all) == 1:
		return &t.all[0]
	case kinds[kind].unknown:
		return &t.all[t.of[t.people.DomainOfUnknown(int(user))]]
	}
	return &t.all[t.of[t.people.DomainOf(int(user))]]
}
