package balancer

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/gate"
	"ptabench/observe"
)

// maxBody is how long the text of a backend may be, in bytes.
const maxBody = 4 << 10

// observed serves the counters, and takes backends and gates.
func (b *balancer) observed() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), (*metrics)(b))
	mux, outer := observe.Handler(b.cfg.ObserveToken, func() any { return b.counters() }, nil, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	gate.Handle(mux, b.gates, nil)

	mux.HandleFunc("GET /backends", func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusOK, b.counters().Backends)
	})
	mux.HandleFunc("PUT /backends/{name}", func(w http.ResponseWriter, r *http.Request) {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		var want observe.Backend
		err := decoder.Decode(&want)
		if err == nil {
			err = validBackend(r.PathValue("name"), want.Address)
		}
		if err == nil {
			err = b.put(r.PathValue("name"), want.Address)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("backend: %v", err), http.StatusBadRequest)
			return
		}
		observe.WriteJSON(w, http.StatusOK, b.counters().Backends)
	})
	mux.HandleFunc("DELETE /backends/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !b.delete(r.PathValue("name")) {
			http.Error(w, fmt.Sprintf("backend %s: there is none", r.PathValue("name")), http.StatusNotFound)
			return
		}
		observe.WriteJSON(w, http.StatusOK, b.counters().Backends)
	})
	return outer
}

// metrics reads the counters when they are asked for.
type metrics balancer

var (
	openDesc    = prometheus.NewDesc("ptabench_balancer_open_connections", "Connections, by backend.", []string{"backend"}, nil)
	healthyDesc = prometheus.NewDesc("ptabench_balancer_backend_healthy", "1 while the backend answers health checks.", []string{"backend"}, nil)
	allDesc     = prometheus.NewDesc("ptabench_balancer_connections_total", "Connections there have been, by backend.", []string{"backend"}, nil)
	refusedDesc = prometheus.NewDesc("ptabench_balancer_refused_total", "Connections for which there was no backend.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{openDesc, healthyDesc, allDesc, refusedDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	all := (*balancer)(m).counters()
	out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(all.Refused))
	for _, k := range all.Backends {
		healthy := 0.0
		if k.Healthy {
			healthy = 1
		}
		out <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(k.Open), k.Name)
		out <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, healthy, k.Name)
		out <- prometheus.MustNewConstMetric(allDesc, prometheus.CounterValue, float64(k.Connections), k.Name)
	}
}
