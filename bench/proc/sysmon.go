package proc

import "os"

// Sysmon keeps the monitor thread of a Go program (sysmon) from deep sleep, in a
// variable of its environment. The runtime sends it there whenever the program
// waits for all its work, and its next system call wakes it up to nap for 20 µs
// at a time: on processors that are never idle a third of what cloud and
// connectors cost at a few hundred sign-ins a second. As if it had to write
// traces of the scheduler it naps on instead, 10 ms at a time in the end. The
// first trace is due when the host is up for 24 days, as late as can be said:
// from then on each child begins its log with one.
//
// What the harness itself was told by this variable is told to a child too.
func Sysmon() string {
	const variable = "GODEBUG=schedtrace=2147483647"
	if told := os.Getenv("GODEBUG"); told != "" {
		return variable + "," + told
	}
	return variable
}
