package cli

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// releaseProgram gives back the pages of the program's own file that its start
// has mapped. The kernel maps those around each that is touched, and a start
// touches most of them once: of the 24 MiB that an idle connector would have
// resident otherwise 18 are the program's, and 10 of these it never comes back
// to. What is needed comes back from the page cache, some at a time for about a
// microsecond.
//
// Mappings with anything written to them are left alone: that would be lost.
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range programMappings(text, program) {
		// By number: there is no memory of Go's behind these addresses to make
		// a slice of.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("giving back %x-%x: %w", m.from, m.to, errno)
		}
	}
	return nil
}
