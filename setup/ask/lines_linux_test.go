package ask_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/setup/ask"
)

// TestInterruptedSecret gives up at the prompt of a password, which is read where
// nothing else can end the reading.
func TestInterruptedSecret(t *testing.T) {
	term := newTerminal(t)
	lines := ask.NewLines(term.slave, term.slave)
	defer lines.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer, ended := "", make(chan error, 1)
	go func() {
		ended <- lines.Ask(ctx, ask.Page{Title: "Page", Questions: []ask.Question{{Kind: ask.Secret, Title: "Your word", Answer: &answer}}})
	}()
	echoes := func() bool {
		state, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
		return err == nil && state.Lflag&unix.ECHO != 0
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(term.text(), "Your word") || echoes(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not ask: %q", term.text())
		}
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, ask.ErrAborted) {
			t.Errorf("%v: expected %v", err, ask.ErrAborted)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it still asks")
	}
	if !echoes() {
		t.Error("the terminal shows nothing that is typed any more")
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 30)
	got := ask.Wrap("✗ "+long+"\nshort", 2)
	for line := range strings.SplitSeq(got, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
	if !strings.HasSuffix(got, "word\nshort") || !strings.Contains(got, "\n  word") {
		t.Errorf("got %q", got)
	}
	var out bytes.Buffer
	lines, name := ask.NewLines(strings.NewReader("x\n"), &out), ""
	defer lines.Close()
	if err := lines.Ask(t.Context(), ask.Page{Title: "Page", Text: long, Questions: []ask.Question{{Title: "Name", Help: long, Answer: &name}}}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 81 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
}
