package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is why a run stops that somebody interrupted.
var errInterrupted = errors.New("interrupted")

// farewell is what is said at the first and at the second interrupt.
type farewell struct{ first, second func() string }

// ofRun is that of a run, which breaks things on purpose, in a directory.
func ofRun(dir func() string) farewell {
	return farewell{
		func() string { return "interrupted: undoing what is broken and ending the processes" },
		func() string {
			return "still undoing what is broken; one more interrupt ends this program at once.\n" +
				"What may stay broken then, this undoes: ptabench heal " + shellWord(dir())
		},
	}
}

// interruptible returns a context that ends at the first Ctrl-C, SIGTERM or
// hang-up. What is to be done then takes a moment: the second signal says so;
// the third ends the program at once, as it ends any other, and with it the
// processes that it started. The caller calls stop.
//
// From then on a closed standard output or error ends nothing: what is measured
// is concluded, whoever reads it. (Ignored, the signal would be so in the
// processes of the run too.)
func interruptible(ctx context.Context, stderr io.Writer, say farewell) (_ context.Context, stop func()) {
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // for good; writing returns EPIPE instead
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, wanted...)
	ctx, cancel := context.WithCancelCause(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		interrupts(signals, done, stderr, say, cancel, func(s os.Signal) {
			signal.Reset(wanted...)
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) // a process may always signal itself
		})
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel(nil)
	}
}

// unlessClosed drops the error of printing to whom nobody listens any more.
func unlessClosed(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// interrupts acts on signals until it is told to stop.
func interrupts(signals <-chan os.Signal, done <-chan struct{}, stderr io.Writer, say farewell,
	cancel func(error), die func(os.Signal)) {
	for count := 1; ; count++ {
		var s os.Signal
		select {
		case s = <-signals:
		case <-done:
			return
		}
		switch count {
		case 1:
			fmt.Fprintln(stderr, "\nptabench: "+say.first())
			cancel(errInterrupted)
		case 2:
			fmt.Fprintln(stderr, "\nptabench: "+say.second())
		default:
			die(s)
			return
		}
	}
}
