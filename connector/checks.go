package connector

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ptabench/connector/revocation"
	"ptabench/observe"
)

// maxListTime bounds a fetch of the revocation list, which a new connection
// may have to wait for.
const maxListTime = 5 * time.Second

// checkRevocation prepares the look-up of the cloud's certificates in the
// revocation list of its authority. The caller closes what it returns.
func (a *connector) checkRevocation() (*revocation.Checker, error) {
	c, err := revocation.New(revocation.Config{
		Mode:  a.cfg.Revocation,
		State: a.cfg.State,
		Dial:  a.dialer.DialContext,
		// The connection that waits for it has to come about in time too, and
		// to say what is wrong if it does not.
		Timeout: min(a.cfg.ConnectTimeout/2, maxListTime),
		Log:     a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	return c, nil
}

// cloudTLS is for every TLS connection to the cloud, by whatever port: its
// certificate must be for the host, by the authority that the cloud file
// names, and not revoked. The connector shows its own certificate if one is
// given.
func (a *connector) cloudTLS(cloud *endpoints, host string, certificate *tls.Certificate) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: cloud.ca, ServerName: host,
		VerifyConnection: a.revocation.Verify,
	}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return config
}

// revocationMetrics presents the counters of the look-up to Prometheus.
type revocationMetrics struct {
	counters func() observe.RevocationCounters
}

func revocationMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ptabench_connector_revocation_"+name, help, labels, nil)
}

var (
	descRefused = revocationMetric("refused_total", "Connections to the cloud refused by this connector: its certificate is revoked, or there is no list to look it up in.", "reason")
	descWarned  = revocationMetric("warned_total", "Connections to the cloud made although there was no list (soft).")
	descLists   = revocationMetric("lists_total", "Revocation lists fetched and taken.")
	descFaults  = revocationMetric("list_faults_total", "Fetches of the revocation list that gave no good one.", "fault")
	descAge     = revocationMetric("list_age_seconds", "Age of the revocation list in use.")
	descLeft    = revocationMetric("list_left_seconds", "Time until the revocation list in use runs out; negative once it has.")
)

// Describe implements prometheus.Collector.
func (m revocationMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRefused, descWarned, descLists, descFaults, descAge, descLeft} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m revocationMetrics) Collect(ch chan<- prometheus.Metric) {
	n := m.counters()
	for why, count := range n.Refused {
		ch <- prometheus.MustNewConstMetric(descRefused, prometheus.CounterValue, float64(count), why)
	}
	for fault, count := range n.Faults {
		ch <- prometheus.MustNewConstMetric(descFaults, prometheus.CounterValue, float64(count), fault)
	}
	ch <- prometheus.MustNewConstMetric(descWarned, prometheus.CounterValue, float64(n.Warned))
	ch <- prometheus.MustNewConstMetric(descLists, prometheus.CounterValue, float64(n.Lists))
	if n.Number != "" {
		ch <- prometheus.MustNewConstMetric(descAge, prometheus.GaugeValue, float64(n.AgeNS)/1e9)
		ch <- prometheus.MustNewConstMetric(descLeft, prometheus.GaugeValue, float64(n.LeftNS)/1e9)
	}
}
