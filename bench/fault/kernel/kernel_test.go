package kernel

import (
	"net/netip"
	"strings"
	"testing"
)

// TestCheck refuses rules that would not do what they say, and says everything
// that is wrong with one.
func TestCheck(t *testing.T) {
	here := []netip.Addr{netip.MustParseAddr("127.0.77.1")}
	good := Rule{ID: "fault-1", Sources: here, Ports: []uint16{443}, Direction: Both, Verdict: Drop}
	cases := []struct {
		name   string
		change func(*Rule)
		want   []string
	}{
		{"good", func(*Rule) {}, nil},
		{"all ports", func(r *Rule) { r.Ports = nil }, nil},
		{"loss", func(r *Rule) { r.Loss = 0.01 }, nil},
		{"reject", func(r *Rule) { r.Verdict = Reject }, nil},
		{"empty", func(r *Rule) { *r = Rule{} }, []string{`id ""`, "sources: expected", `direction ""`, `verdict ""`}},
		{"long", func(r *Rule) { r.ID = strings.Repeat("x", 65) }, []string{"expected 1 to 64 bytes"}},
		{"version 6", func(r *Rule) { r.Sources = []netip.Addr{netip.MustParseAddr("::1")} }, []string{"source ::1: expected an IPv4 address"}},
		{"both sides", func(r *Rule) { r.Sources = append(here, netip.MustParseAddr("10.98.0.11")) }, []string{"source 10.98.0.11: expected one on the same side as 127.0.77.1"}},
		{"too much loss", func(r *Rule) { r.Loss = 1.5 }, []string{"loss 1.5"}},
		{"reject of everything", func(r *Rule) { r.Verdict, r.Ports = Reject, nil }, []string{"reject: expected ports"}},
		{"random reject", func(r *Rule) { r.Verdict, r.Loss = Reject, 0.5 }, []string{"and no loss"}},
	}
	for _, c := range cases {
		r := good
		c.change(&r)
		err := r.check()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", c.name, err, want)
			}
		}
	}
	if err := NewTable("ptabench_test").Add(Rule{}); err == nil || !strings.Contains(err.Error(), "sources") {
		t.Errorf("adding no rule: %v", err)
	}
}
