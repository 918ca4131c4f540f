package endtoend

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/bench/proc"
	"ptabench/results"
)

// TestKilledHarness kills the harness with SIGKILL while a connector is frozen
// and its ports are stalled: no process may stay, the report tells what was
// measured, and heal finds nothing left to do but say so.
func TestKilledHarness(t *testing.T) {
	scenario := scenarioFile(t, `
format: 1
name: long
tenants: [{name: contoso, domains: [contoso.test], fallback: off}]
population: {users: 500}
connectors: {count: 2}
load: {rate: 200/s, warmup: 1s, duration: 60s, mix: {right: 100%}}
faults:
  - freeze(connector-1) at 1s for 50s
  - block(connector-2, ports=10100-10120, mode=stall) at 1s for 50s
`)
	cmd, _, dir := underWay(t, scenario, "--skip-ceiling")
	journal := filepath.Join(dir, results.JournalFile)
	eventually(t, "both faults injected and something measured", func() bool {
		text, _ := os.ReadFile(journal)
		samples, err := os.Stat(filepath.Join(dir, results.SamplesFile))
		return strings.Count(string(text), `"injected"`) >= 2 && err == nil && samples.Size() > 10_000
	})
	children := journaledProcesses(t, journal)
	if len(children) != 5 {
		t.Fatalf("%d processes in the journal; want the harness, cloudsim, directory and two connectors", len(children))
	}
	if e := ptabench(t, "heal", dir); e.code != 3 {
		t.Errorf("healing a run that is still under way: exit %d; want 3", e.code)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "every process of the run gone", func() bool {
		for _, id := range children {
			if alive, err := id.Alive(); err != nil || alive {
				return false
			}
		}
		return true
	})
	report := ptabench(t, "report", dir)
	if report.code != 0 || !strings.Contains(report.stdout, "verdict: aborted") || !strings.Contains(report.stdout, "cut off") {
		t.Errorf("report of a cut-off run: exit %d", report.code)
	}
	for range 2 { // the second finds all healed
		if e := ptabench(t, "heal", dir); e.code != 0 {
			t.Errorf("heal: exit %d", e.code)
		}
	}
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"undone"`); n != 2 {
		t.Errorf("%d faults are undone in the journal; want 2", n)
	}
}

// TestInterrupted stops a run as a user does, with SIGINT.
func TestInterrupted(t *testing.T) {
	cmd, out, dir := underWay(t, "freeze-one", "--skip-ceiling", "--set", "load.rate=200/s", "--set", "faults[0].at=1s")
	eventually(t, "the fault injected", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, results.JournalFile))
		return strings.Contains(string(text), `"injected"`)
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 4 || !strings.Contains(out.String(), "verdict: aborted") {
		t.Errorf("interrupted: exit %d\n%s", code, out.String())
	}
	for _, id := range journaledProcesses(t, filepath.Join(dir, results.JournalFile)) {
		if alive, err := id.Alive(); err != nil || alive {
			t.Errorf("process %d: alive %v, %v", id.PID, alive, err)
		}
	}
	r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) != 1 || !r.Faults[0].Healed {
		t.Errorf("the fault that was on is not healed: %+v", r.Faults)
	}
}

// journaledProcesses reads the identities of a run's children.
func journaledProcesses(t *testing.T, journal string) (ids []proc.Identity) {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Process *proc.Identity `json:"process"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Process != nil {
			ids = append(ids, *line.Process)
		}
	}
	return ids
}

// eventually waits for a condition for half a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}
