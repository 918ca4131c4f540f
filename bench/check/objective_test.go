package check

import (
	"math"
	"strings"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// The figures of measuring.md: what it takes to claim a p99 with 95 %
// confidence. One sign-in fewer does not do.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		n, over uint64
		q       float64
		want    results.Verdict
	}{
		{299, 0, .99, results.Pass}, {298, 0, .99, results.Inconclusive},
		{473, 1, .99, results.Pass}, {472, 1, .99, results.Inconclusive},
		{1693, 10, .99, results.Pass}, {1692, 10, .99, results.Inconclusive},
		{1000, 10, .99, results.Inconclusive},
		{1000, 15, .99, results.Inconclusive}, {1000, 16, .99, results.Fail},
		{1, 1, .99, results.Fail}, {1, 1, .5, results.Inconclusive}, {4, 0, .5, results.Inconclusive}, {5, 0, .5, results.Pass},
		{2995, 0, .999, results.Pass}, {2994, 0, .999, results.Inconclusive},
		{0, 0, .99, results.Inconclusive},
		{1_000_000_000, 0, .99, results.Pass}, {1_000_000_000, 1_000_000_000, .99, results.Fail},
		{100_000_000, 1_000_000, .99, results.Inconclusive},
		{100_000_000, 998_000, .99, results.Pass}, {100_000_000, 1_002_000, .99, results.Fail},
	} {
		if got := claim(c.n, c.over, c.q); got != c.want {
			t.Errorf("%d of %d over, q %v: %s, want %s", c.over, c.n, c.q, got, c.want)
		}
	}
	if got, want := results.AtMost(1, 3, .4), .6*.6*.6+3*.4*.6*.6; math.Abs(got-want) > 1e-12 {
		t.Errorf("at most 1 of 3: %v, want %v", got, want)
	}
	if got, want := results.AtLeast(2, 3, .4), 3*.4*.4*.6+.4*.4*.4; math.Abs(got-want) > 1e-12 {
		t.Errorf("at least 2 of 3: %v, want %v", got, want)
	}
}

func TestObjectives(t *testing.T) {
	// 400 sign-ins of 2 ms, but 10 of 500 ms; 2 failed, 1 unknown, 1 handed off,
	// 97 by hash sync, one wrong accept among them.
	w := newWorld(t)
	for i := range w.samples {
		s := &w.samples[i]
		if i%40 == 0 {
			s.Done = s.Due + 500*ms
		}
		if i%4 == 1 && i != 1 && i != 5 && i != 9 {
			s.Path, s.Server, s.Attempts = results.PathHashSync, 0, 0
		}
	}
	for _, i := range []int{1, 5} {
		w.samples[i].Outcome, w.samples[i].Path, w.samples[i].Code, w.samples[i].Judgement = results.OutcomeFailed, results.PathNone, 80001, results.NotJudged
	}
	w.samples[9].Outcome, w.samples[9].Path, w.samples[9].Judgement = results.OutcomeUnknown, results.PathNone, results.NotJudged
	w.samples[2].Attempts = 2
	w.samples[13].Judgement, w.samples[13].Intent = results.WrongAccept, 2
	w.settle()
	w.faults = []Fault{
		{Name: "crash-1", Kind: "crash", Target: "connector-1", Began: 30 * ms, InjectedAt: 30 * ms, UndoBegan: 45 * ms, UndoneAt: 45 * ms, Injections: 1, Healed: true},
		{Name: "slow", Kind: "slow-directory", Target: "directory", Began: 3990 * ms, InjectedAt: 3995 * ms, UndoBegan: 3999 * ms, UndoneAt: 3999 * ms, Injections: 1, Healed: true},
	}
	w.windows = map[scenarios.WindowName][]scenarios.Span{scenarios.Recovered: {{From: 3 * second, To: 4 * second}}}
	const silent = ", and 0.8 % had no answer, which counts as slower than any limit"
	const few = "400 sign-ins, which come in bursts and are counted as 132 independent ones, are too few: the claim takes "
	for text, want := range map[string]string{
		"failed == 0":                      "fail: it is 2",
		"failed <= 2":                      "pass",
		"lost(crash-1) == 1":               "pass",
		"lost(crash-1) == 0":               "fail: it is 1",
		"handed_off == 1":                  "pass",
		"handed_off(crash-1) > 0":          "fail: it is 0",
		"unknown < 1":                      "fail: it is 1",
		"planned == 400":                   "pass",
		"sent >= 400":                      "pass",
		"unsent != 0":                      "fail: it is 0",
		"wrong_accepts == 0":               "fail: it is 1",
		"wrong_refusals == 0":              "pass",
		"other_reason == 0":                "pass",
		"accepted == 298":                  "fail: it is 297",
		"refused == 100":                   "pass",
		"p99(response) < 400ms":            "fail: it is 500 ms" + silent,
		"p99(response) < 600ms":            "inconclusive: it is 500 ms" + silent + ", but " + few + "299 with none over the limit", // nobody knows how long 3 took
		"p95(response) < 600ms":            "pass",
		"p95(response) <= 500ms":           "pass",
		"p99(response) < 500ms":            "fail: it is 500 ms" + silent,
		"p99(response) > 400ms":            "pass",
		"p90(response) < 3ms":              "pass",
		"p50(service) < 1900us":            "fail: it is 1.901 ms" + silent,
		"p90(service) <= 1900us":           "pass",
		"p99.9(response) < 1s":             "inconclusive: 0.8 % had no answer, which counts as slower than any limit, but " + few + "2,995 with none over the limit",
		"p99(lag) <= 100us":                "pass",
		"max(response) < 400ms":            "fail: it is 500 ms",
		"mean(response) > 1ms":             "pass",
		"max(lag) < 1ms":                   "pass",
		"jain(connectors) > 10%":           "pass",
		"jain(connectors) > 99%":           "fail: it is 0.9, 95 % confidence interval 0.9 to 0.9",
		"share(hash_sync) > 20%":           "pass",
		"share(hash_sync) > 24%":           "inconclusive: it is 0.2443, but the limit lies within its 95 % confidence interval, 0.2028 to 0.2897",
		"share(hash_sync) > 30%":           "fail: it is 0.2443, 95 % confidence interval 0.2028 to 0.2897",
		"share(pass_through) < 80%":        "pass",
		"share(failed) < 5%":               "pass",
		"share(failed) == 0%":              "fail: it is 0.0075",
		"share(failed) > 0%":               "pass",
		"availability >= 95%":              "pass",
		"availability > 99%":               "inconclusive: it is 0.9925, but the limit lies within its 95 % confidence interval, 0.97 to 1",
		"availability >= 100%":             "fail: it is 0.9925",
		"repeated == 3":                    "pass",
		"bad_seconds == 0":                 "fail: it is 1",
		"error_window(crash-1) <= 20ms":    "pass",
		"bad_seconds(crash-1) == 1":        "pass",
		"wrong(crash-1) == 0":              "pass",
		"doubled_binds(crash-1) == 0":      "pass",
		"would_lock(crash-1) == 0":         "pass",
		"time_to_rebalance(slow) < 1s":     "fail: the shares of the connectors did not become what they were, and stay so",
		"p99.9(lag) < 1ms in steady":       "inconclusive: no sign-in was due in the window steady",
		"failed == 0 in steady":            "inconclusive: no sign-in was due in the window steady",
		"failed == 0 in recovered":         "pass",
		"sent == 100 in recovered":         "pass",
		"p90(response) < 3ms in recovered": "pass",
		"rate(achieved) > 99/s":            "pass",
		"rate(achieved) > 110/s":           "fail: it is 100/s, 95 % confidence interval 100/s to 100/s",
		"time_to_recover(crash-1) < 1s":    "pass",
		"time_to_failover(crash-1) < 1s":   "fail: no sign-in was served another way", // the one handed off came later
		"time_to_detect(crash-1) < 1s":     "fail: nobody noticed anything of it",
		"time_to_failover(slow) > 1ns":     "fail: no sign-in was served another way",
		"time_to_detect(nothing-1) < 1s":   "fail: there is no such fault in the result",
	} {
		w.objectives = []string{text}
		r := w.conclude(t)
		o := r.Objectives[0]
		got := string(o.Verdict)
		if o.Reason != "" {
			got += ": " + o.Reason
		}
		if got != want || o.Text != text {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	// With all answered, but 4 of 400 over the limit, the p99 could be on either side.
	w.objectives = []string{"p99(response) < 3ms"}
	over := 0
	for i := range w.samples {
		s := &w.samples[i]
		if !decided(s) {
			s.Outcome = results.OutcomeRefused
		}
		if s.Done = s.Due + 2*ms; i%100 == 0 {
			s.Done = s.Due + 4*ms
			over++
		}
	}
	if r := w.conclude(t); r.Objectives[0].Verdict != results.Inconclusive || !strings.Contains(r.Objectives[0].Reason, "within the 95 % confidence interval") {
		t.Errorf("%d over: %+v", over, r.Objectives[0])
	}
}

// Whoever gets an error at once has no fast answer.
func TestPercentilesOfWhatNobodyAnswered(t *testing.T) {
	const silent = " had no answer, which counts as slower than any limit"
	for name, c := range map[string]struct {
		lost     func(i int) bool // of 4,000 sign-ins, 1 ms apart, of 2 ms
		canceled bool
		want     map[string]string
	}{
		"a total outage": {lost: func(int) bool { return true }, want: map[string]string{
			"p99(response) < 1s": "fail: 100.0 %" + silent, "p50(service) < 1s": "fail: 100.0 %" + silent, "p99(response) > 1s": "pass",
			"p50(response) == 2ms": "fail: 100.0 %" + silent, "p99(lag) < 1ms": "pass"}},
		"1 in 50": {lost: func(i int) bool { return i%50 == 7 }, want: map[string]string{
			"p99(response) < 1s": "fail: 2.0 %" + silent, "p95(response) < 1s": "pass", "p95(response) < 1ms": "fail: it is 2.00 ms, and 2.0 %" + silent,
			"p99(service) < 1s of contoso": "fail: 2.0 %" + silent}},
		"1 in 1,000": {lost: func(i int) bool { return i%1000 == 7 }, want: map[string]string{
			"p99(response) < 1s": "pass", "p99.9(response) < 1s": "inconclusive: it is 2.00 ms, and 0.1 %" + silent + ", but the limit lies within the 95 % confidence interval"}},
		"the last half second": {lost: func(i int) bool { return i >= 3500 }, want: map[string]string{
			"p99(response) < 1s in steady": "pass", "p99(response) < 1s in recovered": "fail: 50.0 %" + silent}},
		"cut off with the run": {lost: func(i int) bool { return i >= 3500 }, canceled: true, want: map[string]string{
			"p99(response) < 1s": "pass", "p99(response) < 1ms": "fail: it is 2.00 ms"}},
	} {
		for text, want := range c.want {
			asked, err := scenarios.ParseObjective(text)
			if err != nil {
				t.Fatal(err)
			}
			all := newObjectives(Input{Header: results.Header{Duration: 4 * second}, Objectives: []scenarios.Objective{asked},
				Spans: func(w scenarios.Window) []scenarios.Span {
					switch w.Name {
					case scenarios.Steady:
						return []scenarios.Span{{From: 0, To: 3 * second}}
					case scenarios.Recovered:
						return []scenarios.Span{{From: 3 * second, To: 4 * second}}
					}
					return []scenarios.Span{{From: 0, To: 4 * second}}
				}})
			for i := range 4000 {
				s := results.Sample{Due: int64(i) * ms, Sent: int64(i) * ms, Done: int64(i)*ms + 2*ms, Outcome: results.OutcomeAccepted}
				if c.lost(i) {
					s.Outcome = []results.Outcome{results.OutcomeFailed, results.OutcomeUnknown}[i%2]
				}
				if c.lost(i) && c.canceled {
					s.Outcome, s.Error = results.OutcomeUnknown, results.ErrorCanceled
				}
				all.count(&s)
			}
			o := all.evaluate(&results.Result{})[0]
			got := string(o.Verdict)
			if o.Reason != "" {
				got += ": " + o.Reason
			}
			// What bursts count as is told elsewhere.
			if !strings.HasPrefix(got, want) || o.Verdict != results.Inconclusive && got != want {
				t.Errorf("%s: %s: %s, want %s", name, text, got, want)
			}
			if strings.HasPrefix(o.Reason, "it is") == (o.Value == Never) && o.Verdict != results.Pass || o.Interval != nil && o.Interval[0] < 0 {
				t.Errorf("%s: %s: %v within %v", name, text, o.Value, o.Interval)
			}
		}
	}
}

func TestObjectiveOfOneTenant(t *testing.T) {
	var asked []scenarios.Objective
	for _, line := range []string{"failed == 0 of contoso", "failed == 0 of fabrikam", "sent == 3 of contoso", "failed == 1", "failed == 0 of nobody"} {
		o, err := scenarios.ParseObjective(line)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, o)
	}
	in := Input{Header: results.Header{Duration: 10 * second, Tenants: []string{"contoso", "fabrikam"}}, Objectives: asked}
	all := newObjectives(in)
	for i := range int64(5) {
		s := results.Sample{Due: i * second, Done: i*second + 1, Outcome: results.OutcomeAccepted, Tenant: uint8(i%2) + 1}
		if i == 3 {
			s.Outcome = results.OutcomeFailed
		}
		all.count(&s)
	}
	for i, want := range []results.Verdict{results.Pass, results.Fail, results.Pass, results.Pass, results.Inconclusive} {
		if got := all.evaluate(&results.Result{})[i]; got.Verdict != want {
			t.Errorf("%s: %s, expected %s: %s", got.Text, got.Verdict, want, got.Reason)
		}
	}
	// A load on one tenant has no numbers of tenants: all is that one's.
	in.Header.Tenants = nil
	all = newObjectives(in)
	all.count(&results.Sample{Outcome: results.OutcomeFailed, Done: 1})
	if got := all.evaluate(&results.Result{})[0]; got.Verdict != results.Fail {
		t.Errorf("%s: %s", got.Text, got.Verdict)
	}
}
