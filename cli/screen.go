package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"ptabench/bench"
	"ptabench/bench/fault"
	"ptabench/results"
	"ptabench/scenarios"
)

// plainInterval is how often a line of progress is printed where there is no
// terminal to draw on.
const plainInterval = 5 * time.Second

// soFarInterval is how often the result so far is made for the live screen:
// that takes longer than drawing it.
const soFarInterval = 900 * time.Millisecond

// defaultWidth is that of a terminal that does not say, and of the figures of
// the moment where there is none.
const defaultWidth = 80

// maxWaiting bounds what waits to be shown on a terminal that is slow, or was
// stopped. What is more is counted, and said.
const maxWaiting = 1000

// screen shows how a run goes: a few lines that change on a terminal, lines now
// and then elsewhere. It draws in a goroutine of its own: whoever measures does
// not wait for a terminal.
type screen struct {
	out      io.Writer
	colour   bool
	size     func() (columns, rows int) // of the terminal; 0 and 0 when it isn't one
	scenario *scenarios.Scenario        // nil in tests
	faults   []scenarios.Fault          // its schedule
	head     string                     // what is run; printed when the run has begun

	mu      sync.Mutex
	waiting []news
	missed  int
	wake    chan struct{} // has room for one
	stop    chan struct{}
	done    sync.WaitGroup

	// Of the goroutine that draws.
	width  int // of the last drawing; 0 where there is no terminal
	height int
	drawn  []int // columns of the lines that change, as drawn last
	frame  []strip
	last   time.Time // when the last plain line was printed
	speed  speed
	asked  time.Duration // when the result so far was made last
	view   glance
}

// news is one thing to show: how far the run is, or a text for somewhere else
// on the same terminal.
type news struct {
	progress bench.Progress
	text     []byte
	to       io.Writer // nil: progress
}

// speed is the rate of the answers.
type speed struct {
	rate     float64
	answered uint64 // when last shown
	counted  bool   // it was shown before
	at       time.Duration
}

func (s *speed) see(answered uint64, at time.Duration) float64 {
	if s.counted && at > s.at {
		s.rate = float64(answered-s.answered) / (at - s.at).Seconds()
	}
	s.answered, s.at, s.counted = answered, at, true
	return s.rate
}

func newScreen(out io.Writer, s *scenarios.Scenario, dir string) *screen {
	sc := &screen{out: out, colour: wantsColour(out), scenario: s, faults: s.Schedule(),
		size: func() (int, int) { return terminalSize(out) }}
	users := "1 user"
	if n := s.Population.Users; s.Directory.Kind == scenarios.Outside {
		users = "the users of " + s.Directory.External.Users
	} else if n != 1 {
		users = results.Count(uint64(n)) + " users"
	}
	sc.head = fmt.Sprintf("%s: %s sign-ins/s for %v, %s, %s, seed %d\nrun directory: %s",
		s.Name, strings.TrimSuffix(results.PerSecond(float64(s.Load.Rate)), "/s"), s.Load.Duration,
		plural(s.Connectors.Count, "connector"), users, s.Seed, dir)
	sc.start()
	return sc
}

// terminalWidth is how many columns a terminal has, 0 when out is none.
func terminalWidth(out io.Writer) int {
	columns, _ := terminalSize(out)
	return columns
}

// terminalSize is how many columns and rows a terminal has, 0 and 0 when out is
// none, or one that can do no more than print.
func terminalSize(out io.Writer) (columns, rows int) {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return 0, 0
	}
	if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
		return w, h
	}
	return defaultWidth, 24
}

// start begins to draw. Close ends it.
func (s *screen) start() {
	s.wake, s.stop = make(chan struct{}, 1), make(chan struct{})
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	s.done.Go(func() {
		defer signal.Stop(resized)
		for {
			select {
			case <-s.wake:
				s.showAll()
			case <-resized:
				if s.frame != nil {
					s.redraw()
				}
			case <-s.stop:
				s.showAll()
				return
			}
		}
	})
}

// show has progress shown soon. Figures of the moment replace those that were
// not shown yet.
func (s *screen) show(p bench.Progress) { s.put(news{progress: p}) }

// beside is a writer for what else is to be printed on the same terminal, such
// as that the run was interrupted.
func (s *screen) beside(to io.Writer) io.Writer { return besideScreen{s, to} }

type besideScreen struct {
	screen *screen
	to     io.Writer
}

func (b besideScreen) Write(text []byte) (int, error) {
	b.screen.put(news{text: slices.Clone(text), to: b.to})
	return len(text), nil
}

func (s *screen) put(n news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.waiting) - 1
	switch {
	case last >= 0 && n.figures() && s.waiting[last].figures():
		s.waiting[last] = n
	case len(s.waiting) < maxWaiting:
		s.waiting = append(s.waiting, n)
	default:
		s.missed++
	}
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// figures says that there is nothing but figures of the moment in it.
func (n *news) figures() bool {
	p := &n.progress
	return n.to == nil && p.Changed == nil && (p.Phase == "warm-up" || p.Phase == "load")
}

func (s *screen) showAll() {
	s.mu.Lock()
	all, missed := s.waiting, s.missed
	s.waiting, s.missed = nil, 0
	s.mu.Unlock()
	for i := range all {
		if n := &all[i]; n.to != nil {
			s.erase()
			_, _ = n.to.Write(n.text) // who listens no more misses it
			s.redraw()
		} else {
			s.draw(&n.progress)
		}
	}
	if missed > 0 {
		s.line(fmt.Sprintf("%s not shown: the terminal was too slow", plural(missed, "line")))
	}
}

func (s *screen) draw(p *bench.Progress) {
	s.measure()
	if s.head != "" {
		s.line(s.head)
		s.head = ""
	}
	figures := p.Phase == "warm-up" || p.Phase == "load"
	switch {
	case p.Changed != nil:
		if text := faultLine(p.At, p.Changed, s.width); text != "" {
			s.line(text)
		}
	case s.width > 0:
		s.see(p, figures)
		s.redraw()
	case figures:
		s.plain(p)
	default:
		s.line(cut(fmt.Sprintf("%9s  %s", "", p.Phase), s.width))
	}
}

// measure asks the terminal for its size.
func (s *screen) measure() {
	if s.size != nil {
		s.width, s.height = s.size()
	}
}

// see takes in what is to be on the live screen.
func (s *screen) see(p *bench.Progress, figures bool) {
	v := &s.view
	if s.scenario != nil {
		v.name, v.planned = s.scenario.Name, float64(s.scenario.Load.Rate)
		v.warmup = time.Duration(s.scenario.Load.Warmup)
	}
	v.phase, v.on = p.Phase, p.On
	if !figures {
		return
	}
	v.at, v.end, v.load, v.stop = p.At, p.End, talliedOf(p), p.Stop
	v.rate = s.speed.see(v.load.answered, p.At)
	v.now = p.Recent
	v.next = s.next(p.At)
	if p.SoFar != nil && p.At >= 0 && (v.soFar == nil || p.At-s.asked >= soFarInterval) {
		v.soFar, s.asked = p.SoFar(), p.At
	}
}

// next is the fault to come, and when.
func (s *screen) next(at time.Duration) string {
	for _, f := range s.faults {
		if left := time.Duration(f.At) - at; left > 0 {
			return fmt.Sprintf("%s in %s", f.Name, remaining(left))
		}
	}
	return ""
}

// redraw draws the lines that change again, in place of those there are.
func (s *screen) redraw() {
	s.measure()
	if s.width == 0 {
		return
	}
	// Not in the last column, from which some terminals go to the next line.
	s.frame = s.view.frame(s.width-1, s.height-1)
	var out strings.Builder
	out.WriteString("\x1b[?2026h") // all at once, where that is understood
	out.WriteString(s.up())
	s.drawn = s.drawn[:0]
	for i, line := range s.frame {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line.render(s.width-1, s.colour))
		out.WriteString("\x1b[K")
		s.drawn = append(s.drawn, min(line.columns(), s.width-1))
	}
	out.WriteString("\x1b[J\x1b[?2026l")
	_, _ = io.WriteString(s.out, out.String())
}

// up goes to the beginning of the lines that change. A terminal that became
// narrower has broken those that were longer.
func (s *screen) up() string {
	rows := 0
	for _, columns := range s.drawn {
		rows += max(1, (columns+s.width-1)/max(s.width, 1))
	}
	if rows < 2 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", min(rows, max(s.height, 1))-1)
}

// erase takes the lines that change away.
func (s *screen) erase() {
	if len(s.drawn) == 0 {
		return
	}
	s.measure()
	fmt.Fprint(s.out, s.up()+"\x1b[J")
	s.drawn = s.drawn[:0]
}

// line prints a line that stays.
func (s *screen) line(text string) {
	s.erase()
	fmt.Fprintln(s.out, text)
	if s.frame != nil {
		s.redraw()
	}
}

// plain shows the figures of the moment where there is no terminal.
func (s *screen) plain(p *bench.Progress) {
	rate := s.speed.see(p.Load.Accepted+p.Load.Refused, p.At)
	if time.Since(s.last) < plainInterval {
		return
	}
	s.last = time.Now()
	text := fmt.Sprintf("%7.1f s %s %6.0f/s  p99 %-8s ", p.At.Seconds(), bar(p), rate, results.Duration(int64(p.P99)))
	if p.Stop != "" {
		text += "stop? " + p.Stop // it matters more than what else there is
	} else {
		text += tally(*p)
	}
	if len(p.On) > 0 {
		text += "  [" + strings.Join(p.On, ", ") + "]"
	}
	fmt.Fprintln(s.out, cut(text, defaultWidth))
}

// bar is the part of the load that is over.
func bar(p *bench.Progress) string {
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

// close ends the drawing, when everything was shown. On a terminal the lines
// that change are taken away; summary draws them for good.
func (s *screen) close() {
	close(s.stop)
	s.done.Wait()
	s.erase()
	s.frame = nil
	if s.head == "" {
		fmt.Fprintln(s.out)
	}
}

// summary leaves the last screen behind, on a terminal: the figures of the
// whole run where those of the moment were, so that they are what stays in
// sight below a report that is longer than the screen.
func (s *screen) summary(r *results.Result) {
	s.measure()
	if s.width == 0 || s.head != "" {
		return
	}
	n := &r.SignIns
	g := glance{name: r.Scenario, verdict: r.Verdict, planned: r.Rate.PlannedPerS, rate: r.Rate.AnsweredPerS, soFar: r,
		load: tallied{answered: n.Accepted + n.Refused, hashSync: n.ByPath.HashSync, failed: n.Failed, unknown: n.Unknown,
			unsent: n.Unsent, wrong: n.WrongAccepts + n.WrongRefusals}}
	fmt.Fprintln(s.out, strings.Repeat("─", min(s.width-1, defaultWidth-1)))
	for _, line := range g.frame(min(s.width-1, defaultWidth-1), s.height-4) {
		fmt.Fprintln(s.out, line.render(s.width-1, s.colour))
	}
}

// redirected is a writer that goes another way for a while.
type redirected struct {
	to io.Writer

	mu  sync.Mutex
	way io.Writer // nil: straight
}

// through has what is written go through another writer, or straight again.
func (r *redirected) through(by func(io.Writer) io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.way = nil; by != nil {
		r.way = by(r.to)
	}
}

func (r *redirected) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.way != nil {
		return r.way.Write(text)
	}
	return r.to.Write(text)
}
