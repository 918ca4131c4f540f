package fault

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"ptabench/bench/fault/cgroup"
	"ptabench/bench/fault/kernel"
	"ptabench/scenarios"
)

// Refuse says, before anything is started, why the faults of a schedule cannot
// be injected on this machine, each reason once with all faults that it keeps
// from being injected; nil when they can. The scenario may be nil.
func Refuse(schedule []scenarios.Fault, s *scenarios.Scenario) []error {
	return thisMachine.refuse(schedule, s)
}

// A machine has some means to inject faults.
type machine struct {
	system string                  // GOOS
	kernel func() error            // why there are no rules
	cgroup func(cgroup.Kind) error // why there are no groups
}

var thisMachine = machine{system: runtime.GOOS, kernel: kernel.Supported, cgroup: cgroup.Supported}

func (m machine) refuse(schedule []scenarios.Fault, s *scenarios.Scenario) []error {
	needs := []struct {
		by   func(scenarios.Fault, Tier) bool
		lack func() error
	}{
		{needsAddresses, m.addresses},
		{func(_ scenarios.Fault, t Tier) bool { return t == TierKernel || t == TierGateAndKernel }, m.kernel},
		{func(f scenarios.Fault, _ Tier) bool { return f.Kind == scenarios.LimitCPU }, func() error { return m.cgroup(cgroup.CPU) }},
		{func(f scenarios.Fault, _ Tier) bool { return f.Kind == scenarios.LimitMemory }, func() error { return m.cgroup(cgroup.Memory) }},
	}
	var errs []error
	tiers := make([]Tier, len(schedule))
	for i, f := range schedule {
		var err error
		if _, tiers[i], err = newLeaf(scene{fault: f}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", written(f, i+1), err))
		}
	}
	for _, need := range needs {
		var names []string
		for i, f := range schedule {
			if name := written(f, i+1); tiers[i] != "" && need.by(f, tiers[i]) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := need.lack(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", strings.Join(names, ", "), err))
		}
	}
	if s != nil {
		errs = append(errs, m.withoutChanges(schedule, s)...)
	}
	return errs
}

// withoutChanges refuses hash stores that are as stale as they are fresh.
func (machine) withoutChanges(schedule []scenarios.Fault, s *scenarios.Scenario) (errs []error) {
	for i, f := range schedule {
		if f.Kind == scenarios.StaleHashes && s.Population.ChangedUsers(f.Age) == 0 {
			errs = append(errs, fmt.Errorf("%s: age %v: no user changes the password within it: expected more of population.password_changes", written(f, i+1), f.Age))
		}
	}
	return errs
}

// needsAddresses says that a fault tells connectors apart by address.
func needsAddresses(f scenarios.Fault, t Tier) bool {
	return t == TierGate && someOnly(f) || f.Only != ""
}

func (m machine) addresses() error {
	if m.system == "linux" {
		return nil
	}
	return fmt.Errorf("telling connectors from each other, and from users, needs a loopback address for each, which linux has and %s has not", m.system)
}

// written is the name of a fault in the scenario.
func written(f scenarios.Fault, number int) string {
	if f.Group != "" {
		return f.Group
	}
	return nameOf(f, number)
}
