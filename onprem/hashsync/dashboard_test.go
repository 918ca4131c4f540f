package hashsync

import (
	"testing"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	if names := grafana.Unknown("ptabench_hashsync_", newCounts().registry()); len(names) > 0 {
		t.Errorf("the dashboard asks for %q, which are not there", names)
	}
}
