package proc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// startTime reads when a process started, in microseconds since the Unix
// epoch, and whether it has ended (a zombie).
func startTime(pid int) (start uint64, ended bool, err error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) || (err == nil && int(info.Proc.P_pid) != pid) {
		return 0, false, os.ErrProcessDone // the answer for no process is empty: EIO
	}
	if err != nil {
		return 0, false, err
	}
	const zombie = 5 // SZOMB of sys/proc.h
	at := info.Proc.P_starttime
	return uint64(at.Sec)*1e6 + uint64(at.Usec), info.Proc.P_stat == zombie, nil
}

// BootID is empty here: start times are of the calendar.
func BootID() string { return "" }
