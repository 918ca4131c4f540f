package proc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// startTime reads when a process started, in microseconds since the Unix
// epoch, and what it is at.
func startTime(pid int) (start uint64, is state, err error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) || (err == nil && int(info.Proc.P_pid) != pid) {
		return 0, isRunning, os.ErrProcessDone // the answer for no process is empty: EIO
	}
	if err != nil {
		return 0, isRunning, err
	}
	const stopped, zombie = 4, 5 // SSTOP and SZOMB of sys/proc.h
	at := info.Proc.P_starttime
	switch info.Proc.P_stat {
	case stopped:
		is = isFrozen
	case zombie:
		is = isZombie
	}
	return uint64(at.Sec)*1e6 + uint64(at.Usec), is, nil
}

// BootID is empty here: start times are of the calendar.
func BootID() string { return "" }
