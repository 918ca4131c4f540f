//go:build !linux

package proc

import (
	"errors"
	"syscall"
	"time"
)

// errLive says why a running process is not sampled here. What it cost is
// known when it has ended.
var errLive = errors.New("sampling a running process needs linux")

func cpuTime(int) (time.Duration, error) { return 0, errLive }

func residentBytes(int) (int64, error) { return 0, errLive }

func peakBytes(int) (int64, error) { return 0, errLive }

// rusagePeak is in bytes on darwin.
func rusagePeak(r *syscall.Rusage) int64 { return int64(r.Maxrss) }
