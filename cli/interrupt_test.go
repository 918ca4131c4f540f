package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestInterrupts(t *testing.T) {
	for sent, want := range map[int]struct {
		cancelled, died bool
		said            []string
		unsaid          string
	}{
		0: {unsaid: "ptabench"},
		1: {cancelled: true, said: []string{"undoing what is broken"}, unsaid: "heal"},
		2: {cancelled: true, said: []string{"one more interrupt", "ptabench heal runs/it"}},
		3: {cancelled: true, died: true},
		4: {cancelled: true, died: true},
	} {
		signals, done := make(chan os.Signal), make(chan struct{})
		var said bytes.Buffer
		var cause error
		var died os.Signal
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			interrupts(signals, done, &said, ofRun(func() string { return "runs/it" }), func(err error) { cause = err }, func(s os.Signal) { died = s })
		}()
		for range sent {
			select {
			case signals <- syscall.SIGTERM:
			case <-stopped: // the third was the last that anybody waits for
			}
		}
		close(done)
		<-stopped
		if (cause != nil) != want.cancelled || cause != nil && !errors.Is(cause, errInterrupted) {
			t.Errorf("%d signals: cancelled with %v", sent, cause)
		}
		if (died == syscall.SIGTERM) != want.died {
			t.Errorf("%d signals: died of %v", sent, died)
		}
		for _, word := range want.said {
			if !strings.Contains(said.String(), word) {
				t.Errorf("%d signals: said %q, no word of %q", sent, said.String(), word)
			}
		}
		if want.unsaid != "" && strings.Contains(said.String(), want.unsaid) {
			t.Errorf("%d signals: said %q", sent, said.String())
		}
	}
}

func TestOneInterruptEndsTheContext(t *testing.T) {
	ctx, stop := interruptible(context.Background(), &bytes.Buffer{}, ofRun(func() string { return "run" }))
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, errInterrupted) {
		t.Errorf("ended with %v", err)
	}
}
