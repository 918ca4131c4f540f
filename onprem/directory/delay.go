package directory

import (
	"context"
	"sync"
	"time"
)

// maxDelay bounds what a bind can be kept waiting.
const maxDelay = 10 * time.Minute

// A delay keeps user binds waiting: always for base, and for what was put
// while running on top. A change also holds for binds that already wait.
type delay struct {
	base time.Duration

	mu      sync.RWMutex
	added   time.Duration
	changed chan struct{} // closed at the next change
}

func newDelay(base time.Duration) *delay {
	return &delay{base: base, changed: make(chan struct{})}
}

// put sets what is added to base.
func (d *delay) put(added time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.added = added
	close(d.changed)
	d.changed = make(chan struct{})
}

// extra is what is added to base at present.
func (d *delay) extra() time.Duration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.added
}

// wait returns when the delay is over, or the context.
func (d *delay) wait(ctx context.Context) {
	began := time.Time{}
	for {
		d.mu.RLock()
		total, changed := d.base+d.added, d.changed
		d.mu.RUnlock()
		if total <= 0 {
			return
		}
		if began.IsZero() {
			began = time.Now()
		}
		left := total - time.Since(began)
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
			return
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
