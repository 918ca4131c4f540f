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
		{"lost(crash-1)==0", Objective{Metric: "lost(crash-1)", Op: "==", Unit: Count}, "lost", "crash-1", "crash-1"},
		{"failed == 0 in steady", Objective{Metric: "failed", Op: "==", Unit: Count, Window: Window{Name: Steady}}, "failed", "", ""},
		{"failed == 0 in  whole ", Objective{Metric: "failed", Op: "==", Unit: Count}, "failed", "", ""},
		{"p99.99(response) < 1s in during ( crash-1 )", Objective{Metric: "p99.99(response)", Op: "<", Value: 1e9, Unit: Time, Window: Window{During, "crash-1"}}, "p99.99", "response", ""},
		{"availability >= 99.9% in after(all-down)", Objective{Metric: "availability", Op: ">=", Value: 0.999, Unit: Ratio, Window: Window{After, "all-down"}}, "availability", "", ""},
		{"share(failed) < 1% in recovered", Objective{Metric: "share(failed)", Op: "<", Value: 0.01, Unit: Ratio, Window: Window{Name: Recovered}}, "share", "failed", ""},
		{"bad_seconds <= 3 in warmup", Objective{Metric: "bad_seconds", Op: "<=", Value: 3, Unit: Count, Window: Window{Name: Warmup}}, "bad_seconds", "", ""},
		{"bad_seconds(crash-1) <= 3", Objective{Metric: "bad_seconds(crash-1)", Op: "<=", Value: 3, Unit: Count}, "bad_seconds", "crash-1", "crash-1"},
		{"error_window(crash-1) <= 3s", Objective{Metric: "error_window(crash-1)", Op: "<=", Value: 3e9, Unit: Time}, "error_window", "crash-1", "crash-1"},
		{"handed_off ( all-down ) > 12", Objective{Metric: "handed_off(all-down)", Op: ">", Value: 12, Unit: Count}, "handed_off", "all-down", "all-down"},
		{"wrong_accepts != 1", Objective{Metric: "wrong_accepts", Op: "!=", Value: 1, Unit: Count}, "wrong_accepts", "", ""},
		{"p99(response) < 200ms", Objective{Metric: "p99(response)", Op: "<", Value: 2e8, Unit: Time}, "p99", "response", ""},
		{"p99.9(service)<=1.5s", Objective{Metric: "p99.9(service)", Op: "<=", Value: 1.5e9, Unit: Time}, "p99.9", "service", ""},
		{"max(lag) >= 0s", Objective{Metric: "max(lag)", Op: ">=", Unit: Time}, "max", "lag", ""},
		{"time_to_detect(silent) < 1s", Objective{Metric: "time_to_detect(silent)", Op: "<", Value: 1e9, Unit: Time}, "time_to_detect", "silent", "silent"},
		{"jain(connectors) > 0.95", Objective{Metric: "jain(connectors)", Op: ">", Value: 0.95, Unit: Ratio}, "jain", "connectors", ""},
		{"share(hash_sync) < 1%", Objective{Metric: "share(hash_sync)", Op: "<", Value: 0.01, Unit: Ratio}, "share", "hash_sync", ""},
		{"share(pass_through) == 1.0", Objective{Metric: "share(pass_through)", Op: "==", Value: 1, Unit: Ratio}, "share", "pass_through", ""},
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
	for _, name := range strings.Fields(`lost doubled_binds would_lock wrong error_window time_to_rebalance
		bad_seconds repeated availability p50 p75.5 p99.999 planned sent accepted refused failed unknown unsent handed_off
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
		{"p101(response) < 1s", "column 1: p101: expected a percentile from p50 to p99.999, or max"},
		{"uptime > 99%", "column 1: uptime: expected planned, sent"},
		{"p99 < 1s", "column 5: p99: expected what of, in brackets: response, service or lag"},
		{"p99(latency) < 1s", "column 5: latency: expected response, service or lag"},
		{"p99(response < 1s", "column 4: an open bracket: expected one that is closed"},
		{"sent(crash-1) > 0", "column 5: sent: expected no brackets after it"},
		{"p100(response) < 1s", "column 1: p100: expected a percentile from p50 to p99.999, or max"},
		{"p0(response) < 1s", "column 1: p0: expected a percentile from p50 to p99.999, or max"},
		{"p49.9(response) < 1s", "column 1: p49.9: expected a percentile from p50 to p99.999, or max"},
		{"p99.9999(response) < 1s", "column 1: p99.9999: expected a percentile from p50 to p99.999, or max"},
		{"p99.(response) < 1s", "column 1: p99.: expected a percentile from p50 to p99.999, or max"},
		{"failed(crash-1) == 0", "column 7: failed: expected no brackets after it; of one fault it is lost, as in lost(crash-1)"},
		{"lost == 0", "column 6: lost: expected what of, in brackets: the name of a fault"},
		{"lost() == 0", `column 6: "": expected the name of a fault in brackets, as in lost(crash-1)`},
		{"lost(a) < 1s", "column 11: 1s: expected a whole number, for lost(a)"},
		{"availability > 99", "column 16: 99: expected a percentage such as 1%, or a number with a point such as 0.95, for availability"},
		{"share(hash_sync) < 1", "column 20: 1: expected a percentage such as 1%, or a number with a point such as 0.95, for share(hash_sync)"},
		{"share(hash_sync) == 0", "column 21: 0: expected a percentage such as 1%"},
		{"p99(response) < 200 ms", "column 17: 200 ms: expected value and unit written together, 200ms, for p99(response)"},
		{"availability > 99 % in steady", "column 16: 99 %: expected value and unit written together, 99%, for availability"},
		{"p99(response) < 200 in steady", "column 17: 200: expected a time with its unit, such as 200ms, for p99(response)"},
		{"recovered(a) < 1s", "column 1: recovered: expected another word; did you mean time_to_recover?"},
		{"rebalanced(a) < 1s", "column 1: rebalanced: expected another word; did you mean time_to_rebalance?"},
		{"detected(a) < 1s", "column 1: detected: expected another word; did you mean time_to_detect?"},
		{"failover(a) < 1s", "column 1: failover: expected another word; did you mean time_to_failover?"},
		{"error_window(a) < 5", "column 19: 5: expected a time with its unit, such as 200ms, for error_window(a)"},
		{"time_to_recover < 1s", "column 17: time_to_recover: expected what of, in brackets: the name of a fault"},
		{"failed", "column 7: nothing: expected a comparison after failed: ==, !=, <=, >=, < or >"},
		{"failed = 0", "column 8: =: expected a comparison after failed: ==, !=, <=, >=, < or >"},
		{"failed ==", `column 10: nothing: expected a whole number, for failed`},
		{"failed == -1", "column 11: -1: expected a whole number, for failed"},
		{"failed == 0.5", "column 11: 0.5: expected a whole number, for failed"},
		{"failed < 1%", "column 10: 1%: expected a whole number, for failed"},
		{"p99(response) < 200", "column 17: 200: expected a time with its unit, such as 200ms, for p99(response)"},
		{"jain(connectors) > 1.5", "column 20: 1.5: expected a percentage from 0% to 100%, or a number with a point from 0.0 to 1.0, for jain(connectors)"},
		{"share(hash_sync) < 101%", "column 20: 101%: expected a percentage from 0% to 100%, or a number with a point from 0.0 to 1.0"},
		{"share(adfs) < 1%", "column 7: adfs: expected pass_through, hash_sync, federation or failed"},
		{"rate(achieved) > 990", "column 18: 990: expected a rate with its unit, such as 1000/s or 60/m, for rate(achieved)"},
		{"planned > 5 in steady", "column 13: a window: expected the end of the line: planned is of the whole load"},
		{"lost(a) == 0 in steady", "column 14: a window: expected the end of the line: lost(a) is about the time of a already"},
		{"failed == 0 in", "column 15: nothing: expected a window: whole, warmup, steady, during, after or recovered"},
		{"failed == 0 in staedy", "column 16: staedy: expected a window: whole, warmup, steady, during, after or recovered; did you mean steady?"},
		{"failed == 0 in during", "column 22: during: expected what of, in brackets: the name of a fault"},
		{"failed == 0 in during()", `column 23: "": expected the name of a fault in brackets, as in during(crash-1)`},
		{"failed == 0 in during(Crash)", "column 23: Crash: expected the name of a fault in brackets, as in during(crash-1)"},
		{"failed == 0 in during(a", "column 22: an open bracket: expected one that is closed"},
		{"failed == 0 in steady(a)", "column 22: steady: expected no brackets after it"},
		{"failed == 0 in steady or so", "column 23: or: expected the end of the line"},
		{"failed == 0 please", "column 13: please: expected the end of the line, or of and a tenant, or in and a window"},
		{"failed == 0 of", "column 15: nothing: expected the name of a tenant after of"},
		{"failed == 0 of Contoso", "column 16: Contoso: expected the name of a tenant after of"},
		{"lost(a) == 0 of contoso", "column 14: a tenant: expected the end of the line: lost(a) is about a, whoever it concerns"},
		{"jain(connectors) > 0.9 of contoso", "column 24: a tenant: expected the end of the line: connectors have their tenants"},
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
