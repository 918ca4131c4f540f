//go:build !linux

package proc

import "syscall"

// childAttr puts a child in a process group of its own, away from the
// terminal's Ctrl-C. Without Linux there is no signal on a parent's death: the
// child ends because its standard input does.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit does not wait here, so killGroup must not kill: once a child is
// reaped its process id may mean another one.
func awaitExit(int) {}

func killGroup(int) {}
