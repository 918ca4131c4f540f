package proc

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ptabench/observe"
)

// Servants are processes that a role runs in its turn, such as the directory
// server that it stands for: they cost what the role costs, and are frozen with
// it. A role that has any says their process ids in its ready line ("pids"), and
// what these start counts too. They end with the role by themselves.

// servantsOf are the processes that a ready line names. They are known by more
// than their ids, which may be others' when these have ended.
func servantsOf(ready observe.Ready) (servants []Identity) {
	for _, text := range strings.Split(ready.Info["pids"], ",") {
		if pid, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && pid > 1 {
			if id, err := Identify(pid); err == nil { // else it has ended
				servants = append(servants, id)
			}
		}
	}
	return servants
}

// household are the servants that are there now, with what they started; none
// of a role that named none. The caller holds p.mu.
func (p *Process) household() (pids []int) {
	if len(p.servants) == 0 || p.run == nil || p.run.ended || p.ready.PID != p.run.id.PID {
		return nil
	}
	all := []int{p.run.id.PID}
	for i := 0; i < len(all); i++ {
		for _, child := range childrenOf(all[i]) {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	for _, id := range p.servants {
		// One that its parent left is a child of another process now. It is
		// still one of ours when it is in the list that the role gave.
		if slices.Contains(all, id.PID) {
			continue
		}
		if alive, err := id.Alive(); err == nil && alive {
			all = append(all, id.PID)
		}
	}
	return all[1:]
}

// sampleServants adds what servants cost so far and hold now. The caller holds
// p.mu.
func (p *Process) sampleServants(r *incarnation) (cpu time.Duration, rss int64) {
	for _, pid := range p.household() {
		spent, err := cpuTime(pid)
		if err != nil {
			continue
		}
		if r.servants == nil {
			r.servants = make(map[int]time.Duration)
		}
		r.servants[pid] = max(r.servants[pid], spent)
		if bytes, err := residentBytes(pid); err == nil {
			rss += bytes
		}
	}
	return r.spentOnServants(), rss
}

// spentOnServants is what all servants have cost, those that have ended too.
func (r *incarnation) spentOnServants() (cpu time.Duration) {
	for _, spent := range r.servants {
		cpu += spent
	}
	return cpu
}

// signalServants freezes servants or lets them go on. Other signals they get
// from the role. The caller holds p.mu.
func (p *Process) signalServants(sig syscall.Signal) {
	if sig != syscall.SIGSTOP && sig != syscall.SIGCONT {
		return
	}
	for _, pid := range p.household() {
		_ = syscall.Kill(pid, sig) // one that has ended needs nothing
	}
}
