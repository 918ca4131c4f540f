package results

import (
	"bytes"
	"encoding/csv"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func render(t *testing.T, r *Result, colour bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := Text(&out, r, colour); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// passing is a run in which nothing went wrong.
func passing(t *testing.T) Result {
	h := complete(testHeader())
	h.Planned = 5940
	h.Duration = int64(1e9) * 6
	list := madeUp(t, 12, h, 6600)
	for i := range list {
		s := &list[i]
		if s.Outcome == OutcomeUnsent || s.Outcome == OutcomeFailed || s.Outcome == OutcomeUnknown || s.Judgement > Right {
			*s = Sample{Seq: s.Seq, Due: s.Due, Sent: s.Due + 1000, Done: s.Due + 2_000_000, Outcome: OutcomeAccepted,
				Path: PathPassThrough, Judgement: Right, Attempts: 1, Server: 1}
		}
	}
	r := summarise(h, list)
	r.Verdict = Pass
	r.Preset, r.TimeScale, r.Network = "default", 1, "loopback"
	r.Ceiling = Ceiling{PerS: 11_912, Duration: 1e9, P99: 3_000_000}
	r.Gates = gates()
	r.Unavailable = Unavailable{Of: 6}
	r.Objectives = []Objective{{Text: "failed == 0", Verdict: Pass, Unit: "count", Window: "whole", Samples: 5940}}
	r.Ledgers = Ledgers{Balanced: true, Checks: []LedgerCheck{{Text: "sent by the harness = received by the cloud", Left: 6600, Op: "=", Right: 6600, Holds: true}}}
	return r
}

func TestText(t *testing.T) {
	full, pass, soak, old := fullResult(t), passing(t), soaked(t), formerResult(t)
	empty := summarise(complete(testHeader()), nil)
	empty.Verdict, empty.Reasons = Aborted, []string{"the run was cut off: no result.json"}
	ansi := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for name, r := range map[string]*Result{"fail.txt": &full, "pass.txt": &pass, "empty.txt": &empty, "soak.txt": &soak, "result-1.txt": &old} {
		text := render(t, r, false)
		golden(t, name, []byte(text))
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%s:%d: %d columns: %s", name, i+1, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s:%d: blanks at the end", name, i+1)
			}
		}
		if strings.Contains(text, "\x1b") || !strings.HasPrefix(text, "verdict: "+string(r.Verdict)+"\n") {
			t.Errorf("%s: begins %q", name, text[:20])
		}
		inked := render(t, r, true)
		if !strings.Contains(inked, "\x1b[") {
			t.Errorf("%s: no colour", name)
		}
		if bare := ansi.ReplaceAllString(inked, ""); blanks(bare) != blanks(text) {
			t.Errorf("%s: colour changes the text:\n%s", name, bare)
		}
	}
}

// blanks drops those at the ends of lines.
func blanks(s string) string {
	return regexp.MustCompile(`(?m) +$`).ReplaceAllString(s, "")
}

func TestUnits(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0 ns", 1: "1 ns", 999: "999 ns", 1000: "1.00 µs", 1234: "1.23 µs", 9994: "9.99 µs", 9996: "10.0 µs",
		99_940: "99.9 µs", 99_960: "100 µs", 999_499: "999 µs", 999_500: "1.00 ms", 45_600_000: "45.6 ms",
		1_930_000_000: "1.93 s", 119_400_000_000: "119 s", 119_500_000_000: "2 min 0 s", 125_000_000_000: "2 min 5 s",
		3_600_000_000_000: "60 min 0 s", 7_200_000_000_000: "2 h 0 min", 9_000_000_000_000: "2 h 30 min",
		-1_500_000: "-1.50 ms", math.MinInt64: "-2562047 h 47 min",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("Duration(%d) = %s, expected %s", ns, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", math.MaxUint64: "18,446,744,073,709,551,615"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %s, expected %s", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0/s", 99.8: "99.8/s", 999.4: "999/s", 999.6: "1,000/s", 3000.2: "3,000/s", -1: "0/s"} {
		if got := PerSecond(v); got != want {
			t.Errorf("PerSecond(%v) = %s, expected %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0.0 %", 1: "100.0 %", 0.0001: "<0.1 %", 0.99999: ">99.9 %", 0.3333: "33.3 %", 0.0005: "0.1 %"} {
		if got := Percent(v); got != want {
			t.Errorf("Percent(%v) = %s, expected %s", v, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 14_155_776: "13.5 MiB", 8 << 30: "8.00 GiB", 1023 << 20: "1.00 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, expected %s", n, got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	h := complete(testHeader())
	h.Connectors = []string{"connector-1", `odd, "one"`}
	h.Federation, h.Tenants = []string{"adfs-1", "adfs-2", "adfs-3"}, []string{"contoso"}
	list := madeUp(t, 14, testHeader(), 500)
	for i := range list {
		list[i].Server = min(list[i].Server, 2)
	}
	list = append(list, Sample{Seq: 500, Path: PathFederation, Server: 3, Outcome: OutcomeAccepted, Tenant: 1})
	var out bytes.Buffer
	load, err := CSV(&out, h, func(yield func(Sample, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	})
	if err != nil || load != 451 {
		t.Fatalf("%d sign-ins of the load, %v", load, err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	if len(rows) != len(list)+1 || len(column) != 18 {
		t.Fatalf("%d rows, columns %v", len(rows), rows[0])
	}
	for i, s := range list {
		row := rows[i+1]
		number := func(name string) int64 {
			n, err := strconv.ParseInt(row[column[name]], 10, 64)
			if err != nil {
				t.Errorf("row %d, %s: %v", i+1, name, err)
			}
			return n
		}
		if number("seq") != int64(s.Seq) || number("user") != int64(s.User) || number("due_ns") != s.Due ||
			number("attempts") != int64(s.Attempts) || number("queue_us") != int64(s.Queue) || number("connector_us") != int64(s.Connector) ||
			number("directory_us") != int64(s.Directory) || row[column["intent"]] != h.Intents[s.Intent] ||
			row[column["outcome"]] != s.Outcome.String() || row[column["path"]] != s.Path.String() || row[column["judgement"]] != s.Judgement.String() {
			t.Errorf("row %d: %q of %+v", i+1, row, s)
		}
		code := strconv.Itoa(int(s.Code))
		if s.Code == 0 && s.Outcome != OutcomeAccepted {
			code = ""
		}
		if row[column["code"]] != code {
			t.Errorf("row %d: code %q of %+v", i+1, row[column["code"]], s)
		}
		names := h.Connectors
		if s.Path == PathFederation {
			names = h.Federation
		}
		if tenant := row[column["tenant"]]; (tenant == "contoso") != (s.Tenant == 1) {
			t.Errorf("row %d: tenant %q of %+v", i+1, tenant, s)
		}
		if connector := row[column["connector"]]; s.Server == 0 && connector != "" || s.Server > 0 && connector != names[s.Server-1] {
			t.Errorf("row %d: connector %q of %+v", i+1, connector, s)
		}
		if class := row[column["error"]]; (s.Error == ErrorTimeout) != (class == "timeout") {
			t.Errorf("row %d: error %q of %+v", i+1, class, s)
		}
		if s.Outcome == OutcomeUnsent {
			if row[column["sent_ns"]]+row[column["done_ns"]]+row[column["response_ns"]] != "" {
				t.Errorf("row %d: %q was not sent", i+1, row)
			}
		} else if number("sent_ns") != s.Sent || number("done_ns") != s.Done || number("response_ns") != s.Done-s.Due {
			t.Errorf("row %d: %q of %+v", i+1, row, s)
		}
	}
}

func TestCSVKeepsWhatIsWhole(t *testing.T) {
	bad := errors.New("torn")
	var out bytes.Buffer
	load, err := CSV(&out, complete(testHeader()), func(yield func(Sample, error) bool) {
		_ = yield(Sample{Outcome: OutcomeAccepted}, nil) && yield(Sample{}, bad)
	})
	if !errors.Is(err, bad) || load != 1 || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%d, %v: %s", load, err, &out)
	}
}

// Nobody says that sign-ins were answered within a time when some never were.
func TestEndedWithin(t *testing.T) {
	for lost, want := range map[uint64][2]string{0: {"were answered within", ""}, 1200: {"ended within", "; 1,200 of them had no answer"}} {
		n := SignIns{Accepted: 5000, Failed: lost / 2, Unknown: lost - lost/2}
		if verb, but := n.EndedWithin(); [2]string{verb, but} != want {
			t.Errorf("%d lost: %q, %q", lost, verb, but)
		}
		if text := n.unansweredText(); (text == "") != (lost == 0) {
			t.Errorf("%d lost: %q", lost, text)
		}
	}
}

func TestObjectiveLimit(t *testing.T) {
	for want, o := range map[string]Objective{
		"0":      {Text: "lost(crash-1) == 0", Unit: "count"},
		"100 ms": {Text: "time_to_detect(crash-1) < 100ms", Unit: "ns", Limit: 1e8},
		"200 ms": {Text: "p99(response) < 200ms in steady", Unit: "ns", Limit: 2e8, Window: "steady"},
		"":       {Text: "p99(response) < 200ms", Unit: "ns"}, // of format 1
	} {
		if got := objectiveLimit(&o); got != want {
			t.Errorf("%s: %q, expected %q", o.Text, got, want)
		}
	}
	for _, nought := range []string{"lost(crash-1)==0", "error_window(crash-1) == 0s", "share(failed) <= 0.0%"} {
		if o := (Objective{Text: nought}); objectiveLimit(&o) == "" {
			t.Errorf("%s: no limit", nought)
		}
	}
	never := Objective{Text: "p99(response) < 200ms", Unit: "ns", Value: -1, Limit: 2e8, Window: "whole", Samples: 7}
	if got := objectiveBasis(&never); !strings.Contains(got, "7 sign-ins") || !strings.Contains(got, "limit 200 ms") {
		t.Errorf("an objective that nothing came near rests on %q", got)
	}
}

func TestAgeOfWrongAnswers(t *testing.T) {
	for want, w := range map[string]Wrong{
		"; it came 7.90 s after that":                                 {Count: 1, AgeP50: 7.9e9, AgeMax: 7.9e9},
		"; all within 7.90 s of that":                                 {Count: 3, AgeP50: 7.9e9, AgeMax: 7.9e9},
		"; half of them within 2.00 s of that, the last after 7.90 s": {Count: 3, AgeP50: 2e9, AgeMax: 7.9e9},
	} {
		w.Kind, w.Path, w.Cause, w.Event = "wrong-accept", "hash-sync", "an old hash", "disable"
		if got := wrongText(&w); got != "wrong accept by hash sync: an old hash"+want {
			t.Errorf("%d: %q, expected %q at its end", w.Count, got, want)
		}
	}
}
