package endtoend

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/results"
)

// blocked is a handful of the rows of the scenario ports. The last one expects
// what cannot be.
const blocked = `
format: 1
name: blocked
tenants: [{name: contoso, domains: [contoso.test], fallback: off}]
population: {users: 500}
directory: {delay: 10ms}
cloud: {bootstrap_interval: 500ms, status_interval: 500ms}
connectors:
  count: 2
  connect_timeout: 500ms
  overrides: [{name: connector-2, response_port: 10120}]
load: {rate: 50/s, warmup: 1s, duration: 12s, mix: {right: 95%, wrong: 5%}}
faults:
  - {name: both, kind: block, target: connectors, ports: "443,8080", mode: reject, by: either, at: 500ms, for: 2500ms,
     shows: a new connector cannot start,
     expect: [reach(8080) == refused, sign_in(connector-2) == fails, admin_sign_in(connector-2) == fails, newcomer == waits, says(newcomer) ~ no bootstrap, reports_failed(connectors) > 0,
              serving(connectors) == 2, lost == 0, newcomer == serves in after, sign_in(connector-1) == answered in after,
              admin_sign_in(connector-2) == answered in after]}
  - {name: fast, kind: block, target: connector-1, ports: "9350", mode: drop, by: either, after: both, at: 3s, for: 2500ms,
     expect: [reach(9350) == silent, path(connector-1) == signalled, share(connector-1) > 5%, lost == 0]}
  - {name: last, kind: block, target: connector-2, ports: "10120", mode: reject, by: either, after: fast, at: 1s, for: 1500ms,
     expect: [response_port(connector-2) == 10100, path(connector-2) == both in after, attached(connectors) == 2]}
objectives:
  - failed == 0
`

// TestExpectedAndObserved blocks ports: what is expected is seen, by kernel or
// gate, and what is seen and was not expected fails the run, in every output.
func TestExpectedAndObserved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	markdown, junit := filepath.Join(dir, "summary.md"), filepath.Join(dir, "results.xml")
	e, r, _ := run(t, scenarioFile(t, blocked), "--skip-ceiling", "--markdown", markdown, "--junit", junit)
	if e.code != 1 || r.Verdict != results.Fail {
		t.Errorf("exit %d, verdict %s; the last row does not do as it expects", e.code, r.Verdict)
	}
	if len(r.Faults) != 3 {
		t.Fatalf("%d faults", len(r.Faults))
	}
	for _, f := range r.Faults {
		if f.Injections == 0 || !f.Healed || len(f.Expected) == 0 {
			t.Errorf("%s: %+v", f.Name, f)
		}
		for _, x := range f.Expected {
			want := results.Pass
			if strings.HasPrefix(x.Text, "path(connector-2) == both") {
				want = results.Fail
			}
			if x.Verdict != want {
				t.Errorf("%s: expected %s; observed %s: %s, want %s", f.Name, x.Text, x.Observed, x.Verdict, want)
			}
		}
	}
	if !r.Ledgers.Balanced {
		t.Errorf("the books do not balance: %+v", r.Ledgers.Checks)
	}
	text, err := os.ReadFile(markdown)
	if err != nil {
		t.Fatal(err)
	}
	for where, said := range map[string]string{"text": e.stdout, "markdown": string(text)} {
		if !strings.Contains(said, "2 of 3 faults as expected") || !strings.Contains(said, "a new connector cannot start") {
			t.Errorf("the %s does not tell of the rows", where)
		}
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if text, err = os.ReadFile(junit); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, c := range suites.Cases {
		name, row := strings.CutPrefix(c.Name, "expected: ")
		if !row {
			continue
		}
		rows++
		if (c.Failure != nil) != (name == "last") {
			t.Errorf("JUnit: %s: %+v", c.Name, c.Failure)
		}
	}
	if rows != 3 {
		t.Errorf("JUnit has %d rows", rows)
	}
}

// TestExpectedWithoutPrivilege: who may have no packet filter has the same
// rows, by the gates.
func TestExpectedWithoutPrivilege(t *testing.T) {
	mustRoot(t) // to become somebody else
	there := newPlace(t, nobody)
	text := strings.NewReplacer("duration: 12s", "duration: 6s").Replace(blocked)
	from, to := strings.Index(text, "  - {name: fast"), strings.Index(text, "objectives:")
	there.write(t, "scenario.yaml", text[:from]+text[to:])
	e := there.ptabench(t, "run", "scenario.yaml", "--out", "run", "--skip-ceiling")
	if e.code != 0 && e.code != 2 { // a busy machine may be late
		t.Errorf("exit %d", e.code)
	}
	r, err := results.ReadResult(filepath.Join(there.dir, "run", results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Faults {
		if f.Tier != "gate" || f.Injections == 0 {
			t.Errorf("%s: tier %s, %d injections", f.Name, f.Tier, f.Injections)
		}
		for _, x := range f.Expected {
			if x.Verdict != results.Pass {
				t.Errorf("%s: expected %s; observed %s", f.Name, x.Text, x.Observed)
			}
		}
	}
}
