//go:build !unix

package load

import "net"

// quiet reports whether nothing has arrived on a connection. Here nobody can
// tell, so a connection that the server closed shows when it is used.
func quiet(net.Conn) bool { return true }
