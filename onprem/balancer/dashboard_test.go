package balancer

import (
	"testing"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	if names := grafana.Unknown("ptabench_balancer_", new(metrics)); len(names) > 0 {
		t.Errorf("the dashboard asks for %q, which are not there", names)
	}
}
