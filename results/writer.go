package results

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

// magic begins a file of samples; the version of the format follows.
const magic = "ptabench-samples "

// bufferedRecords is how many records a SampleWriter holds back at most: what
// a killed harness loses when nobody calls Flush.
const bufferedRecords = 1024

// A SampleWriter appends sign-ins to a file of samples. It belongs to one
// goroutine. After an error it stays failed, so that no record is ever written
// behind a torn one.
type SampleWriter struct {
	file   *os.File
	header Header
	buffer []byte // whole records not yet written
	err    error
}

// CreateSamples makes a new file of samples; one that exists is an error. It
// completes the header with what the format fixes.
func CreateSamples(path string, h Header) (*SampleWriter, error) {
	h.Format, h.RecordSize, h.Errors = Format, RecordSize, ErrorClasses()
	if h.Connectors == nil {
		h.Connectors = []string{}
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%s: header: %w", path, err)
	}
	text, err := json.Marshal(&h)
	if err != nil {
		return nil, fmt.Errorf("%s: header: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	lines := append(append([]byte(magic+strconv.Itoa(Format)+"\n"), text...), '\n')
	if _, err := f.Write(lines); err != nil {
		_ = f.Close() // the write is what failed
		return nil, err
	}
	return &SampleWriter{file: f, header: h, buffer: make([]byte, 0, bufferedRecords*RecordSize)}, nil
}

// Header is the header as written.
func (w *SampleWriter) Header() Header { return w.header }

// Append adds a sign-in. It writes once in 1,024 records; in between, what
// must survive a kill needs a Flush.
func (w *SampleWriter) Append(s Sample) error {
	if w.err != nil {
		return w.err
	}
	if why := w.header.admits(&s); why != "" {
		return fmt.Errorf("sign-in %d: %s", s.Seq, why)
	}
	n := len(w.buffer)
	w.buffer = w.buffer[:n+RecordSize]
	encode((*[RecordSize]byte)(w.buffer[n:]), &s)
	if len(w.buffer) == cap(w.buffer) {
		return w.Flush()
	}
	return nil
}

// Flush hands everything appended to the operating system.
func (w *SampleWriter) Flush() error {
	if w.err != nil || len(w.buffer) == 0 {
		return w.err
	}
	_, w.err = w.file.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return w.err
}

// Close flushes, syncs and closes the file.
func (w *SampleWriter) Close() error {
	err := w.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	if closed := w.file.Close(); err == nil {
		err = closed
	}
	return err
}
