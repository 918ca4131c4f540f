package gate

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ptabench/observe"
)

func TestRefuseEveryPeer(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	address := p.Addr().String()
	client, server := p.dial(peerA)

	expectEffect(t, put(t, g, "f", observe.GateRefuse, []string{"9352"}), 1, false)
	expectReset(t, client)
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the simulator read %v; expected a reset", err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the simulator wrote: %v; expected a reset", err)
	}
	for range 3 {
		if _, err := p.try(peerB); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dialling a refused port: %v", err)
		}
	}
	expectEffect(t, remove(t, g, "f"), 1, false)
	if got := p.Addr().String(); got != address {
		t.Errorf("the address became %s; it was %s", got, address)
	}
	client, server = p.dial(peerA)
	send(t, client, "again")
	expect(t, server, "again")
}

// The address may be taken all the same. The listener then opens as soon as it
// is free.
func TestReopensWhenTheAddressIsFree(t *testing.T) {
	g := New()
	p := openPort(t, g, "443")
	put(t, g, "f", observe.GateRefuse, []string{"443"})
	g.mu.Lock()
	for l := range g.listeners {
		l.release()
	}
	g.mu.Unlock()
	thief, err := net.Listen("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	remove(t, g, "f")
	_ = thief.Close()
	eventually(t, "the port is open again", func() bool {
		c, err := p.try(peerA)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

func TestRefuseSomePeers(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	a, _ := p.dial(peerA)
	b, serverB := p.dial(peerB)

	expectEffect(t, put(t, g, "f", observe.GateRefuse, []string{"9352"}, peerA), 1, true)
	expectReset(t, a)
	send(t, b, "still here")
	expect(t, serverB, "still here")
	p.expectResetOnDial(peerA)
	p.dial(peerB)
	expectEffect(t, remove(t, g, "f"), 2, true)
	p.dial(peerA)
}

func TestReset(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	other := openPort(t, g, "5671")
	a, _ := p.dial(peerA)
	b, _ := p.dial(peerB)
	elsewhere, serverElsewhere := other.dial(peerA)

	expectEffect(t, put(t, g, "f", observe.GateReset, []string{"9352"}), 2, false)
	expectReset(t, a)
	expectReset(t, b)
	for range 3 {
		p.expectResetOnDial(peerB)
	}
	send(t, elsewhere, "another port")
	expect(t, serverElsewhere, "another port")
	expectEffect(t, remove(t, g, "f"), 5, false)
	a, server := p.dial(peerA)
	send(t, a, "healed")
	expect(t, server, "healed")
}

func TestOverlappingGates(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	put(t, g, "one", observe.GateStall, []string{"9352"}, peerA)
	put(t, g, "all", observe.GateStall, []string{"9352"})
	send(t, client, "x")
	remove(t, g, "one")
	expectSilence(t, server)
	remove(t, g, "all")
	expect(t, server, "x")

	// A reset reaches a stalled connection, even one that was closed in hiding.
	other, otherServer := p.dial(peerA)
	put(t, g, "stall", observe.GateStall, []string{"9352"})
	_ = otherServer.Close()
	expectEffect(t, put(t, g, "reset", observe.GateReset, []string{"9352"}), 2, false)
	expectReset(t, client)
	expectReset(t, other)
	expectEmpty(t, g)
	expectEffect(t, remove(t, g, "stall"), 2, false)
	// Refused twice is refused until both are gone.
	put(t, g, "refuse", observe.GateRefuse, []string{"9352"})
	put(t, g, "refuse more", observe.GateRefuse, []string{"9352"})
	remove(t, g, "refuse")
	remove(t, g, "reset")
	if _, err := p.try(peerA); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v; expected it refused", err)
	}
	remove(t, g, "refuse more")
	p.dial(peerA)
}

func TestPutAndDeleteAgain(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	put(t, g, "f", observe.GateStall, []string{"9352"}, peerA, peerB)
	expectEffect(t, put(t, g, "f", observe.GateStall, []string{"9352", "9352"}, peerB, peerA), 1, false)
	if got := g.Effects(); len(got) != 1 || got[0].ID != "f" || got[0].Injections != 1 {
		t.Errorf("effects %+v", got)
	}
	// Another gate under the ID replaces it.
	expectEffect(t, put(t, g, "f", observe.GateStall, []string{"9352"}, peerB), 0, false)
	send(t, client, "x")
	expect(t, server, "x")
	remove(t, g, "f")
	// Putting a reset again resets nothing more, and forgets nothing.
	put(t, g, "f", observe.GateReset, []string{"9352"}, peerA)
	expectEffect(t, put(t, g, "f", observe.GateReset, []string{"9352"}, peerA), 1, false)
	remove(t, g, "f")
	if e, ok := g.Delete("f"); ok {
		t.Errorf("deleting again gave %+v", e)
	}
	if got := g.Effects(); got == nil || len(got) != 0 {
		t.Errorf("effects %#v; expected an empty list", got)
	}
}

func TestPutRefusesNonsense(t *testing.T) {
	for _, tc := range []struct {
		name string
		gate observe.Gate
		want string
	}{
		{"no id", observe.Gate{Ports: []string{"443"}, Mode: observe.GateStall}, "id: 0 characters"},
		{"long id", observe.Gate{ID: strings.Repeat("x", 129), Ports: []string{"443"}, Mode: observe.GateStall}, "id: 129 characters"},
		{"no ports", observe.Gate{ID: "f", Mode: observe.GateStall}, "ports: none given"},
		{"unknown port", observe.Gate{ID: "f", Ports: []string{"443", "80"}, Mode: observe.GateStall}, `ports: "80" is none of this role's: 443`},
		{"unknown mode", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: "melt"}, `mode: "melt"; expected refuse, reset, stall or degrade`},
		{"unknown direction", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateStall, Direction: "up"}, `direction: "up"; expected out, in or none`},
		{"half a reset", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateReset, Direction: observe.GateIn}, `direction: "in"; expected none: reset ends both`},
		{"nothing to degrade", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateDegrade, Seed: 1}, "does nothing"},
		{"delay of a stall", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateStall, DelayNS: 1}, "are for mode degrade"},
		{"negative delay", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateDegrade, DelayNS: -1}, "delay_ns: -1; expected 0 to 600000000000"},
		{"loss over 1", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateDegrade, LossRatio: 1.1}, "loss_ratio: 1.1; expected 0 to 1"},
		{"no bandwidth", observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateDegrade, BitsPerS: 1}, "bits_per_s: 1; expected 8 to 1e+12"},
		{"all at once", observe.Gate{ID: "f", Mode: observe.GateDegrade, LossRatio: -1, JitterNS: -2}, "jitter_ns: -2; expected 0 to 600000000000\ngate \"f\": loss_ratio: -1; expected 0 to 1\ngate \"f\": ports: none given"},
		{"no address", observe.Gate{ID: "f", Ports: []string{"443"}, Sources: []string{"connector-1"}, Mode: observe.GateStall}, `sources: "connector-1" is no IP address`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := New()
			openPort(t, g, "443")
			_, err := g.Put(tc.gate)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v; expected %q", err, tc.want)
			}
			if len(g.Effects()) != 0 {
				t.Error("the gate was set all the same")
			}
		})
	}
	g := New()
	openPort(t, g, "443")
	for i := range maxGates {
		put(t, g, fmt.Sprint(i), observe.GateStall, []string{"443"})
	}
	if _, err := g.Put(observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateStall}); err == nil {
		t.Error("there is no bound on gates")
	}
	g.Close()
	if _, err := g.Put(observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateStall}); err == nil {
		t.Error("a gate was put after Close")
	}
}

func TestSourcesCompareAsAddresses(t *testing.T) {
	n, err := parse(observe.Gate{ID: "f", Ports: []string{"443"}, Mode: observe.GateStall,
		Sources: []string{"::ffff:127.0.0.11", "127.0.0.11", "0:0::1"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"127.0.0.11", "::1"}; !slices.Equal(n.Sources, want) {
		t.Errorf("sources %v; expected %v", n.Sources, want)
	}
	for addr, want := range map[string]bool{"127.0.0.11": true, "::1": true, "127.0.0.12": false} {
		if got := n.means("443", netip.MustParseAddr(addr)); got != want {
			t.Errorf("means %s: %v", addr, got)
		}
	}
}

func TestListenerClosedWhileRefused(t *testing.T) {
	g := New()
	p := openPort(t, g, "443")
	put(t, g, "f", observe.GateRefuse, []string{"443"})
	if err := p.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	err := <-p.ended
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended with %v", err)
	}
	p.ended <- err // for the cleanup
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	remove(t, g, "f")
	if _, err := p.try(peerA); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling a listener that is closed for good: %v", err)
	}
	expectEmpty(t, g)
}

// A gate that is set before the listener opens applies to it from the start.
func TestListenBehindAGate(t *testing.T) {
	g := New()
	first := openPort(t, g, "443")
	put(t, g, "f", observe.GateRefuse, []string{"443"})
	second := openPort(t, g, "443")
	for _, p := range []*port{first, second} {
		if _, err := p.try(peerA); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling: %v; expected it refused", err)
		}
	}
	remove(t, g, "f")
	first.dial(peerA)
	second.dial(peerA)
}
