//go:build !linux

package slapd

import "net"

// take returns an address with its port chosen, for a program that cannot say
// which it got. Somebody else may take it before slapd does; then slapd does not
// start, and is started again.
func take(address string) (chosen string, free func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
