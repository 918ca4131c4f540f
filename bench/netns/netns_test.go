package netns

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	links, err := plan(MaxConnectors)
	if err != nil || len(links) != MaxConnectors {
		t.Fatalf("%d links, %v", len(links), err)
	}
	names, addresses := make(map[string]bool), map[netip.Addr]bool{netip.MustParseAddr(Cloud): true}
	for i, l := range links {
		// IFNAMSIZ is 16, with the zero byte at the end.
		if names[l.name] || len(l.name) > 15 || addresses[l.there] || l.here.String() != Cloud || l.connector != i+1 {
			t.Errorf("link %d: %+v: a name of its own of up to 15 bytes and an address of its own are wanted", i, l)
		}
		names[l.name], addresses[l.there] = true, true
	}
	if first, last := links[0].there.String(), links[39].there.String(); first != "10.98.0.11" || last != "10.98.0.50" {
		t.Errorf("connectors have %s to %s; want 10.98.0.11 to 10.98.0.50", first, last)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, n := range []int{-1, MaxConnectors + 1} {
		if _, err := plan(n); err == nil || !strings.Contains(err.Error(), "expected 0 to 40") {
			t.Errorf("%d connectors: %v", n, err)
		}
	}
}
