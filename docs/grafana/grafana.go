// Package grafana holds the dashboard for Grafana, so that the tests of those
// who export metrics can ask which ones it shows.
package grafana

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is the file that Grafana imports.
//
//go:embed ptabench.json
var Dashboard []byte

var metricName = regexp.MustCompile(`\bptabench_[a-z_]+[a-z]`)

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
