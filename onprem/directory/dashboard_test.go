package directory

import (
	"testing"

	"ptabench/docs/grafana"
)

func TestDashboardShowsWhatThereIs(t *testing.T) {
	families, err := new(counts).registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	for _, name := range grafana.Metrics("ptabench_directory_") {
		if !known[name] {
			t.Errorf("the dashboard asks for %s, which the directory does not have", name)
		}
	}
}
