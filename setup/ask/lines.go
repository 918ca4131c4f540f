package ask

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// Lines asks a line at a time. The form library has such a mode too; this one
// says what the default is, explains, reads a secret also where there is no
// terminal, and notices the end of its input.
type Lines struct {
	out     io.Writer
	in      *lineReader
	secrets func(context.Context) (string, error) // nil when there is no terminal to hide them on
}

// NewLines asks on out and reads in, of which it owns every line that it was
// given. Close it.
func NewLines(in io.Reader, out io.Writer) *Lines {
	l := &Lines{out: out, in: newLineReader(in)}
	if f, ok := in.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) {
		l.secrets = func(ctx context.Context) (string, error) { return readSecret(ctx, int(f.Fd()), out) }
	}
	return l
}

// Say implements Asker.
func (l *Lines) Say(text string) { fmt.Fprintln(l.out, text) }

// Ask implements Asker.
func (l *Lines) Ask(ctx context.Context, page Page) error {
	fmt.Fprintf(l.out, "\n%s\n%s\n", page.Title, strings.Repeat("-", len([]rune(page.Title))))
	if page.Text != "" {
		fmt.Fprintln(l.out, Wrap(page.Text, 3))
	}
	for i := range page.Questions {
		q := &page.Questions[i]
		if !q.asked() {
			continue
		}
		if err := l.ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lines) ask(ctx context.Context, q *Question) error {
	if q.Help != "" {
		fmt.Fprintln(l.out, Wrap(q.Help, 0))
	}
	for {
		l.prompt(q)
		answer, err := l.read(ctx, q)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(l.out)
			return ErrAborted
		case errors.Is(err, io.EOF):
			fmt.Fprintln(l.out)
			return fmt.Errorf("%s: expected an answer, and the input has ended", q.Title)
		case err != nil:
			return fmt.Errorf("%s: %w", q.Title, err)
		}
		if answer, err = q.read(answer); err == nil {
			if err = q.check(answer); err == nil {
				*q.Answer = answer
				return nil
			}
		}
		fmt.Fprintln(l.out, Wrap(fmt.Sprintf("  %v", err), 0))
	}
}

// readSecret reads a line from a terminal that does not show it. A read of a
// terminal cannot be interrupted: when ctx ends, the terminal shows again what is
// typed, and the read ends with the process.
func readSecret(ctx context.Context, fd int, out io.Writer) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	read := make(chan readLine, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- readLine{string(text), err}
	}()
	select {
	case l := <-read:
		fmt.Fprintln(out)
		return l.text, l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

func (l *Lines) prompt(q *Question) {
	switch q.Kind {
	case Choice:
		fmt.Fprintln(l.out, q.Title)
		number := 1
		for i, o := range q.Options {
			fmt.Fprintf(l.out, "  %d. %s\n", i+1, o.Label)
			if o.Value == *q.Answer {
				number = i + 1
			}
		}
		fmt.Fprintf(l.out, "number [%d]: ", number)
	case YesNo:
		def := "y/N"
		if *q.Answer == Yes {
			def = "Y/n"
		}
		fmt.Fprintf(l.out, "%s [%s]: ", q.Title, def)
	case Secret:
		given := ""
		if *q.Answer != "" {
			given = " [as given]"
		}
		fmt.Fprintf(l.out, "%s%s: ", q.Title, given)
	default:
		if *q.Answer != "" {
			fmt.Fprintf(l.out, "%s [%s]: ", q.Title, *q.Answer)
			return
		}
		fmt.Fprintf(l.out, "%s: ", q.Title)
	}
}

func (l *Lines) read(ctx context.Context, q *Question) (string, error) {
	if q.Kind == Secret && l.secrets != nil {
		return l.secrets(ctx)
	}
	return l.in.line(ctx)
}

// read turns what was typed into an answer; nothing typed is the default.
func (q *Question) read(typed string) (string, error) {
	if q.Kind != Secret {
		typed = strings.TrimSpace(typed)
	}
	switch {
	case q.Kind == Choice && typed == "":
		for _, o := range q.Options {
			if o.Value == *q.Answer {
				return o.Value, nil
			}
		}
		return q.Options[0].Value, nil
	case typed == "":
		if q.Kind == YesNo && *q.Answer == "" {
			return No, nil
		}
		return *q.Answer, nil
	case q.Kind == Choice:
		if n, err := strconv.Atoi(typed); err == nil && n >= 1 && n <= len(q.Options) {
			return q.Options[n-1].Value, nil
		}
		for _, o := range q.Options {
			if o.Value == typed {
				return typed, nil
			}
		}
		return "", fmt.Errorf("%.40q: expected a number from 1 to %d", typed, len(q.Options))
	case q.Kind == YesNo:
		switch strings.ToLower(typed) {
		case "y", Yes:
			return Yes, nil
		case "n", No:
			return No, nil
		}
		return "", fmt.Errorf("%.40q: expected y or n", typed)
	}
	return typed, nil
}

// A lineReader reads lines without keeping its caller from being interrupted.
// Its goroutine ends with the process: a read of standard input cannot be
// interrupted.
type lineReader struct {
	want  chan struct{}
	lines chan readLine
	asked bool // the last line asked for has not come yet
}

type readLine struct {
	text string
	err  error
}

const maxLine = 64 << 10

func newLineReader(in io.Reader) *lineReader {
	r := &lineReader{want: make(chan struct{}, 1), lines: make(chan readLine, 1)}
	go func() {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxLine)
		for range r.want {
			if scanner.Scan() {
				r.lines <- readLine{text: strings.TrimSuffix(scanner.Text(), "\r")}
				continue
			}
			err := scanner.Err()
			if err == nil {
				err = io.EOF
			}
			r.lines <- readLine{err: err}
		}
	}()
	return r
}

func (r *lineReader) line(ctx context.Context) (string, error) {
	if !r.asked {
		r.want <- struct{}{}
		r.asked = true
	}
	select {
	case l := <-r.lines:
		r.asked = false
		return l.text, l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Close ends the reader, once it has read what it is at.
func (l *Lines) Close() { close(l.in.want) }
