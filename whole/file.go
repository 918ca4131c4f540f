// Package whole writes files that appear whole or not at all: whoever reads
// meanwhile, or after the power was lost, sees the old content or the new one.
// Every role keeps something that way, keys among it, and so each may import
// this room, which knows none of them.
package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write has a file written by what it is given, and of that mode from its
// first byte to its last, whatever the mode of the one that it replaces.
func Write(file string, mode fs.FileMode, write func(*os.File) error) error {
	dir := filepath.Dir(file)
	// Beside the file: elsewhere a secret might be left behind by a crash, and
	// may be on another file system.
	f, err := renameio.NewPendingFile(file, renameio.WithTempDir(dir), renameio.WithStaticPermissions(mode))
	if err != nil {
		return err
	}
	defer f.Cleanup() // nothing to do once it has replaced
	if err := write(f.File); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil { // which syncs it
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // or its name may not last
}

// Bytes writes a file from memory.
func Bytes(file string, mode fs.FileMode, content []byte) error {
	return Write(file, mode, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
}
