package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxLine bounds a line of events.jsonl and journal.jsonl, in bytes.
const maxLine = 1 << 20

// A lineLog writes a file of JSON lines, each at once, so that a run that is
// cut off keeps them. It is safe for concurrent use.
type lineLog struct {
	mu   sync.Mutex
	file *os.File
	err  error // sticky: nothing is written behind a torn line
}

func createLineLog(path string) (*lineLog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	return &lineLog{file: f}, err
}

func (l *lineLog) append(v any) error {
	line, err := json.Marshal(v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		if l.err = err; err == nil {
			_, l.err = l.file.Write(append(line, '\n'))
		}
	}
	return l.err
}

// Close syncs and closes the file. It returns the first error of all.
func (l *lineLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	if err == nil {
		err = l.file.Sync()
	}
	if closed := l.file.Close(); err == nil {
		err = closed
	}
	return err
}

// An EventLog writes events.jsonl.
type EventLog struct{ *lineLog }

// CreateEventLog makes a new file; one that exists is an error.
func CreateEventLog(path string) (*EventLog, error) {
	l, err := createLineLog(path)
	if err != nil {
		return nil, err
	}
	return &EventLog{l}, nil
}

// Append writes an event.
func (l *EventLog) Append(e Event) error { return l.append(&e) }

// ReadLines reads a file of JSON objects, one a line, such as events.jsonl and
// journal.jsonl, and hands each to on. Lines that are no such object are
// counted as torn and left out: a writer that was killed leaves its last line
// so, and one that went on behind it then spoils no other. A file that is
// absent has no lines.
func ReadLines[T any](path string, on func(T) error) (torn int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.Reader(f))
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var v T
		if json.Unmarshal(lines.Bytes(), &v) != nil {
			torn++
			continue
		}
		if err := on(v); err != nil {
			return torn, fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return torn, fmt.Errorf("%s: %w", path, err)
	}
	return torn, nil
}
