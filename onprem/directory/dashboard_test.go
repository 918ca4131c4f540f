package directory

import (
	"testing"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	if names := grafana.Unknown("ptabench_directory_", new(counts).registry()); len(names) > 0 {
		t.Errorf("the dashboard asks for %q, which are not there", names)
	}
}
