package proc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ptabench/observe"
)

// Bounds of what a child may make the harness hold or print.
const (
	readyLimit = 64 << 10 // bytes of a ready line
	quoteLimit = 4 << 10  // bytes read back of a log
	quoteLines = 10       // lines of a log in an error
)

// errNotReady says that the ready pipe closed before there was a line on it:
// the child has ended, or closed it.
var errNotReady = errors.New("closed fd 3 without saying that it is ready")

// readReady reads the one line by which a child says that it serves. The
// limit is a time of the clock, within the same as a duration, for the error.
func readReady(ctx context.Context, pipe *os.File, limit time.Time, within time.Duration) (observe.Ready, error) {
	if err := pipe.SetReadDeadline(limit); err != nil {
		return observe.Ready{}, fmt.Errorf("bounding the wait for the ready line: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = pipe.SetReadDeadline(time.Now()) })()

	line, err := bufio.NewReader(io.LimitReader(pipe, readyLimit)).ReadBytes('\n')
	switch {
	case ctx.Err() != nil:
		return observe.Ready{}, fmt.Errorf("waiting for its ready line: %w", context.Cause(ctx))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return observe.Ready{}, fmt.Errorf("no ready line on fd 3 within %v", within)
	case len(line) == readyLimit && err != nil:
		return observe.Ready{}, fmt.Errorf("its ready line is longer than %d bytes", readyLimit)
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) == 0:
		return observe.Ready{}, errNotReady
	case err != nil && !errors.Is(err, io.EOF):
		return observe.Ready{}, fmt.Errorf("reading its ready line: %w", err)
	}
	var ready observe.Ready
	if err := json.Unmarshal(line, &ready); err != nil {
		return observe.Ready{}, fmt.Errorf("its ready line is not JSON: %w: %.80q", err, line)
	}
	return ready, nil
}

// giveUp ends a child that did not get ready and says why, with what it wrote
// last.
func (p *Process) giveUp(ctx context.Context, r *incarnation, why error) error {
	if errors.Is(why, errNotReady) {
		// Mostly it has just ended; a moment tells an exit from a closed pipe.
		moment, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if p.Wait(moment) == nil {
			why = fmt.Errorf("ended before it was ready: %v", r.cmd.ProcessState)
		}
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		why = errors.Join(why, err)
	}
	<-r.done
	quote, err := logTail(p.spec.LogFile, r.logFrom)
	switch {
	case err != nil:
		quote = fmt.Sprintf("reading its log: %v", err)
	case quote == "":
		quote = fmt.Sprintf("it wrote nothing to %s", p.spec.LogFile)
	default:
		quote = fmt.Sprintf("the end of %s:\n%s", p.spec.LogFile, quote)
	}
	return &startError{name: p.spec.Name, why: why, quote: quote, secrets: p.spec.Env}
}

// A startError says why a process did not get ready. What a child wrote may
// hold what it was given, so values of its environment are masked.
type startError struct {
	name    string
	why     error
	quote   string
	secrets []string // name=value
}

func (e *startError) Error() string {
	text := fmt.Sprintf("starting %s: %v; %s", e.name, e.why, e.quote)
	const shortest = 8 // a shorter value is no secret, and part of other words
	for _, variable := range e.secrets {
		if _, value, ok := strings.Cut(variable, "="); ok && len(value) >= shortest {
			text = strings.ReplaceAll(text, value, "[masked]")
		}
	}
	return text
}

func (e *startError) Unwrap() error { return e.why }

// logTail returns the last lines of a log file after an offset, indented.
func logTail(file string, from int64) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(from, size-quoteLimit), quoteLimit))
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(text), "?")), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return "", nil
	}
	lines = lines[max(0, len(lines)-quoteLines):]
	return "\t" + strings.Join(lines, "\n\t"), nil
}

// inheritedEnv is the harness's environment without what is meant for roles.
func inheritedEnv() []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PTABENCH_") {
			env = append(env, variable)
		}
	}
	return env
}
