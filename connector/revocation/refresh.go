package revocation

import (
	"errors"
	"path/filepath"
	"time"

	"ptabench/whole"
)

// The waits between fetches that failed: the first, and the longest. Without a
// list no connection is made, so then it is asked for more often.
const (
	firstWait   = 200 * time.Millisecond
	longestWait = 5 * time.Minute
	urgentWait  = time.Second
)

// run replaces the list in the background.
func (c *Checker) run() {
	defer close(c.done)
	for {
		timer := time.NewTimer(c.due())
		select {
		case <-c.ctx.Done():
			timer.Stop()
			return
		case <-c.wake:
			timer.Stop()
			continue
		case <-timer.C:
		}
		c.mu.Lock()
		s := c.source
		c.mu.Unlock()
		if err := c.fetch(s, false); err != nil && !errors.Is(err, errSame) && c.ctx.Err() == nil {
			c.cfg.Log.Warn("fetching the revocation list", "from", s.point, "fault", string(faultOf(err)), "error", err)
		}
	}
}

// idle is how long to wait when there is nothing to do: until woken, really.
const idle = time.Hour

// due is how long to wait until the next fetch.
func (c *Checker) due() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.source.issuer == nil:
		return idle
	case c.failing.err != nil:
		return min(max(c.failing.retry.Sub(c.cfg.Now()), 0), longestWait)
	case c.kept == nil || c.kept.issuer != idOf(c.source.issuer):
		return idle // the connection that needs it fetches it
	}
	half := c.kept.half()
	spread := time.Duration(c.spread * float64(c.kept.nextUpdate.Sub(half)))
	return min(max(half.Add(spread).Sub(c.now()), 0), idle)
}

// nudge has run consider again what to do.
func (c *Checker) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// errSame says that the list is the one that is kept, although another is due.
var errSame = errors.New("port 80 still gives the list that is kept")

// fetch asks for a list and keeps it if it is good. Asked for by a connection
// it does so only if nobody else just did.
func (c *Checker) fetch(s source, ifNone bool) error {
	c.fetching.Lock()
	defer c.fetching.Unlock()
	if ifNone {
		if _, good, err := c.usable(s); good || err != nil {
			return err
		}
	}
	before := c.cfg.Now()
	der, ahead, err := fetch(c.ctx, c.client, s.point, c.cfg.Now)
	var l *list
	if err == nil {
		l, err = parse(der, s.issuer)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.nudge()
	if err == nil {
		err = c.take(l, ahead)
	}
	switch {
	case err == nil:
		c.failing = failing{}
	case c.ctx.Err() != nil: // it was broken off
	default:
		if !errors.Is(err, errSame) {
			c.count.fail(faultOf(err))
		}
		if c.failing.err == nil {
			c.failing.since = before
		}
		c.failing.err = err
		c.failing.retry = c.cfg.Now().Add(c.wait(c.failing.tries))
		c.failing.tries++
	}
	return err
}

// wait is how long to wait after so many failures; mu is held.
func (c *Checker) wait(tries int) time.Duration {
	w := firstWait << min(tries, 20)
	longest := longestWait
	if c.kept == nil || c.kept.issuer != idOf(c.source.issuer) {
		longest = urgentWait
	} else {
		// Often enough that a last attempt is made while the list still serves.
		longest = max(urgentWait, min(longest, c.kept.nextUpdate.Sub(c.now())/4))
	}
	return min(w, longest)
}

// take keeps a list that its issuer signed, unless it is old; mu is held.
func (c *Checker) take(l *list, ahead time.Duration) error {
	now := c.cfg.Now()
	if ahead.Abs() > MaxSkew {
		way := "ahead of"
		if ahead < 0 {
			way = "behind"
		}
		return fault(ClockSkew, "this host's clock is %v %s the cloud's: expected at most %v", ahead.Abs().Round(time.Second), way, MaxSkew)
	}
	if early := l.thisUpdate.Sub(now); early > MaxSkew {
		return fault(ClockSkew, "the list is of %s, %v ahead of this host's clock: expected at most %v",
			stamp(l.thisUpdate), early.Round(time.Second), MaxSkew)
	}
	same := false
	if c.kept != nil && c.kept.issuer == l.issuer {
		if err := l.follows(c.kept); err != nil {
			return err
		}
		same = l.number.Cmp(c.kept.number) == 0
	}
	if late := now.Add(-ahead).Sub(l.nextUpdate); late > 0 {
		return fault(RunOut, "the list that is given ran out on %s", stamp(l.nextUpdate))
	}
	if same && now.Add(-ahead).After(c.kept.half()) {
		c.ahead = ahead
		return errSame
	}
	c.kept, c.ahead = l, ahead
	c.count.lists.Add(1)
	c.cfg.Log.Info("revocation list", "number", l.number.String(), "revoked", len(l.revoked), "next_update", l.nextUpdate)
	if err := whole.Bytes(filepath.Join(c.cfg.State, fileName), 0o600, l.raw); err != nil { // it serves all the same
		c.cfg.Log.Warn("keeping the revocation list", "error", err)
	}
	return nil
}
