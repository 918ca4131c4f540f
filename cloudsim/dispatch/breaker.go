package dispatch

import "time"

// breaker keeps sign-ins from waiting for a path that is known to be down.
//
//	closed   everything passes; threshold path failures in a row open it,
//	         unless the threshold is 0, and so does the loss of the last usable
//	         connector
//	open     nothing passes but a probe each interval, a real sign-in
//	probing  a probe was answered: the number of probes at once doubles with
//	         each answer, and after closeAfter of them the breaker closes
//
// A failed probe costs its user nothing but time: hash sync answers it like
// the others.
type breaker struct {
	open      bool
	cause     Failure // why it is open
	failures  int     // in a row, while closed
	probes    int     // in flight
	window    int     // probes allowed in flight
	successes int     // of probes, since the last failure
	next      time.Duration
	answered  time.Duration // when the last definite answer came, while closed
}

// closeAfter is how many probes must be answered, in a row, before everybody
// passes again.
const closeAfter = 5

// admit reports whether an open breaker lets one more probe through.
func (b *breaker) admit(now time.Duration, anybody bool) bool {
	if !anybody || b.probes >= b.window || now < b.next {
		return false
	}
	b.probes++
	return true
}

// trip opens the breaker and reports whether it was closed.
func (b *breaker) trip(now time.Duration, cause Failure) bool {
	was := b.open
	*b = breaker{open: true, cause: cause, window: 1, probes: b.probes, next: now}
	return !was
}

// failed notes a path failure and reports whether it opened the breaker. s
// began its last attempt at the time given.
func (b *breaker) failed(now, began time.Duration, probe bool, f Failure, s Settings) bool {
	if b.open {
		if probe {
			b.probes = max(b.probes-1, 0)
			b.window, b.successes, b.cause = 1, 0, f
			b.next = now + s.Probe
		}
		return false
	}
	// A deadline that is over is old news: an answer that came since the sign-in
	// was given says that the path works, and that one connector does not. So a
	// silent connector of three opens nothing, however many of its sign-ins
	// expire between two answers of the others.
	if f == DeadlineOver && began < b.answered {
		return false
	}
	b.failures++
	if s.Threshold == 0 || b.failures < s.Threshold {
		return false
	}
	b.trip(now, f)
	b.next = now + s.Probe
	return true
}

// succeeded notes a definite answer and reports whether it closed the breaker.
// Only probes speak for the path: other answers may be older than its failure.
func (b *breaker) succeeded(now time.Duration, probe bool) bool {
	b.failures, b.answered = 0, now
	if !b.open || !probe {
		return false
	}
	b.probes = max(b.probes-1, 0)
	b.successes++
	b.window *= 2
	b.next = now
	if b.successes < closeAfter {
		return false
	}
	*b = breaker{answered: now}
	return true
}

// hint says that the path may be back, so that the next sign-in probes it. A
// probe that hangs at a lost connector does not stand in the way.
func (b *breaker) hint(now time.Duration) {
	if b.open && b.successes == 0 {
		b.next, b.probes = now, 0
	}
}

func (b *breaker) String() string {
	switch {
	case !b.open:
		return "closed"
	case b.probes > 0 || b.successes > 0:
		return "probing"
	}
	return "open"
}
