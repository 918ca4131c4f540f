package bench

import (
	"os"
	"strconv"
	"strings"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
)

// usageProcesses bounds the processes whose usage is written down second by
// second: a run of hundreds of connectors would leave more of it than of
// samples, and no chart shows so many.
const usageProcesses = 64

// keepUsage has what processes use written down from now on. The watch closes
// the log.
func (w *watch) keepUsage(log *results.UsageLog) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.usage = log
}

// endUsage ends that: what follows is no part of the run's load. The first
// error of the log is the watch's.
func (w *watch) endUsage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.usage == nil {
		return
	}
	if err := w.usage.Close(); w.err == nil {
		w.err = err
	}
	w.usage = nil
}

// used writes down what a role had used when it was sampled, and with the
// cloud's what the harness itself uses. What connectors have in hand is what
// the cloud last told.
func (w *watch) used(p process, sampled proc.Usage) {
	w.mu.Lock()
	log, zero, follower := w.usage, w.zero, w.follower
	w.mu.Unlock()
	if log == nil || zero.IsZero() || w.index(p) >= usageProcesses {
		return
	}
	at := time.Since(zero).Nanoseconds()
	write := func(u results.Usage) {
		log.Append(u)
		if follower != nil {
			follower.Usage(u)
		}
	}
	u := results.Usage{At: at, Process: p.Name(), CPU: int64(sampled.CPU), RSS: sampled.RSS}
	if p.Role() == roleCloud {
		u.InFlight, u.Queued = inHand(w.cloud())
		write(results.Usage{At: at, Process: harnessName, CPU: int64(ownCPU()), RSS: ownRSS()})
	}
	write(u)
}

// index is the place of a role among those watched.
func (w *watch) index(p process) int {
	for i, other := range w.roles {
		if other.process == p {
			return i
		}
	}
	return len(w.roles)
}

// inHand sums what the tenants' connectors had in hand and what waited.
func inHand(c observe.CloudCounters) (inFlight map[string]int, queued int) {
	inFlight = map[string]int{}
	for _, t := range c.Tenants {
		queued += t.Queued
		for _, c := range t.Connectors {
			if len(inFlight) < usageProcesses || inFlight[c.Name] > 0 {
				inFlight[c.Name] += c.InFlight
			}
		}
	}
	return inFlight, queued
}

// ownRSS is what the harness holds in memory at present, 0 where the system
// does not tell: the second field of proc_pid_statm(5), in pages.
func ownRSS() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
