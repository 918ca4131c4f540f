package fault

import (
	"slices"
	"strings"
	"testing"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/scenarios"
)

// TestEachServerHasItsGate: a fault of all servers of a kind is set at each, and
// undone at each; one of connectors' way to the directory at all that they dial.
func TestEachServerHasItsGate(t *testing.T) {
	for line, want := range map[string]int{
		"block(adfs, ports=https, mode=stall) at 1s for 1s":        2,
		"block(adfs-2, ports=https, mode=stall) at 1s for 1s":      1,
		"block(directory-1, ports=ldaps, mode=reset) at 1s for 1s": 1,
		"block(connectors, ports=ldaps, mode=reset) at 1s for 1s":  2,
		"block(connectors, ports=9350, mode=reset) at 1s for 1s":   1,
	} {
		s := newFakeSystem(t)
		s.processes = nil
		for i, name := range []string{"connector-1", "directory-1", "directory-2", "adfs-1", "adfs-2", "cloudsim"} {
			s.processes = append(s.processes, &fakeProcess{system: s, name: name, running: true, id: proc.Identity{PID: noSuchPID + i, Start: 1}})
		}
		f, err := scenarios.ParseFault(line)
		if err != nil {
			t.Fatal(err)
		}
		g := newGated(scene{System: several{s}, fault: f, id: "fault-1"}, observe.Gate{Mode: observe.GateMode(f.Mode)})
		undo, err := g.plan()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := 1 + len(undo.Also); got != want {
			t.Errorf("%s: %d undos, want %d", line, got, want)
		}
		if _, err := g.inject(t.Context()); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := strings.Count(strings.Join(s.sorted(), "\n"), "gate fault-1"); got != want {
			t.Errorf("%s: %d gates, want %d: %q", line, got, want, s.sorted())
		}
	}
}

// several is a fakeSystem whose targets are groups as in a run.
type several struct{ *fakeSystem }

func (s several) Processes(target string) (found []Process, err error) {
	for _, p := range s.processes {
		if scenarios.WithinTarget(p.name, target) {
			found = append(found, p)
		}
	}
	return found, nil
}

// TestTurns: who is asked is started again before who asks.
func TestTurns(t *testing.T) {
	names := []string{"connector-1", "hashsync", "adfs-1", "directory-2", "cloudsim", "balancer", "adfs-2", "directory"}
	slices.SortStableFunc(names, func(a, b string) int { return turn(a) - turn(b) })
	if want := []string{"balancer", "cloudsim", "directory-2", "directory", "adfs-1", "adfs-2", "hashsync", "connector-1"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
