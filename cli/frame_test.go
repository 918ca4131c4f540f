package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ptabench/results"
)

var rewrite = flag.Bool("update", false, "write the golden files anew")

// glances are what the live screen has to show, from nothing to too much.
func glances() map[string]*glance {
	by := func(counts ...uint64) map[string]uint64 {
		m := map[string]uint64{}
		for i, n := range counts {
			m[fmt.Sprint("connector-", i+1)] = n
		}
		return m
	}
	objectives := []results.Objective{
		{Text: "failed == 0", Unit: "count", Verdict: results.Pass, Samples: 9000},
		{Text: "unknown == 0", Unit: "count", Verdict: results.Fail, Value: 3, Samples: 9000},
		{Text: "p99(response) < 1500ms", Unit: "ns", Verdict: results.Pass, Value: 39.7e6, Samples: 9000},
		{Text: "share(hash_sync) > 0%", Unit: "ratio", Verdict: results.Inconclusive, Samples: 9000},
		{Text: "time_to_failover(all-down) < 1s", Unit: "ns", Verdict: results.Inconclusive},
	}
	var seconds []results.Interval
	for i, ms := range []int64{25, 27, 31, 900, 40, 26, 0, 25, 24, 33} {
		seconds = append(seconds, results.Interval{At: int64(i) * 1e9, P99: ms * 1e6})
	}
	soFar := &results.Result{Objectives: objectives, Intervals: seconds,
		Response: results.Percentiles{Samples: 9000, P50: 23e6, P99: 39.7e6, Max: 912e6}}
	midFault := &glance{name: "quickstart", phase: "load", at: 10*time.Second + 40*time.Millisecond, end: 26 * time.Second, warmup: 2 * time.Second,
		planned: 1000, rate: 1035, load: tallied{answered: 11_929, unknown: 3, inFlight: 25},
		now: results.Interval{Sent: 500, P50: 27.4e6, P99: 807e6, Max: 823e6, ByConnector: by(246, 0, 254)},
		on:  []string{"block-1"}, soFar: soFar}
	stop := *midFault
	stop.stop, stop.on, stop.next = "share(failed) > 50% for 5s: 73.0 %, 2s of 5s", nil, "all-down in 7 s"
	ended := *midFault
	ended.verdict, ended.rate, ended.planned = results.Fail, 994, 994
	ended.soFar.Reasons = []string{"The objective \"p99(response) < 50ms\" is missed: it is 61.2 ms, with 95 % confidence from 58.0 to 65.1 ms."}
	ended.load.hashSync = 4249
	whole := *soFar
	whole.DurationNS, whole.Seed = 26e9, 1
	whole.SignIns.ByPath.HashSync = 4249
	whole.Connectors = []results.Connector{{Name: "connector-1", SignIns: 7000}, {Name: "connector-2", SignIns: 6000}, {Name: "connector-3", SignIns: 8600}}
	ended.soFar = &whole
	many := *midFault
	many.now.ByConnector = by(make([]uint64, 40)...)
	many.now.ByConnector["connector-7"] = 5
	crowd := *soFar
	crowd.Objectives = nil
	for i := range 30 {
		crowd.Objectives = append(crowd.Objectives, results.Objective{Text: fmt.Sprintf("p99(response) < %dms in during(a-fault-with-a-long-name-%d)", i, i), Verdict: results.Inconclusive})
	}
	crowd.Intervals = make([]results.Interval, 3600)
	for i := range crowd.Intervals {
		crowd.Intervals[i].P99 = int64(1+i%97) * 1e6
	}
	many.soFar, many.end, many.at = &crowd, 2*time.Hour, time.Hour
	many.on = []string{strings.Repeat("a-fault-with-a-long-name-", 8)}
	return map[string]*glance{
		"starting":  {name: "quickstart", phase: "starting"},
		"warm-up":   {name: "quickstart", phase: "warm-up", at: -time.Second, end: 26 * time.Second, warmup: 2 * time.Second, planned: 1000, rate: 980, load: tallied{answered: 490}, now: results.Interval{Sent: 490, P50: 21e6, P99: 44e6, Max: 60e6, ByConnector: by(160, 165, 165)}, next: "crash-1 in 4 s"},
		"mid-fault": midFault, "stop": &stop, "ended": &ended, "too much": &many,
	}
}

// What the screen shows at 60, 80 and 120 columns, on 24 rows, is in testdata.
// Whatever the size, nothing is wider or higher than it.
func TestFrames(t *testing.T) {
	for name, g := range glances() {
		for _, columns := range []int{60, 80, 120} {
			var text strings.Builder
			frame := g.frame(columns-1, 23)
			for _, line := range frame {
				text.WriteString(line.render(columns-1, false) + "\n")
			}
			file := filepath.Join("testdata", "frames", fmt.Sprintf("%s-%d.txt", strings.ReplaceAll(name, " ", "-"), columns))
			if *rewrite {
				if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text.String() != string(want) {
				t.Errorf("%s at %d columns:\n%swant\n%s", name, columns, text.String(), want)
			}
		}
		for columns := 10; columns < 200; columns += 7 {
			for rows := 2; rows < 60; rows += 5 {
				frame := g.frame(columns, rows)
				if len(frame) > rows {
					t.Errorf("%s at %d×%d has %d rows", name, columns, rows, len(frame))
				}
				for _, line := range frame {
					if n := utf8.RuneCountInString(line.render(columns, false)); n > columns {
						t.Errorf("%s at %d×%d: %d columns: %q", name, columns, rows, n, line.render(columns, false))
					}
				}
			}
		}
	}
}

// A terminal is given nothing to obey but colours, and none when it wants none.
func TestStrips(t *testing.T) {
	s := strip{{"na\x1b[2Jme\n\u202e", inkRed}}.add(" rest", "")
	if got, want := s.render(80, true), "\x1b[31mna\uFFFD[2Jme\uFFFD\uFFFD\x1b[0m rest"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := s.render(80, false); strings.Contains(got, "\x1b") {
		t.Errorf("without colour %q", got)
	}
	if got, want := (strip{{"abc", inkBold}, {"defgh", ""}}).render(5, true), "\x1b[1mabc\x1b[0md…"; got != want {
		t.Errorf("cut: %q, want %q", got, want)
	}
}
