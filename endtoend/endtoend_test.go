// Package endtoend runs the program that users get, as they do: real
// processes, real faults, and what they leave behind. Its tests load both
// cores, so they run alone (`make endtoend`) and one after the other.
package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ptabench/page/pagetest"
	"ptabench/results"
)

// program is the binary under test, built once as `make build` does.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ptabench-endtoend-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ptabench")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pagetest.Main(m)
}

// build builds without -trimpath, so that what other tests compiled is used again.
func build(to string, flags ...string) error {
	cgo := "CGO_ENABLED=0"
	if len(flags) > 0 { // the race detector needs it
		cgo = "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", to}, flags...), "ptabench/cmd/ptabench")...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building ptabench: %w\n%s", err, out)
	}
	return nil
}

// ended is how a command ended.
type ended struct {
	code           int
	stdout, stderr string
}

// commandWithin bounds one command.
const commandWithin = 2 * time.Minute

// ptabench runs a command to its end, within two minutes.
func ptabench(t *testing.T, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandWithin)
	defer cancel()
	return finish(t, exec.CommandContext(ctx, program, args...))
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) ended {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("ptabench %v: %v", cmd.Args[1:], err)
	}
	e := ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	t.Logf("ptabench %v: exit %d\n%s%s", cmd.Args[1:], e.code, e.stdout, e.stderr)
	return e
}

// underWay starts a run, for the test to disturb, and returns it with what it
// prints and its directory. Whatever becomes of the test, nothing of it stays.
func underWay(t *testing.T, args ...string) (cmd *exec.Cmd, out *bytes.Buffer, dir string) {
	t.Helper()
	out = &bytes.Buffer{} // good when the run has ended
	cmd, dir = underWayInto(t, out, args...)
	return cmd, out, dir
}

// underWayTo is underWay with what it prints in a file, to be read meanwhile.
func underWayTo(t *testing.T, file string, args ...string) (cmd *exec.Cmd, out *os.File, dir string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	cmd, dir = underWayInto(t, out, args...)
	return cmd, out, dir
}

func underWayInto(t *testing.T, out io.Writer, args ...string) (cmd *exec.Cmd, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd = exec.CommandContext(ctx, program, append(append([]string{"run"}, args...), "--out", dir)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // the test may have done so
		_ = exec.Command(program, "heal", dir).Run()
	})
	return cmd, dir
}

// run runs a scenario in a new run directory and returns what it measured.
func run(t *testing.T, args ...string) (ended, *results.Result, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	e := ptabench(t, append(append([]string{"run"}, args...), "--out", dir)...)
	r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	return e, r, dir
}

// field reads a value from result.json by its path, as a user with jq would:
// the names are a promise.
func field(t *testing.T, dir string, path ...string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, name := range path {
		object, _ := v.(map[string]any) // nil has no names either
		inner, ok := object[name]
		if !ok {
			t.Fatalf("result.json has no %v", path)
		}
		v = inner
	}
	return v
}
