package fault

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"ptabench/bench/fault/kernel"
	"ptabench/scenarios"
)

const (
	// portDirectory is the name of the directory's own port.
	portDirectory = "ldaps"
	// portUsers is dialled by users as well as by connectors, so that a gate
	// for connectors must name them.
	portUsers = "443"
)

// roleOf is who listens on a port.
func roleOf(port string) string {
	if port == portDirectory {
		return targetDirectory
	}
	return targetCloud
}

// someOnly says that the target's connectors must be told from others that
// dial the same ports. Where the gate stands in for the kernel it names whom it
// means too: a listener that is closed for all counts nobody.
func someOnly(f scenarios.Fault) bool {
	return f.Target != scenarios.AllConnectors || slices.Contains(f.Ports, portUsers) || f.By == scenarios.ByEither
}

// sources are the addresses that the target's connectors dial from.
func (s scene) sources(target string) (addresses []string, err error) {
	connectors, err := findVictims(s.System, target)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range connectors {
		names = append(names, c.Name())
	}
	if target == scenarios.AllConnectors && s.fault.ExpectsNewcomer() {
		names = append(names, scenarios.Newcomer) // it is one of all
	}
	for _, name := range names {
		source, err := s.Source(name)
		if err != nil {
			return nil, fmt.Errorf("finding the address that %s dials from: %w", name, err)
		}
		addresses = append(addresses, source)
	}
	return addresses, nil
}

// listening returns the numbers that the ports of the fault really have.
func (s scene) listening() (numbers []uint16, err error) {
	for _, p := range s.fault.Ports {
		role, err := s.Role(roleOf(p))
		if err != nil {
			return nil, err
		}
		address, ok := role.Ports[p]
		if !ok {
			return nil, fmt.Errorf("port %s: %s does not listen on it", p, roleOf(p))
		}
		_, number, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", p, err)
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", p, err)
		}
		numbers = append(numbers, uint16(n))
	}
	return numbers, nil
}

// parseAll reads addresses.
func parseAll(texts []string) (all []netip.Addr, err error) {
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// way is the direction of a fault for the kernel.
func way(f scenarios.Fault) kernel.Direction {
	if f.Direction == "" {
		return kernel.Both
	}
	return kernel.Direction(f.Direction)
}
