package proc

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestNoOrphans kills a harness with SIGKILL and looks for its children: one
// that ends with its standard input, two that do not, and one that is frozen.
func TestNoOrphans(t *testing.T) {
	cmd := exec.Command(os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), childVar+"=parent")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	var children []Identity
	if err := json.NewDecoder(out).Decode(&children); err != nil {
		t.Fatal(err)
	}
	if len(children) != 4 {
		t.Fatalf("children %v", children)
	}
	for _, id := range children {
		defer func() { _, _ = id.Kill(context.Background()) }() // what the test finds it leaves to nobody
		if alive, err := id.Alive(); !alive || err != nil {
			t.Fatalf("child %v is alive: %v, %v", id, alive, err)
		}
	}
	eventually(t, "the last child is frozen", func() bool { return stateOf(t, children[3].PID) == "T" })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, id := range children {
		eventually(t, fmt.Sprintf("child %v is gone", id), func() bool {
			alive, err := id.Alive()
			return err == nil && !alive
		})
	}
}

// TestFreeze looks at what the kernel says of a frozen process.
func TestFreeze(t *testing.T) {
	s := supervise(t, Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "good"))
	if err != nil {
		t.Fatal(err)
	}
	frozen := func(want bool) func() bool {
		return func() bool {
			is, err := p.Identity().Frozen()
			return err == nil && is == want && (stateOf(t, p.Identity().PID) == "T") == want
		}
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is frozen", frozen(true))
	if alive, err := p.Identity().Alive(); !alive || err != nil {
		t.Errorf("a frozen process is alive: %v, %v", alive, err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is thawed", frozen(false))
	other := p.Identity()
	other.Start++
	if is, err := other.Frozen(); is || err != nil {
		t.Errorf("another process of this id is frozen: %v, %v", is, err)
	}
	if is, err := (Identity{PID: 1 << 23}).Frozen(); is || err != nil {
		t.Errorf("no process is frozen: %v, %v", is, err)
	}
}

// TestWrapper ends the program behind a script with the script.
func TestWrapper(t *testing.T) {
	s := supervise(t, Options{})
	spec := specOf(t.TempDir(), "a", "deaf")
	spec.Command = []string{"/bin/sh", "-c", `"$0" "$@"; exit 0`, os.Args[0], "a"}
	p, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := Identify(p.Ready().PID)
	if err != nil {
		t.Fatal(err)
	}
	if behind == p.Identity() {
		t.Fatal("the shell replaced itself by the program, so there is nothing behind it")
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = behind.Kill(context.Background()) }()
	eventually(t, "the program is gone", func() bool {
		alive, err := behind.Alive()
		return err == nil && !alive
	})
}

func TestParseStat(t *testing.T) {
	rest := " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 20"
	cases := []struct {
		stat  string
		start uint64
		is    state
		bad   string
	}{
		{stat: "7 (a) S" + rest, start: 99},
		{stat: "7 (a) Z (b)) Z" + rest, start: 99, is: isZombie},
		{stat: "7 (a) T" + rest, start: 99, is: isFrozen},
		{stat: "", bad: "fields"},
		{stat: "7 (a) S 1", bad: "fields"},
		{stat: "7 (a) S" + strings.ReplaceAll(rest, "99", "x"), bad: "start time"},
	}
	for _, c := range cases {
		start, is, err := parseStat([]byte(c.stat))
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%q: %v, want %s", c.stat, err, c.bad)
			}
			continue
		}
		if err != nil || start != c.start || is != c.is {
			t.Errorf("%q: %d, %v, %v", c.stat, start, is, err)
		}
	}
}

// stateOf is field 3 of proc_pid_stat(5), "" when there is no such process.
func stateOf(t *testing.T, pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	if len(fields) == 0 {
		t.Fatalf("stat of process %d: %q", pid, stat)
	}
	return fields[0]
}
