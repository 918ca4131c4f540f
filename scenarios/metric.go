package scenarios

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the argument of a metric may be, besides words.
const faultArgument = "the name of a fault"

// A metric is one thing an objective can compare.
type metric struct {
	name      string
	arguments []string // words, or faultArgument alone; empty when it has none
	bare      bool     // may be written without an argument too
	unit      Unit
}

// timesOf are what percentiles, max and mean can be of.
var timesOf = []string{"response", "service", "lag"}

var metrics = func() []metric {
	ofFault := []string{faultArgument}
	var all []metric
	for _, name := range []string{"planned", "sent", "accepted", "refused", "failed", "unknown", "unsent", "wrong_accepts", "wrong_refusals", "other_reason", "repeated"} {
		all = append(all, metric{name: name, bare: true, unit: Count})
	}
	for _, name := range []string{"handed_off", "bad_seconds"} {
		all = append(all, metric{name: name, arguments: ofFault, bare: true, unit: Count})
	}
	for _, name := range []string{"lost", "doubled_binds", "would_lock", "wrong"} {
		all = append(all, metric{name: name, arguments: ofFault, unit: Count})
	}
	for _, name := range []string{"p50", "p90", "p95", "p99", "p99.9", "max", "mean"} {
		all = append(all, metric{name: name, arguments: timesOf, unit: Time})
	}
	for _, name := range []string{"time_to_detect", "time_to_failover", "time_to_recover", "time_to_rebalance", "error_window"} {
		all = append(all, metric{name: name, arguments: ofFault, unit: Time})
	}
	return append(all,
		metric{name: "jain", arguments: []string{"connectors"}, unit: Ratio},
		metric{name: "share", arguments: []string{"pass_through", "hash_sync", "federation", "failed"}, unit: Ratio},
		metric{name: "availability", bare: true, unit: Ratio},
		metric{name: "rate", arguments: []string{"achieved", "answered"}, unit: PerSecond},
	)
}()

// metricNames are listed in mistakes.
func metricNames() []string {
	all := make([]string, len(metrics))
	for i, m := range metrics {
		all[i] = m.name
	}
	return all
}

// meantMetric names the metrics that text should have been one of, and the one
// that was probably meant. The moments of a fault go by shorter names too.
func meantMetric(text string) string {
	moments := map[string]string{
		"detected": "time_to_detect", "detect": "time_to_detect",
		"failover": "time_to_failover", "failed_over": "time_to_failover",
		"recovered": "time_to_recover", "recover": "time_to_recover", "recovery": "time_to_recover",
		"rebalanced": "time_to_rebalance", "rebalance": "time_to_rebalance",
	}
	if moment, ok := moments[text]; ok {
		return meant(moment, metricNames())
	}
	return meant(text, metricNames())
}

func metricNamed(name string) (metric, bool) {
	if _, ok := percentile(name); ok {
		return metric{name: name, arguments: timesOf, unit: Time}, true
	}
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i < 0 {
		return metric{}, false
	}
	return metrics[i], true
}

// percentileForm says which can be asked for. Below the median nobody looks;
// above p99.999 no run has the samples, and the largest of all is max.
const percentileForm = "a percentile from p50 to p99.999, or max"

var (
	percentileRE   = regexp.MustCompile(`^p([0-9]{2}(\.[0-9]{1,6})?)$`)
	percentileLike = regexp.MustCompile(`^p[0-9.]+$`)
)

// percentile is the share of samples at or below what the metric names, such
// as 0.99 for p99.
func percentile(name string) (Share, bool) {
	found := percentileRE.FindStringSubmatch(name)
	if found == nil {
		return 0, false
	}
	var s Share
	if s.UnmarshalText([]byte(found[1]+"%")) != nil || s < 0.5 || s > 0.99999 {
		return 0, false
	}
	return s, true
}

// Percentile is the share of samples at or below what the objective compares,
// such as 0.99 for p99(response); false when it is about something else.
func (o Objective) Percentile() (Share, bool) {
	name, _ := o.Split()
	return percentile(name)
}

// Split takes the metric apart: p99(response) is p99 and response, failed is
// failed and nothing.
func (o Objective) Split() (name, argument string) {
	name, argument, _ = strings.Cut(strings.TrimSuffix(o.Metric, ")"), "(")
	return name, argument
}

// Fault is the fault that the objective is about, empty when it is about a
// part of the load.
func (o Objective) Fault() string {
	name, argument := o.Split()
	if m, ok := metricNamed(name); ok && argument != "" && m.arguments[0] == faultArgument {
		return argument
	}
	return ""
}

var (
	countRE = regexp.MustCompile(`^[0-9]{1,15}$`)
	ratioRE = regexp.MustCompile(`^[0-9]{1,15}\.[0-9]{1,15}$`)
)

// parse reads a value of the unit. The second result says what was expected,
// and is empty when the text was right.
func (u Unit) parse(text string) (float64, string) {
	switch u {
	case Count:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !countRE.MatchString(text) {
			return 0, "a whole number"
		}
		return n, ""
	case Time:
		var d Duration
		if d.UnmarshalText([]byte(text)) != nil || text == "0" {
			return 0, "a time with its unit, such as 200ms"
		}
		return float64(d), ""
	case PerSecond:
		var r Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return 0, rateForm
		}
		return float64(r), ""
	}
	if countRE.MatchString(text) { // 1 may be meant as 1 %, or as all
		return 0, "a percentage such as 1%, or a number with a point such as 0.95"
	}
	var s Share
	err := s.UnmarshalText([]byte(text))
	if ratioRE.MatchString(text) {
		n, _ := strconv.ParseFloat(text, 64) // the expression leaves nothing to refuse
		s, err = Share(n), nil
	}
	if err != nil || s > 1 {
		return 0, "a percentage from 0% to 100%, or a number with a point from 0.0 to 1.0"
	}
	return float64(s), ""
}
