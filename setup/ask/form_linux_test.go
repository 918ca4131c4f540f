package ask_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/setup/ask"
)

// terminal is a pseudo-terminal of 80 by 24, and what was shown on it.
type terminal struct {
	master, slave *os.File
	mu            sync.Mutex
	shown         bytes.Buffer
	done          chan struct{}
}

// slaves are kept from being collected, and so from being closed.
var slaves []*os.File

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	t.Setenv("TERM", "xterm-256color")
	// Not blocking, so that the runtime polls it and Close ends a read.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("no pseudo-terminals here: %v", err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master, slave: slave, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.shown.Write(buf[:n])
			term.mu.Unlock()
		}
	}()
	// A form that was interrupted may still be asking for the size of its
	// terminal when it has returned, so that end stays open.
	slaves = append(slaves, slave)
	t.Cleanup(func() { master.Close(); <-term.done })
	return term
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shown.String()
}

// type_ waits until a text is shown, then types.
func (term *terminal) type_(t *testing.T, after, keys string) {
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(term.text(), after) {
		if time.Now().After(deadline) {
			t.Errorf("%q was not shown within 20s:\n%q", after, term.text())
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := term.master.WriteString(keys); err != nil {
		t.Error(err)
	}
}

// TestPagesOfAForm types into one page after the other: the first key of a page
// must not go to the page before, whose program may still be reading.
func TestPagesOfAForm(t *testing.T) {
	term := newTerminal(t)
	form := ask.NewForm(term.slave, term.slave)
	var name, color, secret, extra string
	more := ask.No
	pages := []ask.Page{
		{Title: "Page one", Questions: []ask.Question{{Title: "Your name", Answer: &name}}},
		{Title: "Page two", Questions: []ask.Question{
			{Kind: ask.Choice, Title: "Your color", Answer: &color, Options: []ask.Option{{Value: "r", Label: "red"}, {Value: "g", Label: "green"}}},
			{Title: "Not asked", Answer: &extra, When: func() bool { return color == "r" }},
			// Nothing of it is as above in the same place: only what differs is drawn.
			{Kind: ask.Secret, Title: "A password", Answer: &secret},
		}},
		{Title: "Page three", Text: "kept text", Keep: true, Questions: []ask.Question{{Kind: ask.YesNo, Title: "Any more?", Answer: &more}}},
	}
	var typing sync.WaitGroup
	typing.Go(func() {
		term.type_(t, "Your name", "ann\r")
		term.type_(t, "Your color", "\x1b[B") // down: the first key of its page
		term.type_(t, "Your color", "\r")
		term.type_(t, "A password", "hush\r")
		term.type_(t, "Any more?", "y")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, page := range pages {
		if err := form.Ask(ctx, page); err != nil {
			t.Fatalf("%s: %v", page.Title, err)
		}
	}
	typing.Wait()
	if name != "ann" || color != "g" || secret != "hush" || extra != "" || more != ask.Yes {
		t.Errorf("got %q, %q, %q, %q, %q", name, color, secret, extra, more)
	}
	if !strings.Contains(term.text(), "A password: ********\r\n") {
		t.Errorf("the secret, of four letters, is not summed up by eight stars:\n%q", term.text())
	}
	if strings.Contains(term.text(), "hush") {
		t.Error("the secret was shown")
	}
}

func TestInterruptedForm(t *testing.T) {
	term := newTerminal(t)
	form := ask.NewForm(term.slave, term.slave)
	answer := "before"
	var typing sync.WaitGroup
	typing.Go(func() { term.type_(t, "Your name", "x\x03") })
	err := form.Ask(t.Context(), ask.Page{Title: "Page", Questions: []ask.Question{{Title: "Your name", Answer: &answer}}})
	typing.Wait()
	if !errors.Is(err, ask.ErrAborted) {
		t.Errorf("%v: expected %v", err, ask.ErrAborted)
	}
}
