package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The targets of a fault that are not one of several.
const (
	AllConnectors   = "connectors"
	DirectoryTarget = "directory" // the only one, or all of them
	CloudTarget     = "cloudsim"
	ADFSTarget      = "adfs" // all federation servers
	BalancerTarget  = "balancer"
	HashSyncTarget  = "hashsync"
	AllTarget       = "all" // every process of the run
	HashStoreTarget = "hash-store"
	CheckerTarget   = "checker" // resolved when a scenario is read; see checker
)

// What stands in lists of targets for each of several by its name.
const (
	oneConnector = "connector-N"
	oneDirectory = "directory-N"
	oneADFS      = "adfs-N"
)

// A member is a kind of process of which there are several, called by a word
// and a number from 1.
type member struct{ stands, word, all, field string }

var members = []member{
	{oneConnector, "connector", AllConnectors, "connectors.count"},
	{oneDirectory, "directory", DirectoryTarget, "directory.servers"},
	{oneADFS, "adfs", ADFSTarget, "federation.servers"},
}

func (m member) name(n int) string { return m.word + "-" + strconv.Itoa(n) }

// number is the N of a name such as connector-N, 0 for another word.
func (m member) number(target string) int {
	digits, ok := strings.CutPrefix(target, m.word+"-")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || m.name(n) != target {
		return 0
	}
	return n
}

// memberOf finds what a target is one of, and its number; 0 when it is none.
func memberOf(target string) (m member, n int) {
	for _, m := range members {
		if n := m.number(target); n > 0 {
			return m, n
		}
	}
	return member{}, 0
}

// several are how many there are of each, as the scenario has them. Of one
// directory server there is no directory-1.
func (s *Scenario) several(m member) int {
	switch m.stands {
	case oneConnector:
		return s.Connectors.Count
	case oneDirectory:
		return len(s.DirectoryNames())
	}
	return len(s.ADFSNames())
}

// DirectoryNames are the names of the directory servers that the run starts:
// none for an external directory.
func (s *Scenario) DirectoryNames() []string {
	switch {
	case s.Directory.Kind == Outside:
		return nil
	case s.Directory.Servers <= 1:
		return []string{DirectoryTarget}
	}
	return namesOf(members[1], s.Directory.Servers)
}

// ADFSNames are the names of the federation servers: none where no tenant
// signs in by federation.
func (s *Scenario) ADFSNames() []string {
	if !s.Federates() {
		return nil
	}
	return namesOf(members[2], s.Federation.Servers)
}

func namesOf(m member, count int) (all []string) {
	for n := 1; n <= count; n++ {
		all = append(all, m.name(n))
	}
	return all
}

// Federates says whether any tenant signs in by federation.
func (s *Scenario) Federates() bool {
	return slices.ContainsFunc(s.Tenants, func(t Tenant) bool { return t.Method == Federated })
}

// NeedsHashes says whether anything asks the hash store of a tenant.
func (t Tenant) NeedsHashes() bool {
	return t.Method == HashSync || t.Method == PassThrough && t.Fallback != FallbackOff
}

// exists says whether there is such a target in this scenario.
func (s *Scenario) exists(target string) bool {
	if m, n := memberOf(target); n > 0 {
		if m.stands == oneDirectory && s.Directory.Servers <= 1 {
			return false
		}
		return n <= s.several(m)
	}
	switch target {
	case AllConnectors:
		return s.Connectors.Count > 0
	case DirectoryTarget:
		return s.Directory.Kind != Outside
	case ADFSTarget, BalancerTarget:
		return s.Federates()
	case HashSyncTarget:
		return s.HashSync.On()
	}
	return true
}

// missingWhy says why a target does not exist.
func (s *Scenario) missingWhy(target string) string {
	m, n := memberOf(target)
	switch {
	case n > 0 && m.stands != oneDirectory && !(m.stands == oneADFS && !s.Federates()), target == AllConnectors:
		if n == 0 {
			m = members[0]
		}
		return fmt.Sprintf("%s is %d", m.field, s.several(m))
	case s.Directory.Kind == Outside && within(target, DirectoryTarget):
		return "directory.kind is external, and nothing of it is touched"
	case n > 0 && m.stands == oneDirectory:
		return fmt.Sprintf("%s is %d", m.field, s.Directory.Servers)
	case target == HashSyncTarget && slices.Contains(s.Unused, "hash_sync"):
		return "no tenant that the load signs in to needs hashes"
	case target == HashSyncTarget:
		return "there is no section hash_sync"
	}
	return "no tenant's method is federation"
}

// within says whether a target is part of another, or the same.
func within(target, whole string) bool {
	if target == whole || whole == AllTarget {
		return true
	}
	m, n := memberOf(target)
	return n > 0 && m.all == whole
}

// checker is one of those who check the first tenant's passwords on premises:
// what a comparison of methods breaks. With hash sync that is the directory,
// without which hash sync should go on.
func (s *Scenario) checker() string {
	switch s.Tenants[0].Method {
	case PassThrough:
		return connectorName(1)
	case Federated:
		return members[2].name(1)
	}
	return DirectoryTarget
}

// resolveTargets puts names in place of words that depend on the scenario.
func (d *decoder) resolveTargets(s *Scenario) {
	if len(s.Tenants) == 0 || !d.sound("tenants[0].method") {
		return
	}
	for i := range s.Faults {
		if f := &s.Faults[i]; f.Target == CheckerTarget {
			f.Target = s.checker()
		}
	}
}

// WithinTarget says whether a process of that name is what a target means.
func WithinTarget(process, target string) bool { return within(process, target) }

// connectorName is the name of the n-th connector, from 1.
func connectorName(n int) string { return members[0].name(n) }

// connectorNumber is the N of connector-N, 0 when target is no such name.
func connectorNumber(target string) int { return members[0].number(target) }

// IsConnector says whether a target is one connector by its name.
func IsConnector(target string) bool { return connectorNumber(target) > 0 }
