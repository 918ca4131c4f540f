package bench

import (
	"context"
	"testing"
	"time"

	"ptabench/bench/proc"
)

// What processes used while a capacity was looked for is not the load's.
func TestCostsAreOfTheLoadAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		others []string // loads after the run's own
		kept   bool
	}{
		{"no other load", nil, false},
		{"a search for a capacity", []string{"id"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := watching(t, time.Hour)
			r := &run{roles: proc.NewSupervisor(proc.Options{}), watch: w}
			defer func() {
				if err := r.roles.Close(context.Background(), time.Second); err != nil {
					t.Error(err)
				}
			}()
			b := books{others: c.others, costs: map[string]proc.Usage{roleCloud: {RSSMax: 5 << 20}}}
			r.end(context.Background(), &b)
			if _, kept := b.costs[roleCloud]; kept != c.kept {
				t.Errorf("kept %v, want %v", kept, c.kept)
			}
		})
	}
}
