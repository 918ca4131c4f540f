package connector

import (
	"github.com/prometheus/client_golang/prometheus"

	"ptabench/bind"
)

// serverMetrics collects what was done to each server of the directory.
type serverMetrics struct{ pool *bind.Pool }

var serverFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(bind.ServerState) uint64
}{
	{serverFigure("in_service", "1 while the server gets sign-ins."), prometheus.GaugeValue, func(s bind.ServerState) uint64 {
		if s.InService {
			return 1
		}
		return 0
	}},
	{serverFigure("binds_total", "Bind requests written to the server for users."), prometheus.CounterValue,
		func(s bind.ServerState) uint64 { return s.Binds }},
	{serverFigure("moves_total", "Sign-ins that it did not decide, and that went on to another server."), prometheus.CounterValue,
		func(s bind.ServerState) uint64 { return s.Moved }},
	{serverFigure("outages_total", "Times that it went out of service."), prometheus.CounterValue,
		func(s bind.ServerState) uint64 { return s.Outages }},
	{serverFigure("silences_total", "Of those, for answering nothing in time."), prometheus.CounterValue,
		func(s bind.ServerState) uint64 { return s.Silences }},
	{serverFigure("probes_total", "Binds of the service account that tried whether it is back."), prometheus.CounterValue,
		func(s bind.ServerState) uint64 { return s.Probes }},
}

func serverFigure(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("ptabench_connector_directory_server_"+name, help, []string{"server"}, nil)
}

func (m serverMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, f := range serverFigures {
		out <- f.desc
	}
}

func (m serverMetrics) Collect(out chan<- prometheus.Metric) {
	for _, s := range m.pool.Servers() {
		for _, f := range serverFigures {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.value(s)), s.Address)
		}
	}
}
