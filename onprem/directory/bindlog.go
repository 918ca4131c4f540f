package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"ptabench/population"
)

// flushInterval is how much of the bind log a killed directory may lose.
const flushInterval = 100 * time.Millisecond

const bindLogHeader = "at_ns,user,outcome,source\n"

// A bindNote is what is logged of a user bind.
type bindNote struct {
	user    node
	name    string // as the client gave it
	outcome outcome
}

// bindLog is the directory's own book: a line of CSV for each user bind, at the
// time of its answer, whether somebody was there for it or not. A nil log keeps
// none. Lines wait in memory for as long as the disk takes, 64 KiB of them;
// binds wait for more.
type bindLog struct {
	users *population.Population

	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	line []byte
}

// openBindLog appends to the file, less the line that a killed directory did
// not end, and begins it with a header.
func openBindLog(name string, users *population.Population) (*bindLog, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("bind log: %w", err)
	}
	end, err := lastLine(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil && end == 0 {
		_, err = f.WriteString(bindLogHeader)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("bind log: %s: %w", name, err)
	}
	return &bindLog{users: users, file: f, buf: bufio.NewWriterSize(f, 64<<10)}, nil
}

// lastLine is where the last whole line of a file ends.
func lastLine(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("expected a regular file")
	}
	tail := make([]byte, min(info.Size(), 64<<10)) // a line is shorter
	from := info.Size() - int64(len(tail))
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	newline := bytes.LastIndexByte(tail, '\n')
	if newline < 0 && from > 0 {
		return 0, fmt.Errorf("no line in its last %d bytes: expected a bind log", len(tail))
	}
	return from + int64(newline) + 1, nil
}

// add writes one line. An error stays with the buffer and is met by close.
func (l *bindLog) add(at time.Time, n *bindNote, source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(strconv.AppendInt(l.line[:0], at.UnixNano(), 10), ',')
	if n.user >= 0 {
		b = l.users.AppendUPN(b, int(n.user))
	} else if plain(n.name) {
		b = append(b, n.name...)
	}
	b = append(append(b, ','), n.outcome.String()...)
	b = append(b, ',')
	if source.IsValid() {
		b = source.AppendTo(b)
	}
	l.line = append(b, '\n')
	_, _ = l.buf.Write(l.line)
}

// plain reports whether a name that nobody has can stand in the log as it is.
// Others are left out: they are as long and as odd as whoever sent them likes.
func plain(name string) bool {
	if len(name) > 320 { // 64 of the account, an @, and 255 of the domain
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == ',' || c == '"' {
			return false
		}
	}
	return true
}

// run flushes the log until the context ends.
func (l *bindLog) run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			_ = l.buf.Flush()
			l.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// close writes what is left. Nobody may add after that.
func (l *bindLog) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.buf.Flush(), l.file.Close()); err != nil {
		return fmt.Errorf("bind log: %w", err)
	}
	return nil
}
