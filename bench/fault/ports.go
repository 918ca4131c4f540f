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

// listensOn is whose port a fault breaks: the target's own, or of those whom
// connectors dial, which may be several of a kind.
func listensOn(f scenarios.Fault, port string) (target string) {
	switch {
	case ofServers(f):
		return f.Target
	case port == portDirectory:
		return targetDirectory
	}
	return targetCloud
}

// ofServers says that a fault of ports is at its target's own, for everybody.
func ofServers(f scenarios.Fault) bool {
	return scenarios.WithinTarget(f.Target, targetDirectory) || scenarios.WithinTarget(f.Target, scenarios.ADFSTarget)
}

// someOnly says that the target's connectors must be told from others that
// dial the same ports. Where the gate stands in for the kernel it names whom it
// means too: a listener that is closed for all counts nobody.
func someOnly(f scenarios.Fault) bool {
	if ofServers(f) {
		return false
	}
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
		owners, err := s.owners(p)
		if err != nil {
			return nil, err
		}
		for _, owner := range owners {
			n, err := s.number(owner, p)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// owners are the names of the roles that listen on a port of the fault.
func (s scene) owners(port string) (names []string, err error) {
	target := listensOn(s.fault, port)
	if target == targetCloud {
		return []string{target}, nil
	}
	found, err := findVictims(s.System, target)
	for _, v := range found {
		names = append(names, v.Name())
	}
	return names, err
}

// number is the one that a port of a role really has.
func (s scene) number(name, port string) (uint16, error) {
	role, err := s.Role(name)
	if err != nil {
		return 0, err
	}
	address, ok := role.Ports[port]
	if !ok {
		return 0, fmt.Errorf("port %s: %s does not listen on it", port, name)
	}
	_, number, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("port %s: %w", port, err)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %s: %w", port, err)
	}
	return uint16(n), nil
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
