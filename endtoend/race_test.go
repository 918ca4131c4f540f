package endtoend

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/results"
)

// TestRaces runs the whole system under the race detector, with a connector
// killed and another one blocked, at a rate that it can carry.
func TestRaces(t *testing.T) {
	kept := program
	t.Cleanup(func() { program = kept })
	program = filepath.Join(t.TempDir(), "ptabench-race")
	if err := build(program, "-race"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GORACE", "halt_on_error=0")
	dir := filepath.Join(t.TempDir(), "run")
	e := ptabench(t, "run", "quickstart", "--skip-ceiling", "--out", dir, "--set", "load.rate=100/s", "--set", "load.duration=8s",
		"--set", "population.users=500", "--set",
		"faults=[crash(connector-1) at 1s for 1s, 'block(connector-2, ports=requests, mode=stall) at 2s for 2s', crash(connectors) at 5s for 1s as all-down]")
	if strings.Contains(e.stderr+e.stdout, "DATA RACE") {
		t.Error("a race in the harness")
	}
	err := filepath.WalkDir(filepath.Join(dir, results.LogsDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".log") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "DATA RACE") {
			t.Errorf("%s:\n%s", path, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if r.SignIns.Sent == 0 || len(r.Faults) != 3 {
		t.Errorf("%d sign-ins and %d faults: too little to find a race in", r.SignIns.Sent, len(r.Faults))
	}
}
