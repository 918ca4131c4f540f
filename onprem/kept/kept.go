// Package kept keeps directories full of files between runs: what a directory
// server was provisioned with, which takes seconds to make and a moment to copy.
// Several processes may use the same ones at once.
package kept

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// most is how many directories are kept; the ones used longest ago go.
const most = 12

// partial ends the name of what is being built.
const partial = ".partial"

// Key is a name for what depends on all the parts and on nothing else.
func Key(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// Copy puts a copy of what is kept under a name into a directory that must not
// exist. When nothing is kept under it yet, build makes it first, once even
// where several processes ask; with an empty cache, build makes it where it is
// to be.
func Copy(ctx context.Context, cache, name, to string, build func(dir string) error) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if cache == "" {
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return build(to)
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if info, err := os.Stat(cache); err != nil {
		return fmt.Errorf("cache: %w", err)
	} else if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("cache %s: mode %#o lets others in, expected 0700", cache, info.Mode().Perm())
	}
	entry := filepath.Join(cache, name)
	unlock, err := lock(ctx, entry+".lock")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(entry); errors.Is(err, fs.ErrNotExist) {
		if err := fill(entry, build); err != nil {
			return err
		}
		prune(cache, entry)
	} else if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	now := time.Now()
	_ = os.Chtimes(entry, now, now) // was used; only which one goes first depends on it
	return copyTree(entry, to)
}

// fill builds beside the entry and renames, so that an entry is whole. The lock
// is held, so what another build left was left by one that died.
func fill(entry string, build func(dir string) error) error {
	dir := entry + partial
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := build(dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Rename(dir, entry); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// prune removes the entries used longest ago, and what builds left that died, as
// far as nobody uses them now. What cannot be removed now goes another time.
func prune(cache, but string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	type used struct {
		path string
		at   time.Time
	}
	var all []used
	for _, e := range entries {
		if entry, half := strings.CutSuffix(filepath.Join(cache, e.Name()), partial); half {
			if unlock, err := tryLock(entry + ".lock"); err == nil {
				_ = os.RemoveAll(entry + partial)
				if _, err := os.Stat(entry); errors.Is(err, fs.ErrNotExist) {
					_ = os.Remove(entry + ".lock")
				}
				unlock()
			}
		} else if info, err := e.Info(); err == nil && e.IsDir() {
			all = append(all, used{entry, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return cmp.Compare(b.at.UnixNano(), a.at.UnixNano()) })
	for _, old := range all[min(most, len(all)):] {
		if old.path == but {
			continue
		}
		unlock, err := tryLock(old.path + ".lock")
		if err != nil {
			continue
		}
		_ = os.RemoveAll(old.path)
		_ = os.Remove(old.path + ".lock")
		unlock()
	}
}

// lock waits for an exclusive lock and returns what lets go of it.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	again := time.NewTicker(20 * time.Millisecond) // a lock that is waited for cannot be given up
	defer again.Stop()
	for {
		unlock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

var errLocked = errors.New("somebody else has it")

// tryLock takes the lock or says that somebody else has it. A lock file may be
// removed by who holds it, so it counts only while it is the one of that name.
func tryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return nil, errLocked
		}
		return nil, err
	}
	held, err1 := f.Stat()
	named, err2 := os.Stat(path)
	if err1 != nil || err2 != nil || !os.SameFile(held, named) {
		_ = f.Close()
		return nil, errLocked // by who removed it, until just now
	}
	return func() { _ = f.Close() }, nil // which unlocks
}

// copyTree copies directories and plain files with their modes; there is
// nothing else, or it is left out: sockets and the like belong to who runs.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		into := filepath.Join(to, relative)
		switch {
		case e.IsDir():
			return os.Mkdir(into, info.Mode().Perm()|0o700)
		case e.Type().IsRegular():
			return copyFile(path, into, info.Mode().Perm())
		}
		return nil
	})
}

// copyFile copies what of a file is there: a database may be a file of a
// gigabyte that is hardly anything but holes.
func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for at := int64(0); at < info.Size(); {
		begin, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			break // nothing but a hole is left
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := in.Seek(begin, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(begin, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, end-begin); err != nil {
			return err
		}
		at = end
	}
	return out.Truncate(info.Size())
}
