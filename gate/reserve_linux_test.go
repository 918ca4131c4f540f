package gate

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"ptabench/observe"
)

// While a port is refused its address is not free, so the kernel hands the
// port to nobody who asks for any.
func TestRefusedAddressIsKept(t *testing.T) {
	g := New()
	p := openPort(t, g, "443")
	for i := range 20 {
		put(t, g, "f", observe.GateRefuse, []string{"443"})
		if err := bind(t, p.Addr().(*net.TCPAddr)); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("round %d: binding %s: %v; expected it in use", i, p.Addr(), err)
		}
		remove(t, g, "f")
		p.dial(peerA)
	}
}

// bind takes an address the way the kernel chooses ports: only if nobody has it.
func bind(t *testing.T, addr *net.TCPAddr) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Bind(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())})
}
