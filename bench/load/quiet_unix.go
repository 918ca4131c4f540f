//go:build unix

package load

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quiet reports whether nothing has arrived on a connection, not even its end.
// It looks without reading, because what arrived is for TLS to read.
func quiet(conn net.Conn) bool {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = raw.Control(func(fd uintptr) { // not Read, which minds the last deadline
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		nothing = err == unix.EAGAIN || err == unix.EINTR
	})
	return err == nil && nothing
}
