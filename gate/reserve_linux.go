package gate

import (
	"net"

	"golang.org/x/sys/unix"
)

// reserve keeps an address while nobody listens at it, so that the kernel
// gives its port to no other socket that asks for any: a socket that is bound
// and does not listen refuses like a closed one, and with SO_REUSEADDR on
// both, Linux lets a listener bind beside it. It returns what lets go, nil
// when it did not work; the address is then merely likely to stay free.
func reserve(addr net.Addr) func() {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return nil
	}
	family, bound := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())})
	if ip4 := tcp.IP.To4(); ip4 != nil {
		family, bound = unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip4)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil || unix.Bind(fd, bound) != nil {
		_ = unix.Close(fd)
		return nil
	}
	return func() { _ = unix.Close(fd) }
}
