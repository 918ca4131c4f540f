package results

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// What a gate found is said in words; a bare 0 says nothing.
func TestGateText(t *testing.T) {
	for want, g := range map[string]Gate{
		"lag p99 1.20 ms (limit 5.00 ms)":                              {Name: "lag", Value: 1_200_000, Limit: 5_000_000, Unit: "ns", Holds: true},
		"every sign-in sent":                                           {Name: "unsent", Unit: "count", Holds: true},
		"1 sign-in not sent":                                           {Name: "unsent", Unit: "count", Value: 1},
		"rate as planned":                                              {Name: "rate", Unit: "ratio", Limit: 0.01, Holds: true},
		"rate 2.0 % off the plan (limit 1.0 %)":                        {Name: "rate", Unit: "ratio", Value: 0.02, Limit: 0.01},
		"generator CPU up to 41.0 % (limit 85.0 %)":                    {Name: "generator-cpu", Unit: "ratio", Value: 0.41, Limit: 0.85, Holds: true},
		"generator CPU not measured":                                   {Name: "generator-cpu", Unit: "ratio", Limit: 0.85, Holds: true, Reason: "Not measured."},
		"arrivals as planned":                                          {Name: "arrivals", Unit: "ratio", Limit: 0.1, Holds: true},
		"arrivals in a second up to 0.2 % off the plan (limit 10.0 %)": {Name: "arrivals", Unit: "ratio", Value: 0.002, Limit: 0.1, Holds: true},
		"steady from the start":                                        {Name: "steady", Unit: "ns", Limit: 2.5e9, Holds: true},
		"steady after 1.00 s (limit 2.50 s)":                           {Name: "steady", Unit: "ns", Value: 1e9, Limit: 2.5e9, Holds: true},
		"steady throughout":                                            {Name: "steady", Unit: "ns", Value: 4e9, Limit: 2.5e9, Holds: true},
		"steadiness not measured":                                      {Name: "steady", Unit: "ns", Holds: true, Reason: "Not measured: the window steady lasts 2.00 s, and it takes 5.00 s."},
		"no percentile that takes many sign-ins":                       {Name: "samples", Unit: "count", Holds: true},
		"5,940 sign-ins for a percentile that takes 299":               {Name: "samples", Unit: "count", Value: 5940, Limit: 299, Holds: true},
		"load 599/s (limit on this machine 20,084/s)":                  {Name: "ceiling", Unit: "per_s", Value: 599, Limit: 20_084, Holds: true},
		"something else 3 (limit 2)":                                   {Name: "something-else", Unit: "count", Value: 3, Limit: 2},
	} {
		if got := gateText(&g); got != want {
			t.Errorf("%+v: %q, expected %q", g, got, want)
		}
	}
	held, unknown := believed([]Gate{{Name: "unsent", Unit: "count", Holds: true}, {Name: "lag", Unit: "ns"}, {Name: "generator-cpu", Holds: true, Reason: "Not measured."},
		{Name: "steady", Holds: true, Reason: "Not measured: the window steady lasts 2.00 s, and it takes 5.00 s."}})
	if held != "1 condition holds: every sign-in sent" || unknown != "not measured: generator CPU; steadiness (the window steady lasts 2.00 s, and it takes 5.00 s)" {
		t.Errorf("%q, %q", held, unknown)
	}
	for want, g := range map[string]Gate{
		"The generator was late. Expected: no lag.":            {Name: "lag", Reason: "The generator was late.", Text: "no lag"},
		"1 sign-in not sent. Expected: every sign-in is sent.": {Name: "unsent", Unit: "count", Value: 1, Text: "every sign-in is sent"},
		"lag p99 9.00 ms (limit 5.00 ms).":                     {Name: "lag", Unit: "ns", Value: 9e6, Limit: 5e6},
	} {
		if got := gateBroken(&g); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// A ratio is told apart from its limit.
func TestRatioBesideItsLimit(t *testing.T) {
	for _, c := range []struct {
		text        string
		value       float64
		shown, with string
	}{
		{"availability > 99.95%", 0.99961, "99.96 %", "99.95 %"},
		{"availability > 99.95%", 0.9997, "99.97 %", "99.95 %"},
		{"availability > 99.95%", 0.9, "90.0 %", "99.95 %"},
		{"availability > 99%", 0.99999, ">99.9 %", "99.0 %"},
		{"availability >= 0.9999", 0.99994, "0.99994", "0.9999"},
		{"availability > 0.999", 0.99998, "0.99998", "0.999"},
		{"availability > 0.999", 1, "1", "0.999"},
		{"share(hash_sync) < 0.04%", 0.0003, "0.03 %", "0.04 %"},
		{"share(hash_sync) < 1%", 0.01, "1.0 %", "1.0 %"},
		{"jain(connectors) > 0.95", 0.98765, "0.9877", "0.95"},
	} {
		_, limit, _ := strings.Cut(c.text, " ")
		o := Objective{Text: c.text, Unit: "ratio", Window: "whole", Value: c.value, Limit: limitOf(t, limit)}
		if value, limit := objectiveValue(&o), objectiveLimit(&o); value != c.shown || limit != c.with {
			t.Errorf("%s: %v is shown as %s of %s, expected %s of %s", c.text, c.value, value, limit, c.shown, c.with)
		}
	}
}

// Never is what should have happened and did not; the rest is "-".
func TestWhatDidNotHaveToHappen(t *testing.T) {
	for name, c := range map[string]struct {
		f                Fault
		detect, failover string
	}{
		"nothing was lost":           {Fault{Kind: "stop", Target: "connector-1", Detect: 5, Failover: -1}, "5 ns", "-"},
		"handed off in its recovery": {Fault{Kind: "stop", Target: "connector-1", Detect: 5, Failover: -1, HandedOff: 3}, "5 ns", "-"},
		"lost":                       {Fault{Kind: "crash", Target: "connector-1", Detect: 5, Failover: -1, Lost: 1}, "5 ns", "never"},
		"nobody noticed":             {Fault{Kind: "freeze", Target: "connector-1", Detect: -1, Failover: -1}, "never", "-"},
		"the hash store":             {Fault{Kind: "stale-hashes", Target: "hash-store", Detect: -1, Failover: -1, Lost: 1}, "-", "-"},
		"only slower":                {Fault{Kind: "degrade", Target: "connectors", Detect: -1, Failover: -1}, "-", "-"},
		"slower, and felt":           {Fault{Kind: "slow-directory", Target: "directory", Detect: -1, Failover: -1, Lost: 1}, "never", "never"},
		"the cloud":                  {Fault{Kind: "crash", Target: "cloudsim", Detect: 5, Failover: -1, Lost: 9}, "5 ns", "-"},
	} {
		c.f.At, c.f.Healed = 1, true
		cells := faultCells(&c.f)
		if cells[0] != c.detect || cells[1] != c.failover {
			t.Errorf("%s: detected %s, failover %s; expected %s and %s", name, cells[0], cells[1], c.detect, c.failover)
		}
	}
	// Of several, one that had to and did not counts, and one that did not have to does not.
	stop := Fault{Name: "stop-1-1", Group: "stop-1", Kind: "stop", At: 1, Detect: 5, Failover: -1}
	other, lost := stop, stop
	other.Failover, lost.Lost = 7, 1
	for want, list := range map[int64][]Fault{unneeded: {stop, stop}, 7: {stop, other, stop}, Unseen: {other, stop, lost}} {
		if got := faultFigures(list)[0].Failover; got != want {
			t.Errorf("%d, expected %d", got, want)
		}
	}
	one := func(f Fault) *Result { f.Group = ""; return &Result{Faults: []Fault{f}} }
	if got, want := faultSpreads([]*Result{one(stop), one(other), one(stop)})[0].Failover, (Spread{1, 7, 7, 7}); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
	if got := faultSpreads([]*Result{one(stop)})[0].figures()[1].spreadText(); got != "-" {
		t.Errorf("%s, expected -", got)
	}
}

// A terminal obeys nothing that comes from outside.
func TestTextIsInert(t *testing.T) {
	r := hostileResult(t, 3, hostile+"\u202e\x1b]0;title\x07")
	m := NewMatrix(hostile, []string{hostile}, []MatrixInput{{Settings: []Setting{{hostile, hostile}}, Dir: hostile, Result: &r}, {Error: hostile}})
	s := NewSuite(hostile, hostile, []SuiteInput{{Name: hostile, Scenario: hostile, Dir: hostile, Result: &r}, {Name: hostile, Error: hostile}})
	m.Command, s.Command = hostile, hostile
	for _, colour := range []bool{true, false} {
		var out bytes.Buffer
		write := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		write(errors.Join(Text(&out, &r, colour), MatrixText(&out, m, colour), SuiteText(&out, s, colour)))
		text := out.String()
		if colour {
			text = inkAnywhere.ReplaceAllString(text, "")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != ' ' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("colour %v: %q", colour, text[max(0, i-40):min(len(text), i+40)])
		}
		if strings.Contains(text, "\n# h") || !strings.Contains(text, "x|y") {
			t.Error("a name begins a line of its own")
		}
	}
}

var inkAnywhere = regexp.MustCompile(strings.TrimPrefix(inked.String(), "^") + `|\x1b\[0m`)

// limitOf reads the limit of an objective such as > 99.95%.
func limitOf(t *testing.T, text string) float64 {
	t.Helper()
	number, percent := strings.CutSuffix(text[strings.LastIndex(text, " ")+1:], "%")
	if percent {
		number += "e-2"
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
