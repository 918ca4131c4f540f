package bench

import (
	"context"
	"runtime"
	"time"
)

// A generator that computes all the time is late with what it sends, and what
// it measures is its own. A second of that is a collection of garbage; this
// long is a load that is too much for it.
const cpuWindow = 5

// A cpuMeter takes what the harness itself costs, second by second.
type cpuMeter struct {
	own   func() time.Duration // CPU so far
	marks []cpuMark
}

type cpuMark struct {
	at   time.Time
	used time.Duration
}

// run takes a mark every second until the context ends, and one then.
func (c *cpuMeter) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for c.mark(time.Now()); ; {
		select {
		case <-tick.C:
			c.mark(time.Now())
		case <-ctx.Done():
			c.mark(time.Now())
			return
		}
	}
}

func (c *cpuMeter) mark(at time.Time) { c.marks = append(c.marks, cpuMark{at, c.own()}) }

// peak is the largest share of the processors it may use that the harness used
// over cpuWindow marks in a row, or over all when there are fewer; 0 when
// nothing was measured.
func (c *cpuMeter) peak(processors int) (share float64) {
	for i := range c.marks {
		from := c.marks[max(0, i-cpuWindow)]
		if i < cpuWindow && i < len(c.marks)-1 {
			continue // not a whole window, and more follow
		}
		if took := c.marks[i].at.Sub(from.at); took > 0 {
			share = max(share, float64(c.marks[i].used-from.used)/float64(took)/float64(processors))
		}
	}
	return share
}

// processors are those that the harness may use at once.
func processors() int { return runtime.GOMAXPROCS(0) }
