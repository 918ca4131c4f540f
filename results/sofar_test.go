package results

import "testing"

func TestFaultTextsSoFar(t *testing.T) {
	r := &Result{Faults: []Fault{
		{Name: "crash-1", Kind: "crash", Target: "connector-1", Text: "crash(connector-1) at 3s for 3s", At: 3e9, Duration: 3.1e9, Healed: true},
		{Name: "freeze-1", Kind: "freeze", Target: "connector-2", Text: "freeze(connector-2) at 9s for 5s", At: 9e9, Duration: 2e9},
		{Name: "block-1", Kind: "block", Target: "connector-3", At: -1, Note: "no nftables"},
		{Name: "soak-1", Group: "soak", Kind: "crash", Target: "connector-1", At: 1e9, Healed: true},
		{Name: "soak-2", Group: "soak", Kind: "crash", Target: "connector-2", At: 2e9},
	}}
	for i, want := range []FaultText{
		{Text: "crash-1 killed connector-1 at 3.00 s for 3.10 s; what came of it is told when the run has ended."},
		{Text: "freeze-1 froze connector-2 at 9.00 s and is on, for 2.00 s so far."},
		{Text: "block-1 was not injected (no nftables).", Bad: true},
		{Text: "soak: 2 faults so far, of which 1 on."},
	} {
		if got := r.FaultTextsSoFar()[i]; got.Text != want.Text || got.Bad != want.Bad {
			t.Errorf("%q, bad %v; want %q, %v", got.Text, got.Bad, want.Text, want.Bad)
		}
	}
}
