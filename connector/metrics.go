package connector

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/wire"
)

// metrics serves the connector's figures in Prometheus' format. The four that
// begin with pta are the performance counters that administrators of the real
// connector know, by its names; the first four are the same by ours.
func (a *connector) metrics() http.Handler {
	c, pool := a.counters, a.pool
	pta := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	counter := func(name, help string, value func() uint64) prometheus.Collector {
		return pta("ptabench_connector_"+name, help, value)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ptabench_connector_" + name, Help: help}, value)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		counter("authentications_total", "Sign-ins answered (# PTA authentications).", c.answers.Load),
		counter("authentications_failed_total", "Sign-ins that the directory refused (# PTA failed authentications).",
			func() uint64 { return c.by(refused) }),
		counter("authentications_successful_total", "Sign-ins that the directory accepted (# PTA successful authentications).",
			func() uint64 { return c.by(accepted) }),
		counter("authentication_errors_total", "Sign-ins that nobody could decide (# PTA authentication errors).",
			func() uint64 { return c.by(failed) }),
		pta("pta_authentications_total", "# PTA authentications: sign-ins answered.", c.answers.Load),
		pta("pta_failed_authentications_total", "# PTA failed authentications: sign-ins that the directory refused.",
			func() uint64 { return c.by(refused) }),
		pta("pta_successful_authentications_total", "# PTA successful authentications: sign-ins that the directory accepted.",
			func() uint64 { return c.by(accepted) }),
		pta("pta_authentication_errors_total", "# PTA authentication errors: sign-ins that nobody could decide.",
			func() uint64 { return c.by(failed) }),
		counter("taken_total", "Sign-ins read off the request stream.", c.taken.Load),
		counter("pushed_total", "Of those, sign-ins that the cloud pushed by the fast path.", c.pushed.Load),
		counter("signalled_total", "Sign-ins that the cloud announced on a signalling port.", c.signalled.Load),
		counter("accepted_total", "Of those, sign-ins that were asked for and came.", c.accepted.Load),
		counter("resent_total", "Answers sent again on another response port.", c.resent.Load),
		counter("sessions_total", "Sessions that the cloud welcomed.", c.sessions.Load),
		counter("binds_total", "Bind requests written to the directory for users.", func() uint64 { return pool.Counts().Binds }),
		counter("bind_replies_total", "Answers of the directory to those.", func() uint64 { return pool.Counts().Replies }),
		counter("reason_lookups_total", "Searches for the reason of a refusal.", func() uint64 { return pool.Counts().Lookups }),
		counter("name_lookups_total", "Searches for what a user binds as.", func() uint64 { return pool.Counts().NameLookups }),
		counter("directory_moves_total", "Sign-ins that one server of the directory did not decide, and that went on to another.",
			func() uint64 { return pool.Counts().Moved }),
		counter("directory_redials_total", "Dials that replaced a lost connection to the directory.", func() uint64 { return pool.Counts().Redials }),
		counter("renewals_total", "Renewals of the certificate.", c.renewals.Load),
		counter("renewal_failures_total", "Attempts to renew the certificate that failed.", c.renewalFailures.Load),
		gauge("certificate_days_left", "Days until the certificate expires; then the connector must be registered again.",
			func() float64 { return daysLeft(a.certificate.Load().Leaf.NotAfter, a.now()) }),
		gauge("in_flight", "Sign-ins taken and not answered yet.", func() float64 { return float64(a.inFlight.Load()) }),
		gauge("directory_connections", "Open connections to the directory, those for look-ups aside.",
			func() float64 { return float64(pool.Size()) }),
		gauge("directory_reachable", "1 while the directory can be reached.", func() float64 {
			if reachable, _ := pool.Reachable(); reachable {
				return 1
			}
			return 0
		}),
		c.directory, c.bootstraps, c.reports,
		serverMetrics{pool},
		revocationMetrics{a.revocation.Counters},
		&byResult{counters: c, desc: prometheus.NewDesc("ptabench_connector_results_total", "Answers by result.", []string{"result"}, nil)},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// byResult collects the answers by result, of which only those that the
// protocol knows can occur.
type byResult struct {
	counters *counters
	desc     *prometheus.Desc
}

func (b *byResult) Describe(out chan<- *prometheus.Desc) { out <- b.desc }

func (b *byResult) Collect(out chan<- prometheus.Metric) {
	for r := range b.counters.results {
		if wire.Result_name[int32(r)] == "" || r == 0 {
			continue
		}
		out <- prometheus.MustNewConstMetric(b.desc, prometheus.CounterValue,
			float64(b.counters.results[r].Load()), resultName(wire.Result(r)))
	}
}
