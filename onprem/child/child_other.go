//go:build !linux

package child

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit does not wait here, so killGroup must not kill: once a child is
// reaped its number may be another one's.
func awaitExit(int) {}

func killGroup(int) {}

// PIDs is that of the child: what it started cannot be found here.
func (p *Process) PIDs() []int { return []int{p.PID()} }
