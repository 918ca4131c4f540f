package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// startTime reads when a process started, in clock ticks after boot, and what
// it is at. See proc_pid_stat(5).
func startTime(pid int) (start uint64, is state, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, isRunning, os.ErrProcessDone
	}
	if err != nil {
		return 0, isRunning, err
	}
	return parseStat(stat)
}

// parseStat finds fields 3 and 22. The name, field 2, is in parentheses and
// may hold anything, so fields are counted from the last closing one.
func parseStat(stat []byte) (start uint64, is state, err error) {
	const letter, starttime = 0, 22 - 3 // counted from field 3
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) <= starttime {
		return 0, isRunning, fmt.Errorf("reading the start time: %d fields after the name", len(fields))
	}
	start, err = strconv.ParseUint(string(fields[starttime]), 10, 64)
	if err != nil {
		return 0, isRunning, fmt.Errorf("reading the start time: %w", err)
	}
	switch {
	case strings.ContainsAny(string(fields[letter]), "ZXx"):
		is = isZombie
	case string(fields[letter]) == "T":
		is = isFrozen
	}
	return start, is, nil
}

// BootID names the present boot of the host; start times of one boot say
// nothing in another.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // not mounted: nothing to tell boots apart by
	}
	return strings.TrimSpace(string(id))
}
