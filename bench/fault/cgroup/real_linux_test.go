package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// requireVar is set where a test that needs root must not be skipped.
const requireVar = "PTABENCH_REQUIRE_ROOT_TESTS"

// childVar says as what the test binary runs when it is its own child.
const childVar = "TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		os.Exit(m.Run())
	case "spinner": // until its standard input closes
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
		for turns := uint64(1); turns != 0; { // for ever
			turns |= 1
		}
	case "hog": // takes memory when it is told to
		fmt.Println("ready")
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			var kept [][]byte
			for range 256 {
				page := make([]byte, 1<<20)
				for i := range page {
					page[i] = 1
				}
				kept = append(kept, page)
			}
			fmt.Println("took", len(kept))
		}
	}
}

// child starts one, for the time of the test.
func child(t *testing.T, as string) (*exec.Cmd, io.Writer, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+as)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, in, bufio.NewReader(out)
}

// group is one of this machine's, for the time of the test.
func group(t *testing.T, kind Kind) *Group {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv(requireVar) == "" {
		t.Skipf("needs root; CI sets %s so that this is not skipped there", requireVar)
	}
	if err := Supported(kind); err != nil {
		t.Fatal(err)
	}
	g, err := New(kind, fmt.Sprintf("test-%s-%d", kind, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if found, err := Remove(t.Context(), g.Path()); found || err != nil {
			t.Errorf("the group was left: %v, %v", found, err)
		}
	})
	return g
}

// TestCPU holds a process that spins to a tenth of a processor.
func TestCPU(t *testing.T) {
	g := group(t, CPU)
	cmd, _, _ := child(t, "spinner")
	before, err := g.tree.groupOf(g.host, cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if moved, err := g.Hold(cmd.Process.Pid, Limit{CPU: 0.1}); moved != 1 || err != nil {
		t.Fatalf("moved %d, %v", moved, err)
	}
	eventually(t, "it is throttled", func() bool {
		n, err := g.Events()
		return err == nil && n >= 2
	})
	if err := g.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := g.tree.groupOf(g.host, cmd.Process.Pid); after != before || err != nil {
		t.Errorf("it is in %s, %v; was in %s", after, err, before)
	}
}

// TestMemory has the kernel kill a process that takes more than it may, and
// lets it take what it likes afterwards.
func TestMemory(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		g := group(t, Memory)
		cmd, in, out := child(t, "hog")
		hold(t, g, cmd, out)
		_, _ = io.WriteString(in, "take\n")
		err := cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Errorf("it ended with %v", err)
		}
		if n, err := g.Events(); n != 1 || err != nil {
			t.Errorf("killed %d, %v", n, err)
		}
		if err := g.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("freed", func(t *testing.T) {
		g := group(t, Memory)
		cmd, in, out := child(t, "hog")
		hold(t, g, cmd, out)
		if err := g.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(in, "take\n")
		if line, err := out.ReadString('\n'); line != "took 256\n" || err != nil {
			t.Errorf("it said %q, %v", line, err)
		}
	})
	t.Run("gone", func(t *testing.T) {
		g := group(t, Memory)
		cmd, _, _ := child(t, "hog")
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if _, err := g.Hold(cmd.Process.Pid, Limit{Memory: 1 << 20}); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("holding: %v", err)
		}
		if err := g.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func hold(t *testing.T, g *Group, cmd *exec.Cmd, out *bufio.Reader) {
	t.Helper()
	if line, err := out.ReadString('\n'); line != "ready\n" || err != nil {
		t.Fatalf("it said %q, %v", line, err)
	}
	if moved, err := g.Hold(cmd.Process.Pid, Limit{Memory: 64 << 20}); moved != 1 || err != nil {
		t.Fatalf("moved %d, %v", moved, err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}
