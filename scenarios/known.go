package scenarios

import "fmt"

// What is known of a scenario in spite of mistakes: a check asks for what it
// rests on and no more, so that a mistake hides none elsewhere.

// ofTenants says whether there are tenants, and these fields of all are sound.
func (d *decoder) ofTenants(s *Scenario, fields ...string) bool {
	for i := range s.Tenants {
		for _, field := range fields {
			if !d.sound(fmt.Sprintf("tenants[%d].%s", i, field)) {
				return false
			}
		}
	}
	return len(s.Tenants) > 0 && !d.bad["tenants"]
}

// anyTenant says whether one of the tenants is what is looked for by these
// fields, and whether that is certain.
func (d *decoder) anyTenant(s *Scenario, among []Tenant, is func(Tenant) bool, fields ...string) (any, certain bool) {
	for i, t := range among {
		sound := true
		for _, field := range fields {
			sound = sound && d.sound(fmt.Sprintf("tenants[%d].%s", i, field))
		}
		if sound && is(t) {
			return true, true
		}
	}
	return false, d.ofTenants(s, fields...)
}

// federates is Scenario.Federates, and whether that is certain.
func (d *decoder) federates(s *Scenario) (any, certain bool) {
	return d.anyTenant(s, s.Tenants, func(t Tenant) bool { return t.Method == Federated }, "method")
}

// hashesNeeded says whether hashes of the tenants that the load signs in to are
// asked for, and whether that is certain.
func (d *decoder) hashesNeeded(s *Scenario) (any, certain bool) {
	return d.anyTenant(s, d.loaded(s), Tenant.NeedsHashes, "method", "fallback")
}

// loaded is Scenario.Loaded, and all tenants where the spread has a mistake.
func (d *decoder) loaded(s *Scenario) []Tenant {
	if len(s.Tenants) == 0 || !d.sound("population.spread") {
		return s.Tenants
	}
	return s.Loaded()
}

// targetKnown says whether it is certain that there is such a target, or none.
func (d *decoder) targetKnown(s *Scenario, target string) bool {
	federates, certain := d.federates(s)
	m, n := memberOf(target)
	switch {
	case m.stands == oneConnector, target == AllConnectors:
		return d.sound("connectors.count")
	case target == DirectoryTarget:
		return d.sound("directory.kind")
	case m.stands == oneDirectory:
		return d.sound("directory.kind", "directory.servers")
	case n > 0: // a federation server
		return certain && (!federates || d.sound("federation.servers"))
	case target == ADFSTarget, target == BalancerTarget:
		return certain
	case target == HashSyncTarget:
		return d.syncKnown(s)
	}
	return true
}

// syncKnown says whether it is certain that the hash sync agent runs, or not.
func (d *decoder) syncKnown(s *Scenario) bool {
	if s.HashSync.On() {
		return true
	}
	_, certain := d.hashesNeeded(s)
	return d.sound("directory.kind") && (s.Directory.Kind != Samba || certain)
}

// windowKnown says whether it is certain what a window means. The schedule is
// nil when it is not known.
func (d *decoder) windowKnown(w Window, schedule []Fault) bool {
	switch w.Name {
	case Whole:
		return d.sound("load.duration")
	case Warmup:
		return d.sound("load.warmup")
	case Recovered:
		return schedule != nil && d.sound("load.recovery")
	}
	return schedule != nil
}
