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
	Registration = "9090"
)

// The ports of a directory.
const (
	LDAP  = "389"
	LDAPS = "636"
)

// The first and last port that takes answers.
const FirstResponse, LastResponse = 10100, 10120

// Requests are the ports that bring sign-ins to connectors. The fastest path
// comes first.
func Requests() []string { return []string{"9350", "9352", "5671"} }

// Responses are the ports that take answers, in order.
func Responses() (all []string) {
	for p := FirstResponse; p <= LastResponse; p++ {
		all = append(all, strconv.Itoa(p))
	}
	return all
}

// Cloud are all ports of the cloud.
func Cloud() []string {
	return slices.Concat([]string{SignIn, Registration}, Requests(), Responses())
}
