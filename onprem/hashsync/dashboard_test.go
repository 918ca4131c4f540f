package hashsync

import (
	"testing"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	families, err := newCounts().registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	for _, name := range grafana.Metrics("ptabench_hashsync_") {
		if !known[name] {
			t.Errorf("the dashboard asks for %s, which the agent does not have", name)
		}
	}
}
