package scenarios

import (
	"errors"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		line string
		want Limit // Text left out
	}{
		{"share(failed) > 50% for 5s", Limit{Metric: "share(failed)", Op: ">", Value: 0.5, Unit: Ratio, For: 5 * second}},
		{" p99(response)>=2s ", Limit{Metric: "p99(response)", Op: ">=", Value: 2e9, Unit: Time, For: second}},
		{"p99( lag ) > 100ms", Limit{Metric: "p99(lag)", Op: ">", Value: 1e8, Unit: Time, For: second}},
		{"unsent > 0 for 1500ms", Limit{Metric: "unsent", Op: ">", Unit: Count, For: 3 * second / 2}},
		{"rate(answered) < 10/s for 1m", Limit{Metric: "rate(answered)", Op: "<", Value: 10, Unit: PerSecond, For: 60 * second}},
	} {
		c.want.Text = strings.TrimSpace(c.line)
		got, err := ParseLimit(c.line)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.line, got, err, c.want)
		}
		if again, err := ParseLimit(got.String()); err != nil || again != got {
			t.Errorf("%s read back: %+v, %v", got, again, err)
		}
	}
}

func TestLimitsRefused(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `column 1: "": expected a limit such as share(failed) > 50% for 5s`},
		{"share(fialed) > 5%", "column 1: share(fialed: expected share(failed), p99(response), p99(lag), unsent or rate(answered); did you mean share(failed)?"},
		{"p95(response) > 1s", "column 1: p95(response): expected share(failed), p99(response), p99(lag), unsent or rate(answered); did you mean p99(response)?"},
		{"lost(crash-1) > 1", "column 1: lost(crash-1): expected share(failed), p99(response)"},
		{"share(failed) == 5%", "column 15: ==: expected a comparison after share(failed): <, <=, > or >="},
		{"share(failed)", "column 14: nothing: expected a comparison after share(failed)"},
		{"share(failed) > 5", "column 17: 5: expected a percentage"},
		{"unsent > 1s", "column 10: 1s: expected a whole number, for unsent"},
		{"unsent > 1 in steady", "column 12: in: expected the end of the line, or for 5s"},
		{"unsent > 1 for", "column 15: nothing: expected a duration from 1s to 1h"},
		{"unsent > 1 for 10ms", "column 16: 10ms: expected a duration from 1s to 1h: limits are looked at second by second"},
		{"unsent > 1 for 5s or so", "column 19: or: expected the end of the line"},
	} {
		_, err := ParseLimit(c.line)
		var m Mistake
		if !errors.As(err, &m) || !strings.HasPrefix(m.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, metric := range limitMetrics {
		f.Add(metric + " > 5% for 2s")
	}
	f.Fuzz(func(t *testing.T, line string) {
		l, err := ParseLimit(line)
		if err != nil {
			var m Mistake
			if !errors.As(err, &m) || m.Column < 1 || m.Expected == "" {
				t.Fatalf("%q: %v: want a mistake with its column", line, err)
			}
			return
		}
		if again, err := ParseLimit(l.String()); err != nil || again != l {
			t.Fatalf("%q prints %q, which is read as %+v, %v", line, l, again, err)
		}
	})
}
