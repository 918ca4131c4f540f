// Package netns gives a run a network of its own, where every port has its
// real number and every connector stands on a host of its own. It is what
// `network: namespaces` in a scenario asks for.
//
// The harness starts itself again in a new network namespace (Enter), as root
// or, without privilege, in a new user namespace too. There Build makes one
// more namespace for each connector and joins it to the harness's by a veth
// pair:
//
//	harness, cloudsim, directory           connector-1
//	  lo          10.98.0.1                  lo
//	  connector-1 10.98.0.1 ◄──────────────► eth0 10.98.0.11
//	  connector-2 10.98.0.1 ◄──────────────► eth0 10.98.0.12   connector-2
//
// The links are point to point, without a bridge: a connector reaches the
// cloud and the directory and nobody else, there is nothing between the two
// ends that could lose or learn anything, and one kernel module fewer is
// needed, which an unprivileged user could not load.
//
// The harness makes the namespaces and holds them open, so that a connector
// that was killed leaves behind what a host leaves behind whose process dies:
// a kernel that says goodbye for it. Nothing is named in the file system and
// nothing of the host's network is touched, so that when the last process is
// gone, however it went, so is the network.
package netns

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
)

// Cloud is the address of the harness's namespace, where cloudsim and the
// directory listen.
const Cloud = "10.98.0.1"

// MaxConnectors is how many connectors have an address: as many as a tenant
// may have.
const MaxConnectors = 40

// Connector is the address of the n-th connector, counted from 1.
func Connector(n int) string { return "10.98.0." + strconv.Itoa(10+n) }

// A link joins a connector's namespace to the harness's.
type link struct {
	name      string     // of the harness's end; the other one is eth0
	here      netip.Addr // the harness's address
	there     netip.Addr // the connector's
	connector int        // counted from 1
}

// plan returns the links for a number of connectors.
func plan(connectors int) ([]link, error) {
	if connectors < 0 || connectors > MaxConnectors {
		return nil, fmt.Errorf("network: namespaces: %d connectors: expected 0 to %d", connectors, MaxConnectors)
	}
	links := make([]link, connectors)
	for i := range links {
		n := i + 1
		links[i] = link{
			name: "connector-" + strconv.Itoa(n), connector: n,
			here: netip.MustParseAddr(Cloud), there: netip.MustParseAddr(Connector(n)),
		}
	}
	return links, nil
}

// A Command is the program's own command line, to start again inside. Files,
// such as a terminal, are handed on as they are.
type Command struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Files are handed on as the open files 3, 4 and so on. A listener among
	// them goes on listening in the network outside.
	Files []*os.File
}

// KilledError says that the program inside was ended by a signal, so that it
// could not say how it went.
type KilledError struct{ How string }

func (e *KilledError) Error() string {
	return "network: namespaces: the harness inside ended: " + e.How
}
