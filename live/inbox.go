package live

import (
	"sync"

	"ptabench/results"
)

// Bounds. What is over them is left out of the live page, which says so, and
// is in the report.
const (
	maxPending = 1 << 17 // sign-ins between two updates: 10 MB
	maxEvents  = 400     // between two updates
	mostEvents = 100     // that are shown: the last
	maxUsage   = 200_000 // lines: an hour of 50 processes
)

// An inbox has what came in since it was last taken. Its lock is held for a
// moment only: those who measure wait for it.
type inbox struct {
	mu sync.Mutex
	inboxed
	spare []results.Sample
}

type inboxed struct {
	header   *results.Header
	samples  []results.Sample
	left     uint64 // sign-ins beyond maxPending
	events   []results.Event
	more     int // events beyond maxEvents
	usage    []results.Usage
	progress *Progress // the last
}

func (i *inbox) take() inboxed {
	i.mu.Lock()
	defer i.mu.Unlock()
	came := i.inboxed
	i.inboxed = inboxed{samples: i.spare[:0]}
	i.spare = nil
	return came
}

// giveBack has the memory of sign-ins used again.
func (i *inbox) giveBack(samples []results.Sample) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.spare = samples
}

// Began says that time 0 is known.
func (p *Page) Began(h results.Header) {
	p.inbox.mu.Lock()
	defer p.inbox.mu.Unlock()
	p.inbox.header = &h
}

// Sample takes in a sign-in that ended.
func (p *Page) Sample(s results.Sample) {
	p.inbox.mu.Lock()
	if len(p.inbox.samples) < maxPending {
		p.inbox.samples = append(p.inbox.samples, s)
	} else {
		p.inbox.left++
	}
	p.inbox.mu.Unlock()
}

// Event takes in an event.
func (p *Page) Event(e results.Event) {
	p.inbox.mu.Lock()
	defer p.inbox.mu.Unlock()
	if len(p.inbox.events) < maxEvents {
		p.inbox.events = append(p.inbox.events, e)
	} else {
		p.inbox.more++
	}
}

// Usage takes in what a process used.
func (p *Page) Usage(u results.Usage) {
	p.inbox.mu.Lock()
	defer p.inbox.mu.Unlock()
	if len(p.inbox.usage) < maxUsage {
		p.inbox.usage = append(p.inbox.usage, u)
	}
}

// Progress takes in how far the run is. One without SoFar says the phase alone.
func (p *Page) Progress(now Progress) {
	p.inbox.mu.Lock()
	defer p.inbox.mu.Unlock()
	if last := p.inbox.progress; now.SoFar == nil && last != nil {
		now.SoFar, now.At = last.SoFar, last.At
	}
	p.inbox.progress = &now
}
