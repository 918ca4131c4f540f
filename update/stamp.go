package update

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// A stamp is a line at the end of a program that says which version it is. The
// loader of an executable ignores what follows it, so that a copy of a program
// can be given a version without the means to build one, and is a file of its
// own, with hashes of its own, that says itself what it is.
const (
	stampMark = "\nptabench-version "
	stampSize = 64 // with the mark; blanks fill it
)

// Stamped is the version that the stamp of a file says; empty when it has none.
func Stamped(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	tail := make([]byte, stampSize)
	if _, err := f.Seek(-stampSize, io.SeekEnd); err != nil {
		return ""
	}
	if _, err := io.ReadFull(f, tail); err != nil {
		return ""
	}
	rest, found := bytes.CutPrefix(tail, []byte(stampMark))
	version := string(bytes.TrimRight(rest, " \n"))
	if !found || CheckVersion(version) != nil {
		return ""
	}
	return version
}

// Version is this program's: that of its stamp, or else what it was built as.
func Version(built string) string {
	file, err := os.Executable()
	if err != nil {
		return built
	}
	if version := Stamped(file); version != "" {
		return version
	}
	return built
}

// Stamp copies a program, without a stamp that it may have, and stamps the
// copy.
func Stamp(to io.Writer, file, version string) error {
	if err := CheckVersion(version); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	stamp := make([]byte, stampSize)
	if n := copy(stamp, stampMark+version); n == stampSize {
		return errors.New("version: expected a shorter one")
	}
	for i := len(stampMark + version); i < stampSize; i++ {
		stamp[i] = ' '
	}
	stamp[stampSize-1] = '\n'
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if Stamped(file) != "" {
		size -= stampSize
	}
	if _, err := io.Copy(to, io.LimitReader(f, size)); err != nil {
		return err
	}
	_, err = to.Write(stamp)
	return err
}
