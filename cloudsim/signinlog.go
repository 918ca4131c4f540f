package cloudsim

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// flushInterval is how much of the sign-in log a killed simulator may lose. By
// BenchmarkSignInLogFlush, 100 lines and their flush, which is an interval of
// 1,000 sign-ins a second, cost 75 to 90 µs on 2 busy cores, some 15 µs of it the
// flush: a shorter interval would not cost much, a longer one would save nothing.
const flushInterval = 100 * time.Millisecond

// signInLogHeader names the columns of the sign-in log.
var signInLogHeader = []string{"at_ns", "client_request_id", "tenant", "user", "outcome", "code", "path", "connector", "attempts"}

// signInLog is what an administrator of the real service downloads: a line for
// each sign-in answered, naming the connector that served it. It is the
// cloud's own book, kept apart from the harness's. A nil log keeps none.
type signInLog struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	csv  *csv.Writer
	row  [9]string
}

// openSignInLog appends to the file. Each simulator begins its part with a
// header, on a line of its own: the one before it may have been killed in the
// middle of a line.
func openSignInLog(name string) (*signInLog, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("sign-in log: %w", err)
	}
	l := &signInLog{file: f, buf: bufio.NewWriterSize(f, 64<<10)}
	l.csv = csv.NewWriter(l.buf)
	if err := l.begin(); err != nil {
		f.Close()
		return nil, fmt.Errorf("sign-in log: %w", err)
	}
	return l, nil
}

// begin ends the line that the file was left in, and writes the header.
func (l *signInLog) begin() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := l.file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			l.buf.WriteByte('\n') // an error stays with the writer
		}
	}
	if err := l.csv.Write(signInLogHeader); err != nil {
		return err
	}
	l.csv.Flush()
	return l.csv.Error()
}

// add writes one line. An error stays with the writer and is met by close.
func (l *signInLog) add(at time.Time, clientRequestID, tenant, user string, a *answer) {
	if l == nil {
		return
	}
	path := string(a.by)
	if path == "" {
		path = "none"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row = [...]string{strconv.FormatInt(at.UnixNano(), 10), clientRequestID, tenant, user,
		a.outcome(), strconv.Itoa(a.code), path, a.connector, strconv.Itoa(a.attempts)}
	_ = l.csv.Write(l.row[:])
}

// run flushes the log until the context ends.
func (l *signInLog) run(ctx context.Context) {
	if l == nil {
		return
	}
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.csv.Flush()
			l.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func (l *signInLog) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.csv.Flush()
	err := l.csv.Error()
	if e := l.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("sign-in log: %w", err)
	}
	return nil
}
