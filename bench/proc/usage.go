package proc

import (
	"os"
	"syscall"
	"time"
)

// Usage is what a process cost, over all its starts, its servants included.
type Usage struct {
	Starts int
	CPU    time.Duration // user and system
	RSS    int64         // bytes at present, 0 when it does not run
	RSSMax int64         // bytes, the most that was seen
	// Live says that the running process is included. Where it cannot be
	// sampled (anywhere but on Linux) CPU and RSSMax grow when it ends.
	Live bool
}

// Sample reads what the process has cost so far. It takes some microseconds.
func (p *Process) Sample() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	usage := Usage{Starts: p.starts, CPU: p.spent}
	if r := p.run; r != nil && !r.ended {
		cpu, errCPU := cpuTime(r.id.PID)
		rss, errRSS := residentBytes(r.id.PID)
		if errCPU == nil && errRSS == nil {
			r.cpu = max(r.cpu, cpu) // a clock read while the process ends may be short
			servants, held := p.sampleServants(r)
			usage.Live, usage.RSS = true, rss+held
			p.rssMax = max(p.rssMax, usage.RSS)
			usage.CPU += servants
		} else {
			usage.CPU += r.spentOnServants()
		}
		usage.CPU += r.cpu
	}
	usage.RSSMax = p.rssMax
	return usage
}

// notePeak reads the peak of the process that is about to end, because the
// kernel forgets it then. The caller holds p.mu.
func (p *Process) notePeak(r *incarnation) {
	if peak, err := peakBytes(r.id.PID); err == nil {
		p.rssMax = max(p.rssMax, peak)
	}
}

// account adds what an ended incarnation cost. The caller holds p.mu.
func (p *Process) account(r *incarnation, state *os.ProcessState) {
	if state == nil {
		p.spent += r.cpu + r.spentOnServants()
		return
	}
	// The kernel counts servants that it waited for as its own.
	p.spent += max(r.cpu+r.spentOnServants(), state.UserTime()+state.SystemTime())
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		p.rssMax = max(p.rssMax, rusagePeak(usage))
	}
}
