package proc

import "syscall"

// thread is the one that the caller is on.
func thread() int { return syscall.Gettid() }
