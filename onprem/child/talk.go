package child

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// A Talk is with a child that answers each line of its input by one of its
// output. Whoever started it must Stop it. It is not for use by several at once.
type Talk struct {
	process *Process
	to      *os.File
	from    *os.File
	answers *bufio.Reader
}

// StartTalk is Start for such a child. What it says to its standard error goes
// to the log.
func StartTalk(log *slog.Logger, name string, args ...string) (*Talk, error) {
	in, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	from, out, err := os.Pipe()
	if err != nil {
		_ = to.Close()
		return nil, err
	}
	defer out.Close()
	p, err := startWith(log, in, out, name, args...)
	if err != nil {
		_, _ = to.Close(), from.Close()
		return nil, err
	}
	return &Talk{process: p, to: to, from: from, answers: bufio.NewReader(from)}, nil
}

// Tell gives the child lines that it does not answer.
func (t *Talk) Tell(line []byte) error {
	_, err := t.to.Write(append(line, '\n'))
	return err
}

// Ask returns the answer to a line. After an error, also that of the context,
// there is no telling what the next answer would be to: the talk is over.
func (t *Talk) Ask(ctx context.Context, line []byte) (answer []byte, err error) {
	stop := context.AfterFunc(ctx, func() { _, _ = t.to.SetWriteDeadline(time.Now()), t.from.SetReadDeadline(time.Now()) })
	defer stop()
	if err = t.Tell(line); err == nil {
		answer, err = t.answers.ReadBytes('\n')
	}
	if err == nil {
		return answer, nil
	}
	if ctx.Err() == nil {
		t.Stop(pipeGrace)
		err = fmt.Errorf("%w: %w", err, t.process.Err())
	}
	return nil, err
}

// Stop closes the child's input, by which it is to end, and ends it when it has
// not within the grace.
func (t *Talk) Stop(grace time.Duration) {
	_ = t.to.Close()
	select {
	case <-t.process.Ended():
	case <-time.After(grace):
		t.process.Stop(0)
	}
	_ = t.from.Close()
}
