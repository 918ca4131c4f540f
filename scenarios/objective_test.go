package scenarios

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestObjectives(t *testing.T) {
	for _, c := range []struct {
		line      string
		want      Objective // Text left out
		name, arg string
		fault     string
	}{
		{"failed == 0", Objective{Metric: "failed", Op: "==", Unit: Count}, "failed", "", ""},
		{"failed(crash-1)==0", Objective{Metric: "failed(crash-1)", Op: "==", Unit: Count}, "failed", "crash-1", "crash-1"},
		{"handed_off ( all-down ) > 12", Objective{Metric: "handed_off(all-down)", Op: ">", Value: 12, Unit: Count}, "handed_off", "all-down", "all-down"},
		{"wrong_accepts != 1", Objective{Metric: "wrong_accepts", Op: "!=", Value: 1, Unit: Count}, "wrong_accepts", "", ""},
		{"p99(response) < 200ms", Objective{Metric: "p99(response)", Op: "<", Value: 2e8, Unit: Time}, "p99", "response", ""},
		{"p99.9(service)<=1.5s", Objective{Metric: "p99.9(service)", Op: "<=", Value: 1.5e9, Unit: Time}, "p99.9", "service", ""},
		{"max(lag) >= 0s", Objective{Metric: "max(lag)", Op: ">=", Unit: Time}, "max", "lag", ""},
		{"time_to_detect(silent) < 1s", Objective{Metric: "time_to_detect(silent)", Op: "<", Value: 1e9, Unit: Time}, "time_to_detect", "silent", "silent"},
		{"jain(connectors) > 0.95", Objective{Metric: "jain(connectors)", Op: ">", Value: 0.95, Unit: Ratio}, "jain", "connectors", ""},
		{"share(hash_sync) < 1%", Objective{Metric: "share(hash_sync)", Op: "<", Value: 0.01, Unit: Ratio}, "share", "hash_sync", ""},
		{"share(pass_through) == 1", Objective{Metric: "share(pass_through)", Op: "==", Value: 1, Unit: Ratio}, "share", "pass_through", ""},
		{"  rate(achieved) > 990/s ", Objective{Metric: "rate(achieved)", Op: ">", Value: 990, Unit: PerSecond}, "rate", "achieved", ""},
	} {
		c.want.Text = strings.TrimSpace(c.line)
		got, err := ParseObjective(c.line)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.line, got, err, c.want)
			continue
		}
		if name, arg := got.Split(); name != c.name || arg != c.arg {
			t.Errorf("%s splits into %q and %q, want %q and %q", c.line, name, arg, c.name, c.arg)
		}
		if got.Fault() != c.fault {
			t.Errorf("%s is about fault %q, want %q", c.line, got.Fault(), c.fault)
		}
		if again, err := ParseObjective(got.String()); err != nil || again != got {
			t.Errorf("%s read back: %+v, %v", got, again, err)
		}
	}
}

// Results know these names: a metric that changes its name or goes missing
// breaks the scenarios of others.
func TestMetricsKeepTheirNames(t *testing.T) {
	for _, name := range strings.Fields(`planned sent accepted refused failed unknown unsent handed_off
		wrong_accepts wrong_refusals other_reason p50 p90 p95 p99 p99.9 max mean jain share rate
		time_to_detect time_to_failover time_to_recover`) {
		if _, ok := metricNamed(name); !ok {
			t.Errorf("no metric %s", name)
		}
	}
}

// example is the metric as it may be written.
func (m metric) example() string {
	switch {
	case m.bare:
		return m.name
	case m.arguments[0] == faultArgument:
		return m.name + "(crash-1)"
	}
	return m.name + "(" + m.arguments[0] + ")"
}

// A metric takes values of its own unit and of no other.
func TestMetricsHaveUnits(t *testing.T) {
	values := map[Unit]string{Count: "3", Time: "3ms", Ratio: "3%", PerSecond: "3/s"}
	for _, m := range metrics {
		if o, err := ParseObjective(m.example() + " < " + values[m.unit]); err != nil || o.Unit != m.unit {
			t.Errorf("%s: %+v, %v", m.example(), o, err)
		}
		for unit, value := range values {
			if _, err := ParseObjective(m.example() + " < " + value); (err == nil) != (unit == m.unit) {
				t.Errorf("%s < %s: %v", m.example(), value, err)
			}
		}
	}
}

func TestObjectivesRefused(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `column 1: "": expected an objective such as failed == 0`},
		{"faild == 0", "column 1: faild: expected another word; did you mean failed?"},
		{"p101(response) < 1s", "column 1: p101: expected planned, sent, accepted"},
		{"uptime > 99%", "column 1: uptime: expected planned, sent"},
		{"p99 < 1s", "column 5: p99: expected what of, in brackets: response, service or lag"},
		{"p99(latency) < 1s", "column 5: latency: expected response, service or lag"},
		{"p99(response < 1s", "column 4: an open bracket: expected one that is closed"},
		{"sent(crash-1) > 0", "column 5: sent: expected no brackets after it"},
		{"failed() == 0", `column 8: "": expected the name of a fault in brackets, as in failed(crash-1)`},
		{"time_to_recover < 1s", "column 17: time_to_recover: expected what of, in brackets: the name of a fault"},
		{"failed", "column 7: nothing: expected a comparison after failed: ==, !=, <=, >=, < or >"},
		{"failed = 0", "column 8: =: expected a comparison after failed: ==, !=, <=, >=, < or >"},
		{"failed ==", `column 10: nothing: expected a whole number, for failed`},
		{"failed == -1", "column 11: -1: expected a whole number, for failed"},
		{"failed == 0.5", "column 11: 0.5: expected a whole number, for failed"},
		{"failed < 1%", "column 10: 1%: expected a whole number, for failed"},
		{"p99(response) < 200", "column 17: 200: expected a time with its unit, such as 200ms, for p99(response)"},
		{"jain(connectors) > 1.5", "column 20: 1.5: expected a percentage from 0% to 100%, or a number from 0 to 1, for jain(connectors)"},
		{"share(hash_sync) < 101%", "column 20: 101%: expected a percentage from 0% to 100%, or a number from 0 to 1"},
		{"share(federation) < 1%", "column 7: federation: expected pass_through or hash_sync"},
		{"rate(achieved) > 990", "column 18: 990: expected a rate with its unit, such as 1000/s or 60/m, for rate(achieved)"},
		{"p99(response) < 200ms in steady", "column 23: a window: expected the end of the line: this version"},
		{"failed == 0 please", "column 13: please: expected the end of the line"},
	} {
		_, err := ParseObjective(c.line)
		var m Mistake
		if !errors.As(err, &m) {
			t.Errorf("%s: %v, want a mistake", c.line, err)
			continue
		}
		if !strings.HasPrefix(m.Error(), c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.line, m.Error(), c.want)
		}
	}
}

func FuzzParseObjective(f *testing.F) {
	for _, m := range metrics {
		f.Add(m.example() + " <= 20ms")
	}
	f.Fuzz(func(t *testing.T, line string) {
		o, err := ParseObjective(line)
		if err != nil {
			var m Mistake
			if !errors.As(err, &m) || m.Column < 1 || m.Expected == "" {
				t.Fatalf("%q: %v: want a mistake with its column", line, err)
			}
			return
		}
		if again, err := ParseObjective(o.String()); err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("%q prints %q, which is read as %+v, %v", line, o, again, err)
		}
	})
}
