// Package ports lists the documented ports of the real service and of a
// directory. The cloud listens on them, connectors dial them, scenarios name
// them and the harness opens them by number where it may, so the list is a room
// of its own that all may import and that imports nothing.
//
// A port is the text of its number, as in flags, scenarios and ready lines.
package ports

import (
	"slices"
	"strconv"
)

// The ports of the cloud that have one job each.
const (
	SignIn       = "443"
	Revocation   = "80"   // plain HTTP: which certificates are revoked
	Bootstrap    = "8080" // endpoints and timers, updates; status while SignIn is down
	Registration = "9090"
	Renewal      = "9091" // of a connector's certificate
)

// The ports of a directory.
const (
	LDAP  = "389"
	LDAPS = "636"
)

// The first and last port that takes answers.
const FirstResponse, LastResponse = 10100, 10120

// Fast is the port that pushes sign-ins to connectors.
const Fast = "9350"

// Signalling are the ports that tell connectors that sign-ins wait, in the
// order that they are tried in.
func Signalling() []string { return []string{"9352", "5671"} }

// Requests are the ports that bring sign-ins to connectors. The fastest path
// comes first.
func Requests() []string { return append([]string{Fast}, Signalling()...) }

// Responses are the ports that take answers, in order.
func Responses() (all []string) {
	for p := FirstResponse; p <= LastResponse; p++ {
		all = append(all, strconv.Itoa(p))
	}
	return all
}

// Cloud are all ports of the cloud.
func Cloud() []string {
	return slices.Concat([]string{SignIn, Revocation, Bootstrap, Registration, Renewal}, Requests(), Responses())
}
