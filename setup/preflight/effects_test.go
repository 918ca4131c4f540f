package preflight

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"ptabench/ports"
	"ptabench/setup/reach"
)

// TestEffects holds what follows against the table of the specification.
func TestEffects(t *testing.T) {
	for _, test := range []struct {
		down  []string
		ok    bool
		wants []string
	}{
		{nil, true, nil},
		{[]string{"80"}, false, []string{"revoked"}},
		{[]string{"443"}, false, []string{"nobody signs in from here"}},
		{[]string{"8080"}, true, []string{"bootstrap and updates by 443"}},
		{[]string{"443", "8080"}, false, []string{"a new connector cannot start"}},
		{[]string{"9090"}, false, []string{"cannot register"}},
		{[]string{"9091"}, false, []string{"until the connector's certificate expires"}},
		{[]string{"9352"}, true, []string{"signalled by 5671"}},
		{[]string{"5671"}, true, []string{"signalled by 9352"}},
		{[]string{"9350"}, true, []string{"one more round trip"}},
		{[]string{"9352", "5671"}, true, []string{"by 9350 alone"}},
		{[]string{"9352", "5671", "9350"}, false, []string{"no sign-ins reach"}},
		{[]string{"10100", "10120"}, true, []string{"the next port of the range"}},
		{ports.Responses(), false, []string{"takes no sign-ins"}},
	} {
		t.Run(strings.Join(test.down, "+"), func(t *testing.T) {
			r := &Report{}
			for _, p := range order() {
				c := Check{Port: p, Outcome: reach.Reachable}
				if slices.Contains(test.down, p) {
					c.Outcome = reach.Refused
				}
				r.Checks = append(r.Checks, c)
			}
			r.conclude()
			if r.OK != test.ok || len(r.Effects) != len(test.wants) {
				t.Fatalf("ok %v, effects %+v; want ok %v and %q", r.OK, r.Effects, test.ok, test.wants)
			}
			var out bytes.Buffer
			if err := r.WriteText(&out); err != nil {
				t.Fatal(err)
			}
			flat := strings.Join(strings.Fields(out.String()), " ")
			for _, want := range test.wants {
				if !strings.Contains(flat, want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
		})
	}
}
