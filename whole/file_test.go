package whole_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ptabench/whole"
)

// TestReplacesLaxerFile: a secret written over a file that others could read
// must not inherit its mode.
func TestReplacesLaxerFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := whole.Bytes(file, 0o600, []byte("new")); err != nil {
		t.Fatal(err)
	}
	expectFile(t, file, "new", 0o600)
}

// TestErrorKeepsOldFile: a writer that gives up halfway leaves the old content
// and nothing beside it.
func TestErrorKeepsOldFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	if err := whole.Bytes(file, 0o640, []byte("old")); err != nil {
		t.Fatal(err)
	}
	halfway := errors.New("halfway")
	err := whole.Write(file, 0o600, func(f *os.File) error {
		if _, err := f.WriteString("ne"); err != nil {
			t.Fatal(err)
		}
		return halfway
	})
	if !errors.Is(err, halfway) {
		t.Errorf("writing: %v, expected the writer's own error", err)
	}
	expectFile(t, file, "old", 0o640)
}

// expectFile wants that file, and no other beside it.
func expectFile(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content || info.Mode() != mode {
		t.Errorf("%s has %q, mode %v; expected %q, mode %v", filepath.Base(file), got, info.Mode(), content, mode)
	}
	beside, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(beside) != 1 {
		t.Errorf("beside it: %v, expected nothing", beside)
	}
}
