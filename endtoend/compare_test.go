package endtoend

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/results"
)

// TestMatrix runs one scenario over two values of a setting: what was killed
// with a connector is handed off with the one and dropped with the other.
func TestMatrix(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "matrix")
	e := ptabench(t, "matrix", "crash-one", "--vary", "cloud.handoff=on,off", "--set", "load.warmup=1s", "--set", "load.duration=5s", "--set", "directory.delay=60ms",
		"--set", "load.rate=400/s", "--set", "faults[0].at=1500ms", "--set", "faults[0].for=1500ms", "--skip-ceiling", "--out", dir)
	if e.code != 0 && e.code != 2 { // a busy machine may be late
		t.Fatalf("exit %d", e.code)
	}
	text, err := os.ReadFile(filepath.Join(dir, "matrix.json"))
	if err != nil || !json.Valid(text) {
		t.Fatalf("matrix.json: %v", err)
	}
	for _, file := range []string{"matrix.md", "matrix.html"} {
		if page, err := os.ReadFile(filepath.Join(dir, file)); err != nil || !strings.Contains(string(page), "crash-1") {
			t.Errorf("%s: %v; no word of crash-1", file, err)
		}
	}
	runs, err := filepath.Glob(filepath.Join(dir, "*", results.ResultFile))
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v; want 2", len(runs), err)
	}
	lost := map[bool]uint64{}
	for _, path := range runs {
		r, err := results.ReadResult(path)
		if err != nil {
			t.Fatal(err)
		}
		lost[strings.Contains(path, "handoff=off")] = r.Faults[0].Lost
	}
	if lost[false] != 0 || lost[true] == 0 {
		t.Errorf("lost with handoff %d, without %d; want none, and some", lost[false], lost[true])
	}
	if again := ptabench(t, "report", dir); again.code != 0 || !strings.Contains(again.stdout, "crash-1") {
		t.Errorf("report of a matrix: exit %d", again.code)
	}
}

// TestSuite runs a suite of two short scenarios, of which one must fail: without
// handoff, what a killed connector had in hand is lost.
func TestSuite(t *testing.T) {
	const short = `load.warmup=1s, load.duration=5s, load.rate=300/s, directory.delay=60ms, "faults[0].at=1500ms", "faults[0].for=1500ms"`
	suite := filepath.Join(t.TempDir(), "suite.yaml")
	if err := os.WriteFile(suite, []byte(`
format: 1
name: two
runs:
  - {name: good, scenario: crash-one, set: [`+short+`]}
  - {name: bad, scenario: crash-one, set: [`+short+`, cloud.handoff=off]}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "suite")
	e := ptabench(t, "suite", suite, "--skip-ceiling", "--out", dir)
	if e.code != 1 {
		t.Errorf("exit %d; want 1, for the run that must fail", e.code)
	}
	page, err := os.ReadFile(filepath.Join(dir, "suite.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var junit struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Failures int    `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(page, &junit); err != nil {
		t.Fatal(err)
	}
	if len(junit.Suites) != 2 || junit.Suites[0].Failures != 0 || junit.Suites[1].Failures == 0 {
		t.Errorf("suite.xml has %+v", junit.Suites)
	}
	bad, err := filepath.Glob(filepath.Join(dir, "*bad", results.ResultFile))
	if err != nil || len(bad) != 1 {
		t.Fatalf("results of the run that must fail: %v, %v", bad, err)
	}
	r, err := results.ReadResult(bad[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != results.Fail || r.SignIns.Failed == 0 || r.SignIns.ByCode["80002"] == 0 {
		t.Errorf("without handoff: verdict %s, %d failed, codes %v", r.Verdict, r.SignIns.Failed, r.SignIns.ByCode)
	}
	if !r.Ledgers.Balanced {
		t.Errorf("the books of a run that lost sign-ins must balance too: %+v", r.Ledgers.Checks)
	}
}

// TestStopCondition ends a run early when too much fails.
func TestStopCondition(t *testing.T) {
	e, r, _ := run(t, "crash-all", "--skip-ceiling", "--set", "tenants[0].fallback=off", "--set", "load.rate=300/s",
		"--set", "load.warmup=1s", "--set", "faults[0].at=500ms", "--set", "faults[0].for=10s", "--set", "stop_when=[share(failed) > 50% for 2s]")
	if e.code != 4 || r.Verdict != results.Aborted {
		t.Errorf("exit %d, verdict %s; want 4, aborted", e.code, r.Verdict)
	}
	if !strings.Contains(strings.Join(r.Reasons, " "), "share(failed) > 50%") {
		t.Errorf("the reasons do not name the stop condition: %v", r.Reasons)
	}
	if len(r.Faults) != 1 || !r.Faults[0].Healed {
		t.Errorf("the fault that was on is not healed: %+v", r.Faults)
	}
}

// TestCloudCrash kills the cloud itself: users are locked out while it is
// gone, its connectors come back by themselves, and nobody is answered wrongly.
func TestCloudCrash(t *testing.T) {
	e, r, _ := run(t, "cloud-restart", "--skip-ceiling", "--set", "load.warmup=1s", "--set", "load.duration=10s", "--set", "load.recovery=3s", "--set", "faults[0].at=1500ms")
	if e.code != 0 && e.code != 2 {
		t.Errorf("exit %d, %v", e.code, r.Reasons)
	}
	if r.SignIns.WrongAccepts+r.SignIns.WrongRefusals > 0 || !r.Ledgers.Balanced {
		t.Errorf("wrong accepts %d, wrong refusals %d, balanced %v", r.SignIns.WrongAccepts, r.SignIns.WrongRefusals, r.Ledgers.Balanced)
	}
	if len(r.Faults) != 1 || r.Faults[0].Lost == 0 || r.Faults[0].Recover < 0 {
		t.Errorf("faults: %+v", r.Faults)
	}
}

// TestSoakSchedule holds that a seed's faults are those that a dry run says:
// whoever repeats a run by its seed repeats what broke.
func TestSoakSchedule(t *testing.T) {
	short := []string{"soak", "--skip-ceiling", "--set", "load.warmup=1s", "--set", "load.duration=13s", "--set", "load.rate=150/s",
		"--set", "faults[0].at=1s", "--set", "faults[0].for=10s", "--seed", "1"}
	_, said, _ := strings.Cut(ptabench(t, append([]string{"run", "--dry-run"}, short...)...).stdout, "# The faults as they will be injected:\n")
	e, r, _ := run(t, short...)
	if e.code != 0 && e.code != 2 {
		t.Errorf("exit %d, %v", e.code, r.Reasons)
	}
	if len(r.Faults) < 2 || !r.Ledgers.Balanced {
		t.Errorf("%d faults, balanced %v", len(r.Faults), r.Ledgers.Balanced)
	}
	var schedule strings.Builder
	for _, f := range r.Faults {
		schedule.WriteString("#   " + f.Text + "\n")
	}
	if schedule.String() != said {
		t.Errorf("injected\n%s\nexpected, as the dry run said\n%s", schedule.String(), said)
	}
}
