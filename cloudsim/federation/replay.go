package federation

import (
	"sync"
	"time"
)

// MaxReplays is how many assertions are remembered against being used again: at
// a thousand sign-ins a second some 600,000 are good at a time.
const MaxReplays = 1_000_000

// replayKey is of an issuer and an ID: half of a SHA-256, which is enough
// against anybody who does not sign for the server.
type replayKey [16]byte

// Replays remembers assertions for as long as they would be good. When it is
// full it takes none any more, rather than forget one that could be used again.
// It is in memory: after a restart an assertion could be used once more, while
// it is good. It is safe for concurrent use.
type Replays struct {
	mu    sync.Mutex
	bound int
	held  int
	// minutes has them by the minute in which they end to be good. An assertion's
	// own time says where it would be, and a minute is forgotten as a whole.
	minutes map[int64]map[replayKey]struct{}
}

// NewReplays remembers so many.
func NewReplays(bound int) *Replays {
	return &Replays{bound: bound, minutes: make(map[int64]map[replayKey]struct{})}
}

// use notes that an assertion is used, unless it was before.
func (p *Replays) use(key replayKey, until, now time.Time) *Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	for minute, keys := range p.minutes {
		if minute < now.Unix()/60 {
			p.held -= len(keys)
			delete(p.minutes, minute)
		}
	}
	minute := until.Unix() / 60
	if _, used := p.minutes[minute][key]; used {
		return refuse(Replayed, "it was used before")
	}
	if p.held >= p.bound {
		return refuse(TooMany, "%d assertions are remembered already", p.held)
	}
	if p.minutes[minute] == nil {
		p.minutes[minute] = make(map[replayKey]struct{})
	}
	p.minutes[minute][key] = struct{}{}
	p.held++
	return nil
}

// Held is how many are remembered.
func (p *Replays) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
