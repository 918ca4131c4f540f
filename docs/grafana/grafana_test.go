package grafana

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// What Grafana needs of a dashboard to show it, as it is imported.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Annotations struct {
		List []struct{ Datasource source }
	}
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  source
		GridPos     struct{ H, W, X, Y int }
		FieldConfig struct{ Defaults struct{ Unit string } }
		Targets     []struct {
			Expr, RefID, Interval string
			Range, Instant        bool
			Datasource            source
		}
	}
}

type source struct{ Type, UID string }

var wanted = source{"prometheus", "${datasource}"}

func TestDashboardLoadsAsItStands(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal(Dashboard, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("title %q, uid %q, schema %d", d.Title, d.UID, d.SchemaVersion)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" {
		t.Errorf("no variable for the data source: %v", variables)
	}
	for _, a := range d.Annotations.List {
		if a.Datasource != wanted {
			t.Errorf("an annotation of %v", a.Datasource)
		}
	}
	types := map[string]bool{"stat": true, "timeseries": true, "heatmap": true, "state-timeline": true}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: id %d is taken, or 0", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s is over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if !types[p.Type] || p.Title == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource != wanted || len(p.Targets) == 0 {
			t.Errorf("panel %d %q: type %q, unit %q, %v, %d queries", p.ID, p.Title, p.Type, p.FieldConfig.Defaults.Unit, p.Datasource, len(p.Targets))
		}
		for _, q := range p.Targets {
			if q.Expr == "" || q.RefID == "" || q.Datasource != wanted {
				t.Errorf("%s: query %+v", p.Title, q)
			}
			if strings.Contains(q.Expr, "ptabench_run_") && q.Interval != "1s" {
				t.Errorf("%s: without a least step of 1s a rate is over a minute, longer than most runs: %q", p.Title, q.Interval)
			}
			if q.Range == q.Instant {
				t.Errorf("%s: a query is either over a range or of an instant, or a value is there twice", p.Title)
			}
			if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || strings.Count(q.Expr, "{") != strings.Count(q.Expr, "}") {
				t.Errorf("%s: unbalanced: %s", p.Title, q.Expr)
			}
		}
	}
	if n := len(Metrics("ptabench_run_")); n < 15 {
		t.Errorf("only %d metrics of runs: %v", n, Metrics("ptabench_run_"))
	}
	known := len(Metrics("ptabench_run_"))
	for _, prefix := range []string{"ptabench_cloud_", "ptabench_connector_", "ptabench_directory_", "ptabench_adfs_", "ptabench_balancer_", "ptabench_hashsync_"} {
		if len(Metrics(prefix)) == 0 {
			t.Errorf("no metric %s…", prefix)
		}
		known += len(Metrics(prefix))
	}
	if all := len(Metrics("ptabench_")); all != known {
		t.Errorf("metrics of nobody: %v", Metrics("ptabench_"))
	}
}

// A dashboard that asks for what nobody exports is noticed.
func TestUnknown(t *testing.T) {
	all := Metrics("ptabench_run_")
	one := prometheus.NewCounter(prometheus.CounterOpts{Name: all[0], Help: "one"})
	if got := Unknown("ptabench_run_", one); !slices.Equal(got, all[1:]) || len(got) == 0 {
		t.Errorf("%q are unknown, expected %q", got, all[1:])
	}
}
