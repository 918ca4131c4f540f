package telemetry

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"ptabench/docs/grafana"
	"ptabench/results"
)

// told is a run of which everything was told.
func told(connectors int) *Run {
	r := New(Options{Scenario: "quickstart", Version: "0.1.0", Seed: 7, PlannedPerS: 1000, Duration: 26 * time.Second})
	h := results.Header{StartedAt: "2026-01-02T03:04:05Z"}
	for i := range connectors {
		h.Connectors = append(h.Connectors, fmt.Sprintf("connector-%d", i+1))
	}
	r.Began(h)
	const ms = int64(time.Millisecond)
	sample := func(due, sent, done int64, o results.Outcome, p results.Path, server uint8) {
		r.Sample(results.Sample{Due: due * ms, Sent: sent * ms, Done: done * ms, Outcome: o, Path: p, Server: server, Judgement: results.Right})
	}
	sample(-5, -5, -1, results.OutcomeAccepted, results.PathPassThrough, 1) // of the warm-up
	sample(0, 1, 21, results.OutcomeAccepted, results.PathPassThrough, 1)
	sample(1, 1, 31, results.OutcomeRefused, results.PathPassThrough, 2)
	sample(2, 2, 4, results.OutcomeAccepted, results.PathHashSync, 0)
	sample(3, 3, 5003, results.OutcomeUnknown, results.PathNone, 0)
	sample(4, 0, 0, results.OutcomeUnsent, results.PathNone, 0)
	r.Usage(results.Usage{Process: "cloudsim", CPU: 1500 * ms, RSS: 1 << 20, InFlight: map[string]int{"connector-1": 3}, Queued: 2})
	r.Event(results.Event{At: 5 * ms, Source: "harness", Kind: "fault-injected", Connector: "connector-1", Cause: "crash-1"})
	r.Event(results.Event{At: 5 * ms, Source: "cloudsim", Kind: "fault-injected", Cause: "not ours"})
	r.Progress(Progress{Phase: "load", At: 2 * time.Second, Planned: 100, Sent: 60, Done: 50, InFlight: 10,
		SoFar: func() *results.Result {
			return &results.Result{
				Faults: []results.Fault{{Name: "crash-1", Kind: "crash", Target: "connector-1", At: 5 * ms, Duration: 7 * ms}, // so far
					{Name: "block-1", Kind: "block", Target: "connector-2", At: 1, Duration: ms, Healed: true}, {Name: "later", At: -1}},
				Objectives: []results.Objective{
					{Text: "p99(response) < 1s", Unit: "ns", Value: 2e9, Limit: 1e9, Verdict: results.Fail, Samples: 4},
					{Text: "failed == 0", Unit: "count", Verdict: results.Pass, Samples: 4},
					{Text: "failed == 0", Unit: "count", Verdict: results.Pass, Samples: 4},
					{Text: "lost(crash-1) == 0", Unit: "count", Verdict: results.Inconclusive},
				},
			}
		}})
	return r
}

// values are the metrics by name and labels, as one writes them.
func values(t testing.TB, r *Run) (map[string]float64, []*dto.MetricFamily) {
	t.Helper()
	families, err := r.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.Counter != nil:
				all[name] = m.Counter.GetValue()
			case m.Gauge != nil:
				all[name] = m.Gauge.GetValue()
			case m.Histogram != nil:
				all[f.GetName()+"_count{}"] = float64(m.Histogram.GetSampleCount())
				all[f.GetName()+"_sum{}"] = m.Histogram.GetSampleSum()
			}
		}
	}
	return all, families
}

func TestMetrics(t *testing.T) {
	r := told(3)
	got, families := values(t, r)
	for name, want := range map[string]float64{
		"ptabench_run_info{scenario=quickstart,seed=7,version=0.1.0}":             1,
		"ptabench_run_phase{phase=load}":                                          1,
		"ptabench_run_phase{phase=starting}":                                      0,
		"ptabench_run_time_seconds{}":                                             2,
		"ptabench_run_duration_seconds{}":                                         26,
		"ptabench_run_planned_sign_ins_per_second{}":                              1000,
		"ptabench_run_generator_planned{}":                                        100,
		"ptabench_run_generator_sent_total{}":                                     60,
		"ptabench_run_generator_done_total{}":                                     50,
		"ptabench_run_in_flight{}":                                                10,
		"ptabench_run_sign_ins_total{outcome=accepted,path=pass-through}":         1,
		"ptabench_run_sign_ins_total{outcome=accepted,path=hash-sync}":            1,
		"ptabench_run_sign_ins_total{outcome=refused,path=pass-through}":          1,
		"ptabench_run_sign_ins_total{outcome=failed,path=none}":                   0,
		"ptabench_run_sign_ins_total{outcome=unknown,path=none}":                  1,
		"ptabench_run_sign_ins_total{outcome=unsent,path=none}":                   1,
		"ptabench_run_response_seconds_count{}":                                   4,
		"ptabench_run_response_seconds_sum{}":                                     .021 + .030 + .002 + 5,
		"ptabench_run_service_seconds_sum{}":                                      .020 + .030 + .002 + 5,
		"ptabench_run_lag_seconds_sum{}":                                          .001,
		"ptabench_run_connector_sign_ins_total{connector=connector-1}":            1,
		"ptabench_run_connector_sign_ins_total{connector=connector-3}":            0,
		"ptabench_run_connector_in_flight{connector=connector-1}":                 3,
		"ptabench_run_queued{}":                                                   2,
		"ptabench_run_faults_injected_total{}":                                    1,
		"ptabench_run_fault_on{fault=crash-1,kind=crash,target=connector-1}":      1,
		"ptabench_run_fault_on{fault=block-1,kind=block,target=connector-2}":      0,
		"ptabench_run_objective_value{objective=p99(response) < 1s,unit=seconds}": 2,
		"ptabench_run_objective_limit{objective=p99(response) < 1s,unit=seconds}": 1,
		"ptabench_run_objective_met{objective=p99(response) < 1s}":                0,
		"ptabench_run_objective_met{objective=failed == 0}":                       1,
		"ptabench_run_process_cpu_seconds_total{process=cloudsim}":                1.5,
		"ptabench_run_process_resident_memory_bytes{process=cloudsim}":            1 << 20,
		"ptabench_run_wrong_answers_total{kind=wrong-accept}":                     0,
		"ptabench_run_objective_limit{objective=lost(crash-1) == 0,unit=count}":   0,
		"ptabench_run_sign_ins_total{outcome=refused,path=hash-sync}":             0,
		"ptabench_run_connector_sign_ins_total{connector=connector-2}":            1,
		"ptabench_run_phase{phase=ended}":                                         0,
	} {
		if v, ok := got[name]; !ok || math.Abs(v-want) > 1e-9 {
			t.Errorf("%s: got %v (%v), expected %v", name, v, ok, want)
		}
	}
	for _, absent := range []string{"ptabench_run_objective_met{objective=lost(crash-1) == 0}", "ptabench_run_objective_value{objective=lost(crash-1) == 0,unit=count}",
		"ptabench_run_fault_on{fault=later,kind=,target=}"} {
		if _, ok := got[absent]; ok {
			t.Errorf("%s is not known, and told", absent)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "ptabench_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetricsAfterTheEnd(t *testing.T) {
	r := told(1)
	r.Ended(&results.Result{Objectives: []results.Objective{{Text: "p99(response) < 1s", Unit: "ns", Value: 5e8, Limit: 1e9, Verdict: results.Pass}}})
	got, _ := values(t, r)
	if got["ptabench_run_objective_met{objective=p99(response) < 1s}"] != 1 || got["ptabench_run_phase{phase=ended}"] != 1 {
		t.Errorf("the end is not told: %v", got)
	}
	r = told(1)
	r.Ended(nil)
	if got, _ := values(t, r); got["ptabench_run_phase{phase=ended}"] != 1 {
		t.Error("the end without a result is not told")
	}
}

// Whatever a scenario has hundreds of, labels stay bounded, and no name, of
// which some are hostile, takes all metrics along.
func TestLabelsAreBounded(t *testing.T) {
	r := told(255)
	for i := range 255 {
		r.Sample(results.Sample{Due: 1, Sent: 1, Done: 2, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Server: uint8(i + 1)})
		r.Usage(results.Usage{Process: fmt.Sprintf("p%d", i)})
	}
	hands := map[string]int{}
	for i := range 1000 {
		hands[fmt.Sprintf("connector-%d", i)] = i
	}
	r.Usage(results.Usage{Process: "cloudsim", InFlight: hands})
	faults := []results.Fault{{Name: "bad\xff", At: 1}, {Name: "\"}\n{x=\"", At: 1}, {Name: "soak-1", Group: "soak", At: 1}, {Name: "soak-2", Group: "soak", At: 1, Duration: 5, Healed: true}}
	objectives := []results.Objective{{Text: "bad\xff", Unit: "count", Verdict: results.Pass}}
	for i := range 1000 {
		faults = append(faults, results.Fault{Name: fmt.Sprintf("f%d", i), At: 1, Duration: 1})
		objectives = append(objectives, results.Objective{Text: fmt.Sprintf("o%d", i), Unit: "count", Verdict: results.Pass})
	}
	r.Progress(Progress{Phase: "a condition was crossed", SoFar: func() *results.Result { return &results.Result{Faults: faults, Objectives: objectives} }})
	got, families := values(t, r)
	for _, f := range families {
		if n := len(f.Metric); n > maxNamed+1 {
			t.Errorf("%s has %d series, at most %d expected", f.GetName(), n, maxNamed+1)
		}
	}
	if n := got["ptabench_run_connector_sign_ins_total{connector=other}"]; n != 255-maxNamed {
		t.Errorf("others decided %v sign-ins, expected %d", n, 255-maxNamed)
	}
	if got["ptabench_run_fault_on{fault=soak,kind=,target=}"] != 1 {
		t.Error("a group of which one fault is on is not on")
	}
	if _, ok := got["ptabench_run_fault_on{fault=\"}\n{x=\",kind=,target=}"]; !ok {
		t.Error("a name with quotes is lost")
	}
	if got["ptabench_run_phase{phase=load}"] != 1 {
		t.Error("what is not a phase became one")
	}
}

// BenchmarkSample is what a sign-in costs.
func BenchmarkSample(b *testing.B) {
	r := told(3)
	s := results.Sample{Due: 1, Sent: 2, Done: 20_000_000, Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Server: 2}
	b.ReportAllocs()
	for b.Loop() {
		r.Sample(s)
	}
}

func TestDashboardShowsWhatThereIs(t *testing.T) {
	_, families := values(t, told(2))
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	for _, name := range grafana.Metrics("ptabench_run_") {
		if !known[name] {
			t.Errorf("the dashboard asks for %s, which no run has", name)
		}
	}
}
