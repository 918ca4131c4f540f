package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var pageBytes = int64(os.Getpagesize())

// cpuTime reads the CPU clock of a process, user and system, in nanoseconds.
// Its clock id is that of clock_getcpuclockid(3): the complement of the
// process id above three bits, of which 2 means the scheduler's clock.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// residentBytes reads what a process holds in memory at present: the second
// field of proc_pid_statm(5), in pages.
func residentBytes(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("reading /proc/%d/statm: %d fields", pid, len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading /proc/%d/statm: %w", pid, err)
	}
	return pages * pageBytes, nil
}

// peakBytes reads the most a process ever held in memory: VmHWM of
// proc_pid_status(5), in KiB.
func peakBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading /proc/%d/status: %w", pid, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("reading /proc/%d/status: no VmHWM", pid)
}

// rusagePeak is no use here: between fork and exec a child shares its parent's
// memory, and the kernel counts that peak as the child's.
func rusagePeak(*syscall.Rusage) int64 { return 0 }
