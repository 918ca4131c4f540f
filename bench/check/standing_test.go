package check

import (
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

func TestStanding(t *testing.T) {
	soFar := &results.Result{Rate: results.Rate{AnsweredPerS: 990}, Response: results.Percentiles{Max: 80e6, Mean: 30e6},
		SignIns: results.SignIns{Sent: 1000, Accepted: 900, Refused: 80, Failed: 15, Unknown: 5, ByPath: results.ByPath{PassThrough: 931, HashSync: 49}}}
	for text, want := range map[string]struct {
		verdict results.Verdict
		value   float64
		reason  string
	}{
		"unsent == 0":                          {results.Pass, 0, ""},
		"failed == 0":                          {results.Fail, 15, ""},
		"failed < 20":                          {results.Pass, 15, ""},
		"handed_off > 0":                       {results.Inconclusive, 0, notYet},
		"accepted >= 5000":                     {results.Inconclusive, 900, notYet},
		"repeated <= 10":                       {results.Fail, 20, ""},
		"p99(response) < 50ms":                 {results.Pass, 40e6, ""},
		"p99(service) < 50ms":                  {results.Fail, Never, ""},
		"p99(service) > 50ms":                  {results.Pass, Never, ""},
		"p99(lag) < 50us":                      {results.Fail, 60e3, ""},
		"max(response) < 50ms":                 {results.Fail, 80e6, ""},
		"mean(response) < 50ms":                {results.Pass, 30e6, ""},
		"availability > 99%":                   {results.Fail, 0.98, ""},
		"share(failed) < 5%":                   {results.Pass, 0.02, ""},
		"share(hash_sync) > 10%":               {results.Inconclusive, 0.05, notYet},
		"share(pass_through) > 90%":            {results.Pass, 0.95, ""},
		"rate(answered) > 950/s":               {results.Pass, 990, ""},
		"jain(connectors) > 0.9":               {results.Inconclusive, 0, atTheEnd},
		"p99(response) < 50ms in steady":       {results.Inconclusive, 0, atTheEnd},
		"time_to_failover(all-down) < 1s":      {results.Inconclusive, 0, atTheEnd},
		"handed_off(crash-1) > 0":              {results.Inconclusive, 0, atTheEnd},
		"planned == 1000":                      {results.Inconclusive, 0, atTheEnd},
		"bad_seconds == 0 in during(all-down)": {results.Inconclusive, 0, atTheEnd},
	} {
		o, err := scenarios.ParseObjective(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		within := func(kind string, percentile float64) int64 {
			if percentile != 99 {
				t.Errorf("%s: asked for p%v", text, percentile)
			}
			return map[string]int64{"response": 40e6, "service": Never, "lag": 60e3}[kind]
		}
		got := Standing([]scenarios.Objective{o}, soFar, within)[0]
		if got.Verdict != want.verdict || got.Value != want.value || got.Reason != want.reason || got.Text != text {
			t.Errorf("%s: %s, %v, %q; want %s, %v, %q", text, got.Verdict, got.Value, got.Reason, want.verdict, want.value, want.reason)
		}
	}
}

// Before the first sign-in nothing is known, not even that nothing failed.
func TestStandingOfNothing(t *testing.T) {
	o, err := scenarios.ParseObjective("failed == 0")
	if err != nil {
		t.Fatal(err)
	}
	if got := Standing([]scenarios.Objective{o}, &results.Result{}, nil)[0]; got.Verdict != results.Inconclusive {
		t.Errorf("%+v", got)
	}
}
