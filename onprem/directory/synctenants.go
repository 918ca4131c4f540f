package directory

import (
	"errors"
	"fmt"
	"strings"
)

// syncTenants says whose store each account goes to, by the domain of its user
// principal name.
type syncTenants struct {
	every    string            // where all go; empty with several tenants
	byDomain map[string]string // lower case
}

// parseSyncTenants reads the name of a tenant, or of several the domains of
// each: contoso=contoso.test+contoso.example,fabrikam=fabrikam.test.
func parseSyncTenants(text string) (t syncTenants, err error) {
	if text == "" {
		return t, errors.New("hash-sync-tenant: expected the name of a tenant")
	}
	if !strings.ContainsAny(text, "=,") {
		return syncTenants{every: text}, nil
	}
	t.byDomain = make(map[string]string)
	for part := range strings.SplitSeq(text, ",") {
		name, domains, ok := strings.Cut(part, "=")
		if !ok || name == "" || domains == "" {
			return t, fmt.Errorf("hash-sync-tenant: %q: expected name=domain, such as contoso=contoso.test", part)
		}
		for domain := range strings.SplitSeq(strings.ToLower(domains), "+") {
			if t.byDomain[domain] != "" {
				return t, fmt.Errorf("hash-sync-tenant: domain %q: expected of one tenant, %s and %s have it", domain, t.byDomain[domain], name)
			}
			t.byDomain[domain] = name
		}
	}
	return t, nil
}

// of is the tenant of an account, empty where none syncs its domain.
func (t syncTenants) of(upn string) string {
	if t.every != "" {
		return t.every
	}
	_, domain, _ := strings.Cut(upn, "@")
	return t.byDomain[strings.ToLower(domain)]
}
