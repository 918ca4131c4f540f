package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asParent has the test binary be somebody who starts a child and is killed.
const asParent = "PTABENCH_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) == "" {
		os.Exit(m.Run())
	}
	const script = `trap '' TERM; echo $$ >"$0.new"; mv "$0.new" "$0"; for i in $(seq 60); do sleep 1; done`
	var err error
	if os.Getenv(asParent) == "output" {
		_, err = Output(context.Background(), nil, "/bin/sh", "-c", script, os.Args[1])
	} else {
		_, err = Start(slog.New(slog.DiscardHandler), "/bin/sh", "-c", script, os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(3 * patience)
}

const patience = 20 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// gone says whether a process has ended; one that nobody has waited for has.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.HasPrefix(string(text[bytes.LastIndexByte(text, ')')+1:]), " Z")
}

func start(t *testing.T, script string) (*Process, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer // written until the child has ended
	p, err := Start(slog.New(slog.NewTextHandler(&log, nil)), "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	return p, &log
}

func TestEndsByItself(t *testing.T) {
	p, log := start(t, "echo began; echo it is broken >&2; exit 3")
	<-p.Ended()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "/bin/sh: exit status 3: began; it is broken") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(log.String(), `line="it is broken"`) {
		t.Errorf("log: %s", log)
	}
	p.Stop(time.Hour) // is no error, and does not wait
}

// TestManyLines: of much that it says the last lines are kept, and of a long
// line the beginning.
func TestManyLines(t *testing.T) {
	p, _ := start(t, "for i in $(seq 100); do echo line $i; done; head -c 1000000 /dev/zero | tr '\\0' x; exit 1")
	<-p.Ended()
	text := p.Err().Error()
	if len(text) > 2*longLine || strings.Contains(text, "line 88;") || !strings.Contains(text, "line 90; ") || !strings.Contains(text, "; xxx") {
		t.Errorf("%d bytes: %.300s", len(text), text)
	}
}

// TestStop kills what does not end when asked, and what it started, and finds
// all of these before.
func TestStop(t *testing.T) {
	p, _ := start(t, "trap '' TERM; sleep 60 & sleep 60 & while :; do sleep 0.1; done")
	eventually(t, "three processes", func() bool { return len(p.PIDs()) >= 3 })
	pids := p.PIDs()
	if pids[0] != p.PID() {
		t.Errorf("%v does not begin with %d", pids, p.PID())
	}
	p.Stop(50 * time.Millisecond)
	for _, pid := range pids {
		eventually(t, fmt.Sprint("end of ", pid), func() bool { return gone(pid) })
	}
}

// TestGrandchildren: what a child leaves in its group ends with it, though
// nobody stops it; what left the group does not keep it from being over.
func TestGrandchildren(t *testing.T) {
	said := filepath.Join(t.TempDir(), "pid")
	p, _ := start(t, "sleep 60 & echo $! >"+said+"; exit 0")
	<-p.Ended()
	pid := saidPID(t, said)
	eventually(t, "end of the grandchild", func() bool { return gone(pid) })
	left := filepath.Join(t.TempDir(), "pid")
	p, _ = start(t, "setsid sh -c 'echo $$ >"+left+"; exec sleep 60' & while [ ! -s "+left+" ]; do sleep 0.01; done; exit 0")
	defer func() { _ = syscall.Kill(saidPID(t, left), syscall.SIGKILL) }()
	select {
	case <-p.Ended():
	case <-time.After(patience):
		t.Fatal("waits for the grandchild")
	}
	if err := p.Err(); !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("%v", err)
	}
}

// TestParentKilled: the child goes with the role, however that ends.
func TestParentKilled(t *testing.T) {
	for _, how := range []string{"start", "output"} {
		t.Run(how, func(t *testing.T) {
			said := filepath.Join(t.TempDir(), "pid")
			parent := exec.Command(os.Args[0], said)
			parent.Env, parent.Stderr = append(os.Environ(), asParent+"="+how), os.Stderr
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = parent.Wait() }()
			defer func() { _ = parent.Process.Kill() }()
			pid := saidPID(t, said)
			if gone(pid) {
				t.Fatal("the child does not run")
			}
			_ = parent.Process.Kill()
			eventually(t, "end of the child", func() bool { return gone(pid) })
		})
	}
}

// saidPID waits for a file that holds a process id.
func saidPID(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, "a process id in "+file, func() bool {
		text, err := os.ReadFile(file)
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err == nil
	})
	return pid
}

// TestEnvironment: the secrets of the role are not the child's.
func TestEnvironment(t *testing.T) {
	t.Setenv("PTABENCH_DIRECTORY_PASSWORD", "secret")
	out, err := Output(t.Context(), nil, "/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(out)); !slices.Equal(lines, Env) {
		t.Errorf("%q", lines)
	}
	p, _ := start(t, "env; exit 1")
	<-p.Ended()
	if text := p.Err().Error(); strings.Contains(text, "PTABENCH") || !strings.Contains(text, Env[0]) {
		t.Error(text)
	}
}

func TestOutput(t *testing.T) {
	if out, err := Output(t.Context(), strings.NewReader("through"), "/bin/cat"); err != nil || string(out) != "through" {
		t.Errorf("%q, %v", out, err)
	}
	_, err := Output(t.Context(), nil, "/bin/sh", "-c", "seq 1000 >&2; echo why >&2; exit 4")
	if err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.HasSuffix(err.Error(), "why") || len(err.Error()) > 1200 {
		t.Errorf("%v", err)
	}
	if _, err := Output(t.Context(), nil, "/bin/sh", "-c", "echo secret; exit 1"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the output is in the error: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Output(ctx, nil, "/bin/sleep", "1000"); err == nil {
		t.Error("no error when it was cut off")
	}
	if _, err := Start(slog.New(slog.DiscardHandler), "/nowhere/program"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestFind(t *testing.T) {
	if file, err := Find("sh", "package dash"); err != nil || !strings.HasSuffix(file, "/sh") {
		t.Errorf("%q, %v", file, err)
	}
	if _, err := Find("no-such-program", "package none"); err == nil || !strings.HasPrefix(err.Error(), "no-such-program: expected it in /usr/local/sbin:") ||
		!strings.HasSuffix(err.Error(), "on Debian: package none") {
		t.Errorf("%v", err)
	}
}
