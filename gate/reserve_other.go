//go:build !linux

package gate

import "net"

// reserve does nothing here: other systems do not let a listener bind beside a
// socket that keeps its address.
func reserve(net.Addr) func() { return nil }
