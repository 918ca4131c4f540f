package scenarios

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestExpectations(t *testing.T) {
	for _, c := range []struct {
		line string
		want Expectation // Text left out
	}{
		{"lost == 0", Expectation{Metric: "lost", Op: "==", Unit: Count, Phase: PhaseRow}},
		{" serving( connector-12 )>=1 in after ", Expectation{Metric: "serving(connector-12)", Op: ">=", Value: 1, Unit: Count, Phase: PhaseAfter}},
		{"attached(connectors) != 3", Expectation{Metric: "attached(connectors)", Op: "!=", Value: 3, Unit: Count, Phase: PhaseSettled}},
		{"availability > 99.9% in on", Expectation{Metric: "availability", Op: ">", Value: 0.999, Unit: Ratio, Phase: PhaseOn}},
		{"share(hash_sync) < 1%", Expectation{Metric: "share(hash_sync)", Op: "<", Value: 0.01, Unit: Ratio, Phase: PhaseSettled}},
		{"newcomer == waits", Expectation{Metric: "newcomer", Op: "==", Word: "waits", Unit: Word, Phase: PhaseSettled}},
		{"path(connector-1) != pushed in row", Expectation{Metric: "path(connector-1)", Op: "!=", Word: "pushed", Unit: Word, Phase: PhaseRow}},
		{"response_port(connector-1) == 10101", Expectation{Metric: "response_port(connector-1)", Op: "==", Word: "10101", Unit: Word, Phase: PhaseSettled}},
		{"reach(ldaps) == silent", Expectation{Metric: "reach(ldaps)", Op: "==", Word: "silent", Unit: Word, Phase: PhaseSettled}},
		{"says(newcomer)  ~  no (bootstrap) in after ", Expectation{Metric: "says(newcomer)", Op: "~", Word: "no (bootstrap) in after", Unit: Fragment, Phase: PhaseRow}},
	} {
		c.want.Text = strings.TrimSpace(c.line)
		got, err := ParseExpectation(c.line)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.line, got, err, c.want)
		}
		if again, err := ParseExpectation(got.String()); err != nil || again != got {
			t.Errorf("%s read back: %+v, %v", got, again, err)
		}
	}
}

func TestExpectationsRefused(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `column 1: "": expected an expectation such as serving(connector-1) == 0`},
		{"servin(connector-1) == 0", "column 1: servin: expected another word; did you mean serving?"},
		{"serving == 0", "column 9: serving: expected whose, in brackets: a connector such as connector-1, or connectors"},
		{"serving(directory) == 0", "column 9: directory: expected a connector such as connector-1, or connectors"},
		{"serving(connector-1 == 0", "column 8: an open bracket: expected one that is closed"},
		{"state(connectors) == active", "column 7: connectors: expected a connector such as connector-1"},
		{"lost(connector-1) == 0", "column 5: lost: expected no brackets after it"},
		{"lost = 0", "column 6: =: expected a comparison after lost"},
		{"lost == none", "column 9: none: expected a whole number, for lost"},
		{"availability > 1", "column 16: 1: expected a percentage"},
		{"newcomer > waits", "column 10: >: expected a comparison after newcomer: == or !="},
		{"newcomer == wait", "column 13: wait: expected serves, waits or ended; did you mean waits?, for newcomer"},
		{"reach(1234) == silent", "column 7: 1234: expected a port, such as 443 or ldaps"},
		{"reach(443) == silent in row", "column 25: row: expected settled or after for reach, which is a probe"},
		{"response_port(connector-1) == 10121", "column 31: 10121: expected another word; did you mean"},
		{"lost == 0 in steady", "column 14: steady: expected a phase: row, on, settled or after"},
		{"lost == 0 during row", "column 11: during: expected the end of the line, or in and a phase"},
		{"lost == 0 in row now", "column 18: now: expected the end of the line"},
		{"says(newcomer) == no", "column 16: ==: expected ~ and part of what it writes, after says(newcomer)"},
		{"says(newcomer) ~ ", `column 18: "": expected some printable text`},
		{"says(connectors) ~ no", "column 6: connectors: expected newcomer, cloudsim, directory or a connector"},
	} {
		_, err := ParseExpectation(c.line)
		var m Mistake
		if !errors.As(err, &m) || !strings.HasPrefix(m.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		line  string
		value float64
		word  string
		want  bool
	}{
		{"lost == 0", 0, "", true}, {"lost == 0", 1, "", false},
		{"lost != 0", 1, "", true}, {"lost < 2", 2, "", false}, {"lost <= 2", 2, "", true},
		{"lost > 2", 2, "", false}, {"lost >= 2", 2, "", true},
		{"newcomer == waits", 0, "waits", true}, {"newcomer == waits", 0, "serves", false},
		{"newcomer != waits", 0, "serves", true}, {"newcomer != waits", 0, "waits", false},
		{"says(newcomer) ~ port 80", 0, "no list from port 80 yet", true}, {"says(newcomer) ~ port 80", 0, "port 443", false},
	} {
		e, err := ParseExpectation(c.line)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Holds(c.value, c.word); got != c.want {
			t.Errorf("%s of %v %q: %v", c.line, c.value, c.word, got)
		}
	}
}

func FuzzParseExpectation(f *testing.F) {
	for _, e := range expectables {
		f.Add(e.name + "(connector-1) == 0 in after")
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := ParseExpectation(line)
		if err != nil {
			var m Mistake
			if !errors.As(err, &m) || m.Column < 1 || m.Expected == "" {
				t.Fatalf("%q: %v: want a mistake with its column", line, err)
			}
			return
		}
		if again, err := ParseExpectation(e.String()); err != nil || again != e {
			t.Fatalf("%q prints %q, which is read as %+v, %v", line, e, again, err)
		}
	})
}

// expecting is a scenario whose fault has expectations.
const expecting = `format: 1
name: expecting
tenants:
  - {name: contoso, domains: [contoso.test]}
load: {rate: 100/s, duration: 20s, mix: {right: 100%}}
connectors: {count: 3}
faults:
  - {name: blocked, kind: block, target: connector-1, ports: requests, mode: drop, by: either, at: 2s, for: 4s,
     shows: "it gets nothing",
     expect: [serving(connector-1) == 0, newcomer == serves, share(connector-1) == 0% in after]}
  - crash(connector-2) at 9s for 2s
`

func TestExpectOfAFault(t *testing.T) {
	s := parse(t, expecting)
	f := s.Faults[0]
	if len(f.Expect) != 3 || f.Shows != "it gets nothing" || f.SettledAt() != 4*second || s.RowEnd(f, s.Schedule()) != 9*second {
		t.Errorf("%+v: settled at %v, until %v", f, f.SettledAt(), s.RowEnd(f, s.Schedule()))
	}
	if !f.ExpectsNewcomer() || !s.ExpectsNewcomers() {
		t.Error("no newcomer is expected")
	}
	again, err := Parse("again", s.YAML(), nil)
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("%v:\n%s", err, s.YAML())
	}
	if last := s.Schedule()[1]; s.RowEnd(last, s.Schedule()) != 20*second {
		t.Errorf("the last row ends at %v", s.RowEnd(last, s.Schedule()))
	}
}

func TestExpectationMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"serving(connector-1)", "serving(connector-4)", "faults[0].expect[0]: connector-4: expected connector-1 to connector-3: connectors.count is 3"},
		{"serving(connector-1) == 0", "sering(connector-1) == 0", "faults[0].expect[0]: sering: expected another word; did you mean serving?"},
		{"at 9s for 2s", "at 6200ms for 2s", "faults[0].expect[2]: 200ms from the end of blocked until crash-1 begins: expected at least 500ms for what is expected after it"},
		{"for: 4s", "for: 4s, settle: 4s", "faults[0].settle: 4s: expected less than 4s, which the fault lasts"},
		{"for: 4s", "for: 4s, settle: 3800ms", "faults[0].settle: 3.8s: expected at least 500ms before the fault ends, after 4s"},
		{"at 9s for 2s", "at 9s for 2s\n  - {kind: crash, target: connector-3, at: 15s, for: 1s, settle: 100ms}", "faults[2].settle: 100ms: expected it only with expect"},
		{"crash(connector-2) at 9s for 2s", "{kind: nemesis, at: 9s, for: 5s, expect: [lost == 0]}", "faults[1].expect: given for nemesis: expected it only for faults that are known beforehand"},
		{"crash(connector-2) at 9s for 2s", "{kind: crash, target: connector-2, at: 3s, for: 5s, expect: [newcomer == serves]}", "both start a newcomer"},
		{"crash(connector-2) at 9s for 2s", "add-connector(host=connector-9) at 9s for 2s", "faults[1].host: connector-9: expected connector-1 to connector-3"},
		{"crash(connector-2) at 9s for 2s", "add-connector(host=directory) at 9s for 2s", "faults[1].host: directory: expected a connector such as connector-1"},
		{"crash(connector-2) at 9s for 2s", "add-connector() at 9s for 2s", "faults[1].kind: add-connector: expected a cloud that refuses the newcomer, whose answers are in nobody's books: cloud.connector_limit as connectors.count, which is 3, or host"},
		{"crash(connector-2) at 9s for 2s", "revoke(directory) at 9s for 2s", "faults[1].target: directory: expected a connector such as connector-1 or connectors for revoke"},
		{"mode: drop", "mode: stall", "faults[0].by: either for mode stall: expected mode drop or reject beside it"},
		{"by: either", "by: gate", "faults[0].by: gate: expected either, or nothing"},
		{"count: 3", "count: 3, overrides: [{name: connector-1, signalling_port: 9000}]", "connectors.overrides[0].signalling_port: 9000: expected 9352 or 5671"},
		{"count: 3", "count: 3, overrides: [{name: connector-1, response_port: 9350}]", "connectors.overrides[0].response_port: 9350: expected a whole number from 10100 to 10120"},
		{"connectors: {count: 3}", "connectors: {count: 3}\ncloud: {connector_limit: 2}", "cloud.connector_limit: 2: expected at least connectors.count, which is 3"},
		{"connectors: {count: 3}", "connectors: {count: 3}\ncloud: {certificate_lifetime: 6s}", "cloud.certificate_lifetime: 6s: expected more than three times connectors.connect_timeout, which is 2s"},
		{"connectors: {count: 3}", "connectors: {count: 3}\ncloud: {revocation_list_validity: 1s}", "cloud.revocation_list_validity: 1s: expected a duration from 2s to 8760h"},
	} {
		if !strings.Contains(expecting, c.old) {
			t.Fatalf("%q is not in the scenario", c.old)
		}
		_, err := Parse("mine.yaml", []byte(strings.Replace(expecting, c.old, c.new, 1)), nil)
		var all Mistakes
		if !errors.As(err, &all) || !slices.ContainsFunc(all, func(m Mistake) bool { return strings.Contains(m.Error(), c.want) }) {
			t.Errorf("%s for %s:\n%v\nwant %s", c.new, c.old, err, c.want)
		}
	}
}

// The scenario ports has a row for each port and combination of issue and
// specification, refused and dropped.
func TestPortsHasEveryRow(t *testing.T) {
	text, err := Shipped("ports")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, string(text))
	rows := []string{"80", "443", "8080", "9090", "9091", "9352", "5671", "9350", "10100", "10110", "10120",
		"443-8080", "9352-5671", "requests", "responses", "80-run-out", "9091-expired"}
	if len(s.Faults) != 2*len(rows) {
		t.Errorf("%d rows, want %d", len(s.Faults), 2*len(rows))
	}
	for i, f := range s.Faults {
		word, mode := "refused-", Reject
		if i >= len(rows) {
			word, mode = "dropped-", Drop
		}
		if want := word + rows[i%len(rows)]; f.Name != want || f.Mode != mode {
			t.Errorf("row %d is %s, mode %s; want %s", i+1, f.Name, f.Mode, want)
		}
		if f.By != ByEither || f.Shows == "" || len(f.Expect) < 4 || !f.expects("lost") || !f.expects("reach") {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
	if s.Load.Duration > 330*second {
		t.Errorf("it takes %v, and 6 minutes are too long", s.Load.Duration)
	}
}
