//go:build !linux

package child

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// PIDs is that of the child: what it started cannot be found here.
func (p *Process) PIDs() []int { return []int{p.PID()} }
