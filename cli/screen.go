package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"ptabench/bench"
	"ptabench/bench/fault"
	"ptabench/results"
	"ptabench/scenarios"
)

// plainInterval is how often a line of progress is printed where there is no
// terminal to draw a bar on.
const plainInterval = 5 * time.Second

// defaultWidth is that of a terminal that does not say, and of the figures of
// the moment where there is none.
const defaultWidth = 80

// screen shows how a run goes: a line that changes on a terminal, lines now
// and then elsewhere.
type screen struct {
	out      io.Writer
	width    int // of the terminal; 0 when it isn't one
	mu       sync.Mutex
	head     string    // what is run; printed when the run has begun
	drawn    bool      // a changing line is on the screen
	last     time.Time // when the last plain line was printed
	rate     float64
	answered uint64 // when last shown
	counted  bool   // it was shown before
	lastAt   time.Duration
}

func newScreen(out io.Writer, s *scenarios.Scenario, dir string) *screen {
	sc := &screen{out: out, width: terminalWidth(out)}
	users := "1 user"
	if n := s.Population.Users; n != 1 {
		users = results.Count(uint64(n)) + " users"
	}
	sc.head = fmt.Sprintf("%s: %s sign-ins/s for %v, %s, %s, seed %d\nrun directory: %s",
		s.Name, strings.TrimSuffix(results.PerSecond(float64(s.Load.Rate)), "/s"), s.Load.Duration,
		plural(s.Connectors.Count, "connector"), users, s.Seed, dir)
	return sc
}

// terminalWidth is how many columns a terminal has, 0 when out is none.
func terminalWidth(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return defaultWidth
}

func (s *screen) show(p bench.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head != "" {
		s.line(s.head)
		s.head = ""
	}
	switch {
	case p.Changed != nil:
		if text := faultLine(p.At, p.Changed, s.width); text != "" {
			s.line(text)
		}
	case p.Phase == "warm-up" || p.Phase == "load":
		s.load(p)
	default:
		s.line(cut(fmt.Sprintf("%9s  %s", "", p.Phase), s.width))
	}
}

// line prints a line that stays.
func (s *screen) line(text string) {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
	fmt.Fprintln(s.out, text)
}

// load shows the figures of the moment.
func (s *screen) load(p bench.Progress) {
	answered := p.Load.Accepted + p.Load.Refused
	if s.counted && p.At > s.lastAt {
		s.rate = float64(answered-s.answered) / (p.At - s.lastAt).Seconds()
	}
	s.answered, s.lastAt, s.counted = answered, p.At, true
	text := fmt.Sprintf("%7.1f s %s %6.0f/s  p99 %-8s ", p.At.Seconds(), bar(p), s.rate, results.Duration(int64(p.P99)))
	if p.Stop != "" {
		text += "stop? " + p.Stop // it matters more than what else there is
	} else {
		text += tally(p)
	}
	if len(p.On) > 0 {
		text += "  [" + strings.Join(p.On, ", ") + "]"
	}
	if s.width == 0 {
		if time.Since(s.last) >= plainInterval {
			s.last = time.Now()
			fmt.Fprintln(s.out, cut(text, defaultWidth))
		}
		return
	}
	fmt.Fprintf(s.out, "\r\x1b[K%s", cut(text, s.width-1))
	s.drawn = true
}

// bar is the part of the load that is over.
func bar(p bench.Progress) string {
	const cells = 12
	done := 0
	if p.End > 0 && p.At > 0 {
		done = min(int(p.At*cells/p.End), cells)
	}
	return strings.Repeat("█", done) + strings.Repeat("░", cells-done)
}

// tally names only what has happened.
func tally(p bench.Progress) string {
	l := p.Load
	text := results.Count(l.Accepted+l.Refused) + " answered"
	for _, part := range []struct {
		n    uint64
		word string
		more string // of several
	}{{l.HashSync, "hash sync", ""}, {l.Failed, "failed", ""}, {l.Unknown, "unknown", ""}, {l.Unsent, "unsent", ""},
		{l.WrongAccepts, "wrong accept", "s"}, {l.WrongRefusals, "wrong refusal", "s"}} {
		if part.n > 0 {
			text += ", " + results.Count(part.n) + " " + part.word
		}
		if part.n > 1 {
			text += part.more
		}
	}
	return text
}

// faultLine says what became of a fault. Of one of a group it says only that
// it began, and for how long that is: there may be hundreds. Errors are told
// whole, and so is everything where there is no terminal: width is 0 then.
func faultLine(at time.Duration, r *fault.Record, width int) string {
	begin := fmt.Sprintf("%7.1f s  ", at.Seconds())
	switch {
	case r.Err != nil:
		return fmt.Sprintf("%sERROR: %s: %v", begin, r.Fault, r.Err)
	case r.UndoneAt == fault.Never:
		return cut(begin+"on:  "+r.Fault.String(), width)
	case r.Fault.Group != "":
		return ""
	}
	return cut(begin+"off: "+r.Name, width)
}

// close ends the changing line.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
	if s.head == "" {
		fmt.Fprintln(s.out)
	}
}
