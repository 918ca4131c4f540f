package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"ptabench/bench"
	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/results"
	"ptabench/scenarios"
)

func parsedFault(t *testing.T, line, name, group string) scenarios.Fault {
	t.Helper()
	f, err := scenarios.ParseFault(line)
	if err != nil {
		t.Fatal(err)
	}
	f.Name, f.Group = name, group
	return f
}

// What a run that isn't on a terminal shows: what stays is whole, the figures of
// the moment have 80 columns.
func TestScreen(t *testing.T) {
	one := parsedFault(t, "crash(connector-1) at 3s for 2s", "crash-1", "")
	long := parsedFault(t, "degrade(connectors, ports=requests, delay=120ms, jitter=30ms, bandwidth=10Mbit/s, direction=out) at 3s for 2s", "degrade-1", "")
	many := parsedFault(t, "freeze(connector-2) at 4s for 1s", "soak-7", "soak")
	busy := load.Progress{Accepted: 123_456, Failed: 77_777, Unknown: 55_555, Unsent: 1, WrongAccepts: 3}
	for name, c := range map[string]struct {
		shown    bench.Progress
		want     string // in the last line; empty when there is none
		notInIt  string
		complete bool // may be longer
	}{
		"phase":           {shown: bench.Progress{Phase: "measuring the load generator"}, want: "measuring the load generator"},
		"stopped":         {shown: bench.Progress{Phase: "stop condition share(failed) > 50% for 5s: 73.0 %"}, want: "share(failed) > 50% for 5s: 73.0 %"},
		"load":            {shown: bench.Progress{Phase: "load", At: time.Second, End: 4 * time.Second, Load: load.Progress{Accepted: 5}}, want: "███░░░"},
		"a lot at once":   {shown: bench.Progress{Phase: "load", Load: busy, On: []string{"crash-1", "soak ×2"}}, want: "…"},
		"faults that are": {shown: bench.Progress{Phase: "load", On: []string{"soak ×2"}}, want: "[soak ×2]"},
		"about to stop":   {shown: bench.Progress{Phase: "load", Load: busy, Stop: "unsent > 10: 11, 2s of 5s"}, want: "stop? unsent > 10: 11, 2s of 5s", notInIt: "answered"},
		"on":              {shown: bench.Progress{Changed: &fault.Record{Fault: one, Name: "crash-1", UndoneAt: fault.Never}}, want: "on:  crash(connector-1)"},
		"a long one on":   {shown: bench.Progress{Changed: &fault.Record{Fault: long, Name: "degrade-1", UndoneAt: fault.Never}}, want: "bandwidth=10Mbit/s) at 3s for 2s", complete: true},
		"off":             {shown: bench.Progress{Changed: &fault.Record{Fault: one, Name: "crash-1"}}, want: "off: crash-1"},
		"one of many on":  {shown: bench.Progress{Changed: &fault.Record{Fault: many, Name: "soak-7", UndoneAt: fault.Never}}, want: "on:  freeze(connector-2)"},
		"one of many off": {shown: bench.Progress{Changed: &fault.Record{Fault: many, Name: "soak-7"}}},
		"error": {shown: bench.Progress{Changed: &fault.Record{Fault: many, Name: "soak-7", Err: errors.New(strings.Repeat("why ", 30))}},
			want: strings.TrimSpace(strings.Repeat("why ", 30)), complete: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s := &screen{out: &out}
			s.draw(&c.shown)
			text := strings.TrimSuffix(out.String(), "\n")
			if c.want == "" && text != "" || !strings.Contains(text, c.want) || c.notInIt != "" && strings.Contains(text, c.notInIt) {
				t.Errorf("shown %q, want %q in it", text, c.want)
			}
			if n := utf8.RuneCountInString(text); n > defaultWidth && !c.complete {
				t.Errorf("%d columns: %q", n, text)
			}
		})
	}
}

// Only a terminal cuts a line that stays.
func TestScreenOnATerminal(t *testing.T) {
	long := parsedFault(t, "degrade(connectors, ports=requests, delay=120ms, jitter=30ms, bandwidth=10Mbit/s, direction=out) at 3s for 2s", "degrade-1", "")
	var out bytes.Buffer
	s := &screen{out: &out, size: func() (int, int) { return 60, 24 }}
	s.draw(&bench.Progress{Changed: &fault.Record{Fault: long, Name: "degrade-1", UndoneAt: fault.Never}})
	text := strings.TrimSuffix(out.String(), "\n")
	if n := utf8.RuneCountInString(text); n != 60 || !strings.HasSuffix(text, "…") {
		t.Errorf("%d columns: %q", n, text)
	}
}

// A stuck is a terminal that was stopped, as by Ctrl-S, until it is released.
type stuck struct {
	released chan struct{}
	writing  chan struct{} // closed when the first write waits
	first    sync.Once
	text     bytes.Buffer
}

func (w *stuck) Write(text []byte) (int, error) {
	w.first.Do(func() { close(w.writing) })
	<-w.released
	return w.text.Write(text)
}

// Nobody who measures waits for a terminal: what it cannot take is bounded and
// counted, the figures of the moment are replaced, and lines are not.
func TestScreenThatIsStuck(t *testing.T) {
	out := &stuck{released: make(chan struct{}), writing: make(chan struct{})}
	s := &screen{out: out}
	s.start()
	s.show(bench.Progress{Phase: "starting"})
	<-out.writing
	for i := range maxWaiting {
		s.show(bench.Progress{Phase: "load", At: time.Duration(i) * time.Second, End: time.Hour})
	}
	for range maxWaiting + 4 { // one is taken by the figures
		s.show(bench.Progress{Phase: "draining"})
	}
	close(out.released)
	s.close()
	text := out.text.String()
	if n := strings.Count(text, "draining"); n != maxWaiting-1 || !strings.Contains(text, "5 lines not shown: the terminal was too slow") {
		t.Errorf("%d lines, and at the end %q", n, text[max(len(text)-200, 0):])
	}
	if !strings.Contains(text, "999.0 s") || strings.Contains(text, "998.0 s") {
		t.Errorf("the figures shown are not the last ones: %.300q", text)
	}
}

// On a terminal the lines that change are drawn in place of those there are,
// also after it became narrower and broke them; what is said beside stays.
func TestScreenDrawsInPlace(t *testing.T) {
	var out, stderr bytes.Buffer
	columns := 80
	s := &screen{out: &out, size: func() (int, int) { return columns, 24 }}
	s.view.name = "quickstart"
	figures := &bench.Progress{Phase: "load", At: time.Second, End: 4 * time.Second, Load: load.Progress{Accepted: 5},
		Recent: results.Interval{Sent: 5, ByConnector: map[string]uint64{"connector-1": 5}}}
	s.draw(figures)
	first := len(s.drawn)
	wide := 0 // lines that 40 columns break
	for _, n := range s.drawn {
		wide += (n+39)/40 - min(1, (n+39)/40)
	}
	if first < 5 || wide == 0 {
		t.Fatalf("%d lines drawn, of which %d are wide", first, wide)
	}
	out.Reset()
	s.draw(figures)
	if want := fmt.Sprintf("\r\x1b[%dA", first-1); !strings.Contains(out.String(), want) {
		t.Errorf("not drawn in place: no %q in %q", want, out.String())
	}
	out.Reset()
	columns = 40
	s.redraw()
	if want := fmt.Sprintf("\r\x1b[%dA", first+wide-1); !strings.Contains(out.String(), want) {
		t.Errorf("not drawn in place of what was broken: no %q in %q", want, out.String())
	}
	out.Reset()
	fmt.Fprint(s.beside(&stderr), "interrupted\n")
	fmt.Fprint(s.beside(&stderr), "again\n")
	s.showAll()
	if stderr.String() != "interrupted\nagain\n" || strings.Count(out.String(), "\x1b[J") != 4 {
		t.Errorf("beside %q and %q", stderr.String(), out.String())
	}
}

func TestHeadOfScreen(t *testing.T) {
	s := &scenarios.Scenario{Name: "small", Seed: 7}
	s.Load.Rate, s.Load.Duration, s.Connectors.Count, s.Population.Users = 0.5, 30e9, 1, 1
	if got, want := newScreen(new(bytes.Buffer), s, "runs/small").head, "small: 0.50 sign-ins/s for 30s, 1 connector, 1 user, seed 7\nrun directory: runs/small"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Load.Rate, s.Connectors.Count, s.Population.Users = 1000, 3, 10_000
	if got, want := newScreen(new(bytes.Buffer), s, "runs/small").head, "small: 1,000 sign-ins/s for 30s, 3 connectors, 10,000 users, seed 7\nrun directory: runs/small"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got := tally(bench.Progress{Load: load.Progress{Accepted: 1, HashSync: 2, WrongAccepts: 1, WrongRefusals: 2}})
	if want := "1 answered, 2 hash sync, 1 wrong accept, 2 wrong refusals"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOutcome(t *testing.T) {
	r := &results.Result{Verdict: results.Fail, Response: results.Percentiles{P99: 48_000_000}, SignIns: results.SignIns{Failed: 1200, Unknown: 34}}
	for want, of := range map[string]ran{
		"fail, p99 48.0 ms, 1,234 lost":      {result: r},
		"nothing was measured: no such port": {err: errors.New("no such port\nand a log")},
	} {
		if got := outcome(of); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
