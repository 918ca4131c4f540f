package fault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestKilledHarness kills a real harness while a process is frozen and heals
// after it.
func TestKilledHarness(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], dir, "", "freeze(connector-1) at 0s for 1h")
	cmd.Env = append(os.Environ(), childVar+"=harness")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var record string
	if _, err := fmt.Fscanln(out, &record); err != nil || record != "injected" {
		t.Fatalf("the harness said %q, %v", record, err)
	}
	if err := Heal(t.Context(), dir, &strings.Builder{}); !errors.Is(err, ErrRunning) {
		t.Errorf("healing a run that goes on: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	var said strings.Builder
	if err := Heal(t.Context(), dir, &said); err != nil {
		t.Fatal(err)
	}
	h := historyOf(t, dir)
	if len(h.Processes) != 2 || len(h.Faults) != 1 || !h.Faults[0].Injected || !h.Faults[0].Undone || h.Faults[0].By != "heal" {
		t.Errorf("the journal says %+v; heal said:\n%s", h, &said)
	}
	for _, p := range h.Processes {
		if alive, err := p.Alive(); alive || err != nil {
			t.Errorf("%s is alive: %v, %v", p.Name, alive, err)
		}
	}
	if !strings.Contains(said.String(), "freeze-1: freeze(connector-1) at 0s for 1h: undone: nothing is frozen any more") {
		t.Errorf("heal said:\n%s", &said)
	}
}
