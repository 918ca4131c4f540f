package cloudsim

import (
	"net/http/httptest"
	"strings"
	"testing"

	"ptabench/docs/grafana"
	"ptabench/observe"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	one := observe.CloudCounters{Denied: map[string]uint64{"malformed": 1},
		Tenants: []observe.TenantCounters{{Name: "contoso", Connectors: []observe.ConnectorCounters{{Name: "connector-1"}}}}}
	w := httptest.NewRecorder()
	metricsHandler(func() observe.CloudCounters { return one }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range grafana.Metrics("ptabench_cloud_") {
		if !strings.Contains(w.Body.String(), "\n# TYPE "+name+" ") {
			t.Errorf("the dashboard asks for %s, which the cloud does not have", name)
		}
	}
}
