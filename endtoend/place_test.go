package endtoend

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// lacks skips a test for want of something, unless it must run: CI sees to
// that.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PTABENCH_REQUIRE_ROOT_TESTS") != "" {
		t.Fatalf("this test needs %s, and PTABENCH_REQUIRE_ROOT_TESTS says that it must run", what)
	}
	t.Skipf("this test needs %s; set PTABENCH_REQUIRE_ROOT_TESTS to have it fail instead", what)
}

func mustRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacks(t, "root")
	}
}

// scenarioFile writes a scenario of a test.
func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// nobody is a user without any privilege.
const nobody = 65534

// A place is a directory that belongs to some user, with a copy of the program
// in it: he may not enter those of t.TempDir.
type place struct {
	dir  string
	user uint32
}

func newPlace(t *testing.T, user uint32) place {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptabench-place-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, "ptabench"), binary, 0o755), os.Chown(dir, int(user), -1))
	if err != nil {
		t.Fatal(err)
	}
	return place{dir: dir, user: user}
}

// write puts a file there that the user may read.
func (p place) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ptabench runs a command there as the user, to its end, within two minutes.
func (p place) ptabench(t *testing.T, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.dir, "ptabench"), args...)
	cmd.Dir = p.dir
	if p.user != uint32(os.Geteuid()) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: p.user, Gid: p.user}}
	}
	return finish(t, cmd)
}

// needsNamespaces ends a test whose user may not make network namespaces on
// this machine, as a run said.
func (p place) needsNamespaces(t *testing.T, e ended) {
	t.Helper()
	if e.code == 3 && strings.Contains(e.stderr, "may not make a network namespace") {
		lacks(t, "a user who may make network namespaces")
	}
}
