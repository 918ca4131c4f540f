// Package grafana holds the dashboard for Grafana, so that the tests of those
// who export metrics can ask which ones it shows.
package grafana

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Dashboard is the file that Grafana imports.
//
//go:embed ptabench.json
var Dashboard []byte

var metricName = regexp.MustCompile(`\bptabench_[a-z_]+[a-z]`)

// Unknown are the metrics in it that begin with a prefix and that a collector
// does not describe.
func Unknown(prefix string, c prometheus.Collector) (names []string) {
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		c.Describe(described)
	}()
	var known strings.Builder
	for d := range described {
		known.WriteString(d.String())
	}
	return slices.DeleteFunc(Metrics(prefix), func(name string) bool { return strings.Contains(known.String(), strconv.Quote(name)) })
}

// Metrics are the names of the metrics in it that begin with a prefix, as they
// are registered: without the ending of a histogram's buckets.
func Metrics(prefix string) (names []string) {
	for _, name := range metricName.FindAllString(string(Dashboard), -1) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, strings.TrimSuffix(name, "_bucket"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
