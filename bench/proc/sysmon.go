package proc

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What keeps the monitor thread of a Go program (sysmon) from deep sleep. The
// runtime sends it there whenever the program waits for all its work, and the
// next system call wakes it up to nap for 20 µs at a time: on processors that are
// never idle a third of what cloud and connectors cost at a few hundred sign-ins
// a second. As if it had to write traces of the scheduler it naps on instead,
// 10 ms at a time in the end. The first trace is due when the host is up for
// traceDue, as late as can be said.
const (
	godebug  = "GODEBUG="
	sysmon   = "schedtrace=2147483647" // ms
	traceDue = 2147483647 * time.Millisecond
)

// WithSysmon is an environment in which a program's monitor thread naps on, and
// whether it is another one. What else the runtime is told there stays.
func WithSysmon(env []string) (with []string, changed bool) {
	at := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, godebug) })
	switch {
	case at < 0:
		return append(slices.Clip(env), godebug+sysmon), true
	case strings.Contains(env[at], "schedtrace="):
		return env, false
	}
	with = slices.Clone(env)
	with[at] = strings.TrimSuffix(godebug+sysmon+","+strings.TrimPrefix(env[at], godebug), ",")
	return with, true
}

// SysmonTraces says that a program so started writes a trace to its standard
// error, now or within half a day. To a log it does no harm.
func SysmonTraces() bool {
	var up unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up)
	return err != nil || time.Duration(up.Nano()) > traceDue-12*time.Hour
}
