package cloudsim

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/observe"
)

// metrics presents the counters to Prometheus. They are read when asked for,
// so that they cost a sign-in nothing.
type metrics struct {
	counters func() observe.CloudCounters
}

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ptabench_cloud_"+name, help, labels, nil)
}

var (
	descSignIns   = metric("sign_ins_total", "Sign-ins answered, by outcome.", "tenant", "outcome")
	descDecided   = metric("sign_ins_decided_total", "Sign-ins decided, by who decided.", "tenant", "path")
	descReceived  = metric("sign_ins_received_total", "Sign-ins received.", "tenant")
	descHandedOff = metric("handed_off_total", "Attempts taken from a connector and given to another.", "tenant")
	descExpired   = metric("expired_total", "Sign-ins answered because their deadline passed.", "tenant")
	descQueued    = metric("queued", "Sign-ins that wait for a connector.", "tenant")
	descOpen      = metric("breaker_open", "1 while pass-through is known to be down.", "tenant")
	descAttempts  = metric("connector_attempts_total", "Sign-ins given to a connector.", "tenant", "connector")
	descByPath    = metric("connector_attempts_by_path_total", "Sign-ins given to a connector, by path: pushed, signalled, and of the latter those it accepted.", "tenant", "connector", "path")
	descInFlight  = metric("connector_in_flight", "Sign-ins that a connector has in hand.", "tenant", "connector")
	descAttached  = metric("connector_attached", "1 while a connector is attached.", "tenant", "connector")
	descList      = metric("revocation_list_number", "Number of the revocation list that port 80 serves.")
	descRevoked   = metric("revoked_certificates", "Certificates that the revocation list names.")
	descDenied    = metric("denied_total", "Refused input, by reason.", "reason")
)

// Describe implements prometheus.Collector.
func (m metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c := m.counters()
	for _, t := range c.Tenants {
		count(descReceived, t.Received, t.Name)
		count(descSignIns, t.Accepted, t.Name, "accepted")
		count(descSignIns, t.Refused, t.Name, "refused")
		count(descSignIns, t.Failed, t.Name, "failed")
		count(descDecided, t.PassThrough, t.Name, string(PassThrough))
		count(descDecided, t.HashSync, t.Name, string(HashSync))
		count(descDecided, t.Federation, t.Name, string(Federation))
		count(descHandedOff, t.HandedOff, t.Name)
		count(descExpired, t.Expired, t.Name)
		gauge(descQueued, float64(t.Queued), t.Name)
		gauge(descOpen, flag(t.Breaker != "closed"), t.Name)
		for _, a := range t.Connectors {
			count(descAttempts, a.Attempts, t.Name, a.Name)
			count(descByPath, a.Pushed, t.Name, a.Name, "pushed")
			count(descByPath, a.Signalled, t.Name, a.Name, "signalled")
			count(descByPath, a.Accepted, t.Name, a.Name, "accepted")
			gauge(descInFlight, float64(a.InFlight), t.Name, a.Name)
			gauge(descAttached, flag(a.Attached), t.Name, a.Name)
		}
	}
	gauge(descList, float64(c.RevocationList.Number))
	gauge(descRevoked, float64(c.RevocationList.Revoked))
	for reason, n := range c.Denied {
		count(descDenied, n, reason)
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func metricsHandler(counters func() observe.CloudCounters) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(metrics{counters}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
