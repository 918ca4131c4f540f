package slapd

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// take returns an address with its port chosen, for a program that cannot say
// which it got, and what lets go of it. Until then the kernel gives the port to
// nobody who asks for any: a socket is bound there and does not listen, and
// beside such a one, with SO_REUSEADDR on both, Linux lets slapd bind.
func take(address string) (chosen string, free func(), err error) {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "", nil, err
	}
	family, bound := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())})
	if ip4 := tcp.IP.To4(); ip4 != nil {
		family, bound = unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip4)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, bound)
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return "", nil, fmt.Errorf("%s: %w", address, err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		tcp.Port = name.Port
	case *unix.SockaddrInet6:
		tcp.Port = name.Port
	}
	return tcp.String(), func() { _ = unix.Close(fd) }, nil
}
