package adfs

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	described := make(chan *prometheus.Desc, 16)
	new(metrics).Describe(described)
	close(described)
	known := ""
	for d := range described {
		known += d.String()
	}
	for _, name := range grafana.Metrics("ptabench_adfs_") {
		if !strings.Contains(known, `"`+name+`"`) {
			t.Errorf("the dashboard asks for %s, which a federation server does not have", name)
		}
	}
}
