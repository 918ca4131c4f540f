package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reopen is a restart of the simulator.
func reopen(t testing.TB, s *Store, dir string) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

func TestFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	s := open(t, dir)
	path := filepath.Join(dir, fileName)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	reopen(t, s, dir)
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s is %o; expected %o", name, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"a newer format", func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists(metaBucket)
				if err != nil {
					return err
				}
				return b.Put(formatKey, binary.BigEndian.AppendUint32(nil, Format+1))
			})
		}, "its format is 2; this program reads up to 1"},
		{"no format", func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucketIfNotExists(metaBucket)
				return err
			})
		}, "its format is not given"},
		{"another program's database", func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucketIfNotExists([]byte("recipes"))
				return err
			})
		}, `a database of something else: it has no format, but "recipes"`},
		{"no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("text "), 4096), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "this is no state file of the simulator, or it is damaged"},
		{"a damaged account", func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error {
				if err := prepare(tx); err != nil {
					return err
				}
				b, err := tx.Bucket(accountBucket).CreateBucket([]byte("contoso"))
				if err != nil {
					return err
				}
				return b.Put([]byte("user@contoso.test"), []byte{1, 2, 3})
			})
		}, `account "user@contoso.test" of "contoso": 3 bytes; expected 43`},
		{"a damaged connector", func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) error {
				if err := prepare(tx); err != nil {
					return err
				}
				return tx.Bucket(connectorBucket).Put([]byte("contoso"), []byte("{"))
			})
		}, `connector "contoso"`},
		{"a directory in its place", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			tc.make(t, path)
			before, _ := os.ReadFile(path)
			for range 2 { // the file is let go of as well
				s, err := Open(dir)
				if err == nil {
					_ = s.Close()
					t.Fatal("the file was opened")
				}
				if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %q; expected the path and %q", err, tc.want)
				}
			}
			if after, _ := os.ReadFile(path); tc.name == "no database" && !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// edit changes a file behind the store's back.
func edit(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOneSimulatorAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "another simulator uses it") {
		t.Errorf("opening it twice: %v", err)
	}
	reopen(t, s, dir)
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Keep("key", func() ([]byte, error) { return nil, errors.New("no luck") }); err == nil {
		t.Error("the error of making it is lost")
	}
	var wg sync.WaitGroup
	made := make(chan struct{}, 100)
	for range 8 {
		wg.Go(func() {
			got, err := s.Keep("key", func() ([]byte, error) {
				made <- struct{}{}
				return []byte("first"), nil
			})
			if err != nil || string(got) != "first" {
				t.Errorf("kept %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Errorf("it was made %d times", len(made))
	}
	s = reopen(t, s, dir)
	got, err := s.Keep("key", func() ([]byte, error) { return []byte("second"), nil })
	if err != nil || string(got) != "first" {
		t.Errorf("kept %q, %v after a restart", got, err)
	}
}
