package kept

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// build makes a small directory and counts how often.
func build(times *atomic.Int32) func(string) error {
	return func(dir string) error {
		times.Add(1)
		return errors.Join(
			os.Mkdir(filepath.Join(dir, "inner"), 0o700),
			os.WriteFile(filepath.Join(dir, "inner", "secret"), []byte("content"), 0o600),
			os.WriteFile(filepath.Join(dir, "program"), []byte("#!"), 0o755))
	}
}

func cacheDir(t *testing.T) string { return filepath.Join(t.TempDir(), "cache") }

func expectCopy(t *testing.T, dir string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(dir, "inner", "secret")); err != nil || string(text) != "content" {
		t.Errorf("%q, %v", text, err)
	}
	for file, want := range map[string]os.FileMode{"inner/secret": 0o600, "program": 0o755, "inner": 0o700 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, expected %v", file, info.Mode(), err, want)
		}
	}
}

// TestBuiltOnce: of many who ask at once, one builds and all get a copy.
func TestBuiltOnce(t *testing.T) {
	cache, to := cacheDir(t), t.TempDir()
	var times atomic.Int32
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			if err := Copy(t.Context(), cache, "name", filepath.Join(to, fmt.Sprint(i)), build(&times)); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	for i := range 8 {
		expectCopy(t, filepath.Join(to, fmt.Sprint(i)))
	}
	if n := times.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
	// Who has a copy owns it.
	if err := os.WriteFile(filepath.Join(to, "0", "inner", "secret"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), cache, "name", filepath.Join(to, "again"), build(&times)); err != nil {
		t.Fatal(err)
	}
	expectCopy(t, filepath.Join(to, "again"))
}

func TestWithoutCache(t *testing.T) {
	to := filepath.Join(t.TempDir(), "made", "here")
	var times atomic.Int32
	if err := Copy(t.Context(), "", "name", to, build(&times)); err != nil {
		t.Fatal(err)
	}
	expectCopy(t, to)
}

// TestFailedBuild keeps nothing, and neither does one that died.
func TestFailedBuild(t *testing.T) {
	cache, to := cacheDir(t), t.TempDir()
	broken := errors.New("broken")
	err := Copy(t.Context(), cache, "name", filepath.Join(to, "a"), func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	died := filepath.Join(cache, "name.partial")
	if err := errors.Join(os.Mkdir(died, 0o700), os.WriteFile(filepath.Join(died, "half"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var times atomic.Int32
	if err := Copy(t.Context(), cache, "name", filepath.Join(to, "b"), build(&times)); err != nil {
		t.Fatal(err)
	}
	expectCopy(t, filepath.Join(to, "b"))
	if _, err := os.Stat(filepath.Join(to, "b", "half")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half of a build was kept: %v", err)
	}
}

// TestHoles: a file of a terabyte that is a hole is copied in a moment, and
// takes no room.
func TestHoles(t *testing.T) {
	const size = 1 << 40
	cache, to := cacheDir(t), filepath.Join(t.TempDir(), "copy")
	err := Copy(t.Context(), cache, "name", to, func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "sparse"))
		if err != nil {
			return err
		}
		_, err1 := f.WriteAt([]byte("middle"), size/2)
		return errors.Join(err1, f.Truncate(size), f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(to, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := make([]byte, 6)
	if _, err := f.ReadAt(text, size/2); err != nil || string(text) != "middle" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

// TestPrune: of too many, those used longest ago go, unless somebody uses them.
func TestPrune(t *testing.T) {
	cache, to := cacheDir(t), t.TempDir()
	var times atomic.Int32
	use := func(name string) {
		t.Helper()
		if err := Copy(t.Context(), cache, name, filepath.Join(to, fmt.Sprint(name, times.Load(), time.Now().UnixNano())), build(&times)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range most {
		name := fmt.Sprintf("old-%02d", i)
		use(name)
		at := time.Now().Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(filepath.Join(cache, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := tryLock(filepath.Join(cache, "old-00.lock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, half := range []string{"died", "old-00"} { // of which one is still being built
		if err := os.MkdirAll(filepath.Join(cache, half+partial, "inner"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	use("old-01") // and so it is no longer among the old
	use("new-1")
	use("new-2")
	unlock()
	for file, want := range map[string]bool{"died" + partial: false, "died.lock": false, "old-00" + partial: true} {
		if _, err := os.Stat(filepath.Join(cache, file)); (err == nil) != want {
			t.Errorf("%s: %v, expected kept: %t", file, err, want)
		}
	}
	for name, want := range map[string]bool{"old-00": true, "old-01": true, "old-02": false, "old-03": true, "new-1": true, "new-2": true} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: %v, expected kept: %t", name, err, want)
		}
		if _, err := os.Stat(filepath.Join(cache, name+".lock")); (err == nil) != want {
			t.Errorf("lock of %s: %v, expected kept: %t", name, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	var times atomic.Int32
	err := Copy(t.Context(), open, "name", filepath.Join(t.TempDir(), "to"), build(&times))
	if err == nil || !strings.Contains(err.Error(), "0755 lets others in, expected 0700") {
		t.Errorf("a cache that others can write: %v", err)
	}

	cache := cacheDir(t)
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := tryLock(filepath.Join(cache, "name.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Copy(ctx, cache, "name", filepath.Join(t.TempDir(), "to"), build(&times)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a lock until the deadline: %v", err)
	}
	if times.Load() != 0 {
		t.Error("built what was refused")
	}
}

func TestKey(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"a"}, {"a", "b"}, {"ab"}, {"a", "", "b"}, {"1:a"}, {"b", "a"}} {
		key := Key(parts...)
		if other, found := seen[key]; found {
			t.Errorf("%q and %q have one key", parts, other)
		}
		seen[key] = parts
		if key != Key(parts...) {
			t.Errorf("%q: two keys", parts)
		}
	}
}
