//go:build !linux

package cli

// releaseProgram does nothing on this system.
func releaseProgram() error { return nil }
