package samba

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The ports of a domain controller's directory, which cannot be chosen: LDAP,
// LDAPS, and the same of the global catalogue.
const (
	portLDAP  = "389"
	portLDAPS = "636"
)

var allPorts = []string{portLDAP, portLDAPS, "3268", "3269"}

const (
	candidates = 16
	// lingering is how long the workers of an instance that was killed may hold
	// its ports.
	lingering = 5 * time.Second
)

// validAddresses reports what Samba cannot listen at.
func validAddresses(ldap, ldaps string) error {
	var errs []error
	hosts := map[string]bool{}
	for _, a := range []struct{ flag, address, port string }{{"ldap", ldap, portLDAP}, {"ldaps", ldaps, portLDAPS}} {
		host, port, err := net.SplitHostPort(a.address)
		if err != nil {
			continue // said already
		}
		if port != "0" && port != a.port {
			errs = append(errs, fmt.Errorf("%s %q: port %s: expected %s, or 0 for it: samba cannot choose its ports", a.flag, a.address, port, a.port))
		}
		ip := net.ParseIP(host)
		switch {
		case ip == nil && host != "localhost", ip != nil && ip.To4() == nil:
			errs = append(errs, fmt.Errorf("%s %q: expected an IPv4 address", a.flag, a.address))
		case ip != nil && ip.IsUnspecified():
			errs = append(errs, fmt.Errorf("%s %q: expected one address, not all", a.flag, a.address))
		case !anyHost(host):
			hosts[host] = true
		}
	}
	if len(hosts) > 1 {
		errs = append(errs, fmt.Errorf("ldap %q and ldaps %q: expected the same address", ldap, ldaps))
	}
	return errors.Join(errs...)
}

// anyHost says whether an address stands for any of this machine's own.
func anyHost(host string) bool { return host == "127.0.0.1" || host == "localhost" }

// claim finds an address where all ports are free: the one that was asked for,
// or else one of its own among those of loopback, which is the same at each start
// with this state directory. Nobody else who asks here gets it until it is
// released.
func claim(ctx context.Context, state, ldap, ldaps string) (host string, release func(), err error) {
	for _, address := range []string{ldap, ldaps} {
		if host, _, err := net.SplitHostPort(address); err == nil && !anyHost(host) {
			release, err := claimOne(ctx, host, lingering)
			return host, release, err
		}
	}
	wait := lingering // for the first only: others have not been ours
	var firstErr error
	for n := range candidates {
		host := candidate(state, n)
		release, err := claimOne(ctx, host, wait)
		if err == nil {
			return host, release, nil
		}
		if ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		if firstErr == nil {
			firstErr = err
		}
		wait = 0
	}
	return "", nil, fmt.Errorf("no loopback address of %d has all of its ports free; who listens on every address is in the way on each: %w", candidates, firstErr)
}

// candidate is the n-th address to try for a state directory: in 127.64.0.0/10,
// where hardly anybody else is.
func candidate(state string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d", state, n))
	return net.IPv4(127, 64+sum[0]%64, sum[1], 1+sum[2]%254).String()
}

func claimOne(ctx context.Context, host string, wait time.Duration) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond) // a port says nothing when it becomes free
	defer again.Stop()
	for {
		// A name that is gone with this process, however it ends.
		lock, err := net.Listen("unix", "@ptabench-samba-"+host)
		if err == nil {
			if err = portsFree(host); err == nil {
				return func() { _ = lock.Close() }, nil
			}
			_ = lock.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

func portsFree(host string) error {
	for _, port := range allPorts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	return nil
}
