package proc

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttr puts a child in a process group of its own, away from the
// terminal's Ctrl-C, and has the kernel kill it when the thread that started
// it ends.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the child has ended and before it is reaped, so that
// its process id cannot mean another one yet.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// killGroup ends what an ended, unreaped child left in its group, such as the
// program behind a wrapper script.
func killGroup(pid int) {
	_ = unix.Kill(-pid, unix.SIGKILL) // nobody there: nothing to do
}
