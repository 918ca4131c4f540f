//go:build !linux

package proc

// thread is not to be had here.
func thread() int { return 0 }
