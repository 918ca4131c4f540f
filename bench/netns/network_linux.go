package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Network is the connectors' namespaces and the links to them. Whoever built
// it closes it.
type Network struct {
	links      []link
	namespaces []*Namespace // by connector
}

// A Namespace is a network namespace that is held open.
type Namespace struct{ file *os.File }

// Build makes the network of a run: the address of the cloud, and for each
// connector a namespace and a link. It works only inside (see Enter), so that
// nothing of the host's network can be touched.
func Build(connectors int) (_ *Network, err error) {
	links, err := plan(connectors)
	if err != nil {
		return nil, err
	}
	inside, err := Inside()
	if err != nil {
		return nil, err
	}
	if !inside {
		return nil, errors.New("network: namespaces: the harness is not in a network namespace of its own")
	}
	n := &Network{links: links}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := address("lo", netip.MustParseAddr(Cloud), netip.Addr{}); err != nil {
		return nil, forbidden(err)
	}
	for _, l := range links {
		space, err := newNamespace()
		if err != nil {
			return nil, fmt.Errorf("connector-%d: %w", l.connector, forbidden(err))
		}
		n.namespaces = append(n.namespaces, space)
		if err := join(l, space); err != nil {
			return nil, fmt.Errorf("connector-%d: %w", l.connector, forbidden(err))
		}
	}
	return n, nil
}

// Connector is the namespace of the n-th connector, counted from 1.
func (n *Network) Connector(number int) *Namespace { return n.namespaces[number-1] }

// Close takes the links down and lets go of the namespaces, which end with the
// last process in them.
func (n *Network) Close() error {
	var errs []error
	for i, space := range n.namespaces {
		// The other end goes with this one, at once; otherwise both would when
		// the kernel gets to it, and the names be taken until then.
		if err := remove(n.links[i].name); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, space.file.Close())
	}
	n.namespaces = nil
	return errors.Join(errs...)
}

// newNamespace makes a namespace with nothing in it but a loopback device.
func newNamespace() (*Namespace, error) {
	s := &Namespace{}
	err := elsewhere(
		func() error { return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)) },
		func() (err error) {
			if s.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
				return err
			}
			if err = up("lo"); err != nil {
				_ = s.file.Close()
			}
			return err
		})
	return s, err
}

// Do calls f in the namespace, on the calling thread: sockets that it opens
// and children that it starts are there.
func (s *Namespace) Do(f func() error) error {
	return elsewhere(s.set, f)
}

func (s *Namespace) set() error {
	return os.NewSyscallError("setns", unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET))
}

// elsewhere takes the calling thread to another network namespace, calls f
// there, and comes back.
func elsewhere(leave, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	home := &Namespace{file}
	defer file.Close()
	if err := leave(); err != nil {
		return err
	}
	err = f()
	if back := home.set(); back != nil {
		// The thread would take others along to the wrong network, without a
		// word. It was allowed to leave, so this does not happen.
		panic(fmt.Sprintf("netns: a thread cannot return to its network namespace: %v", back))
	}
	return err
}

// join makes a link between the caller's namespace and a connector's.
func join(l link, to *Namespace) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = l.name
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(to.file.Fd()))}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("adding the link %s: %w", l.name, err)
	}
	if err := address(l.name, l.here, l.there); err != nil {
		return err
	}
	return to.Do(func() error { return address("eth0", l.there, l.here) })
}

// address gives a device of the caller's namespace an address and takes it up.
// With a peer the kernel adds the route to it: nothing else is reached there.
func address(device string, own, peer netip.Addr) error {
	l, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding the device %s: %w", device, err)
	}
	a := &netlink.Addr{IPNet: single(own)}
	if peer.IsValid() {
		a.Peer = single(peer)
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return fmt.Errorf("address %v for %s: %w", own, device, err)
	}
	return up(device)
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func up(device string) error {
	l, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding the device %s: %w", device, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("taking %s up: %w", device, err)
	}
	return nil
}

// remove deletes a device that may be gone already.
func remove(device string) error {
	l, err := netlink.LinkByName(device)
	var gone netlink.LinkNotFoundError
	if errors.As(err, &gone) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(l)
	}
	if err != nil {
		return fmt.Errorf("removing the link %s: %w", device, err)
	}
	return nil
}
